"""Buy a token for a challenge, within the limits, and record every job."""
