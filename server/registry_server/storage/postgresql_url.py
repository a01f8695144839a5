"""From a ``postgresql:`` URL to what libpq is told and what is ours; nothing of it is ever printed whole.

postgresql://user:password@host:5432/database
postgresql://user@one,two/database?sslmode=verify-full        several hosts: the one that takes writes
postgresql:///database?host=/run/postgresql                   a Unix socket
postgresql://host/database?schema=research&allow_volatile=1   the two options that are ours
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, quote, urlencode

from psycopg import ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from registry.suggest import did_you_mean, near_names
from registry_server.storage.base import StorageSetupError

SCHEMA: Final = "registry"
"""Where our tables are, unless the URL says otherwise."""

_OURS: Final = frozenset({"schema", "allow_volatile"})
_is_schema = re.compile(r"[a-z_][a-z0-9_]{0,47}").fullmatch
_FLAGS: Final = {"0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}
_UNREADABLE: Final = (
    "the URL cannot be read: a PostgreSQL storage is postgresql://user:password@host:5432/database, "
    "special characters percent-encoded"
)

# libpq's own defaults wait for minutes. Seconds, but tcp_user_timeout: ms.
_DEFAULTS: Final = {
    "application_name": "registry-server",
    "client_encoding": "utf8",
    "connect_timeout": "3",
    "keepalives_idle": "10",
    "keepalives_interval": "3",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "target_session_attrs": "read-write",
}


class PostgresqlUrl(NamedTuple):
    """What a URL says.

    Attributes:
        conninfo: libpq's connection string, password included: never to be shown.
        schema: the PostgreSQL schema that holds the tables.
        allow_volatile: whether a server that loses answered writes is taken.
        location: the URL for people, without password.
    """

    conninfo: str
    schema: str
    allow_volatile: bool
    location: str


def parse_url(url: str) -> PostgresqlUrl:
    """``url``, understood.

    Raises:
        StorageSetupError: it is not; the text repeats option names at most.
    """
    base, _, query = url.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    _refuse_unknown(options)
    schema = options.get("schema", SCHEMA)
    if not _is_schema(schema) or schema.startswith("pg_"):
        raise StorageSetupError(
            "schema is lower-case letters, digits and underscores, 48 at most, not beginning with pg_"
        )
    volatile = _FLAGS.get(options.get("allow_volatile", "0").lower())
    if volatile is None:
        raise StorageSetupError("allow_volatile is 1 or 0")
    theirs = {name: value for name, value in options.items() if name not in _OURS}
    try:
        told = conninfo_to_dict(f"{base}?{urlencode(theirs, quote_via=quote)}" if theirs else base)
        conninfo = make_conninfo("", **_DEFAULTS | _spread(told) | told)
    except ProgrammingError:
        raise StorageSetupError(_UNREADABLE) from None  # libpq's message repeats the URL
    if "@" in str(told.get("dbname", "")):
        # A password with an unescaped slash: its rest was read as the database, and would be shown.
        raise StorageSetupError(_UNREADABLE)
    return PostgresqlUrl(conninfo, schema, volatile, _location(told, schema))


def _spread(told: dict[str, str | int | None]) -> dict[str, str]:
    # Of several hosts, any: the first may be one that a failover left behind and that came back.
    return {"load_balance_hosts": "random"} if "," in str(told.get("host", "")) else {}


def _refuse_unknown(options: dict[str, str]) -> None:
    known = _OURS | {option.keyword.decode() for option in pq.Conninfo.get_defaults()}
    unknown = sorted(options.keys() - known)
    if unknown:
        hint = did_you_mean(near_names(unknown[0], known))
        raise StorageSetupError(
            f"a PostgreSQL storage has no option {unknown[0]!r}; it has schema, allow_volatile and those of "
            f"libpq's connection URIs.{hint}"
        )


def _location(told: dict[str, str | int | None], schema: str) -> str:
    def said(name: str) -> str:
        return str(told.get(name) or "")

    user = f"{said('user')}@" if said("user") else ""
    hosts, ports = said("host").split(","), said("port").split(",")
    socket = next((host for host in hosts if host.startswith("/")), "")
    if socket:
        places, query = "", f"?host={socket}"
    else:
        ports = ports * len(hosts) if len(ports) == 1 else ports
        places, query = ",".join(f"{h}:{p}" if p else h for h, p in zip(hosts, ports, strict=False)), ""
    if schema != SCHEMA:
        query += f"{'&' if query else '?'}schema={schema}"
    return f"postgresql://{user}{places}/{said('dbname')}{query}"
