"""What a run is told: where the server is, what it claims, what of it is tried."""

from __future__ import annotations

from dataclasses import dataclass, field

from registry.conformance.read_only_data import GivenEntry

DEFAULT_PREFIX = "conformance"


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a run, checked.

    Attributes:
        url: the server's address.
        assume: profiles to check in place of those that ``/capabilities`` offers.
        seed: from which all that is random is drawn, but for the namespaces' names.
        only, skip: ids of checks and of promises, and globs of them.
        timeout: seconds for one answer.
        token: bearer token with the scope ``*:admin``; ``reader_token`` one with the scope ``PREFIX:read``;
            ``revoked_token`` one that was revoked or has expired.
        ca: file of a certificate authority.
        prefix: namespace below which every namespace of the run lies.
        restart: shell command that stops the server, orderly, and starts it again at the same address.
        data: what a server that is not written to is known to hold.
        fail_fast: end with the first check that fails.
    """

    url: str
    assume: tuple[str, ...] = ()
    seed: int = 0
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    timeout: float = 10.0
    token: str | None = field(default=None, repr=False)
    reader_token: str | None = field(default=None, repr=False)
    revoked_token: str | None = field(default=None, repr=False)
    ca: str | None = None
    prefix: str = DEFAULT_PREFIX
    restart: str | None = None
    data: tuple[GivenEntry, ...] = ()
    fail_fast: bool = False

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no report may show."""
        return tuple(token for token in (self.token, self.reader_token, self.revoked_token) if token)

    def has(self, name: str) -> bool:
        """Whether the option ``name`` was given."""
        return bool(getattr(self, name))
