"""Changes of a registry, as they come: the same for one of this process and for one on a server."""

from registry.watching.change import Change
from registry.watching.changes import Changes
from registry.watching.handle import Watch

__all__ = ["Change", "Changes", "Watch"]
