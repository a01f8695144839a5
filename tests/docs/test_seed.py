"""The user's own document, block by block: each is run as it stands there, and what it says is so.

What it leaves undefined is in ``preludes/``. Where the build departs from what the document says around its
code, ``docs/STORAGE_BACKENDS.md`` tells; the code itself runs unchanged.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry import FunctionalRegistry, RemoteStorageProxy, SchemeRegistry, ThreadSafeLocalStorage
from registry.settings import DEFAULT_HOST, DEFAULT_PORT
from tests.docs.conftest import walking
from tests.docs.markdown import blocks_of
from tests.docs.page_walk import ROUNDS, PageWalk, Record, page_account

SEED = Path(__file__).parent / "seed" / "STORAGE_BACKENDS.md"
BLOCKS = blocks_of(SEED)


class Walked:
    """The seed, walked through, with its server still running."""

    def __init__(self, walk: PageWalk, records: list[Record]) -> None:
        self.walk = walk
        self.records = records

    def under(self, heading: str, index: int = 0) -> Record:
        """What the block with this index under this heading did."""
        return [record for record in self.records if record.block.heading == heading][index]

    def envelope(self, namespace: str, key: str) -> dict[str, str]:
        """An envelope as it lies on the server."""
        answer = self.walk.server.get(f"/registry/{namespace}/get?key={key}")
        envelope: dict[str, str] = answer["value"]
        return envelope


@pytest.fixture(scope="module")
def seed(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walked]:
    with walking(SEED, home, tmp_path_factory.mktemp("seed")) as (walk, records):
        yield Walked(walk, records)


@pytest.mark.parametrize("index", range(len(BLOCKS)), ids=lambda index: f"line-{BLOCKS[index].line}")
def test_block_runs_and_prints_what_it_says(seed: Walked, index: int) -> None:
    record = seed.records[index]

    if record.error is not None:
        raise record.error


# --- local storage ---------------------------------------------------------------------------------


def test_a_registry_is_local_by_default(seed: Walked) -> None:
    losses = seed.under("Default Behavior").names["Losses"]

    assert isinstance(losses._repository, ThreadSafeLocalStorage)
    assert list(losses) == ["my_loss"]


def test_an_annotation_of_the_repository_changes_nothing(seed: Walked) -> None:
    losses = seed.under("Default Behavior", 1).names["Losses"]

    assert isinstance(losses._repository, ThreadSafeLocalStorage)


def test_local_reads_give_the_very_object(seed: Walked) -> None:
    threads = seed.under("Thread Safety Model").names
    serialization = seed.under("Serialization").names

    assert threads["loss_fn"] is threads["mse"]
    assert serialization["stored_fn"] is serialization["my_loss"]


def test_memory_snippet_counts_the_artifacts(seed: Walked) -> None:
    assert re.fullmatch(r"Registered: 2 artifacts, ~0\.00 MB\n", seed.under("Memory Characteristics").output)


# --- the server ------------------------------------------------------------------------------------


def test_server_runs_where_the_document_says_by_default(seed: Walked) -> None:
    greeting = seed.under("Basic").output

    assert (DEFAULT_HOST, DEFAULT_PORT) == ("localhost", 8001)
    assert greeting.startswith("registry server on http://localhost:")
    assert "data in sqlite:///" in greeting


@pytest.mark.parametrize("heading", ["Custom Host/Port", "Environment Variables", "Staging/Production"])
def test_server_listens_where_it_is_told(seed: Walked, heading: str) -> None:
    index = 1 if heading == "Staging/Production" else 0

    assert seed.under(heading, index).output.startswith("registry server on http://0.0.0.0:")


def test_health_and_statistics_are_printed(seed: Walked) -> None:
    lines = seed.under("Checking Server Health").output.splitlines()

    assert lines[0] == "{'status': 'healthy', 'service': 'registry-server'}"
    assert lines[1:3] == ["Namespaces: 0", "Total entries: 0"]
    assert re.fullmatch(r"Uptime: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", lines[3])


# --- shared registries -----------------------------------------------------------------------------


def test_a_logic_namespace_makes_a_registry_remote_and_contacts_nobody(seed: Walked) -> None:
    record = seed.under("Creating Remote Registries")

    assert isinstance(record.names["DistributedLosses"]._repository, RemoteStorageProxy)
    assert record.names["DistributedLosses"]._repository.namespace == "research.losses"
    assert record.names["DistributedModels"]._repository.namespace == "research.models"
    assert record.requests == 0


def test_what_is_registered_is_retrieved_with_one_request_each(seed: Walked) -> None:
    record = seed.under("Registering Artifacts")

    assert record.names["from_another_process"].__name__ == "mse"
    assert record.requests == 2


def test_another_process_uses_it_without_importing_its_module(seed: Walked) -> None:
    names = seed.under("Registering Artifacts").names

    class Reader(FunctionalRegistry, logic_namespace="research.losses"):
        pass

    fetched = Reader.get_artifact("mse")

    assert fetched is not names["mse"]
    assert fetched.__code__.co_code == names["mse"].__code__.co_code


def test_json_configs_travel_as_json(seed: Walked) -> None:
    names = seed.under("Serialization Over Network").names
    assert issubclass(names["Config"], SchemeRegistry)

    names["Config"].register_artifact("config", names["config"])

    assert seed.envelope("research.config", "config") == {
        "type": "json",
        "data": '{"learning_rate": 0.001, "momentum": 0.9}',
        "encoding": "json",
    }


def test_classes_travel_as_base64_of_a_pickle(seed: Walked) -> None:
    envelope = seed.envelope("research.models", "MyModel")

    assert (envelope["type"], envelope["encoding"]) == ("pickle", "base64")


def test_teams_have_separate_storage_on_one_server(seed: Walked) -> None:
    names = seed.under("Namespace Organization", 1).names
    names["TeamALosses"].register_artifact("ours", names["my_loss"])

    assert "ours" in names["TeamALosses"]
    assert "ours" not in names["TeamBLosses"]


def test_a_batch_is_one_request_and_a_loop_is_one_each(seed: Walked) -> None:
    many = {name: seed.under("Request Batching").names["large_dict"]["mae"] for name in "abcdef"}

    class OneByOne(FunctionalRegistry, logic_namespace="batch.loop"):
        pass

    class AtOnce(FunctionalRegistry, logic_namespace="batch.once"):
        pass

    before = seed.walk.requests()
    for name, function in many.items():
        OneByOne.register_artifact(name, function)
    loop = seed.walk.requests() - before - 1
    report = AtOnce.safe_register_batch(many, skip_invalid=True)
    batch = seed.walk.requests() - before - 1 - loop - 1

    assert (loop, batch) == (6, 1)
    assert report == {"successful": list(many), "failed": [], "errors": [], "total": 6}


def test_the_cached_look_up_asks_the_server_once(seed: Walked) -> None:
    record = seed.under("Server-Side Caching")

    assert record.requests == 1
    assert record.names["get_loss"].cache_info().hits == 1


def test_registries_of_a_process_share_one_pool_of_connections(seed: Walked) -> None:
    from registry.storage.http import pools

    names = seed.under("Connection Pooling").names
    url = names["DistributedLosses"]._repository.url

    assert names["DistributedModels"]._repository.url == url
    assert pools.transport(url) is pools.transport(url)


# --- errors ----------------------------------------------------------------------------------------


def error_snippet(seed: Walked, home: Path, capsys: pytest.CaptureFixture[str], **variables: str) -> str:
    """What the snippet about errors prints in an account with these variables."""
    names = dict(seed.under("Error Handling").names)
    names.pop("print", None)
    with page_account(home, **variables):
        exec(seed.under("Error Handling").block.text, names)
    return capsys.readouterr().out


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port that is taken, and that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def mute_port() -> Iterator[int]:
    """A port where connections are taken and nothing is ever answered."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening.getsockname()[1]


