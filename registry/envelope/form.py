"""The shape of an envelope: fields, digest, strict JSON, canonical base64. Nothing here decodes a pickle.

Shared by the library and the server. Promises REG-ENV-01 to REG-ENV-05 of ``docs/promises.md``; the known
answers are in ``tests/vectors/envelopes.json``.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, Literal, NamedTuple

from registry.errors import EnvelopeTooLargeError, MalformedEnvelopeError

EnvelopeType = Literal["json", "pickle"]

ENCODING_OF: Final[Mapping[str, str]] = {"json": "json", "pickle": "base64"}
"""The one encoding each type of envelope has."""

MAX_DEPTH: Final = 64
"""How deep arrays and objects may nest in any JSON that travels."""

MAX_VALUE_BYTES: Final = 8 * 1024 * 1024
"""Largest ``data`` of an envelope, in bytes of UTF-8 (a server may publish less)."""

MAX_META_ENTRIES: Final = 32
MAX_META_NAME_LENGTH: Final = 64
MAX_META_VALUE_LENGTH: Final = 16_384
MAX_SIGNATURE_LENGTH: Final = 512


class Envelope(NamedTuple):
    """A value as it travels and as it is stored.

    Attributes:
        type: ``json`` or ``pickle``.
        data: strict JSON text, or canonical base64 of a pickle.
        encoding: ``json`` or ``base64``, as `ENCODING_OF` pairs them.
        meta: what a reader may know without decoding (kind, codec, module, qualname, python, identity).
        signature: ``<key id>:<mac>``; see `registry.envelope.signing`.
    """

    type: str
    data: str
    encoding: str
    meta: Mapping[str, str] | None = None
    signature: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """The JSON object of the protocol; optional fields only where they are set."""
        wire: dict[str, Any] = {"type": self.type, "data": self.data, "encoding": self.encoding}
        if self.meta is not None:
            wire["meta"] = dict(self.meta)
        if self.signature is not None:
            wire["signature"] = self.signature
        return wire

    @classmethod
    def from_dict(cls, wire: object) -> Envelope:
        """The envelope that a JSON object is, its form checked (`check_form`), its data not decoded.

        Raises:
            MalformedEnvelopeError: it is none.
            EnvelopeTooLargeError: its data is larger than `MAX_VALUE_BYTES`.
        """
        envelope = cls.unread(wire)
        check_form(envelope)
        return envelope

    @classmethod
    def unread(cls, wire: object) -> Envelope:
        """As `from_dict`, for whoever decodes it: decoding checks what is in the fields.

        Raises:
            MalformedEnvelopeError: it has not the fields of an envelope.
        """
        if not isinstance(wire, Mapping):
            raise MalformedEnvelopeError(f"An envelope is a JSON object, not {type(wire).__name__}")
        try:
            return cls(**wire)
        except TypeError:  # a name too many, or one too few
            raise MalformedEnvelopeError(
                "An envelope has the fields type, data and encoding, and may have meta and signature",
                context={"fields": sorted(map(str, wire))[:10]},
            ) from None

    @property
    def digest(self) -> str:
        """See `digest_of`."""
        return digest_of(self.type, self.encoding, self.data)


_SMALL = 1_024
"""Bytes of data that cost less to copy than another call of the hash."""


def digest_of(type: str, encoding: str, data: str) -> str:
    """``sha256:`` and 64 hex digits: what the content is, whoever signed or annotated it.

    SHA-256 over type, encoding and data, each as its length in bytes (unsigned, 8 bytes, big-endian)
    and its UTF-8. The text of ``data`` counts, not the value it spells: canonical JSON would make one
    of 1 and 1.0.
    """
    raw = data.encode()
    # One call of the hash rather than six: for a small value they are most of the cost.
    head = _digest_head(type, encoding) + len(raw).to_bytes(8, "big")
    if len(raw) < _SMALL:
        return f"sha256:{sha256(head + raw).hexdigest()}"
    state = sha256(head)
    state.update(raw)
    return f"sha256:{state.hexdigest()}"


@lru_cache(16)
def _digest_head(type: str, encoding: str) -> bytes:
    return length_prefixed(type.encode(), encoding.encode())


def length_prefixed(*fields: bytes) -> bytes:
    """Each field behind its length (unsigned, 8 bytes, big-endian): no two lists of fields look alike."""
    return b"".join([part for field in fields for part in (len(field).to_bytes(8, "big"), field)])


def check_form(envelope: Envelope) -> None:
    """Raise unless every field has its form and ``data`` is what ``encoding`` says.

    Raises:
        MalformedEnvelopeError: a field is not as it must be; ``context["field"]`` names it.
        EnvelopeTooLargeError: ``data`` is larger than `MAX_VALUE_BYTES`.
    """
    check_fields(envelope)
    if envelope.type == "json":
        parse_json(envelope.data)
    else:
        decode_base64(envelope.data)


def check_fields(envelope: Envelope) -> None:
    """`check_form` without looking into ``data``."""
    kind, data, encoding, meta, signature = envelope
    if not (isinstance(kind, str) and isinstance(data, str) and isinstance(encoding, str)):
        texts = {"type": kind, "data": data, "encoding": encoding}
        raise _malformed(next(name for name, text in texts.items() if not isinstance(text, str)), "is a text")
    if ENCODING_OF.get(kind) != encoding:
        raise _malformed("encoding", "goes with the type: json with json, base64 with pickle")
    check_size(data)
    if meta is not None:
        _check_meta(meta)
    if signature is not None and not (
        isinstance(signature, str) and _is_signature(signature) and len(signature) <= MAX_SIGNATURE_LENGTH
    ):
        raise _malformed("signature", f"is 1 to {MAX_SIGNATURE_LENGTH} of A-Z a-z 0-9 + / = _ . : -")


def check_size(data: str, limit: int = MAX_VALUE_BYTES) -> None:
    """Raise `EnvelopeTooLargeError` if ``data`` is more than ``limit`` bytes of UTF-8."""
    if len(data) * 4 <= limit:
        return
    try:
        size = len(data) if data.isascii() else len(data.encode())
    except UnicodeEncodeError:
        raise _malformed("data", "holds no lone surrogates") from None
    if size > limit:
        raise EnvelopeTooLargeError(
            f"A value of {size:,} bytes is larger than the {limit:,} bytes that may travel",
            suggestions=["keep large arrays in a file or object store, and share a function that loads them"],
            context={"bytes": size, "limit": limit},
        )


_is_signature = re.compile(r"[A-Za-z0-9+/=_.:-]+").fullmatch


def _check_meta(meta: object) -> None:
    if not isinstance(meta, Mapping) or len(meta) > MAX_META_ENTRIES:
        raise _malformed("meta", f"maps at most {MAX_META_ENTRIES} names to texts")
    for name, text in meta.items():
        if not (isinstance(name, str) and isinstance(text, str)):
            raise _malformed("meta", "maps names to texts")
        if not 0 < len(name) <= MAX_META_NAME_LENGTH or len(text) > MAX_META_VALUE_LENGTH:
            raise _malformed(
                "meta",
                f"has names of 1 to {MAX_META_NAME_LENGTH}, texts of 0 to {MAX_META_VALUE_LENGTH} characters",
            )
        try:
            name.encode(), text.encode()
        except UnicodeEncodeError:
            raise _malformed("meta", "holds no lone surrogates") from None


def _malformed(field: str, rule: str) -> MalformedEnvelopeError:
    return MalformedEnvelopeError(f"Malformed envelope: {field} {rule}", context={"field": field})


def decode_base64(data: str) -> bytes:
    """The bytes that ``data`` spells in canonical base64 (RFC 4648 section 4, padded, no line breaks).

    Canonical, because ``QQ==``, ``QR==`` and ``QS==`` all decode to ``A``: one value, one text, one digest.

    Raises:
        MalformedEnvelopeError: it is not canonical base64.
    """
    try:
        raw = binascii.a2b_base64(data.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        raise _malformed("data", "is canonical base64") from None
    if encode_base64(raw) != data:
        raise _malformed("data", "is canonical base64")
    return raw


def encode_base64(raw: bytes) -> str:
    """``raw`` in canonical base64."""
    return binascii.b2a_base64(raw, newline=False).decode("ascii")


def parse_json(text: str, *, max_depth: int = MAX_DEPTH) -> Any:
    """The value of a strict JSON text (RFC 8259, and what it leaves open closed).

    Refused, because two readers could take them differently or be brought down by them: NaN and
    infinities, numbers beyond a double's range, integers beyond Python's 4,300 digits, an object with
    one name twice, lone surrogates, nesting deeper than ``max_depth``. Integers are exact.

    Raises:
        MalformedEnvelopeError: it is not strict JSON.
    """
    check_depth(text, max_depth)
    try:
        text.encode()
        value = _decoder(text).decode(text)
        if _may_hold_surrogate(text):
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _not_strict("it holds a lone surrogate") from None
    except json.JSONDecodeError as error:
        raise _not_strict(f"{error.msg} at character {error.pos}") from None
    except _StrictnessError as error:
        raise _not_strict(str(error)) from None
    except ValueError:
        raise _not_strict("it holds an integer of more than 4,300 digits") from None
    return value


def check_depth(text: str, max_depth: int = MAX_DEPTH) -> None:
    """Raise `MalformedEnvelopeError` if arrays and objects nest deeper than ``max_depth`` in a JSON text."""
    if text.count("[") + text.count("{") <= max_depth:
        return
    depth = 0
    for bracket in _BRACKETS.finditer(text):
        if bracket.group(1) is None:
            continue
        depth += 1 if bracket.group(1) in "[{" else -1
        if depth > max_depth:
            raise _not_strict(f"it nests deeper than {max_depth} levels")


class _StrictnessError(Exception):
    """Why a text is JSON to Python and not to this protocol."""


def _refuse_constant(name: str) -> Any:
    raise _StrictnessError(f"{name} is not JSON")


def _refuse_repeated_names(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _StrictnessError("an object has one name twice")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _StrictnessError("a number is beyond the range of a double")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_refuse_repeated_names, parse_constant=_refuse_constant)
_FINITE_DECODER = json.JSONDecoder(
    object_pairs_hook=_refuse_repeated_names, parse_constant=_refuse_constant, parse_float=_finite
)
# 200 digits and not 309: a two-digit exponent adds 99 to what stands before it.
_may_overflow = re.compile(r"[eE]\+?\d{3}|\d{200}").search
_may_hold_surrogate = re.compile(r"\\u[dD][89a-fA-F]").search
# Possessive, and a string may run to the end of the text: no input makes this scan go back.
_BRACKETS = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|([\[\]{}])', re.DOTALL)


def _decoder(text: str) -> json.JSONDecoder:
    """The C scanner alone unless a float could overflow: a Python hook for each float is slow."""
    return _FINITE_DECODER if _may_overflow(text) else _DECODER


def _not_strict(reason: str) -> MalformedEnvelopeError:
    return MalformedEnvelopeError(f"Not strict JSON: {reason}", context={"field": "data"})
