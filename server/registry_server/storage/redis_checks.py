"""Whether a Redis keeps what was acknowledged: asked each time a connection is made.

Measured, with what a Redis does unless it is told otherwise (snapshots now and then): a kill lost every
acknowledged write since the last one; a failover to a replica lost a third.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from registry_server.storage.base import StorageSetupError
from registry_server.storage.redis_url import RedisOptions

OLDEST: Final = (7, 0)
"""The first Redis with flags of scripts; every Valkey reports itself as 7.2 or newer."""

WANTED: Final[Mapping[str, str]] = {
    "appendonly": "yes",
    "appendfsync": "always",
    # With `yes` nothing is synced while the file is rewritten, `always` or not.
    "no-appendfsync-on-rewrite": "no",
}
_AT_ANY_PRICE: Final = "or start with --allow-volatile, and lose writes that were answered with success"


def info_of(text: bytes) -> dict[str, str]:
    """The fields of an answer to ``INFO``."""
    pairs = (line.partition(":") for line in text.decode("utf-8", "replace").splitlines())
    return {name: value for name, colon, value in pairs if colon}


def check_kind(info: Mapping[str, str], options: RedisOptions) -> None:
    """Refuse what is no primary that our scripts can run on.

    Raises:
        StorageSetupError: it is not; the text says what to do.
    """
    version = info.get("redis_version", "0")
    if tuple(int(part) for part in version.split(".")[:2] if part.isdecimal()) < OLDEST:
        raise _refusal(options, f"is version {version}; use Redis 7 or newer, or Valkey")
    if info.get("redis_mode") == "cluster":
        raise _refusal(options, "is a cluster; use one primary with replicas, a registry fits into one")
    if info.get("role") != "master":
        primary = f"{info.get('master_host', '?')}:{info.get('master_port', '?')}"
        raise _refusal(options, f"is a replica; name its primary, {primary}")
    if not info.get("master_replid"):
        raise _refusal(options, "does not tell its replication id, so lost history could not be noticed")


def check_durability(
    info: Mapping[str, str], config: Mapping[str, str] | None, options: RedisOptions
) -> None:
    """Refuse a Redis that can lose acknowledged writes, unless that was allowed.

    Args:
        info: its ``INFO``.
        config: the settings of `WANTED`; None where asking is forbidden, as managed services do.
        options: what was allowed, or is known.

    Raises:
        StorageSetupError: it can; the text says what to do.
    """
    if options.allow_volatile:
        return
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        raise _refusal(
            options,
            f"throws entries away when its memory is full (maxmemory-policy {policy}); "
            f"set maxmemory-policy noeviction in its configuration, {_AT_ANY_PRICE}",
        )
    if options.assume_durable:
        return
    if config is None:
        raise _refusal(
            options,
            "lets nobody read its configuration (CONFIG is forbidden, as managed services do). Ask the "
            "provider whether an acknowledged write survives a crash and a failover: if so, add "
            f"?assume_durable=1 to the URL; else choose another storage, {_AT_ANY_PRICE}",
        )
    for name, wanted in WANTED.items():
        if config.get(name) != wanted:
            raise _refusal(
                options,
                f"can lose acknowledged writes ({name} {config.get(name)}); "
                f"set {name} {wanted} in its configuration, {_AT_ANY_PRICE}",
            )


def _refusal(options: RedisOptions, why: str) -> StorageSetupError:
    return StorageSetupError(f"the Redis at {options.location} {why}")
