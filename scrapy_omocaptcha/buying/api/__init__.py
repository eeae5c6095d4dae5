"""The service's HTTP API: what a version of it must offer, and the versions."""
