"""What a Redis storage's URL says, apart from its scheme."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn
from urllib.parse import parse_qsl, unquote, urlsplit

from registry_server.storage.base import StorageSetupError

_FORM: Final = (
    "redis://[[user]:password@]host[:port][/database], with characters such as @ / ? # as %40 %2F %3F %23"
)
_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_OPTIONS: Final = ("allow_volatile", "assume_durable", "prefix", "timeout", "wait_replicas", *_FILES)
_is_prefix = re.compile(r"[A-Za-z0-9_.-]{1,64}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisOptions:
    """Where a Redis is and what is asked of it.

    Attributes:
        host: its name or address.
        port: its TCP port.
        database: the number of its database.
        username: empty for the default user.
        password: empty for none.
        tls: whether to speak TLS, and with `files` of redis-py's names: CA, certificate and key.
        prefix: what the names of the store's keys begin with; two stores of one database differ in it.
        wait_replicas: how many replicas have to have a write before it is answered.
        allow_volatile: take a Redis that can lose answered writes.
        assume_durable: take the operator's word for what cannot be asked: that this Redis loses none.
        timeout: float seconds that an answer of Redis may take.
    """

    host: str = "localhost"
    port: int = 6379
    database: int = 0
    username: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    tls: bool = False
    files: tuple[tuple[str, str], ...] = ()
    prefix: str = "registry"
    wait_replicas: int = 0
    allow_volatile: bool = False
    assume_durable: bool = False
    timeout: float = 4.0

    @property
    def location(self) -> str:
        """The URL without what is secret."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        prefix = "" if self.prefix == "registry" else f"?prefix={self.prefix}"
        return f"{'rediss' if self.tls else 'redis'}://{host}:{self.port}/{self.database}{prefix}"


def options_of(rest: str, *, tls: bool) -> RedisOptions:
    """The options in ``rest``, which is what follows the scheme and its colon.

    Raises:
        StorageSetupError: it is not understood; the text repeats nothing of it but an option's name.
    """
    try:
        parts = urlsplit(f"redis:{rest}")
        port, host = parts.port, parts.hostname
    except ValueError:
        _refuse("its port is no number from 0 to 65535, or its host is no name or address")
    if not rest.startswith("//") or parts.fragment:
        _refuse()
    return RedisOptions(
        host=unquote(host or "localhost"),
        port=port or 6379,
        database=_database(parts.path),
        username=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=tls,
        **_queried(parts.query, tls),
    )


def _refuse(why: str = "") -> NoReturn:
    raise StorageSetupError(f"a Redis storage is {_FORM}{why and '; '}{why}") from None


def _database(path: str) -> int:
    number = path.removeprefix("/")
    if number and not (number.isascii() and number.isdecimal() and len(number) < 6):
        _refuse("its database is a number")
    return int(number or 0)


def _queried(query: str, tls: bool) -> dict[str, Any]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(options.keys() - set(_OPTIONS))
    if unknown:
        raise StorageSetupError(
            f"a Redis storage has no option {unknown[0]!r}; it has {', '.join(sorted(_OPTIONS))}"
        )
    found: dict[str, Any] = {name: _flag(name, options[name]) for name in _OPTIONS[:2] if name in options}
    if "prefix" in options:
        found["prefix"] = _prefix(options["prefix"])
    if "timeout" in options:
        found["timeout"] = _seconds(options["timeout"])
    if "wait_replicas" in options:
        found["wait_replicas"] = _replicas(options["wait_replicas"])
    files = tuple((name, options[name]) for name in _FILES if name in options)
    if files and not tls:
        raise StorageSetupError(f"{files[0][0]} is for TLS: begin the URL with rediss://")
    return found | {"files": files}


def _flag(name: str, text: str) -> bool:
    if text not in ("0", "1"):
        raise StorageSetupError(f"{name} of a Redis storage is 0 or 1, not {text!r}")
    return text == "1"


def _prefix(text: str) -> str:
    if not _is_prefix(text):
        raise StorageSetupError(
            "prefix of a Redis storage is up to 64 letters, digits, dots, hyphens and underscores"
        )
    return text


def _seconds(text: str) -> float:
    if not re.fullmatch(r"\d{1,4}(\.\d{1,3})?", text) or not 0.1 <= float(text) <= 60:
        raise StorageSetupError(
            f"timeout of a Redis storage is a number of seconds from 0.1 to 60, not {text!r}"
        )
    return float(text)


def _replicas(text: str) -> int:
    if not re.fullmatch(r"\d{1,2}", text):
        raise StorageSetupError(f"wait_replicas of a Redis storage is a number from 0 to 99, not {text!r}")
    return int(text)
