"""Pages for people: a Flask application behind Connexion, for whatever the specification does not route."""

from registry_server.dashboard.mount import PagesMount

__all__ = ["PagesMount"]
