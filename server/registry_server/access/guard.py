"""The guard at the door: from a request's ``Authorization`` to what its sender may do.

Whether the server asks for tokens at all is its token file's to say: there is none, and everybody may do
everything; there is one, and nobody may do anything without a token of it. While a server runs, that goes one
way only.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import time
from typing import Final, cast

from registry_server.access.ended import EndedSessions
from registry_server.access.needs import Needs
from registry_server.access.scopes import EVERYWHERE, Permission, Scope, outermost
from registry_server.access.token_file import Stamp, TokenFile, TokenFileError, read_token_file, stamp_of
from registry_server.access.tokens import Token, id_in
from registry_server.descriptors import Reserve
from registry_server.problems import Problem

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""How often the token file is looked at; what it says counts within twice that."""

_KNOWN_HEADERS = 1_024
_KNOWN_NAMESPACES = 4_096
_LONGEST_NAMESPACE = 255


class Access:
    """What one caller may do, and as whom.

    Attributes:
        token: None for the caller of an open server.
        scopes: what may be done where.
        ledger: the state of the token file that this was read from; None on an open server.
        until: time of `time.time` from which on it is nothing.
    """

    __slots__ = ("_permissions", "ledger", "scopes", "token", "until")

    def __init__(self, token: Token | None, scopes: tuple[Scope, ...], ledger: Ledger | None) -> None:
        self.token = token
        self.scopes = scopes
        self.ledger = ledger
        expires = None if token is None else token.expires_at
        self.until = float("inf") if expires is None else expires.timestamp()
        self._permissions: dict[str, int] = {}

    def permission(self, namespace: str) -> int:
        """What may be done in ``namespace``, a `Permission` or 0; of an empty one, in every namespace."""
        found = self._permissions.get(namespace)
        if found is None:
            found = max(
                (given for own, given in self.scopes if Scope(own, given).covers(namespace)), default=0
            )
            if len(namespace) <= _LONGEST_NAMESPACE and len(self._permissions) < _KNOWN_NAMESPACES:
                self._permissions[namespace] = found
        return found

    def require(self, permission: int, namespace: str) -> None:
        """Return if this may be done.

        Raises:
            Problem: 403, which names the scope that is needed.
        """
        if self.permission(namespace) < permission:
            raise ForbiddenError(self, permission, namespace)

    def readable(self) -> list[str]:
        """The outermost namespaces that may be read, in code point order; an empty name is all of them."""
        return outermost(self.scopes, Permission.READ)


OPEN: Final = Access(None, (Scope("", Permission.ADMIN),), None)
"""What everybody may do where no tokens are asked for."""


class Ledger:
    """What the token file says, with those of its tokens that have come by.

    The two are swapped as one: a request that began before a token was revoked leaves nothing behind for
    later ones.
    """

    __slots__ = ("file", "known")

    def __init__(self, file: TokenFile) -> None:
        self.file = file
        self.known: dict[bytes | None, Access] = {}


