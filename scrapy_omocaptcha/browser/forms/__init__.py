"""Send forms with a token in pages that a browser renders."""
