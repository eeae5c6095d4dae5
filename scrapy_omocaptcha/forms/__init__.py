"""Read the forms of a page, and build the requests that a browser would send."""
