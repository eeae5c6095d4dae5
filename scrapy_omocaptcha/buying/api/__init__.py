"""Call the captcha service's HTTP API: one interface, two versions of the API, two transports."""
