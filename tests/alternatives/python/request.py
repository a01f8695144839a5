"""A request, taken apart: path, query, conditions, body (REG-NAME-03, REG-COND, REG-ERR-03, REG-ERR-04)."""

import re
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from forms import key_text, strict_json
from problems import Problem
from store import ABSENT, PRESENT

_INTEGER = re.compile(r"-?[0-9]{1,9}")
_ETAGS = re.compile(r'\s*(W/)?"[^"]*"(\s*,\s*(W/)?"[^"]*")*\s*')

INTEGERS: Final = {"limit": (1, 1000, 100), "suggest": (0, 10, 0)}
"""Least, most, default."""
TEXTS: Final = {"key": (1, 1024), "prefix": (0, 1024), "page": (1, 1024)}
"""Fewest and most characters."""


def decoded(part: str) -> str:
    """The text of a percent-encoded part of the request's target."""
    try:
        return unquote_to_bytes(part.encode("latin-1")).decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(400, "invalid_request", "The target is not percent-encoded UTF-8") from None


@dataclass(frozen=True, slots=True)
class Request:
    namespace: str
    query: dict[str, Any]
    headers: Message
    body: Any = None

    @property
    def key(self) -> str:
        return str(self.query["key"])

    def write_condition(self) -> str | None:
        """What the entry is expected to be: ABSENT, PRESENT, an ETag, or None for anything."""
        match, none_match = self.headers.get("If-Match"), self.headers.get("If-None-Match")
        if match is not None and none_match is not None:
            raise Problem(400, "invalid_request", "If-Match and If-None-Match exclude each other on a write")
        if none_match is not None:
            if none_match.strip() != "*":
                raise Problem(422, "invalid_parameter", "If-None-Match of a write is *")
            return ABSENT
        return None if match is None else one_etag(match)

    def has_version(self, etag: str) -> bool:
        """Whether If-None-Match names the version that there is, by the weak comparison of RFC 9110."""
        names = self.headers.get("If-None-Match")
        if names is None:
            return False
        if names.strip() == "*":
            return True
        if not _ETAGS.fullmatch(names):
            raise Problem(400, "invalid_request", "If-None-Match holds ETags in double quotes, or is *")
        return etag in re.findall(r'"([^"]*)"', names)


def one_etag(header: str) -> str:
    if header.strip() == "*":
        return PRESENT
    if found := re.fullmatch(r'\s*"([^",]+)"\s*', header):
        return found[1]
    raise Problem(400, "invalid_request", "If-Match of a write names one strong ETag, or is *")


def query_of(text: str, known: tuple[str, ...]) -> dict[str, Any]:
    """The parameters, each checked, defaults filled in."""
    given: dict[str, str] = {}
    for part in filter(None, text.split("&")):
        name, _, value = (decoded(side.replace("+", " ")) for side in part.partition("="))
        if name not in known or name in given:
            raise Problem(
                422, "invalid_parameter", f"{name!r} is {'repeated' if name in given else 'unknown'}"
            )
        given[name] = value
    if "key" in known and "key" not in given:
        raise Problem(422, "invalid_key", "The query parameter 'key' is missing")
    return {name: parameter(name, given.get(name)) for name in known}


def parameter(name: str, value: str | None) -> Any:
    if name in INTEGERS:
        least, most, default = INTEGERS[name]
        if value is None:
            return default
        if not _INTEGER.fullmatch(value) or not least <= int(value) <= most:
            raise Problem(422, "invalid_parameter", f"{name} is an integer from {least} to {most}")
        return int(value)
    if name == "key":
        return key_text(value or "")
    fewest, most = TEXTS[name]
    if value is not None and not fewest <= len(value) <= most:
        raise Problem(422, "invalid_parameter", f"{name} has {fewest} to {most} characters")
    return value


def check_media_type(headers: Message) -> None:
    plain = re.fullmatch(
        r'\s*application/json\s*(;\s*charset="?utf-8"?\s*)?', headers.get("Content-Type", ""), re.IGNORECASE
    )
    if not plain or headers.get("Content-Encoding") is not None:
        raise Problem(
            415, "unsupported_media_type", "Send the body as application/json, in UTF-8, uncompressed"
        )


def body_of(raw: bytes) -> Any:
    try:
        return strict_json(raw.decode("utf-8"))
    except ValueError as error:
        raise Problem(400, "invalid_json", f"The body is not strict JSON: {error}") from error
