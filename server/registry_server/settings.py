"""How a server is set up: one frozen value, made by the command line or by whoever embeds the server."""

from __future__ import annotations

from dataclasses import dataclass, field

from registry_server.chaos.options import Chaos
from registry_server.limits import Limits
from registry_server.requests import LOOPBACK_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Settings of one server.

    Attributes:
        host: name or address to listen on.
        port: TCP port to listen on; 0 lets the system choose.
        storage: storage URL, as `registry_server.storage.select` reads it.
        debug: log each request and the server's own steps.
        allowed_hosts: host names it answers for beside loopback's; empty for any when not bound to loopback.
        limits: what it takes at most.
        tokens: the token file, which must be there; where it is not given, the one beside the data, if there
            is one.
        require_auth: do not start without a valid token.
        tls_cert: certificate chain to serve https with, a PEM file; with it, ``tls_key``.
        tls_key: its private key, a PEM file; None where ``tls_cert`` holds it too.
        trusted_proxies: addresses and networks whose X-Forwarded-For and X-Forwarded-Proto are believed.
        audit_log: file to append a line to for each write; None for none.
        workers: processes that serve, over a storage that they share; 1 for this one alone.
        chaos: how often it fails on purpose; None for never.
    """

    host: str = "localhost"
    port: int = 8001
    storage: str = "memory:"
    debug: bool = False
    allowed_hosts: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    tokens: str | None = None
    require_auth: bool = False
    tls_cert: str | None = None
    tls_key: str | None = None
    trusted_proxies: tuple[str, ...] = ()
    audit_log: str | None = None
    workers: int = 1
    chaos: Chaos | None = None

    @property
    def on_loopback(self) -> bool:
        """Whether only programs of this machine can reach it."""
        return self.host.lower() in LOOPBACK_NAMES or self.host.startswith("127.")

    def hosts(self) -> frozenset[str] | None:
        """The host names it answers for, lower case; None for any."""
        if not self.on_loopback and not self.allowed_hosts:
            return None
        return LOOPBACK_NAMES | {self.host.lower()} | {name.lower() for name in self.allowed_hosts}
