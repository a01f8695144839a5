"""Shared entries, ours and others': the same small value through each one's own Python client."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import count
from typing import Any

from registry import RemoteStorageProxy
from tests.benchmarks.measure import Benchmark, Contender, Effort, Question, figure, ratio
from tests.benchmarks.peers import stores
from tests.benchmarks.peers.origin import OriginClient
from tests.benchmarks.remote_client import as_client, repeated
from tests.benchmarks.servers import Servers

_SETS = 500


@contextmanager
def _clients(servers: Servers, *names: str) -> Iterator[dict[str, Any]]:
    """A mapping of each name, at a server of its own."""
    with as_client(servers) as url, ExitStack() as stack:
        made: dict[str, Callable[[], Any]] = {
            "ours": lambda: RemoteStorageProxy[Any]("bench.peers", url=url),
            "origin": lambda: OriginClient(servers.url("origin"), "bench.peers"),
            "redis-py": lambda: stores.RedisPickles(
                stack.enter_context(stores.redis_client()), "bench.peers"
            ),
            "etcd": lambda: stack.enter_context(stores.etcd_client()),
        }
        yield {name: made[name]() for name in names}


_NAMES = ("ours", "origin", "redis-py", *(["etcd"] if stores.etcd_is_there() else []))


@contextmanager
def _gets(effort: Effort, servers: Servers) -> Iterator[Mapping[str, Contender]]:
    with _clients(servers, *_NAMES) as clients:
        for client in clients.values():
            client["value"] = {"result": 42}
        ours = clients["ours"]
        ours["function"] = json.dumps
        yield {
            **{name: repeated(effort, partial(_get, client)) for name, client in clients.items()},
            "ours, revalidated": repeated(effort, lambda: ours["function"]),
        }


def _get(client: Any) -> None:
    assert client["value"] == {"result": 42}


@contextmanager
def _sets(effort: Effort, servers: Servers) -> Iterator[Mapping[str, Contender]]:
    with _clients(servers, *_NAMES) as clients:
        numbers = count()

        def values() -> dict[str, Any]:
            number = next(numbers)  # other ones each time: equal ones would change nothing
            return {
                f"key{index}": {"result": index, "number": number} for index in range(min(_SETS, effort.most))
            }

        def one_by_one(client: Any) -> None:
            for key, value in values().items():
                client[key] = value

        def milliseconds(call: Callable[[], object]) -> Contender:
            measure = repeated(effort, call)
            return lambda seconds: measure(seconds) / 1e3

        yield {
            **{name: milliseconds(partial(one_by_one, client)) for name, client in clients.items()},
            **{
                f"{name}, one call": milliseconds(lambda client=clients[name]: client.update(values()))  # type: ignore[misc]
                for name in ("ours", "redis-py")
            },
        }


def _against_ours(names: tuple[str, ...]) -> list[Question]:
    return [ratio("ours", name) for name in names if name != "ours"]


BENCHMARKS = (
    Benchmark(
        "peers-get",
        "Get of a small shared value, not cached, each through its own Python client",
        "µs",
        (*_against_ours(_NAMES), ratio("ours, revalidated", "redis-py"), figure("ours", "µs")),
        _gets,
        slices=3,
    ),
    Benchmark(
        "peers-set",
        f"{_SETS} sets of small shared values, one by one and in one call",
        "ms",
        (
            *_against_ours(_NAMES),
            ratio("ours, one call", "redis-py, one call"),
            ratio("ours, one call", "origin"),
        ),
        _sets,
    ),
)
