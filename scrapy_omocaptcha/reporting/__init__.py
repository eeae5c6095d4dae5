"""Report what was bought, as text, JSON or a web page. Nothing here reads a file."""
