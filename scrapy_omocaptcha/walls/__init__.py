"""Hold requests at walls, and take challenged ones through."""
