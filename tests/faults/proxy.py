"""A network of ours between client and server, on loopback, which can be bad in each of the usual ways."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Literal

Weather = Literal["fair", "slow", "drip", "half_open", "black_hole", "cut", "refused"]
"""What becomes of bytes:

* ``slow``: each piece is a quarter of a second late, on its way there and back.
* ``drip``: answers come at one byte a second.
* ``half_open``: requests arrive, answers do not.
* ``black_hole``: connections are taken, and nothing is passed on, either way.
* ``cut``: every connection is broken, and so is each new one at its first byte.
* ``refused``: as cut, and nobody listens.
"""

DELAY_SECONDS = 0.25
DRIP_SECONDS = 1.0


class Proxy:
    """Listens on a port of its own, in a thread of its own, for one server.

    Attributes:
        port: where it listens.
        weather: what becomes of bytes from now on.
    """

    def __init__(self, target: int) -> None:
        self._target = target
        self.port = 0
        self.weather: Weather = "fair"
        self._loop = asyncio.new_event_loop()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._call(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def become(self, weather: Weather) -> None:
        """Change the weather, for connections that are open too."""
        self._call(self._become(weather))

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _become(self, weather: Weather) -> None:
        was, self.weather = self.weather, weather
        if weather in ("cut", "refused"):
            self._break()
        if weather == "refused":
            await self._close()
        elif was == "refused":
            await self._listen()
        if weather == "fair" and was not in ("slow", "fair"):
            self._break()  # what was held back does not come later

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _end(self) -> None:
        await self._close()
        self._break()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _break(self) -> None:
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            await self._pass_on(reader, writer)
        except OSError:
            pass
        finally:
            writer.transport.abort()
            self._tasks.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        self._open.add(back)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pump(reader, back, answers=False))
                group.create_task(self._pump(there, writer, answers=True))
        except* OSError:
            pass
        finally:
            back.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, answers: bool) -> None:
        while data := await source.read(65_536):
            if self.weather in ("cut", "refused"):
                raise ConnectionResetError
            if self.weather == "slow":
                await asyncio.sleep(DELAY_SECONDS)
            elif self.weather == "black_hole" or (self.weather == "half_open" and answers):
                await asyncio.Event().wait()
            elif self.weather == "drip" and answers:
                await self._drip(data, sink)
                continue
            sink.write(data)
            await sink.drain()
        raise ConnectionResetError  # one end has closed: so does the other

    async def _drip(self, data: bytes, sink: asyncio.StreamWriter) -> None:
        for byte in data:
            sink.write(bytes([byte]))
            await sink.drain()
            await asyncio.sleep(DRIP_SECONDS)
