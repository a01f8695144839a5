"""A watcher that checks what it is told: ordered, unique, without gaps, batches whole."""

from __future__ import annotations

import asyncio
import json
from itertools import cycle
from typing import Any

from tests.faults.history import Logged
from tests.faults.wire import Answer, Client, NoAnswerError, revision_of


def part_of(token: str) -> tuple[int, int]:
    """Which part of how many a token is; ``writer.number.part/parts``."""
    part, _, parts = token.rpartition(".")[2].partition("/")
    return int(part), int(parts)


class Follower:
    """Lists a namespace, then follows it from server to server; lists again where it is told to.

    Args:
        ports: of the servers of one store; each request goes to the next.
        tokens: the value of each digest: a value that was replaced since does not travel with its change.
        persists: where history begins a new epoch and has lost nothing, as when Redis starts again, it goes
            on from its own revision in the new epoch, so that its log is whole.

    Attributes:
        log: what it was told, by revision; a gap only where it listed again.
        replica: the values by key, as they follow from that.
        wrong: what cannot be.
        lists: how often it listed.
    """

    def __init__(
        self,
        space: str,
        ports: list[int],
        tokens: dict[str, str],
        *,
        persists: bool = False,
        wait: int = 5,
        limit: int = 1_000,
    ) -> None:
        self.space, self._tokens, self._persists = space, tokens, persists
        self._wait, self._limit = wait, limit
        self._clients = [Client(port) for port in ports]
        self._turn = cycle(self._clients)
        self.cursor = ""
        self.log: dict[int, Logged] = {}
        self.replica: dict[str, str] = {}
        self.wrong: list[str] = []
        self.lists = 0
        self.answers = 0

    @property
    def reached(self) -> int:
        return revision_of(self.cursor) if self.cursor else 0

    async def run(self) -> None:
        """Follow until cancelled."""
        try:
            while True:
                await self.step(self._wait)
        finally:
            self.close()

    def close(self) -> None:
        for client in self._clients:
            client.close()

    async def step(self, wait: int = 0) -> None:
        """One request; one that fails is made again by the next step."""
        client = next(self._turn)
        try:
            if not self.cursor:
                await self._list(client)
            else:
                self._take(await client.watch(self.space, self.cursor, wait, self._limit))
        except NoAnswerError:
            await asyncio.sleep(0.02)  # as a client would: not a busy loop

    async def _list(self, client: Client) -> None:
        answer = await client.ask("GET", f"/registry/{self.space}/items?limit=1000")
        if answer.status == 200:
            items = answer.body["items"]
            self.replica = {one["key"]: json.loads(one["value"]["data"]) for one in items}
            self.cursor = answer.body["cursor"]
            self.lists += 1

    def _take(self, answer: Answer) -> None:
        if answer.status == 410:
            self._begin_again(answer)
        elif answer.status == 200:
            self.answers += 1
            self._follow(answer.body["changes"])
            if revision_of(answer.body["cursor"]) != self.reached:
                self.wrong.append(f"the cursor is {answer.body['cursor']}, the changes end at {self.reached}")
        elif answer.status != 503:
            self.wrong.append(f"a watch was answered {answer.status}: {answer.body}")

    def _begin_again(self, answer: Answer) -> None:
        epoch, _, head = answer.body["cursor"].rpartition(".")
        if not self._persists or answer.body["code"] != "epoch_changed":
            self.cursor = ""
        elif int(head) < self.reached:
            self.wrong.append(f"the history ends at {head}, and {self.reached} was told")
            self.cursor = ""
        else:
            self.cursor = f"{epoch}.{self.reached}"

    def _follow(self, changes: list[dict[str, Any]]) -> None:
        epoch = self.cursor.rpartition(".")[0]
        for change in changes:
            revision = change["revision"]
            if revision != self.reached + 1:
                self.wrong.append(f"revision {revision} was told after {self.reached}")
            token = self._token_of(change)
            self.log[revision] = Logged(change["key"], token)
            if change["op"] == "set":
                self.replica[change["key"]] = token
            else:
                self.replica.pop(change["key"], None)
            self.cursor = f"{epoch}.{revision}"
        if changes and changes[-1]["op"] == "set":
            part, parts = part_of(self.log[self.reached].token)
            if part != parts:
                self.wrong.append(f"an answer ends at part {part} of a batch of {parts}")

    def _token_of(self, change: dict[str, Any]) -> str:
        if "value" in change:
            return str(json.loads(change["value"]["data"]))
        return self._tokens[change["digest"]] if "digest" in change else ""
