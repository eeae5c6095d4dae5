"""Hold requests at walls, take challenged ones through, and judge what came of each token."""