def test_a_dead_server_is_told_from_a_slow_one(
    seed: Walked, home: Path, dead_port: int, mute_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    dead = error_snippet(
        seed, home, capsys, REGISTRY_SERVER_HOST="127.0.0.1", REGISTRY_SERVER_PORT=str(dead_port)
    )
    slow = error_snippet(
        seed,
        home,
        capsys,
        REGISTRY_SERVER_URL=f"http://127.0.0.1:{mute_port}",
        REGISTRY_SERVER_TIMEOUT="0.2",
    )

    assert (dead, slow) == ("Server is down\n", "Network is slow\n")


def test_each_error_of_the_table_begins_with_its_words(seed: Walked) -> None:
    from registry import ValidationError

    names = seed.under("Registering Artifacts").names

    with pytest.raises(ValidationError, match=r"^Key not found: 'mes' in "):
        names["DistributedLosses"].get_artifact("mes")
    with pytest.raises(ValidationError, match=r"^Invalid namespace: "):

        class Wrong(FunctionalRegistry, logic_namespace="my namespace"):
            pass


def test_timeout_comes_from_the_environment_at_each_call_or_from_the_argument(seed: Walked) -> None:
    names = seed.under("Timeout Configuration").names

    assert names["SlowNetworkRegistry"]._repository.timeout == 30.0
    assert names["storage"].timeout == 30.0
    assert names["storage"].namespace == "my.namespace"


# --- both backends ---------------------------------------------------------------------------------


def test_the_same_call_reads_from_either_backend(seed: Walked) -> None:
    names = seed.under("From Local to Remote").names

    assert isinstance(names["DevLosses"]._repository, ThreadSafeLocalStorage)
    assert names["loss_fn"](1, 3) == 2


def test_a_local_registry_is_filled_from_a_shared_one(seed: Walked) -> None:
    names = seed.under("Hybrid Approach").names

    assert list(names["LocalCache"]) == list(names["RemoteSource"]) == ["mae", "huber"]
    assert names["LocalCache"].get_artifact("mae") is not names["mae"]


# --- the protocol ----------------------------------------------------------------------------------


def test_the_request_of_the_document_stores_the_entry(seed: Walked) -> None:
    request = seed.under("Request Format").block

    class Reader(SchemeRegistry, logic_namespace="my.namespace"):
        pass

    reader = PageWalk(SEED, seed.walk.server, seed.walk.folder)
    reader.run(request)

    assert Reader.get_artifact("my_key") == {"result": 42}
    Reader.clear_artifacts()


def test_pickles_begin_as_the_document_shows(seed: Walked) -> None:
    shown = eval(seed.under("Serialization Details", 1).block.text)

    assert shown["data"].startswith("gASV")
    assert seed.envelope("research.models", "MyModel")["data"].startswith("gASV")


# --- operation -------------------------------------------------------------------------------------


def test_the_monitor_prints_the_statistics_each_round(seed: Walked) -> None:
    output = seed.under("Server Statistics").output

    assert re.fullmatch(rf"(?:Namespaces: \d+\nTotal entries: \d+\nRequests: \d+\n){{{ROUNDS}}}", output)


def test_registration_is_timed(seed: Walked) -> None:
    assert re.fullmatch(r"Registration took \d+\.\d\dms\n", seed.under("Client-Side Metrics").output)


def test_clearing_removes_all_of_the_namespace_in_one_request(seed: Walked) -> None:
    record = seed.under("Clear a Namespace")

    assert record.names["entries_before_clearing"] > 0
    assert record.requests == 1
    assert seed.walk.server.get("/registry/my.namespace/length")["length"] == 0


def test_a_namespace_is_cleared_over_http(seed: Walked) -> None:
    output = seed.under("Clear Remote Server").output

    assert '"status":"cleared"' in output
