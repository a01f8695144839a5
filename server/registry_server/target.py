"""Request targets and hosts (RFC 9112 section 3.2)."""

from __future__ import annotations

import re
from ipaddress import AddressValueError, IPv6Address

HTTP1 = frozenset({"1.0", "1.1"})

_HOST = re.compile(rb"(?:\[([0-9a-f:.]+)\]|(?:[a-z0-9._~!$&'()*+;=-]|%[0-9a-f]{2})+)(?::(\d{0,5}))?", re.I)
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)([^#]*)", re.I)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")

_LARGEST_PORT = 65_535


def is_host(field: bytes) -> bool:
    """Whether ``field`` can be the value of a Host field (RFC 9110 section 7.2).

    Stricter than the grammar in three ways: a host is not empty, a port is at most 65535, and a comma is
    refused, since it is how a recipient joins two Host fields.
    """
    found = _HOST.fullmatch(field)
    if found is None:
        return False
    address, port = found.groups()
    if port and int(port) > _LARGEST_PORT:
        return False
    if address is not None:
        try:
            IPv6Address(address.decode("ascii"))
        except AddressValueError:
            return False
    return True


def split_absolute(target: bytes) -> tuple[bytes, bytes]:
    """Split a target in absolute form into its authority and the origin form of the rest.

    Raises:
        ValueError: it has another form, or a fragment.
    """
    found = _ABSOLUTE.fullmatch(target)
    if found is None:
        raise ValueError("the request target is neither in origin form nor in absolute form")
    authority, rest = found.groups()
    return authority, rest if rest.startswith(b"/") else b"/" + rest


def is_escaped(text: bytes) -> bool:
    """Whether every ``%`` in ``text`` begins a percent-encoded byte (RFC 3986 section 2.1)."""
    return b"%" not in text or _BAD_ESCAPE.search(text) is None
