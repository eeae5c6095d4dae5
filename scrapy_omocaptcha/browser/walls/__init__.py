"""Take challenged requests through walls in pages that a browser renders."""
