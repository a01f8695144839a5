"""The awaited twins: the same answers, errors and requests as the blocking ones, on every loop."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import warnings

import pytest

from registry import (
    CoercionError,
    DuplicateKeyError,
    OutcomeUnknownError,
    RegistryError,
    ServerFaultError,
    ServerTimeoutError,
    ServerUnreachableError,
    SignatureInvalidError,
    UntrustedError,
    ValidationError,
)
from registry.discovery import BrokenArtifactWarning
from registry.storage import aremote
from registry.storage.call import MAX_ANSWER_BYTES
from registry.storage.remote import RemoteStorageProxy
from tests.e2e.children import in_child
from tests.server.processes import SOURCES
from tests.unit.hierarchy.conftest import family, new, requests_of
from tests.unit.registries.artifacts import defined_as, mae, mse
from tests.unit.registries.conftest import define, define_shared, home, memory_server
from tests.unit.storage.bad_server import (
    answers,
    entry,
    json_envelope,
    problem,
    resets,
    stays_silent,
    stored,
)
from tests.unit.storage.conftest import server_that

__all__ = ["define", "define_shared", "family", "home", "memory_server", "requests_of", "server_that"]

ARTIFACTS = "tests.unit.registries.artifacts"


async def raised(awaitable):
    with pytest.raises(ValidationError) as caught:
        await awaitable
    return caught.value


def same(one: ValidationError, other: ValidationError) -> bool:
    return (type(one), str(one)) == (type(other), str(other))


class TestLookingUp:
    async def test_what_is_registered_is_found(self, define):
        losses = define()
        losses.register_artifact(mse)

        assert await losses.aget_artifact("mse") is mse
        assert await losses.aget_artifact("mse", None) is mse
        assert await losses.aget_artifact("mae", None) is None

    async def test_a_miss_is_the_same_error(self, define):
        losses = define()
        losses.register_artifact(mse)
        losses.add_alias("nowhere", "mae")

        for key in ("mes", "nowhere", []):
            error = await raised(losses.aget_artifact(key))
            with pytest.raises(ValidationError) as blocking:
                losses.get_artifact(key)
            assert same(error, blocking.value)

    async def test_aliases_lazies_and_stand_ins_are_found_by_the_rule(self, define):
        losses = define()
        losses.register_lazy("mse", f"{ARTIFACTS}:mse")
        losses.add_alias("l2", "mse")

        assert await losses.aget_artifact("l2") is mse
        with losses.overriding(mse=mae):
            assert await losses.aget_artifact("l2") is mae

    async def test_parents_are_asked_by_the_rule(self, family):
        family.grandparent.register_artifact(mse)
        family.child.add_alias("l2", "mse")

        assert await family.child.aget_artifact("l2") is mse
        assert await family.child.aget_artifact("mae", None) is None
        error = await raised(family.child.aget_artifact("mes"))
        with pytest.raises(RegistryError) as blocking:
            family.child["mes"]
        assert same(error, blocking.value)

    async def test_it_costs_the_same_requests(self, define_shared, requests_of):
        losses = define_shared()
        losses.register_artifact(mse)

        async def counted(operation):
            # The server is counted from another thread: this loop has requests of its own to make.
            done: list[int] = []
            thread = threading.Thread(
                target=lambda: done.append(requests_of(lambda: asyncio.run(operation())))
            )
            await asyncio.to_thread(lambda: (thread.start(), thread.join()))
            return done[0]

        assert await counted(lambda: losses.aget_artifact("mse")) == 1
        assert await counted(lambda: losses.aget_artifact("mes", None)) == 1
        assert await counted(lambda: raised(losses.aget_artifact("mes"))) == 1
        assert await counted(lambda: losses.aregister_artifact(mse)) == 1
        assert await counted(losses.alist_identifiers) == 1

    async def test_what_is_not_to_be_decoded_is_refused(self, define_shared):
        losses = define_shared()
        losses.register_artifact(mse)
        storage = losses._storage()
        storage._set("moved", storage.entry("mse").envelope)
        place = {"logic_namespace": storage.namespace, "server": storage.url}

        assert isinstance(await raised(losses.aget_artifact("moved", None)), SignatureInvalidError)
        careful = new("Careful", trust="json", **place)
        assert isinstance(await raised(careful.aget_artifact("mse", None)), UntrustedError)


class TestRegistering:
    async def test_all_forms_give_the_artifact_back(self, define):
        losses = define()

        assert await losses.aregister_artifact(mse) is mse
        assert await losses.aregister_artifact("second", mse, aliases=["l2"]) is mse
        assert await losses.aregister_artifact("third")(mae) is mae
        assert list(losses) == ["mse", "second", "third"]
        assert await losses.aget_artifact("l2") is mse

    async def test_nothing_is_registered_before_it_is_awaited(self, define):
        losses = define()
        waiting = losses.aregister_artifact(mse)

        assert list(losses) == []
        await waiting
        assert list(losses) == ["mse"]

    async def test_duplicates_are_told_by_identity(self, define):
        losses = define()
        await losses.aregister_artifact(mse)

        await losses.aregister_artifact(mse)
        error = await raised(losses.aregister_artifact("mse", mae))
        with pytest.raises(DuplicateKeyError) as blocking:
            losses.register_artifact("mse", mae)
        assert same(error, blocking.value)
        assert losses["mse"] is mse

    async def test_a_redefinition_replaces_what_this_process_registered(self, define):
        losses = define()
        await losses.aregister_artifact(defined_as("def f(): return 1", "f"))
        await losses.aregister_artifact(defined_as("def f(): return 2", "f"))

        assert losses["f"]() == 2

    @pytest.mark.parametrize(("policy", "stands"), [("replace", mae), ("keep", mse)])
    async def test_the_policy_decides(self, define, policy, stands):
        losses = define(on_duplicate=policy)
        await losses.aregister_artifact(mse)
        await losses.aregister_artifact("mse", mae)

        assert losses["mse"] is stands

    async def test_of_many_that_register_at_once_one_wins_and_all_agree(self, define_shared):
        losses = define_shared()
        offered = [defined_as(f"def g{n}(): return {n}", f"g{n}") for n in range(20)]

        outcomes = await asyncio.gather(
            *(losses.aregister_artifact("f", each) for each in offered), return_exceptions=True
        )

        won = [outcome for outcome in outcomes if not isinstance(outcome, Exception)]
        assert len(won) == 1
        assert all(isinstance(lost, DuplicateKeyError) for lost in outcomes if isinstance(lost, Exception))
        assert (await losses.aget_artifact("f"))() == won[0]()

    async def test_what_cannot_be_registered_is_refused_the_same(self, define):
        losses = define()

        assert isinstance(await raised(losses.aregister_artifact("f", 3)), CoercionError)
        assert isinstance(await raised(losses.aregister_artifact(lambda: 1)), CoercionError)
        assert list(losses) == []


class TestListing:
    async def test_names_and_pairs_are_those_of_the_blocking_twins(self, family):
        family.grandparent.safe_register_batch({"a": mse, "b": mse})
        family.parent.safe_register_batch({"b": mae, "l2": mae})
        family.child.register_artifact("c", mae, aliases=["l2"])
        family.child.register_lazy("d", f"{ARTIFACTS}:mse")

        assert await family.child.alist_identifiers() == list(family.child)
        assert [pair async for pair in family.child.aitems()] == list(family.child.items())

    async def test_several_pages(self, define_shared):
        losses = define_shared()
        losses.safe_register_batch({f"name{n}": mse for n in range(1_500)})

        assert await losses.alist_identifiers() == [f"name{n}" for n in range(1_500)]
        assert [name async for name, _ in losses.aitems()] == [f"name{n}" for n in range(1_500)]

    async def test_what_cannot_be_loaded_is_left_out_with_a_warning(self):
        losses = new("Losses")
        losses.register_artifact(mse)
        losses.register_lazy("gone", "columnar:dump")

        with pytest.warns(BrokenArtifactWarning, match="columnar"):
            assert [pair async for pair in losses.aitems()] == [("mse", mse)]

    async def test_a_pair_that_may_not_be_decoded_raises_when_its_turn_comes(self, define_shared):
        losses = define_shared()
        losses.register_artifact(mse)
        storage = losses._storage()
        storage._set("moved", storage.entry("mse").envelope)

        seen = []
        with pytest.raises(SignatureInvalidError):
            async for name, _ in losses.aitems():
                seen.append(name)
        assert seen == ["mse"]


# ---- bad servers: what a blocking call makes of them


def losses_at(server, timeout=5.0):
    return new("Losses", storage=RemoteStorageProxy("research.losses", url=server.url, timeout=timeout))


GET = {
    "a fault": ([problem(500, "internal")], ServerFaultError),
    "no JSON": ([answers(200, b"<html>", content="text/html")], ServerFaultError),
    "a status of nobody's": ([answers(299, {})], ServerFaultError),
    "fields of other types": ([answers(200, entry(json_envelope(1), revision="7"))], ServerFaultError),
    "a body that is compressed": ([answers(200, b"x", "Content-Encoding: gzip")], ServerFaultError),
    "lost three times": ([resets], ServerUnreachableError),
    "unavailable": ([problem(503, "storage-unavailable")], ServerFaultError),
    "silence": ([stays_silent], ServerTimeoutError),
    "not there": ([problem(404, RegistryError.code)], RegistryError),
}


@pytest.mark.parametrize(("script", "kind"), GET.values(), ids=GET)
async def test_a_bad_answer_is_the_same_error_after_the_same_attempts(server_that, script, kind):
    awaited_server, blocking_server = server_that(*script), server_that(*script)
    error = await raised(losses_at(awaited_server, 0.6).aget_artifact("mse"))
    with pytest.raises(ValidationError) as blocking:
        await asyncio.to_thread(losses_at(blocking_server, 0.6).get_artifact, "mse")

    assert type(error) is type(blocking.value)
    assert isinstance(error, kind)
    ports = [str(server.url.rpartition(":")[2]) for server in (awaited_server, blocking_server)]
    assert [text.replace(*reversed(ports)) for text in blocking.value.suggestions] == error.suggestions
    # A reset can come before its request was read and noted, so these are not counted.
    assert script == [resets] or len(awaited_server.requests) == len(blocking_server.requests)
    first, second = awaited_server.requests[0], blocking_server.requests[0]
    assert first.target == second.target
    assert {**first.headers, "host": ""} == {**second.headers, "host": ""}


async def test_a_read_that_lost_its_answer_is_sent_again(server_that):
    server = server_that(resets, answers(200, entry(json_envelope(3))))
    storage = losses_at(server)._storage()

    assert await storage.awaiting("__getitem__", "mse") == 3


async def test_a_conditional_write_whose_answer_was_lost_is_settled(server_that):
    """The second attempt meets what the first one stored."""
    losses = losses_at(server_that(resets, answers(200, stored())))

    assert await losses.aregister_artifact(mse) is mse


async def test_an_answer_that_drips_is_over_in_time(server_that):
    head = b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n"
    server = server_that(lambda exchange: exchange.drip(head * 99, seconds=0.02))

    async with asyncio.timeout(10):
        error = await raised(losses_at(server, 0.3).aget_artifact("mse"))
    assert isinstance(error, ServerTimeoutError)


async def test_an_answer_without_end_is_refused(server_that):
    def endless(exchange):
        head = b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        exchange.send(head)
        part = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
        for _ in range(2 * MAX_ANSWER_BYTES // 0x100000):
            exchange.send(part)

    error = await raised(losses_at(server_that(endless), 30.0).aget_artifact("mse"))
    assert isinstance(error, ServerFaultError)
    assert "more than" in error.message


async def test_a_dead_server_is_a_connection_error_and_no_pause_stops_the_loop(server_that, monkeypatch):
    server = server_that(resets)
    losses = losses_at(server)
    server.close()
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("a sleep that stops the loop"))

    error = await raised(losses.aget_artifact("mse"))
    assert isinstance(error, ServerUnreachableError)
    assert isinstance(error, ConnectionError)


async def test_an_unconditional_write_whose_answer_is_lost_is_unknown(server_that):
    storage = losses_at(server_that(resets))._storage()
    from registry.storage.stored import set_request
    from registry_client.api.entries import set_entry

    envelope = storage.prepare("mse", 1)
    writing = storage._connection.awaiting(
        "call", set_entry, "research.losses", body=set_request("mse", envelope)
    )
    assert isinstance(await raised(writing), OutcomeUnknownError)


async def test_the_loop_goes_on_while_a_server_is_silent(server_that):
    losses = losses_at(server_that(stays_silent), 0.4)
    waiting = asyncio.ensure_future(raised(losses.aget_artifact("mse")))
    turns = 0
    while not waiting.done():
        turns += 1
        await asyncio.sleep(0)

    assert turns > 10
    assert isinstance(waiting.result(), ServerTimeoutError)


async def test_a_caller_that_gives_up_leaves_the_rest_working(server_that):
    good = answers(200, entry(json_envelope(3)))
    losses = losses_at(server_that(stays_silent, good), 5.0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await losses.aget_artifact("mse")

    assert await losses._storage().awaiting("__getitem__", "mse") == 3


# ---- loops


class TestLoops:
    def test_loops_one_after_the_other_and_none_leaves_a_connection(self, define_shared):
        losses = define_shared()
        losses.register_artifact(mse)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for _ in range(3):
                assert asyncio.run(losses.aget_artifact("mse")) is mse
                gc.collect()

        assert len(aremote.pools) == 0

    def test_loops_at_the_same_time_in_several_threads(self, define_shared):
        losses = define_shared()
        losses.register_artifact(mse)
        found, gate = [], threading.Barrier(4)

        async def look():
            gate.wait(30)
            return await asyncio.gather(*(losses.aget_artifact("mse") for _ in range(20)))

        threads = [threading.Thread(target=lambda: found.extend(asyncio.run(look()))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)

        assert found == [mse] * 80

    async def test_one_connection_is_used_again(self, server_that, monkeypatch):
        server = server_that(answers(200, entry(json_envelope(3))))
        storage = losses_at(server)._storage()
        peers = set()
        serve = server._serve
        monkeypatch.setattr(
            server, "_serve", lambda connection: (peers.add(connection.getpeername()), serve(connection))
        )
        for _ in range(5):
            await storage.awaiting("__getitem__", "mse")

        assert len(peers) == 1

    def test_a_child_forked_beside_a_loop_makes_its_own_connections(self, define_shared):
        losses = define_shared()
        losses.register_artifact(mse)

        async def parent():
            await losses.aget_artifact("mse")
            name = await asyncio.to_thread(
                in_child, lambda: asyncio.run(losses.aget_artifact("mse")).__name__
            )
            return name, await losses.aget_artifact("mse")

        assert asyncio.run(parent()) == ("mse", mse)

    def test_a_child_that_runs_its_parents_loop_makes_its_own_connections(self, server_that, monkeypatch):
        server = server_that(answers(200, entry(json_envelope(3))))
        storage = losses_at(server)._storage()
        peers = set()
        serve = server._serve
        monkeypatch.setattr(
            server, "_serve", lambda connection: (peers.add(connection.getpeername()), serve(connection))
        )
        loop = asyncio.new_event_loop()

        def look():
            return loop.run_until_complete(storage.awaiting("__getitem__", "mse"))

        assert [look(), in_child(look), look()] == [3, 3, 3]
        assert len(peers) == 2
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    def test_a_process_ends_without_a_word(self, memory_server, define_shared, tmp_path):
        """In a process of its own, every warning shown, at the end of the interpreter too."""
        losses = define_shared()
        losses.register_artifact(mse)
        script = f"""
            import asyncio
            from registry import FunctionalRegistry
            PLACE = dict(logic_namespace={losses._storage().namespace!r}, server={memory_server.url!r})
            class Losses(FunctionalRegistry, **PLACE):
                pass
            async def main():
                return await asyncio.gather(*(Losses.aget_artifact("mse", None) for _ in range(9)))
            asyncio.run(main())
            asyncio.run(main())
        """
        ended = subprocess.run(
            [sys.executable, "-W", "always", "-c", textwrap.dedent(script)],
            env={**os.environ, "PYTHONPATH": SOURCES},
            capture_output=True,
            text=True,
            timeout=60,
        )

        assert (ended.returncode, ended.stderr) == (0, "")

    def test_importing_the_library_imports_no_asyncio(self):
        script = (
            "import sys, registry\n"
            "assert not {'asyncio', 'httpx', 'anyio'} & set(sys.modules)\n"
            "class L(registry.FunctionalRegistry): pass\n"
            "L.register_artifact('f', print)\n"
            "coroutine = L.aget_artifact('f')\n"
            "try: coroutine.send(None)\n"
            "except StopIteration as end: assert end.value is print\n"
            "assert not {'asyncio', 'httpx', 'anyio'} & set(sys.modules)\n"
        )
        environment = {**os.environ, "PYTHONPATH": SOURCES}
        subprocess.run([sys.executable, "-c", script], check=True, timeout=60, env=environment)


async def test_shared_aliases_are_followed_while_awaiting(define_shared, monkeypatch):
    losses = define_shared()
    losses.register_artifact("mse", mse)
    losses.move_alias("champion", "mse")
    monkeypatch.setattr(
        losses._storage()._connection, "call", lambda *_, **__: pytest.fail("a call that stops the loop")
    )

    assert await losses.aget_artifact("champion") is mse
    assert [pair async for pair in losses.aitems()] == [("mse", mse), ("champion", mse)]
