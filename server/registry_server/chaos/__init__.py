"""A server that fails on purpose, for whoever writes a client: ``registry serve --chaos``."""
