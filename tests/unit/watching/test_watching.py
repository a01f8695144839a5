"""Changes of a registry: the same for one of this process, for a user's mapping, and for one on a server."""

from __future__ import annotations

import json
import logging
import threading
from unittest.mock import Mock

import pytest

from registry import (
    CoercionError,
    RegistryError,
    RemoteError,
    SchemeRegistry,
    UntrustedError,
    ValidationError,
)
from registry.storage.base import Storage
from registry.storage.remote import RemoteStorageProxy
from registry.watching import Changes
from registry.watching.changes import Source
from tests.e2e.conftest import until


@pytest.fixture
def configs(define):
    return define(SchemeRegistry)


def told(changes):
    return [(change.op, change.key) for change in changes]


def take(registry, since):
    """The changes after a cursor, as far as there are any."""
    with registry.changes(since, timeout=0) as changes:
        return list(changes)


@pytest.fixture
def start(configs):
    """The cursor at the start of the test."""
    with configs.changes() as changes:
        return changes.cursor


# ---- the iterator


def test_every_kind_of_write_is_told_in_order(configs, start):
    configs.register_artifact("a", 1)
    configs.safe_register_batch({"b": 2, "c": 3})
    configs.update_artifact("a", 4)
    configs.unregister_identifier("b")
    storage = configs._repository
    storage["d"] = 5
    storage.update({"e": 6})
    storage.setdefault("f", 7)
    storage.setdefault("f", 8)
    storage.pop("f")
    storage.popitem()
    storage.replace("a", 9, storage.claim("a", 0).version)
    configs.unregister_many(["c"])
    configs.clear_artifacts()
    configs.clear_artifacts()

    changes = take(configs, start)

    assert told(changes) == [
        *(("set", key) for key in "abca"),
        ("delete", "b"),
        *(("set", key) for key in "def"),
        ("delete", "f"),
        ("delete", "e"),
        ("set", "a"),
        ("delete", "c"),
        ("clear", None),
    ]
    first = changes[0].revision
    assert [change.revision for change in changes] == list(range(first, first + len(changes)))


def test_it_goes_on_after_any_change(configs, start):
    for number in range(5):
        configs.register_artifact(f"c{number}", number)
    changes = take(configs, start)

    for n, change in enumerate(changes):
        assert take(configs, change.cursor) == changes[n + 1 :]


def test_without_a_cursor_it_begins_when_it_is_made(configs):
    configs.register_artifact("before", 1)
    with configs.changes(timeout=0) as changes:
        configs.register_artifact("after", 2)

        assert told(changes) == [("set", "after")]


def test_it_waits_for_the_next_change(configs):
    seen = []
    with configs.changes() as changes:
        thread = threading.Thread(target=lambda: seen.append(next(changes)))
        thread.start()
        configs.register_artifact("a", 1)
        thread.join(30)

    assert told(seen) == [("set", "a")]


def test_closing_ends_the_wait_of_another_thread(configs):
    changes = configs.changes()
    ended = threading.Event()

    def iterate():
        assert list(changes) == []
        ended.set()

    thread = threading.Thread(target=iterate)
    thread.start()
    changes.close()

    assert ended.wait(30)
    thread.join(30)
    changes.close()
    with pytest.raises(StopIteration):
        next(changes)


def test_a_change_has_its_value(configs, start):
    configs.register_artifact("a", {"x": [1]})
    configs.unregister_identifier("a")

    changes = take(configs, start)

    if configs._repository.location.startswith("unit."):  # replaced since, and too late to come along
        with pytest.raises(RegistryError):
            _ = changes[0].value
    else:
        assert changes[0].value == {"x": [1]}
    with pytest.raises(RegistryError, match="has no value"):
        _ = changes[1].value


def test_the_value_of_the_latest_change_is_decoded(configs, start):
    configs.register_artifact("f", json.dumps)

    [change] = take(configs, start)

    assert change.value is json.dumps
    assert repr(change) == f"<change {change.revision}: set 'f'>"
    assert change.updated_at.endswith("Z")


@pytest.mark.parametrize("cursor", ["", "x", "1", "a.b", "a.-1"])
def test_what_is_no_cursor_is_refused(configs, cursor):
    with pytest.raises(ValidationError):
        take(configs, cursor)


@pytest.mark.parametrize("cursor", ["another.1", "another.0"])
def test_a_cursor_of_another_store_is_answered_with_a_resync(configs, cursor):
    configs.register_artifact("a", 1)

    [change] = take(configs, cursor)

    assert (change.op, change.key) == ("resync", None)
    configs.register_artifact("b", 1)
    assert told(take(configs, change.cursor)) == [("set", "b")]


def test_a_cursor_from_the_future_is_answered_with_a_resync(configs, start):
    epoch, _, revision = start.rpartition(".")

    assert [change.op for change in take(configs, f"{epoch}.{int(revision) + 99}")] == ["resync"]


def test_more_changes_than_an_answer_holds_come_all(configs, start):
    names = [f"n{number}" for number in range(1_500)]
    for part in (names[:700], names[700:]):
        configs.safe_register_batch(dict.fromkeys(part, 1))

    assert [change.key for change in take(configs, start)] == names


# ---- the callback


