"""What a check has: a server to ask, namespaces of its own, and the requests of the protocol in short."""

from __future__ import annotations

import json
import random
import secrets
import string
import subprocess
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from registry.conformance.check import Failure, SetupError, require
from registry.conformance.contract import Contract, field_of
from registry.conformance.options import Options
from registry.conformance.wire import Exchange, Fields, Query, Wire, answered

T = TypeVar("T")

JSON = ("content-type", "application/json")
RESTART_SECONDS = 120
_LETTERS = string.ascii_lowercase + string.digits


class Answer(NamedTuple):
    """An answer that is as the contract has it.

    Attributes:
        status: its status code.
        json: its JSON, or text; None where it has no body.
        exchange: all of it.
    """

    status: int
    json: Any
    exchange: Exchange

    def field(self, name: str) -> str:
        """A header field; empty where it is not there."""
        return field_of(self.exchange, name)

    @property
    def asked(self) -> str:
        return self.exchange.asked


class Context:
    """One check's view of the run; what it asked is in ``exchanges``.

    Attributes:
        options: those of the run.
        capabilities: what the server answered to ``/capabilities``.
        profiles: those that are checked.
        random: drawn from the run's seed and the check's id.
        exchanges: every request so far.
    """

    def __init__(
        self,
        wire: Wire,
        contract: Contract,
        options: Options,
        capabilities: Mapping[str, Any],
        profiles: Iterable[str],
        name: str,
    ) -> None:
        self.wire = wire
        self.contract = contract
        self.options = options
        self.capabilities = capabilities
        self.profiles = frozenset(profiles)
        self.random = random.Random(f"{options.seed} {name}")
        self.exchanges: list[Exchange] = []
        self._namespaces: list[str] = []

    @property
    def limits(self) -> Mapping[str, int]:
        """The limits that the server publishes."""
        found: Mapping[str, int] = self.capabilities["limits"]
        return found

    # ---- namespaces

    def namespace(self, below: str = "") -> str:
        """A new namespace that nobody else uses; it is emptied when the check is over."""
        # Not from the seed: a second run with it beside this one must not meet this one.
        name = "".join(secrets.choice(_LETTERS) for _ in range(16))
        namespace = f"{self.options.prefix}.{below or name}{'.' + name if below else ''}"
        self._namespaces.append(namespace)
        return namespace

    def clean_up(self) -> None:
        """Empty every namespace of the check; what is not to be had is left."""
        for namespace in self._namespaces:
            self.wire.send("DELETE", f"/registry/{namespace}/clear")

    # ---- requests

    def send(self, method: str, path: str, **how: Any) -> Exchange:
        """`Wire.send`, recorded.

        Raises:
            Failure: no answer came.
        """
        return self._recorded(self.wire.send(method, path, **how))

    def send_head(self, method: str, path: str, fields: Fields) -> Exchange:
        """`Wire.send_head`, recorded."""
        return self._recorded(self.wire.send_head(method, path, fields))

    def _recorded(self, exchange: Exchange) -> Exchange:
        self.exchanges.append(exchange)
        return answered(exchange)

    def ask(
        self,
        operation_id: str,
        namespace: str | None = None,
        *,
        query: Query = None,
        body: object = None,
        fields: Fields = (),
        **how: Any,
    ) -> Answer:
        """Send what an operation takes and hold the answer against the contract; ``body`` is sent as JSON.

        Raises:
            Failure: the answer is none that the operation documents.
        """
        operation = self.contract.operations[operation_id]
        path = operation.path.replace("{namespace}", namespace or "")
        if body is not None:
            raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()
            fields, how = [JSON, *fields], {**how, "body": raw}
        exchange = self.send(operation.method, path, query=query, fields=fields, **how)
        return self.judged(operation_id, exchange)

    def judged(self, operation_id: str, exchange: Exchange) -> Answer:
        """An exchange as an `Answer` of an operation.

        Raises:
            Failure: it is none that the operation documents.
        """
        value = self.contract.judge(operation_id, exchange)
        assert exchange.status is not None
        return Answer(exchange.status, value, exchange)

    def expect(self, status: int, operation_id: str, namespace: str | None = None, **how: Any) -> Answer:
        """`ask`, and the answer has this status.

        Raises:
            Failure: it has another one.
        """
        return has_status(self.ask(operation_id, namespace, **how), status)

    # ---- the operations of every day

    def set(
        self, namespace: str, key: str, value: object, *, status: int = 200, fields: Fields = ()
    ) -> Answer:
        """Store an envelope, or what is no mapping as JSON."""
        body = {"key": key_envelope(key), "value": envelope(value)}
        return self.expect(status, "set_entry", namespace, body=body, fields=fields)

    def get(self, namespace: str, key: str, *, status: int = 200, **how: Any) -> Answer:
        return self.expect(status, "get_entry", namespace, query={"key": key}, **how)

    def delete(self, namespace: str, key: str, *, status: int = 200, fields: Fields = ()) -> Answer:
        return self.expect(status, "delete_entry", namespace, query={"key": key}, fields=fields)

    def contains(self, namespace: str, key: str) -> bool:
        return bool(self.expect(200, "contains_entry", namespace, query={"key": key}).json["contains"])

    def length(self, namespace: str) -> int:
        return int(self.expect(200, "count_entries", namespace).json["length"])

    def cursor(self, namespace: str) -> str:
        """The namespace's cursor as it is."""
        return str(self.expect(200, "count_entries", namespace).json["cursor"])

    def clear(self, namespace: str) -> Answer:
        return self.expect(200, "clear_namespace", namespace)

    def pages(
        self, operation_id: str, namespace: str | None, member: str, **query: object
    ) -> list[list[Any]]:
        """Every page of a listing."""
        found, asked = [], dict(query)
        while True:
            page = self.expect(200, operation_id, namespace, query=asked).json
            found.append(page[member])
            if "next" not in page:
                return found
            require(page[member], f"{operation_id} answers an empty page, and that more follow")
            require(len(found) < 10_000, f"{operation_id} never comes to an end")
            asked["page"] = page["next"]

    def keys(self, namespace: str, **query: object) -> list[str]:
        """All keys, as they are listed."""
        return [key for page in self.pages("list_keys", namespace, "keys", **query) for key in page]

    # ---- more than one at a time

    def together(self, calls: Iterable[Callable[[], T]]) -> list[T]:
        """What the calls return, made at the same time; an exception of one is raised."""
        waiting = list(calls)
        with ThreadPoolExecutor(len(waiting)) as pool:
            return [future.result() for future in [pool.submit(call) for call in waiting]]

    def restart_server(self) -> None:
        """Run the command of ``--restart-cmd``, then wait until the server answers.

        Raises:
            Failure: it does not answer again.
            SetupError: the command fails, or goes on for too long.
        """
        assert self.options.restart is not None
        try:
            done = subprocess.run(
                self.options.restart, shell=True, capture_output=True, text=True, timeout=RESTART_SECONDS
            )
        except subprocess.TimeoutExpired:
            raise SetupError(f"--restart-cmd is not over after {RESTART_SECONDS} s") from None
        if done.returncode:
            said = " ".join(done.stderr.split())[-300:]
            raise SetupError(f"--restart-cmd exits {done.returncode}: {said}")
        for _ in range(RESTART_SECONDS):
            if self.wire.send("GET", "/health").status == 200:
                return
            _pause()
        raise Failure(f"the server does not answer {RESTART_SECONDS} s after its restart")


