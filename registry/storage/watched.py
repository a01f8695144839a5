"""The changes of a namespace on a server, asked for with long polls."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from registry.envelope.form import Envelope
from registry.errors import RegistryError, RemoteError
from registry.storage.informer import Position
from registry.storage.line import MARGIN_SECONDS, Line, position
from registry.storage.problems import cursor_of, outside_contract
from registry.watching.change import Change

if TYPE_CHECKING:
    from registry.storage.remote import RemoteStorageProxy

_GONE: Final = frozenset({"compacted", "epoch_changed", "future_cursor"})


class RemoteSource:
    """A `registry.watching.changes.Source` over a namespace, on a connection of its own."""

    def __init__(self, storage: RemoteStorageProxy[Any]) -> None:
        self._storage = storage
        self._line = Line(storage._connection.address, storage._connection._token)

    def now(self) -> str:
        # Like any other read, so that a watch can begin while the server restarts.
        return str(self._position(position(self._storage._connection, self._storage.namespace)))

    def after(self, cursor: str, seconds: float) -> tuple[list[Change], str]:
        wait = math.ceil(seconds)
        self._line.seconds = wait + MARGIN_SECONDS
        try:
            answer = self._line.watch(self._storage.namespace, cursor, wait)
        except RemoteError as error:
            now = cursor_of(error)
            if error.context.get("code") not in _GONE or now is None:
                raise
            return [Change("resync", None, self._position({"cursor": now}).revision, now)], now
        reached = self._position(answer)
        try:
            changes = [self._change(told, reached.epoch) for told in answer["changes"]]
        except (ValueError, KeyError, TypeError) as error:
            raise outside_contract(self._line.url, "a change that is not as specified") from error
        self._check_dense(changes, cursor, reached)
        return changes, str(reached)

    def interrupt(self) -> None:
        self._line.interrupt()

    def close(self) -> None:
        self._line.close()

    def _position(self, answer: dict[str, Any]) -> Position:
        try:
            return Position.of(answer["cursor"])
        except (ValueError, KeyError, AttributeError) as error:
            raise outside_contract(self._line.url, "a cursor that is not as specified") from error

    def _check_dense(self, changes: list[Change], cursor: str, reached: Position) -> None:
        """Raise unless the changes are the next ones, each and all of them."""
        first = Position.of(cursor).revision + 1
        told = [change.revision for change in changes]
        if told != list(range(first, first + len(told))) or reached.revision != first + len(told) - 1:
            raise outside_contract(self._line.url, f"changes that do not follow upon {cursor}")

    def _change(self, told: dict[str, Any], epoch: str) -> Change:
        op, revision, key = told["op"], told["revision"], told.get("key")
        if op not in ("set", "delete", "clear") or type(revision) is not int:
            raise ValueError("not a change")
        if not isinstance(key, str) and op != "clear":
            raise ValueError("not a key")
        wire, storage = told.get("value"), self._storage
        return Change(
            op,
            key,
            revision,
            f"{epoch}.{revision}",
            digest=told.get("digest"),
            updated_at=str(told.get("updated_at", "")),
            load=(lambda: _value(storage, key, revision, epoch, wire)) if op == "set" else None,
        )


def _value(storage: RemoteStorageProxy[Any], key: Any, revision: int, epoch: str, wire: Any) -> Any:
    """What was set: from what came along, else from the entry if it is still that one."""
    if wire is not None:
        return storage._followed_alias(
            key, storage._decoded(key, Envelope.unread(wire), f"{epoch}.{revision}")
        )
    stored = storage.entry(key)
    if stored.etag != f"{epoch}.{revision}":
        raise RegistryError(
            f"{key!r} of {storage.namespace} was replaced since, and this value did not come along",
            suggestions=["the change that replaced it follows", "look the key up: it is at a later revision"],
            context={"key": key, "revision": revision, "current": stored.revision},
        )
    return storage._followed_alias(key, storage._decoded(key, stored.envelope, stored.etag))
