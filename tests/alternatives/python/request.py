"""A request, taken apart: path, query, conditions, body (REG-NAME-03, REG-COND, REG-ERR-03, REG-ERR-04)."""

import re
from dataclasses import dataclass
from email.message import Message
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from forms import key_text, strict_json
from problems import Problem

_INTEGER = re.compile(r"-?[0-9]{1,9}")
_ETAG = r'"([^"\s]*)"'
_ETAGS = re.compile(rf"(\s*((W/)?{_ETAG}\s*)?(,|$))*")

LONGEST: Final = 1024
DATES: Final = {"If-Modified-Since", "If-Unmodified-Since", "If-Range"}

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

    def holds(self, etag: str | None) -> bool:
        """Whether a write may be done where this is the version, or None where there is no entry."""
        return self.matches(etag) and not self.names(etag)

    def matches(self, etag: str | None) -> bool:
        """Whether If-Match holds, by the strong comparison of RFC 9110."""
        tags = tags_of(self.headers, "If-Match")
        return tags is None or (etag is not None and (tags == "*" or etag in strong(tags)))

    def names(self, etag: str | None) -> bool:
        """Whether If-None-Match names the version that there is, by the weak comparison of RFC 9110."""
        tags = tags_of(self.headers, "If-None-Match")
        return tags is not None and etag is not None and (tags == "*" or etag in re.findall(_ETAG, tags))


def strong(tags: str) -> list[str]:
    return re.findall(rf"(?<!W/){_ETAG}", tags)


def tags_of(headers: Message, name: str) -> str | None:
    """The list of ETags in a field, or `*`; None without the field."""
    lines = headers.get_all(name)
    if lines is None:
        return None
    tags = ", ".join(lines).strip()
    if tags != "*" and not (len(tags) <= LONGEST and _ETAGS.fullmatch(tags) and '"' in tags):
        raise Problem(400, "invalid_request", f"{name} holds ETags in double quotes, or is *")
    return tags


def check_conditions(headers: Message, honoured: tuple[str, ...], *, writes: bool) -> None:
    """No condition is left out (REG-COND-05 to REG-COND-07)."""
    refused = {"If-Match", "If-None-Match"} | (DATES if writes else set())
    for name in refused - set(honoured):
        if name in headers:
            raise Problem(400, "invalid_request", f"This operation has no {name}")
    for name in honoured:
        tags_of(headers, name)


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