def _pause() -> None:
    """A second between two looks at a server that another process starts."""
    import time

    time.sleep(1)


def has_status(answer: Answer, status: int) -> Answer:
    """``answer``, if it has this status.

    Raises:
        Failure: it has another one.
    """
    if answer.status != status:
        detail = answer.json.get("detail", "") if isinstance(answer.json, dict) else ""
        raise Failure(f"{answer.asked} was answered {answer.status}, not {status}. {detail}".strip())
    return answer


def envelope(value: object, **more: object) -> dict[str, Any]:
    """``value`` as a JSON envelope; a mapping with a ``type`` is one already."""
    if isinstance(value, Mapping) and "type" in value:
        return {**value, **more}
    return {"type": "json", "data": json.dumps(value), "encoding": "json", **more}


def key_envelope(key: str) -> dict[str, str]:
    """A key as it travels in a body."""
    return {"type": "json", "data": json.dumps(key), "encoding": "json"}


def etag_field(etag: str) -> tuple[str, str]:
    """``If-Match`` with an ETag."""
    return "if-match", f'"{etag}"'


def revision_in(cursor: str) -> int:
    """The revision that a cursor or ETag ends with.

    Raises:
        Failure: REG-REV-03: it is not ``<epoch>.<revision>``.
    """
    epoch, _, revision = cursor.rpartition(".")
    require(epoch and revision.isdecimal(), f"{cursor!r} is no <epoch>.<revision>")
    return int(revision)


def other_epoch(cursor: str) -> str:
    """The same revision in an epoch that never was."""
    return f"conformance0{'0' * 19}.{cursor.rpartition('.')[2]}"


CREATE_ONLY = ("if-none-match", "*")
