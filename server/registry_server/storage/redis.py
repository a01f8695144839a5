"""Entries in a Redis or Valkey, shared by any number of servers.

    event loop                        Redis
    ----------                        -----
    put: a call into a lane   ──>     one script: condition, entry, head, history, message
    answer, own head          <──     the file is synced, then all that came together is answered
    changes: one number?      ──>     the store's latest move, asked once for all who wait
    others' heads             <──     messages, and a look each second

Nothing is held here that an answer is taken from without asking: each is a read of the primary that began
after its caller did, so any server may be asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from registry_server.storage.base import (
    ANY,
    BatchRemoved,
    BatchWritten,
    Changes,
    Cleared,
    ConditionFailedError,
    Drop,
    Entry,
    Expect,
    Listener,
    NamespaceInfo,
    Page,
    Put,
    Refused,
    Removed,
    StorageBackend,
    StorageCounters,
    StorageSetupError,
    StorageUnavailableError,
    Stored,
    Totals,
    Written,
)
from registry_server.storage.history import KEPT, SLACK
from registry_server.storage.redis_follower import Follower
from registry_server.storage.redis_heads import MOST_AT_ONCE, Heads
from registry_server.storage.redis_lanes import Lanes
from registry_server.storage.redis_link import Dialer, Welcome
from registry_server.storage.redis_recent import Asked, Recent
from registry_server.storage.redis_replies import (
    Reply,
    changes_of,
    entries_of,
    infos_of,
    page_of,
    removed_of,
    written_of,
)
from registry_server.storage.redis_scripts import Keys, Script, scripts
from registry_server.storage.redis_url import RedisOptions
from registry_server.storage.redis_wire import Argument
from registry_server.storage.times import Stamper

_UNBOUNDED: Final = 1 << 62


class RedisBackend(StorageBackend):
    """A store in the keys of one prefix of a Redis database, for any number of server processes.

    Args:
        options: where the Redis is, and what is asked of it.

    A write that returned survives the death of Redis and of its machine's power, unless ``allow_volatile``
    lets less do. It survives a failover if it was replicated by then: ``wait_replicas`` waits for that.
    Where a connection breaks under a write, `OutcomeUnknownError` says that it may be stored.

    Seven connections at most. A page with a prefix costs about the square root of page and namespace in
    steps of the one thread of Redis; where the many keys that have it came last, the whole namespace.
    """

    # Set by `open`; reached only behind a look at `_lanes`.
    _heads: Heads
    _recent: Recent
    _follower: Follower

    def __init__(self, options: RedisOptions) -> None:
        self.durable = not options.allow_volatile
        self.epoch = ""
        self._options = options
        self._keys = Keys(options.prefix, options.database)
        self._scripts = scripts()
        self._now = Stamper()
        self._lanes: tuple[Lanes, Lanes, Lanes] | None = None
        self._closing: asyncio.Task[None] | None = None
        self._listeners: list[Listener] = []
        self._counters = StorageCounters()

    @property
    def location(self) -> str:
        return self._options.location

    async def open(self) -> None:
        if self._lanes is not None:
            raise StorageSetupError(f"{self.location} is open already")
        self.epoch = ""
        self._recent = Recent()
        self._heads = Heads(self._ask_for_moves, self._tell)
        dialer = Dialer(self._options, self._keys, self._welcomed)
        try:
            link = await dialer.dial_at_once()
        except StorageUnavailableError as error:
            raise StorageSetupError(str(error)) from error
        await link.close()
        self._lanes = (
            Lanes(dialer, self._options, self._counters, count=2, together=128, writes=True),
            Lanes(dialer, self._options, self._counters, count=2, together=128),
            # Few together: each of their answers may be megabytes long.
            Lanes(dialer, self._options, self._counters, count=2, together=4),
        )
        self._follower = Follower(dialer, self._keys.channel, self._heads)
        self._follower.start()
        self._closing = None

    async def close(self) -> None:
        if self._lanes is None:
            return
        if self._closing is None:
            self._closing = asyncio.create_task(self._shut())
        await asyncio.shield(self._closing)

    async def ping(self) -> None:
        await self._read(self._scripts.peek, "", "")

    async def get(self, namespace: str, key: str) -> tuple[Entry | None, int]:
        [entry], head = entries_of(await self._read(self._scripts.get, namespace, _UNBOUNDED, key), [key])
        return entry, head

    async def contains(self, namespace: str, key: str) -> tuple[bool, int]:
        head, _, taken = await self._read(self._scripts.peek, namespace, key)
        return bool(taken), head

    async def count(self, namespace: str) -> tuple[int, int]:
        head, size, _ = await self._read(self._scripts.peek, namespace, "")
        return size, head

    async def put(self, namespace: str, key: str, value: Stored, *, expect: Expect = ANY) -> Written:
        [done], head, _ = await self.put_many(namespace, [Put(key, value, expect)])
        if isinstance(done, Refused):
            raise ConditionFailedError(done.current, head)
        return done

    async def put_many(self, namespace: str, writes: Sequence[Put], *, atomic: bool = False) -> BatchWritten:
        arguments: list[Argument] = [int(atomic)]
        for key, (envelope, digest), expect in writes:
            arguments += (key, envelope, digest, expect)
        return written_of(await self._write(self._scripts.put, namespace, arguments), writes)

    async def delete(self, namespace: str, key: str, *, expect: Expect = ANY) -> Removed:
        [done], head, _ = await self.delete_many(namespace, [Drop(key, expect)])
        if isinstance(done, Refused):
            raise ConditionFailedError(done.current, head)
        return done

    async def get_many(
        self, namespace: str, keys: Sequence[str], *, max_bytes: int
    ) -> tuple[list[Entry | None], int]:
        return entries_of(await self._list(self._scripts.get, namespace, max_bytes, *keys), keys)

    async def delete_many(
        self, namespace: str, drops: Sequence[Drop], *, atomic: bool = False
    ) -> BatchRemoved:
        arguments: list[Argument] = [int(atomic)]
        for drop in drops:
            arguments += drop
        return removed_of(await self._write(self._scripts.delete, namespace, arguments), drops)

    async def clear(self, namespace: str, *, head: int | None = None) -> Cleared:
        count, found, _ = await self._write(self._scripts.clear, namespace, (-1 if head is None else head,))
        if count < 0:
            raise ConditionFailedError(None, found)
        return Cleared(count, found)

    async def page(
        self,
        namespace: str,
        *,
        prefix: str = "",
        after: int = 0,
        limit: int,
        max_bytes: int,
        values: bool = True,
    ) -> Page:
        return page_of(
            await self._list(self._scripts.page, namespace, prefix, after, limit, max_bytes, int(values))
        )

    async def changes(
        self, namespace: str, since: int, *, limit: int, max_bytes: int, max_value: int
    ) -> Changes:
        self._lanes_or_refuse()

        async def read() -> Changes:
            epoch = self.epoch
            reply = await self._list(self._scripts.changes, namespace, since, limit, max_bytes, max_value)
            if self.epoch == epoch:
                self._heads.know(namespace, reply[0])
            return changes_of(reply)

        head = await self._heads.latest(namespace)
        if head is None:
            return await read()
        if since >= head:
            return Changes([], head)
        return await self._recent.find(Asked(namespace, since, limit, max_bytes, max_value, head), read)

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    async def namespaces(
        self, *, prefix: str = "", after: str = "", limit: int
    ) -> tuple[list[NamespaceInfo], bool]:
        found = infos_of(
            await self._list(self._scripts.namespaces, None, self._keys.base, prefix, after, limit)
        )
        return found[:limit], len(found) > limit

    async def totals(self, *, largest: int) -> Totals:
        namespaces, entries, *found = await self._list(self._scripts.totals, None, self._keys.base, largest)
        return Totals(namespaces, entries, infos_of(found))

    def counters(self) -> StorageCounters:
        self._counters.queued = 0 if self._lanes is None else self._lanes[0].queued
        return self._counters

    # Calling scripts

    async def _write(self, script: Script, namespace: str, arguments: Sequence[Argument]) -> Reply:
        """The answer of a script that may move the namespace; it has the head and the move in its middle."""
        epoch = self.epoch
        told = (epoch, namespace, self._keys.channel, self._now(), KEPT, SLACK, *arguments)
        lanes, _, _ = self._lanes_or_refuse()
        reply: Reply = await lanes.submit(script, self._keys.of(namespace), told)
        _, head, move, *_ = reply
        if move and self.epoch == epoch:
            self._heads.moved(move, namespace, head)
        return reply

    def _read(self, script: Script, namespace: str, *arguments: Argument) -> asyncio.Future[Any]:
        _, lanes, _ = self._lanes_or_refuse()
        return lanes.submit(script, self._keys.of(namespace), (self.epoch, *arguments))

    def _list(self, script: Script, namespace: str | None, *arguments: Argument) -> asyncio.Future[Any]:
        """The answer of a script that may be long; without a namespace, of one about the whole store."""
        _, _, lanes = self._lanes_or_refuse()
        keys = self._keys.store if namespace is None else self._keys.of(namespace)
        return lanes.submit(script, keys, (self.epoch, *arguments))

    async def _ask_for_moves(self, known_to: int) -> Reply:
        _, lanes, _ = self._lanes_or_refuse()
        arguments = (self.epoch, self._keys.base, known_to, MOST_AT_ONCE)
        reply: Reply = await lanes.submit(self._scripts.moves, self._keys.store, arguments)
        return reply

    def _lanes_or_refuse(self) -> tuple[Lanes, Lanes, Lanes]:
        if self._lanes is None:
            raise StorageUnavailableError("the storage is not open")
        return self._lanes

    # What the store tells of itself

    def _welcomed(self, welcome: Welcome) -> None:
        if welcome.epoch != self.epoch:
            self.epoch = welcome.epoch
            self._recent.clear()
            self._heads.begin(welcome.move)

    def _tell(self, namespace: str) -> None:
        for listener in self._listeners:
            listener(namespace)

    async def _shut(self) -> None:
        await self._follower.stop()
        await asyncio.gather(*(lanes.close() for lanes in self._lanes or ()))
        self._lanes = None
