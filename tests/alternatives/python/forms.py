"""What has a form: strict JSON, envelopes, keys, namespaces (REG-NAME, REG-ENV, REG-ERR-03)."""

import base64
import binascii
import json
import math
import re
from collections.abc import Collection
from hashlib import sha256
from typing import Any

from problems import Problem, malformed

JSON_DEPTH = 64
INTEGER_DIGITS = 4300
KEY_BYTES = 1024
KEY_DATA = 12_290
VALUE_BYTES = 8 * 1024 * 1024

_NAMESPACE = re.compile(r"[A-Za-z0-9]+(\.[A-Za-z0-9]+)*")
_SIGNATURE = re.compile(r"[A-Za-z0-9+/=_.:-]{1,512}")


def strict_json(text: str) -> Any:
    """The value that a text spells.

    Raises:
        ValueError: the text is not strict JSON; the message says why.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_bounded,
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError(f"it nests deeper than {JSON_DEPTH} levels") from None
    except UnicodeEncodeError:
        raise ValueError("it holds a lone surrogate") from None
    if _depth(value) > JSON_DEPTH:
        raise ValueError(f"it nests deeper than {JSON_DEPTH} levels")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object has one name twice")
    return result


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    if math.isinf(number := float(digits)):
        raise ValueError("a number is beyond the range of a double")
    return number


def _bounded(digits: str) -> int:
    if len(digits.lstrip("-")) > INTEGER_DIGITS:
        raise ValueError(f"an integer has more than {INTEGER_DIGITS} digits")
    return int(digits)


def _depth(value: Any) -> int:
    """How deep lists and objects nest, 0 for a scalar; level by level, as a recursion has its own limit."""
    level, depth = [value], 0
    while level := [part for part in level if isinstance(part, list | dict)]:
        depth += 1
        level = [inner for part in level for inner in (part.values() if isinstance(part, dict) else part)]
    return depth


def namespace_name(text: str) -> str:
    if len(text) > 255 or not _NAMESPACE.fullmatch(text):
        raise Problem(
            422, "invalid_namespace", "A namespace is ASCII letters and digits, set apart by single dots"
        )
    return text


def key_text(text: str, pointer: str = "") -> str:
    size = len(text.encode("utf-8"))
    if not 1 <= size <= KEY_BYTES:
        context = {"pointer": pointer} if pointer else {}
        raise Problem(
            422, "invalid_key", f"A key has 1 to {KEY_BYTES:,} bytes, not {size:,}", context=context
        )
    return text


def fields(
    value: Any, pointer: str, code: str, required: Collection[str], optional: Collection[str] = ()
) -> dict[str, Any]:
    """``value``, an object with all that is required and nothing that is not known."""
    if not isinstance(value, dict):
        raise malformed(code, pointer, "it is not an object")
    if missing := [name for name in required if name not in value]:
        raise malformed(code, pointer, f"{missing[0]!r} is missing")
    if unknown := [name for name in value if name not in required and name not in optional]:
        raise malformed(code, pointer, f"{unknown[0]!r} is not known")
    return value


def key_of(value: Any, pointer: str) -> str:
    """The key that an envelope in a body spells."""
    fields(value, pointer, "invalid_key", ("type", "data", "encoding"))
    if value["type"] != "json" or value["encoding"] != "json" or not isinstance(value["data"], str):
        raise malformed("invalid_key", pointer, "a key is an envelope of type json")
    if len(value["data"]) > KEY_DATA:
        raise malformed("invalid_key", f"{pointer}/data", "it is too long")
    try:
        key = strict_json(value["data"])
    except ValueError as error:
        raise malformed("invalid_key", pointer, str(error)) from error
    if not isinstance(key, str):
        raise malformed("invalid_key", pointer, "its data spells no JSON string")
    return key_text(key, pointer)


def envelope(value: Any, pointer: str) -> dict[str, Any]:
    """``value``, an envelope that has its form and size."""
    code = "malformed_envelope"
    fields(value, pointer, code, ("type", "data", "encoding"), ("meta", "signature"))
    if (value["type"], value["encoding"]) not in {("json", "json"), ("pickle", "base64")}:
        raise malformed(code, pointer, "the pairs are json with json, pickle with base64")
    if not isinstance(value["data"], str):
        raise malformed(code, f"{pointer}/data", "it is no text")
    if "meta" in value:
        _check_meta(value["meta"], f"{pointer}/meta")
    if "signature" in value and not (
        isinstance(value["signature"], str) and _SIGNATURE.fullmatch(value["signature"])
    ):
        raise malformed(code, f"{pointer}/signature", "it does not fit its schema")
    if size_of(value) > VALUE_BYTES:
        raise Problem(413, "value_too_large", f"A value has at most {VALUE_BYTES:,} bytes of data")
    _check_data(value["type"], value["data"], f"{pointer}/data")
    return value  # type: ignore[no-any-return]


def _check_meta(meta: Any, pointer: str) -> None:
    if not isinstance(meta, dict) or len(meta) > 32:
        raise malformed("malformed_envelope", pointer, "it is no object of at most 32 texts")
    if not all(isinstance(text, str) and len(text) <= 16_384 for text in meta.values()):
        raise malformed("malformed_envelope", pointer, "its values are texts of at most 16,384 characters")


def _check_data(kind: str, data: str, pointer: str) -> None:
    try:
        if kind == "json":
            strict_json(data)
        elif base64.b64encode(base64.b64decode(data, validate=True)).decode() != data:
            raise ValueError("it is not canonical base64")
    except (ValueError, binascii.Error) as error:
        raise malformed("malformed_envelope", pointer, str(error)) from error


def size_of(value: dict[str, Any]) -> int:
    """The bytes of an envelope's data."""
    return len(value["data"].encode("utf-8"))


def digest_of(value: dict[str, Any]) -> str:
    """REG-ENV-05."""
    digest = sha256()
    for name in ("type", "encoding", "data"):
        text = value[name].encode("utf-8")
        digest.update(len(text).to_bytes(8, "big") + text)
    return f"sha256:{digest.hexdigest()}"
