"""Make and send requests that want a token before they are sent."""
