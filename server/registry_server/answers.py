"""What a handler answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import orjson


class Answer(NamedTuple):
    """What a handler answers: a JSON object, bytes as they are, or no body; header names in lower case."""

    body: Mapping[str, Any] | orjson.Fragment | bytes | None
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    content_type: bytes = b"application/json"
