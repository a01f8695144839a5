"""A client of one server over one connection: little more than bytes, so that the load is the server's."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson

from tests.server.wire import setting

PATIENCE = 20.0
"""Seconds for one request: of a server that is stopped, say."""


class Answer(NamedTuple):
    """A status and a body, with the times between which the server did what was asked (`time.monotonic`)."""

    status: int
    body: dict[str, Any]
    began: float
    ended: float

    @property
    def head(self) -> int:
        """The revision in the answer's cursor."""
        return revision_of(self.body["cursor"])


class NoAnswerError(Exception):
    """The connection broke, or took too long; ``sent`` if the request may have arrived."""

    def __init__(self, *, sent: bool, began: float) -> None:
        super().__init__(f"sent: {sent}")
        self.sent, self.began = sent, began


def revision_of(cursor: str) -> int:
    return int(cursor.rpartition(".")[2])


class Client:
    """Asks one server on loopback, one request at a time; a connection that broke is made anew."""

    def __init__(self, port: int, patience: float = PATIENCE) -> None:
        self.port, self._patience = port, patience
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        fields: Mapping[str, str] | None = None,
        *,
        patience: float | None = None,
    ) -> Answer:
        """The answer, whatever its status.

        Raises:
            NoAnswerError: there is none.
        """
        content = b"" if body is None else orjson.dumps(body)
        head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
        head += f"Content-Length: {len(content)}\r\n"
        if content:
            head += "Content-Type: application/json\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in (fields or {}).items())
        began, sent = time.monotonic(), False
        try:
            async with asyncio.timeout(patience or self._patience):
                reader, writer = self._streams or await self._connect()
                sent = True
                writer.write(head.encode() + b"\r\n" + content)
                status, answer = await _read(reader)
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            raise NoAnswerError(sent=sent, began=began) from error
        except BaseException:
            self.close()
            raise
        return Answer(status, answer, began, time.monotonic())

    async def get(self, space: str, key: str) -> Answer:
        return await self.ask("GET", f"/registry/{space}/get?key={quote(key)}")

    async def set(self, space: str, key: str, value: str) -> Answer:
        return await self.ask("POST", f"/registry/{space}/set", setting(key, value))

    async def watch(self, space: str, since: str, wait: int, limit: int = 1_000) -> Answer:
        path = f"/registry/{space}/watch?since={since}&wait={wait}&limit={limit}"
        return await self.ask("GET", path, patience=wait + self._patience)

    async def ready(self) -> bool:
        """Whether it serves now."""
        try:
            return (await self.ask("GET", "/ready", patience=2)).status == 200
        except NoAnswerError:
            return False

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].transport.abort()
            self._streams = None

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        self._streams = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 24)
        return self._streams


async def _read(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    lines = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if line)
    body = await reader.readexactly(int(lines.get("content-length", 0)))
    return int(head.split(" ", 2)[1]), json.loads(body) if body else {}
