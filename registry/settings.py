"""The ``REGISTRY_*`` environment, read when a setting is used and never at import.

A setting that is empty counts as not set.

================================  =====================================================  ===============
variable                          is                                                     default
================================  =====================================================  ===============
``REGISTRY_SERVER_URL``           the server's address, ``http://host:port``, or several host and port
``REGISTRY_SERVER_HOST``          the server's host; for the server: where it listens    ``localhost``
``REGISTRY_SERVER_PORT``          the server's port; for the server: where it listens    ``8001``
``REGISTRY_SERVER_TIMEOUT``       seconds a client waits for an answer                   ``5.0``
``REGISTRY_SERVER_RESTART_WAIT``  seconds a client waits for a known server that restarts  the timeout
``REGISTRY_SERVER_TOKEN``         bearer token that clients send                         none
``REGISTRY_SERVER_CA``            certificates of authorities that clients trust         public ones
``REGISTRY_SERVER_STORAGE``       where the server keeps its data, ``sqlite:///path``    user's data
``REGISTRY_ON_DUPLICATE``         ``error``, ``replace`` or ``keep``                     ``error``
``REGISTRY_SIGNING_KEY_FILE``     the keys that sign and verify                          user's own file
``REGISTRY_FROZEN``               a lock file that shared registries are read from       none: the server
================================  =====================================================  ===============
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Final, TypeVar

from registry.errors import ValidationError

DEFAULT_HOST: Final = "localhost"
DEFAULT_PORT: Final = 8001
DEFAULT_TIMEOUT: Final = 5.0
DUPLICATE_POLICIES: Final = ("error", "replace", "keep")

T = TypeVar("T")


def server_host() -> str:
    """``REGISTRY_SERVER_HOST``."""
    return _read("REGISTRY_SERVER_HOST", _text, DEFAULT_HOST)


def server_port() -> int:
    """``REGISTRY_SERVER_PORT``, 0 to 65535."""
    return _read("REGISTRY_SERVER_PORT", _port, DEFAULT_PORT)


def server_url() -> str | None:
    """``REGISTRY_SERVER_URL``, or None."""
    return _read("REGISTRY_SERVER_URL", _text, None)


def server_timeout(default: float = DEFAULT_TIMEOUT) -> float:
    """``REGISTRY_SERVER_TIMEOUT`` in seconds, more than 0."""
    return _read("REGISTRY_SERVER_TIMEOUT", _seconds, default)


def server_restart_wait() -> float:
    """``REGISTRY_SERVER_RESTART_WAIT`` in seconds, 0 or more; unless set, infinite: the timeout counts."""
    return _read("REGISTRY_SERVER_RESTART_WAIT", _seconds_or_zero, float("inf"))


def server_token() -> str | None:
    """``REGISTRY_SERVER_TOKEN``, or None."""
    return _read("REGISTRY_SERVER_TOKEN", _text, None)


def server_ca() -> str | None:
    """``REGISTRY_SERVER_CA``, the path of a PEM file, or None."""
    return _read("REGISTRY_SERVER_CA", _text, None)


def server_storage() -> str | None:
    """``REGISTRY_SERVER_STORAGE``, a storage URL, or None."""
    return _read("REGISTRY_SERVER_STORAGE", _text, None)


def on_duplicate() -> str:
    """``REGISTRY_ON_DUPLICATE``, one of `DUPLICATE_POLICIES`."""
    return _read("REGISTRY_ON_DUPLICATE", _duplicate_policy, "error")


def signing_key_file() -> str | None:
    """``REGISTRY_SIGNING_KEY_FILE``, a path, or None."""
    return _read("REGISTRY_SIGNING_KEY_FILE", _text, None)


def frozen() -> str | None:
    """``REGISTRY_FROZEN``, the path of a lock file, or None; used when a shared registry is defined."""
    return _read("REGISTRY_FROZEN", _text, None)


def _read(variable: str, parse: Callable[[str], T], default: T) -> T:
    text = os.environ.get(variable, "").strip()
    if not text:
        return default
    try:
        return parse(text)
    except ValueError as error:
        raise ValidationError(
            f"{variable} is {text!r}, which is not {error}",
            suggestions=[f"unset {variable} for the default, {default!r}"],
            context={"variable": variable},
        ) from None


def _text(text: str) -> str:
    return text


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= 65_535):
        raise ValueError("a port from 0 to 65535")
    return int(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError("a number of seconds above 0")
    return seconds


def _seconds_or_zero(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        raise ValueError("a number of seconds, 0 or more")
    return seconds


def _duplicate_policy(text: str) -> str:
    if text not in DUPLICATE_POLICIES:
        raise ValueError(f"one of {', '.join(DUPLICATE_POLICIES)}")
    return text