class Guard:
    """Admits requests by the tokens of one file.

    Args:
        path: the token file; None for a server that never asks for one.
        must_exist: False where the file may come later, and turn the guard on.

    Raises:
        TokenFileError: there should be a file and is none, or it cannot be used.
    """

    def __init__(self, path: str | None, *, must_exist: bool = True) -> None:
        self.path = path
        self.ledger: Ledger | None = None
        self.ended = None if path is None else EndedSessions(path)
        self.reserve = Reserve()
        self._stamp: Stamp = ()
        self._complaints: dict[str, str] = {}
        if path is not None:
            self._start(path, must_exist)

    def _start(self, path: str, must_exist: bool) -> None:
        try:
            self._take(read_token_file(path))
        except FileNotFoundError:
            if must_exist:
                raise TokenFileError(
                    f"There is no token file {path}",
                    [f"make a first token: registry token new NAME --scope '*:admin' --tokens {path}"],
                    {"path": path},
                ) from None
        try:
            cast(EndedSessions, self.ended).look()
        except OSError as error:
            # Not started without them: sessions that were logged out would be valid again.
            raise TokenFileError(
                f"The list of logged-out sessions {error.filename} cannot be read: {error.strerror}",
                ["see who owns it and its folder", "or remove it: the sessions that it ends are valid again"],
                {"path": error.filename},
            ) from None

    @property
    def unread(self) -> int:
        """How many of its files could not be read at the last look; what they said before is in force."""
        return len(self._complaints)

    @property
    def on(self) -> bool:
        """Whether requests need a token."""
        return self.ledger is not None

    async def watch(self) -> None:
        """Look at the file again and again, until cancelled; in a thread, since its file system may stall."""
        if self.path is None:
            return
        try:
            while True:
                self.reserve.fill()
                await asyncio.sleep(LOOK_SECONDS)
                await asyncio.to_thread(self.look)
        finally:
            self.reserve.release()

    def look(self) -> None:
        """Take over what the files say, if they have changed.

        A token file that is gone holds no token. One that cannot be read or used changes nothing: what it
        said before stays in force, and each look tries again until it can be.
        """
        self._look_at("tokens", self._look_at_tokens)
        self._look_at("sessions", cast(EndedSessions, self.ended).look)

    def _look_at(self, what: str, look: Callable[[], None]) -> None:
        try:
            try:
                look()
            except (OSError, TokenFileError):  # perhaps for want of a descriptor
                with self.reserve.lent():
                    look()
        except (OSError, TokenFileError) as error:
            said = error.message if isinstance(error, TokenFileError) else str(error)
            if self._complaints.get(what) != said:  # once, not each second
                log.error("%s; what it said before counts on, and it is read again each second", said)
            self._complaints[what] = said
        else:
            if self._complaints.pop(what, None):
                log.warning("The %s of %s can be read again", what, self.path)

    def _look_at_tokens(self) -> None:
        assert self.path is not None
        try:
            stamp = stamp_of(os.stat(self.path))
            if stamp != self._stamp:
                self._take(read_token_file(self.path))
        except FileNotFoundError:
            if self._stamp:
                self._close("is gone")
        except TokenFileError:
            if self.ledger is None:
                self._close("cannot be used")
            raise

    def _take(self, file: TokenFile) -> None:
        self._stamp = file.stamp
        self.ledger = Ledger(file)

    def _close(self, why: str) -> None:
        log.error("The token file %s %s: no request is admitted", self.path, why)
        self._stamp = ()
        self.ledger = Ledger(TokenFile({}, os.urandom(32)))

    def admit(self, head: Mapping[bytes, bytes], needs: Needs, segments: list[str]) -> Access:
        """What the sender of a request may do, if it may do what the operation needs.

        Args:
            head: the request's header fields.
            needs: the operation's.
            segments: those of the request's path.

        Raises:
            Problem: 401 without a valid token, 403 with one that does not reach.
        """
        ledger = self.ledger
        if ledger is None or needs.public:
            return OPEN
        field = head.get(b"authorization")
        # By what was sent, not by its hash: a dictionary compares bytes only where their keyed 64-bit hashes
        # agree, so that it tells nobody how much of a guess was right.
        access = ledger.known.get(field)
        if access is None or access.until <= time():
            access = _identified(ledger, field)
        if needs.permission and not needs.each:
            namespace = "" if needs.position is None else segments[needs.position]
            if access.permission(namespace) < needs.permission:
                raise ForbiddenError(access, needs.permission, namespace)
        return access

    def bearer(self, head: Mapping[bytes, bytes]) -> Access:
        """As `admit`, for what is no operation.

        Raises:
            Problem: 401 without a valid token.
        """
        return self.admit(head, _ANY, [])

    def bearer_of(self, text: str) -> Access:
        """What the holder of the token ``text`` may do.

        Raises:
            Problem: 401, it is none that is valid.
        """
        return self.admit({b"authorization": b"Bearer " + text.encode()}, _ANY, [])

    def holder(self, token_id: str) -> Access | None:
        """What a token may do, for who has proved before to hold it; None if it is not valid now."""
        if self.ledger is None:
            return OPEN
        token = self.ledger.file.tokens.get(token_id)
        if token is None or token.state(datetime.now(UTC)) != "valid":
            return None
        return Access(token, token.scopes, self.ledger)


_ANY: Final = Needs()


def _identified(ledger: Ledger, field: bytes | None) -> Access:
    if field is None:
        raise unauthorized("This server asks for a token: Authorization: Bearer TOKEN", error="")
    scheme, _, text = field.decode("latin-1").partition(" ")
    text = text.strip()
    token = ledger.file.tokens.get(id_in(text) or "") if scheme.lower() == "bearer" else None
    if token is None or not token.is_spelled(text):
        raise unauthorized("That is no token of this server")
    state = token.state(datetime.now(UTC))
    if state != "valid":  # only now: whoever sent it held it
        raise unauthorized(f"The token {token.id} ({token.name}) is {state}")
    access = Access(token, token.scopes, ledger)
    if len(ledger.known) >= _KNOWN_HEADERS:
        ledger.known.clear()
    ledger.known[field] = access
    return access


def unauthorized(detail: str, *, error: str = "invalid_token") -> Problem:
    """401, with the challenge of RFC 6750 section 3; no ``error`` where no token was sent."""
    challenge = 'Bearer realm="registry"' + (f', error="{error}"' if error else "")
    return Problem(401, "unauthorized", detail, headers=((b"www-authenticate", challenge.encode()),))


class ForbiddenError(Problem):
    """403: the scopes of ``access`` do not reach; names the scope that is needed (RFC 6750 section 3.1)."""

    def __init__(self, access: Access, permission: int, namespace: str) -> None:
        named = namespace[:_LONGEST_NAMESPACE] or EVERYWHERE
        scope = f"{named}:{Permission(permission).name.lower()}"
        # A path may hold anything; in a header field a scope holds what is safe in a quoted string.
        is_plain = named == EVERYWHERE or (named.isascii() and named.replace(".", "").isalnum())
        quoted = f', scope="{scope}"' if is_plain else ""
        challenge = f'Bearer realm="registry", error="insufficient_scope"{quoted}'
        super().__init__(
            403,
            "forbidden",
            f"The token's scopes do not allow this; it needs {scope}",
            context={"needed": scope},
            headers=((b"www-authenticate", challenge.encode()),),
        )
        self.access = access
        self.permission = permission
        self.namespace = named
