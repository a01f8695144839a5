"""Orders of events that a cache has to stand; each planted mistake shows in the one that it is about."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from registry_server.storage import memory
from tests.unit.cache.planted import PLANTED
from tests.unit.cache.world import NAMESPACES, Process, World, run_all, small_history

X = NAMESPACES[0]


@pytest.fixture
def world(monkeypatch):
    monkeypatch.setattr(memory, "History", small_history)
    monkeypatch.setattr("registry.storage.line.PAGE_ENTRIES", 2)
    with closing(World()) as world:
        yield world


def meanwhile(
    process: Process, *, before: Any = (), after: Any = (), decoding: Any = (), skip: int = 0
) -> None:
    process.meanwhile(lambda: run_all(before), lambda: run_all(after), lambda: run_all(decoding), skip)


def filled(world: World, *keys: str) -> tuple[Process, Process]:
    """A process whose cache knows these keys, none of them decoded yet, and another one."""
    reader, other = Process(world), Process(world)
    other.set_many(X, keys)
    reader.count(X)
    for _ in range(len(keys) + 2):
        reader.poll()
    assert reader.storages[X].cache_info().state == "current"
    return reader, other


def a_change_comes_while_a_value_is_decoded(world: World) -> None:
    reader, other = filled(world, "k1")
    meanwhile(reader, decoding=[lambda: other.set(X, "k1"), lambda: other.set(X, "k2"), reader.poll])
    reader.get(X, "k1")
    reader.get(X, "k2")
    reader.get(X, "k1")


def a_read_through_sees_more_than_the_poll(world: World) -> None:
    reader, other = filled(world, "k1")
    world.tick(11)  # the cache has expired, so the server is asked
    other.set(X, "k1")
    reader.get(X, "k1")
    known = reader.storages[X]._observed.informer
    known.checked = world.now  # a poll that was sent before and is answered now vouches for what it saw
    known.publish(world.now)
    reader.get(X, "k1")


def an_own_write_comes_after_a_gap(world: World) -> None:
    reader, other = filled(world, "k1", "k2")
    other.set(X, "k2")
    reader.set(X, "k1")
    reader.get(X, "k2")
    reader.poll()
    reader.get(X, "k2")


def an_own_write_overtakes_the_answer_to_a_poll(world: World) -> None:
    reader, _ = filled(world, "k1")
    meanwhile(reader, before=[lambda: reader.set(X, "k1")], after=[lambda: reader.set(X, "k1")])
    reader.poll()
    reader.get(X, "k1")


def the_answer_to_a_poll_is_on_its_way_for_long(world: World) -> None:
    reader, other = filled(world, "k1")
    meanwhile(reader, after=[lambda: other.set(X, "k1"), lambda: world.tick(7)])
    reader.poll()
    world.tick(4)
    reader.get(X, "k1")


def entries_change_between_the_pages_of_a_listing(world: World) -> None:
    reader, other = Process(world), Process(world)
    other.set_many(X, ["k1", "k2", "k3"])
    reader.count(X)
    meanwhile(reader, after=[lambda: other.set_many(X, ["k1", "k2", "k3"])])
    reader.poll()
    meanwhile(reader, before=[lambda: reader.items(X)], skip=1)
    reader.poll()
    reader.items(X)


def an_old_answer_comes_after_a_restart(world: World) -> None:
    reader, _ = filled(world, "k1")
    meanwhile(reader, after=[world.restart, lambda: reader.set(X, "k2")])
    reader.poll()
    reader.get(X, "k2")
    reader.get(X, "k1")


def a_namespace_is_followed_while_another_is_listed(world: World) -> None:
    reader, other = Process(world), Process(world)
    other.set(NAMESPACES[1], "k1")
    reader.get(X, "k1")
    meanwhile(reader, after=[lambda: reader.get(NAMESPACES[1], "k1")])
    reader.poll()


def a_watcher_comes_back_with_its_cursor(world: World) -> None:
    reader, other = filled(world, "k1")
    reader.take_changes(X)
    other.set(X, "k1")
    reader.take_changes(X)


def a_poll_hangs(world: World) -> None:
    reader, other = filled(world, "k1")
    reader.get(X, "k1")
    meanwhile(
        reader,
        after=[
            lambda: other.set(X, "k1"),
            lambda: world.tick(9),
            lambda: world.tick(4),
            lambda: reader.get(X, "k1"),
        ],
    )
    reader.poll()


ORDERS: dict[str, Callable[[World], None]] = {
    "a fill that overtakes an invalidation": a_change_comes_while_a_value_is_decoded,
    "a floor that forgets what was read": a_read_through_sees_more_than_the_poll,
    "an own write on top of a gap": an_own_write_comes_after_a_gap,
    "a poll that applies before its turn": an_own_write_overtakes_the_answer_to_a_poll,
    "vouching as of the answer": the_answer_to_a_poll_is_on_its_way_for_long,
    "serving between the pages of a listing": entries_change_between_the_pages_of_a_listing,
    "a floor of a later write that falls": an_old_answer_comes_after_a_restart,
    "a wake-up that is lost": a_namespace_is_followed_while_another_is_listed,
    "a watch that uses >=": a_watcher_comes_back_with_its_cursor,
    "a deadline that outlives the bound": a_poll_hangs,
}


@pytest.mark.parametrize("mistake", PLANTED)
def test_it_stands_the_order_and_the_mistake_does_not(mistake, world):
    ORDERS[mistake](world)

    with closing(World()) as again, PLANTED[mistake], pytest.raises(AssertionError):
        ORDERS[mistake](again)
