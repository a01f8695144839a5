"""A connection whose every answer about a namespace is noted: what it shows to have been written, or seen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from registry.errors import ValidationError
from registry.storage.connection import Address, Connection
from registry.storage.informer import Applied, Held, Informer, Position
from registry.storage.problems import cursor_of
from registry_client.api.batch import batch_delete, batch_set
from registry_client.api.entries import delete_entry, set_entry
from registry_client.api.namespaces import clear_namespace


class ObservedConnection(Connection):
    """Tells an informer of the answers before whoever asked gets them.

    So what a thread has read or written is below no later read of this process.
    """

    def __init__(self, address: Address, token: str | None, informer: Informer) -> None:
        super().__init__(address, token)
        self.informer = informer

    def call(self, operation: Any, *path: str, **arguments: Any) -> Any:
        try:
            answer = super().call(operation, *path, **arguments)
        except ValidationError as error:
            self._saw(cursor_of(error))
            raise
        cursor = getattr(answer, "cursor", None)
        self._wrote(cursor, _CHANGES.get(operation), arguments, answer)
        return answer

    async def awaiting(self, method: str, operation: Any, *path: str, **arguments: Any) -> Any:
        try:
            answer = await super().awaiting(method, operation, *path, **arguments)
        except ValidationError as error:
            self._saw(cursor_of(error))
            raise
        self._wrote(getattr(answer, "cursor", None), _CHANGES.get(operation), arguments, answer)
        return answer

    def raw(self, operation: Any, *path: str, **arguments: Any) -> dict[str, Any]:
        try:
            answer = super().raw(operation, *path, **arguments)
        except ValidationError as error:
            self._saw(cursor_of(error))
            raise
        self._wrote(answer.get("cursor"), _CHANGES.get(operation), arguments, answer)
        return answer

    def _wrote(self, cursor: object, changes: Any, arguments: dict[str, Any], answer: Any) -> None:
        """Note the writes first: the very next change goes in, what is beyond it raises the floor."""
        try:
            if changes is not None and isinstance(cursor, str):
                self.informer.wrote(Position.of(cursor).epoch, list(changes(arguments, answer)))
        except (ValueError, KeyError, TypeError, AttributeError):
            pass  # whoever asked is told that the answer is not as specified
        self._saw(cursor)

    def _saw(self, cursor: object) -> None:
        while True:
            informer = self.informer
            informer.saw(cursor)
            if informer is self.informer:  # not exchanged meanwhile, for that of another registry
                return


def _set(arguments: dict[str, Any], answer: Any) -> Iterator[Applied]:
    if answer.outcome != "unchanged":
        body = arguments["body"]
        yield Applied(answer.revision, json.loads(body.key.data), Held(answer.revision, body.value.to_dict()))


def _deleted(arguments: dict[str, Any], answer: Any) -> Iterator[Applied]:
    yield Applied(answer.revision, arguments["key"], None)


def _cleared(arguments: dict[str, Any], answer: Any) -> Iterator[Applied]:
    if answer.count:
        yield Applied(answer.revision, None, None)


def _set_many(arguments: dict[str, Any], answer: dict[str, Any]) -> Iterator[Applied]:
    entries = arguments["body"].to_dict()["entries"]
    for entry, outcome in zip(entries, answer["outcomes"], strict=True):
        if outcome["outcome"] in ("created", "replaced"):
            held = Held(outcome["revision"], entry["value"])
            yield Applied(held.revision, json.loads(entry["key"]["data"]), held)


def _deleted_many(arguments: dict[str, Any], answer: dict[str, Any]) -> Iterator[Applied]:
    entries = arguments["body"].to_dict()["entries"]
    for entry, outcome in zip(entries, answer["outcomes"], strict=True):
        if outcome["outcome"] == "deleted":
            yield Applied(outcome["revision"], json.loads(entry["key"]["data"]), None)


_CHANGES = {
    set_entry: _set,
    delete_entry: _deleted,
    clear_namespace: _cleared,
    batch_set: _set_many,
    batch_delete: _deleted_many,
}
