"""Decide on a challenge, buy a token and judge what came of it, however the token is wanted."""
