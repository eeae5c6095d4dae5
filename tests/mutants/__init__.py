"""Changes to the code that some test should notice."""
