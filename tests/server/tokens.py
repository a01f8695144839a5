"""Tokens of every kind, for tests: what each may do is written down here a second time, by other means."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from registry_server.access.scopes import parse_scope
from registry_server.access.token_file import add_token, revoke_token
from registry_server.access.tokens import make_token

LEVELS = {"read": 1, "write": 2, "admin": 3}


class Kind(NamedTuple):
    """A kind of caller: the scopes of its token, and whether the token counts."""

    scopes: tuple[str, ...] = ()
    valid: bool = True

    def may(self, permission: str, namespace: str) -> bool:
        """Whether it may do this in ``namespace``, or, of ``*``, everywhere."""
        return any(self._reaches(scope, permission, namespace) for scope in self.scopes)

    @staticmethod
    def _reaches(scope: str, permission: str, namespace: str) -> bool:
        own, given = scope.split(":")
        inside = own == "*" or namespace.split(".")[: own.count(".") + 1] == own.split(".")
        return inside and LEVELS[given] >= LEVELS[permission]


KINDS = {
    "none": Kind(valid=False),
    "garbage": Kind(valid=False),
    "another scheme": Kind(valid=False),
    "nearly right": Kind(("*:admin",), valid=False),
    "revoked": Kind(("*:admin",), valid=False),
    "expired": Kind(("*:admin",), valid=False),
    "no scope": Kind(()),
    "reader": Kind(("research:read",)),
    "writer": Kind(("research:write",)),
    "admin": Kind(("research:admin",)),
    "reader of all": Kind(("*:read",)),
    "writer of all": Kind(("*:write",)),
    "admin of all": Kind(("*:admin",)),
    "of another namespace": Kind(("production:admin",)),
    "of a longer name": Kind(("research2:admin",)),
    "of a part of the name": Kind(("resear:admin",)),
    "of the namespace below": Kind(("research.losses.private:admin",)),
    "of two": Kind(("production:admin", "research.losses:read")),
}


class Tokens(NamedTuple):
    """A token file with a token of each kind, and what to send for each: the ``Authorization`` field."""

    path: str
    fields: dict[str, dict[str, str]]
    ids: dict[str, str]

    def text(self, kind: str) -> str:
        """The token itself."""
        return self.fields[kind]["Authorization"].removeprefix("Bearer ")


def new_token(
    path: str | Path, *scopes: str, name: str = "test", seconds: float | None = None
) -> tuple[str, str]:
    """Id and text of a new token in the file; ``seconds`` until it expires, which may be less than none."""
    ends = None if seconds is None else datetime.now(UTC) + timedelta(seconds=seconds)
    token, text = make_token(name, [parse_scope(scope) for scope in scopes], expires_at=None)
    add_token(str(path), replace(token, expires_at=ends))
    return token.id, text


def tokens_of_every_kind(folder: Path) -> Tokens:
    """See `KINDS`."""
    path = str(folder / "tokens")
    fields: dict[str, dict[str, str]] = {"none": {}}
    ids = {}
    for name, kind in KINDS.items():
        seconds = -1 if name == "expired" else None
        ids[name], text = new_token(path, *kind.scopes, name=name, seconds=seconds)
        fields.setdefault(name, {"Authorization": f"Bearer {text}"})
    fields["garbage"] = {"Authorization": "Bearer hunter2"}
    fields["another scheme"] = {"Authorization": f"Basic {fields['admin of all']['Authorization'][7:]}"}
    right = fields["nearly right"]["Authorization"]
    fields["nearly right"] = {"Authorization": right[:-1] + ("A" if right[-1] != "A" else "B")}
    revoke_token(path, ids["revoked"])
    return Tokens(path, fields, ids)
