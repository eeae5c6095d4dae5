"""Share limits among the workers of a fleet."""
