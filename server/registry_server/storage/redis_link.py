"""One connection to Redis: made, greeted, checked, and asked many things at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple
from uuid import uuid4

from redis import exceptions
from redis.asyncio import Connection, SSLConnection

from registry_server.storage.base import StorageError, StorageSetupError, StorageUnavailableError
from registry_server.storage.redis_checks import WANTED, check_durability, check_kind, info_of
from registry_server.storage.redis_errors import BROKEN, translate
from registry_server.storage.redis_scripts import Keys, scripts
from registry_server.storage.redis_url import RedisOptions
from registry_server.storage.redis_wire import Argument, command, pack

FORMAT: Final = 1
"""How a store's keys are laid out; a server refuses a store of a later format."""

CONNECT_SECONDS: Final = 2.0
QUIET_SECONDS: Final = 0.25
"""After a failure to connect, so long nobody else tries: callers are refused at once."""
IDLE_SECONDS: Final = 1.0
"""A connection unused for longer is tried before a write is trusted to it."""


class Welcome(NamedTuple):
    """What a store says of itself: its epoch and the number of its latest move."""

    epoch: str
    move: int


class Link:
    """A connection that has passed all checks. Not for several callers at once."""

    def __init__(self, connection: Connection, options: RedisOptions) -> None:
        self._connection = connection
        self._seconds = options.timeout
        self._clock = asyncio.get_running_loop().time
        self._used = self._clock()

    async def exchange(self, commands: Sequence[bytes], replies: list[Any]) -> None:
        """Send all of ``commands`` at once and append what is answered to ``replies``, errors as values.

        Raises one of `BROKEN` where not all were answered; the connection is of no use then.
        """
        connection = self._connection
        async with asyncio.timeout(self._seconds) as deadline:
            await connection.send_packed_command(b"".join(commands), check_health=False)
            for _ in commands:
                try:
                    replies.append(await connection.read_response())
                except exceptions.ResponseError as error:
                    replies.append(error)
                self._used = self._clock()
                deadline.reschedule(self._used + self._seconds)  # so long for each

    async def ask(self, *arguments: Argument) -> Any:
        """The answer to one command; raises what it raises."""
        return await self.ask_packed(command(pack(arguments)))

    async def ask_packed(self, packed: bytes) -> Any:
        """`ask`, with a command that was made before."""
        replies: list[Any] = []
        await self.exchange([packed], replies)
        if isinstance(replies[0], Exception):
            raise replies[0]
        return replies[0]

    async def subscribe(self, channel: bytes) -> None:
        """Turn this into a connection that only listens."""
        await self.ask("SUBSCRIBE", channel)

    async def listen(self, seconds: float) -> Any:
        """The next message, or None after ``seconds``."""
        return await self._connection.read_response(timeout=seconds)

    async def send_ping(self) -> None:
        """Ask a sign of life of a connection that listens; it comes as a message."""
        await self._connection.send_command("PING", check_health=False)

    async def is_alive(self) -> bool:
        """Whether it answers; asked only after `IDLE_SECONDS` of silence.

        A Redis that went away meanwhile, or a firewall that forgot the connection, is found by this and not
        by a write, whose outcome would then be unknown.
        """
        if self._clock() - self._used < IDLE_SECONDS:
            return True
        try:
            await self.ask("PING")
        except BROKEN:
            return False
        return True

    async def close(self) -> None:
        """Let go of the connection, whatever its state."""
        await self._connection.disconnect(nowait=True)


class Dialer:
    """Makes links to one store.

    Every one is greeted: checked as at the start, given the scripts (a restarted Redis has forgotten them),
    and asked for the epoch. ``welcome`` is told before the link is used, so nothing that is answered on it
    is taken for the history before.

    An epoch is a random name beside the replication id under which it began. Redis changes that id whenever
    its history may have forked: on a failover the promoted replica may lack the last writes, and a dump may
    be of last week. The id of a store thus never matches the one that was noted in it, and the first server
    to see that begins an epoch, for all. A plain restart changes the id too, and so does the first replica
    of a primary that had none: nothing is lost then, but nothing could tell the one from the other, and an
    epoch too many only makes clients list again.
    """

    def __init__(self, options: RedisOptions, keys: Keys, welcome: Callable[[Welcome], None]) -> None:
        self._options = options
        self._keys = keys
        self._welcome = welcome
        self._quiet_until = 0.0
        self._failure: StorageError | None = None

    async def dial(self) -> Link:
        """A link to the primary.

        Raises:
            StorageUnavailableError: there is none now.
        """
        loop = asyncio.get_running_loop()
        if self._failure is not None and loop.time() < self._quiet_until:
            raise StorageUnavailableError(*self._failure.args)
        try:
            link = await self.dial_at_once()
        except StorageError as error:
            self._failure, self._quiet_until = error, loop.time() + QUIET_SECONDS
            raise StorageUnavailableError(*error.args) from error
        self._failure = None
        return link

    async def dial_at_once(self) -> Link:
        """A link to the primary.

        Raises:
            StorageUnavailableError: there is none now.
            StorageSetupError: it is not one to be used; the text says what to do.
        """
        connection = _connection(self._options)
        link = Link(connection, self._options)
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await connection.connect()  # type: ignore[no-untyped-call]
                await self._greet(link)
        except BaseException as error:
            await link.close()
            if isinstance(error, StorageError) or not isinstance(error, Exception):
                raise
            raise translate(error, self._options.location) from error
        return link

    async def _greet(self, link: Link) -> None:
        info = info_of(await link.ask("INFO"))
        check_kind(info, self._options)
        check_durability(info, await _settings(link), self._options)
        adopt, *_ = every = scripts()
        replies: list[Any] = []
        loading = [command(pack(("SCRIPT", "LOAD", script.source))) for script in every]
        await link.exchange(loading, replies)
        known = pack((info["master_replid"], uuid4().hex, FORMAT))
        epoch, move, found = await link.ask_packed(command(adopt.call, self._keys.adopting, known))
        if found > FORMAT:
            raise StorageSetupError(
                f"the store at {self._options.location} is of format {found}, which a later version of this "
                f"server wrote; this one knows {FORMAT}: upgrade it, or give it another store with ?prefix="
            )
        self._welcome(Welcome(epoch.decode(), move))


async def _settings(link: Link) -> dict[str, str] | None:
    """What `check_durability` wants to see; None where it may not be seen."""
    try:
        found = await link.ask("CONFIG", "GET", *WANTED)
    except exceptions.AuthenticationError:
        raise
    except exceptions.ResponseError:  # forbidden, renamed or unknown
        return None
    names = [text.decode() for text in found]
    return dict(zip(names[::2], names[1::2], strict=True)) or None


def _connection(options: RedisOptions) -> Connection:
    kind: Callable[..., Connection] = SSLConnection if options.tls else Connection
    return kind(
        host=options.host,
        port=options.port,
        db=options.database,
        username=options.username or None,
        password=options.password or None,
        socket_connect_timeout=CONNECT_SECONDS,
        socket_timeout=None,  # `Link.exchange` has one deadline for all its answers
        protocol=2,
        client_name="registry-server",
        driver_info=None,  # to tell Redis its version, redis-py reads it from disk, 5 ms for each connection
        # Never repeats by itself: a script that was sent twice may have run twice.
        **dict(options.files),
    )