def test_a_callback_gets_each_change_on_a_thread_of_its_own(configs):
    seen = []
    with configs.watch(lambda change: seen.append((threading.current_thread(), change))) as watch:
        configs.register_artifact("a", 1)
        configs.update_artifact("a", 2)
        until(lambda: len(seen) == 2)
        until(lambda: watch.cursor == seen[1][1].cursor)

    configs.update_artifact("a", 3)
    assert told(change for _, change in seen) == [("set", "a"), ("set", "a")]
    assert {thread for thread, _ in seen} != {threading.main_thread()}
    assert told(take(configs, watch.cursor)) == [("set", "a")]


def test_a_callback_that_raises_is_logged_and_the_next_change_comes(configs, caplog):
    seen = []

    def callback(change):
        seen.append(change)
        raise RuntimeError("mine")

    with caplog.at_level(logging.ERROR, "registry.watch"), configs.watch(callback) as watch:
        configs.register_artifact("a", 1)
        configs.register_artifact("b", 2)
        until(lambda: len(seen) == 2 and watch.cursor == seen[1].cursor)

    assert caplog.text.count("The callback of a watch failed on <change") == 2
    assert "RuntimeError: mine" in caplog.text


def test_a_slow_callback_holds_up_neither_writers_nor_other_watches(configs):
    release, seen = threading.Event(), []
    with configs.watch(lambda change: release.wait(60)), configs.watch(seen.append):
        for number in range(20):
            configs.register_artifact(f"c{number}", number)
        until(lambda: len(seen) == 20)
        release.set()


def test_a_callback_may_close_its_own_watch(configs):
    seen = []

    def callback(change):
        seen.append(change)
        watch.close()

    watch = configs.watch(callback)
    configs.register_artifact("a", 1)
    configs.register_artifact("b", 2)
    until(lambda: not any(thread.is_alive() for thread in watch._threads))

    assert told(seen) == [("set", "a")]


def test_a_watch_calls_only_what_can_be_called(configs):
    with pytest.raises(CoercionError, match=r"changes\(\)"):
        configs.watch("callback")


# ---- on a server


def test_a_watch_goes_on_after_the_server_was_restarted(live_server):
    storage = RemoteStorageProxy("watch.restart", url=live_server.url, timeout=30)
    seen = []
    with storage.changes() as changes:
        thread = threading.Thread(
            target=lambda: seen.extend(change for change, _ in zip(changes, "12", strict=False))
        )
        thread.start()
        storage["a"] = 1
        until(lambda: len(seen) == 1 or not thread.is_alive())
        live_server.kill()
        live_server.start()
        storage["b"] = 2
        thread.join(30)

    assert told(seen) == [("set", "a"), ("set", "b")]


@pytest.mark.parametrize("live_server", ["memory:"], indirect=True)
def test_a_watch_on_a_server_that_forgot_is_told_to_read_again(live_server):
    storage = RemoteStorageProxy("watch.forgot", url=live_server.url, timeout=30)
    storage["a"] = 1
    with storage.changes() as changes:
        live_server.restart()

        assert next(changes).op == "resync"
        storage["b"] = 1
        assert told([next(changes)]) == [("set", "b")]


def test_a_watch_of_an_unreachable_server_is_an_error_at_once():
    from registry import ServerUnreachableError

    with pytest.raises(ServerUnreachableError):
        RemoteStorageProxy("a.b", url="http://127.0.0.1:9").changes()


@pytest.mark.parametrize("since", [None, "no-cursor"])
def test_an_error_lets_go_of_the_connections(since):
    source = Mock(spec=Source)
    source.now.side_effect = source.after.side_effect = RemoteError("no such cursor")

    with pytest.raises(RemoteError):
        next(Changes(source, since))

    source.close.assert_called_once()


def test_what_may_not_be_decoded_is_refused_and_does_not_stop_the_iteration(define_shared):
    writer = define_shared()
    reader = define_shared(logic_namespace=writer._repository.namespace, trust="json")
    with reader.changes(timeout=0) as changes:
        writer.register_artifact("f", lambda: 1)
        writer.register_artifact("g", json.dumps)
        first, second = list(changes)

    for change in (first, second):
        with pytest.raises(UntrustedError):
            _ = change.value


def test_a_value_too_large_to_come_along_is_fetched_while_it_is_still_that_one(define_shared):
    configs = define_shared(SchemeRegistry)
    with configs.changes(timeout=0) as changes:
        configs.register_artifact("large", ["x" * 1_000] * 100)
        [change] = list(changes)

    assert change.value == ["x" * 1_000] * 100
    configs.update_artifact("large", 1)
    with pytest.raises(RegistryError, match="replaced since"):
        _ = change.value


def test_a_storage_of_ones_own_that_tells_nothing_says_so():
    class Silent(Storage):
        location = ""
        snapshot = claim = replace = near_names = lambda *_: None
        __getitem__ = __setitem__ = __delitem__ = __iter__ = __len__ = lambda *_: None

    with pytest.raises(ValidationError, match="Silent does not tell"):
        Silent().changes()


def test_changes_are_an_iterator(configs):
    with configs.changes(timeout=0) as changes:
        assert isinstance(changes, Changes)
        assert iter(changes) is changes
