"""What every storage of artifacts promises: in this process, on a server, or a mapping of the user's."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, ItemsView, KeysView, MutableMapping, ValuesView
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from registry.errors import DuplicateKeyError, RegistryError
from registry.storage import Storage
from registry.storage.base import PRESENT, Claim

HOSTILE_KEYS = [
    "..",
    ".",
    "/",
    "a/b",
    "a?b=c&d",
    "a#b",
    "%2e%2e",
    "%",
    "+",
    "a b",
    " ",
    "\n",
    "\r\nHost: evil",
    "\x00",
    '"',
    "'; DROP TABLE entries; --",
    "\\",
    "\u00e9",
    "e\u0301",
    "日本",
    "😀",
    "\u202e",
    "None",
    "0",
    "-",
    "keys",
    "_all",
    "__proto__",
    "x" * 1_024,
]
"""Texts that something on the way could take for something else."""

THREADS = 8
ROUNDS = 12


def outside(x: Any) -> Any:
    """A function with an importable name."""
    return x


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    """What the calls return, or raise, when threads make them at one moment."""
    gate = threading.Barrier(len(calls))

    def make(call: Callable[[], Any]) -> Any:
        gate.wait(10)
        try:
            return call()
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(make, calls))


class StorageContract:
    """Subclass it with a fixture ``storage``, empty.

    Attributes:
        any_key: whether keys may be any hashable, not texts only.
        all_at_once: whether readers see `update` and `clear` as one step.
    """

    any_key = True
    all_at_once = True

    @pytest.fixture
    def storage(self) -> Storage[Any, Any]:
        raise NotImplementedError

    # ---- a mapping

    def test_it_is_a_mutable_mapping_and_empty_at_first(self, storage):
        assert isinstance(storage, MutableMapping)
        assert (len(storage), list(storage), dict(storage.items())) == (0, [], {})

    def test_what_was_set_is_found(self, storage):
        storage["a"] = {"x": [1, None, "é"]}

        assert storage["a"] == {"x": [1, None, "é"]}
        assert storage.get("a") == storage["a"]
        assert "a" in storage
        assert len(storage) == 1

    def test_setting_again_replaces(self, storage):
        storage["a"] = 1
        storage["a"] = 2

        assert (storage["a"], len(storage)) == (2, 1)

    def test_a_missing_key_is_a_key_error_of_ours_with_near_names(self, storage):
        storage["mse"] = 1

        for look_up in (lambda: storage["mes"], lambda: storage.pop("mes")):
            with pytest.raises(KeyError) as caught:
                look_up()
            assert isinstance(caught.value, RegistryError)
            assert caught.value.message.startswith("Key not found: 'mes'")
            assert caught.value.suggestions == ["mse"]
            assert caught.value.context["key"] == "mes"

    def test_deleting_what_is_missing_is_a_key_error_of_ours(self, storage):
        with pytest.raises(RegistryError, match=r"^Key not found: 'a'"):
            del storage["a"]

    def test_deleting_removes_once(self, storage):
        storage["a"] = 1

        del storage["a"]

        assert "a" not in storage
        with pytest.raises(KeyError):
            del storage["a"]

    def test_get_gives_the_default_for_what_is_missing_only(self, storage):
        storage["none"] = None

        assert storage.get("a") is None
        assert storage.get("a", 7) == 7
        assert storage.get("none", 7) is None

    def test_in_does_not_confuse_a_missing_key_with_a_false_value(self, storage):
        storage["false"] = False

        assert "false" in storage
        assert "a" not in storage

    def test_pop_removes_and_returns(self, storage):
        storage["a"] = [1]

        assert storage.pop("a") == [1]
        assert "a" not in storage
        assert storage.pop("a", "default") == "default"
        assert storage.pop("a", None) is None

    def test_popitem_takes_the_newest(self, storage):
        storage.update(a=1, b=2, c=3)

        assert [storage.popitem(), storage.popitem(), storage.popitem()] == [("c", 3), ("b", 2), ("a", 1)]

    def test_popitem_of_an_empty_storage_is_a_key_error_of_ours(self, storage):
        with pytest.raises(RegistryError):
            storage.popitem()

    def test_setdefault_stores_only_where_there_is_nothing(self, storage):
        assert storage.setdefault("a", 1) == 1
        assert storage.setdefault("a", 2) == 1
        assert storage["a"] == 1
        assert storage.setdefault("b") is None
        assert "b" in storage

    @pytest.mark.parametrize("form", [dict, list, iter], ids=["a mapping", "pairs", "an iterator"])
    def test_update_takes_what_dict_takes(self, storage, form):
        storage["a"] = 0

        storage.update(form([("a", 1), ("b", 2)]), c=3)
        storage.update()
        storage.update({})

        assert dict(storage.items()) == {"a": 1, "b": 2, "c": 3}

    def test_update_stores_nothing_if_its_argument_breaks_off(self, storage):
        def broken():
            yield "a", 1
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            storage.update(broken())

        assert len(storage) == 0

    def test_clear_removes_everything(self, storage):
        storage.update(a=1, b=2)

        storage.clear()
        storage.clear()

        assert (len(storage), list(storage)) == (0, [])

    def test_the_views_are_those_of_a_mapping(self, storage):
        storage.update(a=1, b=[2])

        assert isinstance(storage.keys(), KeysView)
        assert isinstance(storage.values(), ValuesView)
        assert isinstance(storage.items(), ItemsView)
        assert list(storage.keys()) == ["a", "b"]
        assert list(storage.values()) == [1, [2]]
        assert list(storage.items()) == [("a", 1), ("b", [2])]
        assert [len(view) for view in (storage.keys(), storage.values(), storage.items())] == [2, 2, 2]
        assert "a" in storage.keys()  # noqa: SIM118 - the view is what is tested
        assert ("b", [2]) in storage.items()
        assert ("b", [3]) not in storage.items()
        assert ("c", 1) not in storage.items()
        assert 1 in storage.values()
        assert storage == {"a": 1, "b": [2]}
        assert storage != {"a": 1}

    def test_an_empty_storage_is_usable_wherever_its_truth_is_not_asked(self, storage):
        assert list(storage.items()) == list(storage.values()) == list(storage.keys()) == []

    # ---- order

    def test_entries_stand_in_the_order_of_their_creation(self, storage):
        for key in ("c", "a", "b"):
            storage[key] = key
        storage["c"] = "replaced"
        storage.update(d=1, a="replaced")
        del storage["b"]
        storage["b"] = "created again"
        storage.replace("d", 2, PRESENT)

        assert list(storage) == ["c", "a", "d", "b"]
        assert [key for key, _ in storage.items()] == ["c", "a", "d", "b"]

    def test_iterating_goes_over_a_snapshot(self, storage):
        storage.update(a=1, b=2, c=3)

        seen = []
        for key in storage:
            seen.append(key)
            storage[key + key] = 0
            storage.pop("c", None)

        assert seen == ["a", "b", "c"]

    def test_iterating_over_the_items_goes_over_a_snapshot(self, storage):
        storage.update(a=1, b=2, c=3)

        seen = []
        for key, value in storage.items():
            seen.append((key, value))
            storage.clear()

        assert seen == [("a", 1), ("b", 2), ("c", 3)]

    def test_iterating_over_the_values_goes_over_a_snapshot(self, storage):
        storage.update(a=1, b=2)

        seen = []
        for value in storage.values():
            seen.append(value)
            storage.clear()

        assert seen == [1, 2]

    # ---- keys and values

    @pytest.mark.parametrize("key", HOSTILE_KEYS, ids=range(len(HOSTILE_KEYS)))
    def test_a_key_is_a_text_and_nothing_more(self, storage, key):
        neighbour = "neighbour"
        storage[neighbour] = 0

        storage[key] = {"key": key}

        assert storage[key] == {"key": key}
        assert key in storage
        assert list(storage) == [neighbour, key]
        assert storage.claim(key, 1).won is False
        del storage[key]
        assert list(storage) == [neighbour]

    def test_keys_are_compared_by_code_point(self, storage):
        composed, decomposed = "\u00e9", "e\u0301"

        storage.update({composed: 1, decomposed: 2, "E": 3, "e": 4, "e ": 5})

        assert len(storage) == 5
        assert (storage[composed], storage[decomposed], storage["e"]) == (1, 2, 4)

    @pytest.mark.parametrize("key", [1, 1.5, True, None, ("a", 1), b"a", frozenset("a"), outside])
    def test_another_hashable_is_a_key_or_refused_with_a_type_error(self, storage, key):
        if self.any_key:
            storage[key] = "value"
            assert storage[key] == "value"
            assert list(storage) == [key]
            return
        for use in (
            lambda: storage[key],
            lambda: storage.get(key, None),
            lambda: key in storage,
            lambda: storage.__setitem__(key, 1),
            lambda: storage.__delitem__(key),
            lambda: storage.pop(key, None),
            lambda: storage.setdefault(key, 1),
            lambda: storage.update({"ok": 1, key: 1}),
            lambda: storage.insert(key, 1),
            lambda: storage.claim(key, 1),
            lambda: storage.replace(key, 1, PRESENT),
            lambda: storage.near_names(key),
        ):
            with pytest.raises(TypeError, match="A key of a shared registry is a text"):
                use()
        assert len(storage) == 0

    @pytest.mark.parametrize(
        "value",
        [None, True, 0, -1, 2**80, 1.5, 1e300, "", "é\n\x00", [], {}, [[[]]], {"a": {"b": [1, None]}}],
        ids=repr,
    )
    def test_a_json_value_comes_back_equal_and_of_its_type(self, storage, value):
        storage["a"] = value

        assert storage["a"] == value
        assert type(storage["a"]) is type(value)

    def test_a_function_is_the_same_object_for_every_reader(self, storage):
        storage["f"] = outside

        assert storage["f"] is outside
        assert storage.get("f") is outside
        assert dict(storage.items())["f"] is outside

    # ---- creating and replacing

    def test_insert_creates_once(self, storage):
        storage.insert("a", 1)

        with pytest.raises(DuplicateKeyError, match=r"^Key taken: 'a'") as caught:
            storage.insert("a", 2)

        assert storage["a"] == 1
        assert caught.value.context["key"] == "a"
        assert caught.value.context["owner"]
        assert caught.value.suggestions

    def test_insert_names_the_origin_of_a_function_in_the_way(self, storage):
        storage.insert("f", outside)

        with pytest.raises(DuplicateKeyError, match=rf"outside \({__file__}:\d+\)"):
            storage.insert("f", len)

    def test_a_claim_says_whether_it_won_and_what_is_there(self, storage):
        won = storage.claim("a", {"x": 1})
        same = storage.claim("a", {"x": 1})
        lost = storage.claim("a", {"x": 2})

        assert won.won
        assert won.version is not None
        assert (same.won, same.same) == (False, True)
        assert (lost.won, lost.same) == (False, False)
        assert storage["a"] == {"x": 1}

    def test_a_replacement_needs_the_version_that_is_there(self, storage):
        first = storage.claim("a", [1]).version

        second = storage.replace("a", [2], first)
        late = storage.replace("a", [3], first)

        assert second.won
        assert not late.won
        assert storage["a"] == [2]
        assert storage.replace("a", [4], late.version).won

    def test_a_replacement_of_what_is_missing_stores_nothing(self, storage):
        version = storage.claim("a", 1).version
        del storage["a"]

        assert storage.replace("a", 2, version) == Claim(False, None)
        assert storage.replace("a", 2, PRESENT) == Claim(False, None)
        assert "a" not in storage

    def test_a_replacement_of_whichever_version_needs_an_entry_only(self, storage):
        storage["a"] = 1

        assert storage.replace("a", 2, PRESENT).won
        assert storage["a"] == 2

    def test_many_claims_say_of_each_what_came_of_it(self, storage):
        storage["taken"] = 1
        offered = {"new": 1, "taken": 2, "newer": 3}

        claims = storage.claim_many({key: storage.prepare(key, value) for key, value in offered.items()})

        assert {key: claim.won for key, claim in claims.items()} == {
            "new": True,
            "taken": False,
            "newer": True,
        }
        assert list(claims) == list(offered)
        assert dict(storage.items()) == {"taken": 1, "new": 1, "newer": 3}

    def test_no_claims_are_nothing_to_do(self, storage):
        assert storage.claim_many({}) == {}

    def test_preparing_stores_nothing(self, storage):
        storage.prepare("a", 1)

        assert len(storage) == 0

    def test_the_keys_of_an_artifact_are_found_by_identity(self, storage):
        storage.update({"a": outside, "b": {"x": 1}, "c": outside, "d": {"x": 2}})

        assert storage.keys_of(outside) == ["a", "c"]
        assert storage.keys_of({"x": 1}) == ["b"]
        assert storage.keys_of({"x": 3}) == []

    # ---- from several threads

    def test_of_racing_creators_exactly_one_wins(self, storage):
        for round_ in range(ROUNDS):
            key = f"key{round_}"

            claims = at_once(*[lambda n=n, key=key: storage.claim(key, [n]) for n in range(THREADS)])

            winners = [n for n, claim in enumerate(claims) if claim.won]
            assert len(winners) == 1
            assert storage[key] == winners

    def test_of_racing_inserts_exactly_one_does_not_raise(self, storage):
        outcomes = at_once(*[lambda n=n: storage.insert("a", [n]) for n in range(THREADS)])

        assert sorted(type(outcome).__name__ for outcome in outcomes) == [
            *["DuplicateKeyError"] * (THREADS - 1),
            "NoneType",
        ]

    def test_racing_setdefaults_agree_on_one_value(self, storage):
        for round_ in range(ROUNDS):
            key = f"key{round_}"

            values = at_once(*[lambda n=n, key=key: storage.setdefault(key, [n]) for n in range(THREADS)])

            assert all(value == storage[key] for value in values), values

    def test_of_racing_pops_exactly_one_gets_the_value(self, storage):
        for _ in range(ROUNDS):
            storage["a"] = 1

            assert sorted(at_once(*[lambda: storage.pop("a", 0)] * THREADS)) == [*[0] * (THREADS - 1), 1]

    def test_racing_popitems_never_give_a_pair_twice(self, storage):
        storage.update({str(n): n for n in range(THREADS)})

        pairs = at_once(*[storage.popitem] * THREADS)

        assert sorted(pairs) == [(str(n), n) for n in range(THREADS)]

    def test_of_racing_replacements_of_one_version_exactly_one_wins(self, storage):
        for round_ in range(ROUNDS):
            key = f"key{round_}"
            version = storage.claim(key, ["first"]).version

            claims = at_once(
                *[
                    lambda n=n, key=key, version=version: storage.replace(key, [n], version)
                    for n in range(THREADS)
                ]
            )

            winners = [n for n, claim in enumerate(claims) if claim.won]
            assert len(winners) == 1
            assert storage[key] == winners

    def test_compare_and_swap_loses_no_increment(self, storage):
        storage["n"] = [0]

        def increment():
            for _ in range(5):
                done = False
                while not done:
                    claim = storage.claim("n", ["nobody's"])  # tells the version that is there
                    done = storage.replace("n", [storage["n"][0] + 1], claim.version).won

        assert at_once(increment, increment, increment) == [None] * 3
        assert storage["n"] == [15]

    def test_listing_while_others_write_never_fails(self, storage):
        storage.update({str(n): n for n in range(20)})
        done = threading.Event()

        def churn():
            while not done.is_set():
                for n in range(20):
                    storage.pop(str(n), None)
                    storage[str(n)] = n

        def read():
            try:
                deadline = time.monotonic() + 0.4
                while time.monotonic() < deadline:
                    assert all(str(value) == key for key, value in storage.items())
                    list(storage), list(storage.values()), len(storage)
            finally:
                done.set()

        assert at_once(churn, read, read) == [None] * 3

    def test_readers_never_see_half_of_a_batch_or_of_a_clear(self, storage):
        if not self.all_at_once:
            return
        batch = [str(n) for n in range(40)]
        done = threading.Event()

        def write():
            for _ in range(ROUNDS):
                storage.update(dict.fromkeys(batch, 1))
                storage.clear()
                storage.claim_many({key: storage.prepare(key, 1) for key in batch})
                storage.clear()
            done.set()

        def read():
            seen = set()
            lengths = set()
            while not done.is_set():
                seen.add(tuple(storage))
                seen.add(tuple(key for key, _ in storage.items()))
                lengths.add(len(storage))
            return seen, lengths

        _, *found = at_once(write, read, read)

        for seen, lengths in found:
            assert seen <= {(), tuple(batch)}
            assert lengths <= {0, len(batch)}
