"""Clients that read and write all the time, whatever happens to the servers, and note what they were told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from random import Random
from typing import Any

from registry.envelope.form import digest_of
from tests.faults.history import ABSENT, History, Read, Wanted, Write
from tests.faults.wire import Answer, Client, NoAnswerError
from tests.server.wire import envelope, setting

KEYS = 40
PARTS = 5
Fields = Mapping[str, str] | None

REFUSALS = {"storage_unavailable", "storage_full"}
"""Codes of problems after which nothing was done."""


class Load:
    """Clients of one namespace, over all servers of its store.

    Args:
        ports: of the servers.
        clients: how many work at once.
        reads: the share of their requests that read.
        seed: what they do depends on it and on what they are answered, not on anything else.

    Attributes:
        history: what they did.
        tokens: the value of each digest that may be told.
        unexpected: answers that no client of a server in trouble should get.
    """

    def __init__(self, space: str, ports: list[int], *, clients: int, reads: float, seed: str) -> None:
        self.space, self._ports, self._reads, self._seed = space, ports, reads, seed
        self._count = clients
        self.history = History()
        self.tokens: dict[str, str] = {}
        self.unexpected: list[str] = []
        self.answered = 0
        self.failed = 0
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._work(number)) for number in range(self._count)]

    async def stop(self) -> None:
        """Let each client finish what it does."""
        self._stopped = True
        await asyncio.gather(*self._tasks)

    async def acknowledge(self, changes: int, patience: float = 120) -> None:
        """Return once so many more changes have been answered for."""
        goal = self._acknowledged + changes
        async with asyncio.timeout(patience):
            while self._acknowledged < goal:
                for task in self._tasks:
                    if task.done():
                        task.result()
                await asyncio.sleep(0.01)

    _acknowledged = 0

    async def _work(self, number: int) -> None:
        worker = _Worker(self, number, Random(f"{self._seed} {number}"), [Client(p) for p in self._ports])
        while not self._stopped:
            await worker.do_something()
        worker.close()


class _Worker:
    def __init__(self, load: Load, number: int, chance: Random, clients: list[Client]) -> None:
        self._load, self._number, self._chance, self._clients = load, number, chance, clients
        self._seen: dict[str, tuple[str, int]] = {}
        self._made = 0

    def close(self) -> None:
        for client in self._clients:
            client.close()

    async def do_something(self) -> None:
        client = self._chance.choice(self._clients)
        if self._chance.random() < self._load._reads:
            await self._read(client)
        else:
            await self._write(client)

    async def _read(self, client: Client) -> None:
        kind = self._chance.random()
        try:
            if kind < 0.7:
                await self._get(client)
            elif kind < 0.9:
                await self._list(client)
            else:
                await self._contains(client)
        except NoAnswerError as error:
            await self._failed(error)

    async def _get(self, client: Client) -> None:
        key = self._key()
        answer = await client.get(self._load.space, key)
        if answer.status == 200:
            token = json.loads(answer.body["value"]["data"])
            self._seen[key] = answer.body["etag"], answer.body["revision"]
            self._note(answer, {key: (answer.body["revision"], token)})
        elif answer.status == 404:
            self._seen.pop(key, None)
            self._note(answer, {key: (ABSENT, None)})
        else:
            await self._refused(answer)

    async def _list(self, client: Client) -> None:
        answer = await client.ask("GET", f"/registry/{self._load.space}/items?limit=1000")
        if answer.status != 200:
            await self._refused(answer)
            return
        items = answer.body["items"]
        found = {one["key"]: (one["revision"], json.loads(one["value"]["data"])) for one in items}
        self._note(answer, found, whole=True)

    async def _contains(self, client: Client) -> None:
        answer = await client.ask("GET", f"/registry/{self._load.space}/length")
        if answer.status == 200:
            self._note(answer, {})
        else:
            await self._refused(answer)

    def _note(self, answer: Answer, found: dict[str, Any], *, whole: bool = False) -> None:
        self._load.answered += 1
        read = Read(answer.began, answer.ended, answer.head, found, whole)
        self._load.history.reads.append(read)

    async def _write(self, client: Client) -> None:
        kind = self._chance.random()
        key = self._key()
        if kind < 0.5:
            await self._set(client, key, None)
        elif kind < 0.6:
            await self._set(client, key, ABSENT, {"If-None-Match": "*"})
        elif kind < 0.75 and key in self._seen:
            etag, revision = self._seen.pop(key)
            await self._set(client, key, revision, {"If-Match": f'"{etag}"'})
        elif kind < 0.85:
            await self._delete(client, key)
        else:
            await self._set_many(client)

    async def _set(self, client: Client, key: str, expected: int | None, fields: Fields = None) -> None:
        [wanted] = self._wanted([key])
        write = Write([wanted], 0, expected=expected)
        path = f"/registry/{self._load.space}/set"
        body = setting(key, wanted.token)
        answer = await self._send(client, write, "POST", path, body, fields)
        if answer is not None and answer.status == 200:
            self._done(write, answer, [answer.body["revision"]])

    async def _delete(self, client: Client, key: str) -> None:
        write = Write([Wanted(key, "")], 0)
        path = f"/registry/{self._load.space}/delete?key={key}"
        answer = await self._send(client, write, "DELETE", path)
        if answer is not None and answer.status == 200:
            self._done(write, answer, [answer.body["revision"]])
        elif answer is not None and answer.status == 404:
            write.fate = "refused"
            self._note(answer, {key: (ABSENT, None)})

    async def _set_many(self, client: Client) -> None:
        keys = self._chance.sample([f"k{number}" for number in range(KEYS)], PARTS)
        write = Write(self._wanted(keys), 0)
        entries = [{"key": envelope(w.key), "value": envelope(w.token)} for w in write.wanted]
        body = {"entries": entries}
        answer = await self._send(client, write, "POST", f"/registry/{self._load.space}/batch/set", body)
        if answer is not None and answer.status == 200:
            self._done(write, answer, [one["revision"] for one in answer.body["outcomes"]])

    async def _send(
        self, client: Client, write: Write, method: str, path: str, body: object = None, fields: Fields = None
    ) -> Answer | None:
        """Send a write and note what is known of it; None where it was not answered as one."""
        self._load.history.writes.append(write)
        try:
            answer = await client.ask(method, path, body, fields)
        except NoAnswerError as error:
            write.began = error.began
            write.fate = "unknown" if error.sent else "refused"
            await self._failed(error)
            return None
        write.began = answer.began
        if answer.status in (200, 404):
            return answer
        if answer.status == 412:
            write.fate = "refused"
            current = answer.body.get("current")
            key = write.wanted[0].key
            self._note(answer, {key: (current["revision"] if current else ABSENT, None)})
            return None
        write.fate = "refused" if answer.body.get("code") in REFUSALS else "unknown"
        await self._refused(answer)
        return None

    def _done(self, write: Write, answer: Answer, revisions: list[int]) -> None:
        write.ended, write.fate, write.revisions = answer.ended, "done", revisions
        self._load.answered += 1
        self._load._acknowledged += len(revisions)

    async def _refused(self, answer: Answer) -> None:
        self._load.failed += 1
        if answer.body.get("code") not in (*REFUSALS, "outcome_unknown"):
            self._load.unexpected.append(f"{answer.status}: {answer.body}")
        await asyncio.sleep(0.02)

    async def _failed(self, _: NoAnswerError) -> None:
        self._load.failed += 1
        await asyncio.sleep(0.02)  # as a client would: not a busy loop

    def _key(self) -> str:
        return f"k{self._chance.randrange(KEYS)}"

    def _wanted(self, keys: list[str]) -> list[Wanted]:
        self._made += 1
        wanted = []
        for part, key in enumerate(keys, 1):
            token = f"{self._number}.{self._made}.{part}/{len(keys)}"
            self._load.tokens[digest_of("json", "json", json.dumps(token))] = token
            wanted.append(Wanted(key, token))
        return wanted
