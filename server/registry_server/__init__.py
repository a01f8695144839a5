"""The registry server: Connexion handlers routed from ``openapi.yaml`` over a pluggable storage backend."""
