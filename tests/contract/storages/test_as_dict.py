"""Every storage, under any script of operations, against a `dict` under the same script."""

from __future__ import annotations

import itertools
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from registry.errors import DuplicateKeyError
from registry.storage.base import MappingStorage, Storage
from registry.storage.local import ThreadSafeLocalStorage
from registry.storage.remote import RemoteStorageProxy

numbers = itertools.count()

KEYS = st.sampled_from(["mse", "..", "a/b", "é", "e\u0301", "%2F", "\N{PILE OF POO}", "nul\x00", " "])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda values: st.lists(values, max_size=3) | st.dictionaries(st.text(), values, max_size=3),
    max_leaves=5,
)
QUICK = settings(
    max_examples=15, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
)

# The first script that tells them apart ends it, mostly among the first ten; 15 now and then were not enough.
UNTIL_FOUND = settings(QUICK, max_examples=1_000)


def outcome(step: Callable[[], Any]) -> Any:
    """What a step returns, or that it found no such key."""
    try:
        return "returned", step()
    except KeyError:
        return "no such key", None


class AgreesWithDict(RuleBasedStateMachine):
    """One operation on a storage and on a dict: they answer alike and hold the same, in the same order."""

    make: Callable[[], MutableMapping[str, Any]]

    def __init__(self) -> None:
        super().__init__()
        self.storage = type(self).make()
        self.model: dict[str, Any] = {}

    def both(self, step: Callable[[Any], Any]) -> None:
        expected = outcome(lambda: step(self.model))
        assert repr(outcome(lambda: step(self.storage))) == repr(expected)

    @rule(key=KEYS, value=VALUES)
    def assign(self, key: str, value: Any) -> None:
        self.both(lambda mapping: mapping.__setitem__(key, value))

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        self.both(lambda mapping: mapping.__delitem__(key))

    @rule(key=KEYS)
    def look_up(self, key: str) -> None:
        self.both(lambda mapping: (mapping.get(key, "none"), key in mapping))
        self.both(lambda mapping: mapping[key])

    @rule(key=KEYS, value=VALUES)
    def set_default(self, key: str, value: Any) -> None:
        self.both(lambda mapping: mapping.setdefault(key, value))

    @rule(key=KEYS, value=VALUES)
    def insert(self, key: str, value: Any) -> None:
        assert isinstance(self.storage, Storage)
        if key not in self.model:
            self.model[key] = value
            self.storage.insert(key, value)
        else:
            with pytest.raises(DuplicateKeyError):
                self.storage.insert(key, value)

    @rule(key=KEYS)
    def pop(self, key: str) -> None:
        self.both(lambda mapping: mapping.pop(key))
        self.both(lambda mapping: mapping.pop(key, "none"))

    @rule()
    def pop_newest(self) -> None:
        self.both(lambda mapping: mapping.popitem())

    @rule(items=st.dictionaries(KEYS, VALUES, max_size=4))
    def update(self, items: dict[str, Any]) -> None:
        self.both(lambda mapping: mapping.update(items))

    @rule()
    def clear(self) -> None:
        self.both(lambda mapping: mapping.clear())

    @invariant()
    def holds_the_same_in_the_same_order(self) -> None:
        assert repr(list(self.storage.items())) == repr(list(self.model.items()))
        assert len(self.storage) == len(self.model)


@pytest.fixture(params=["local", "a user's mapping", "shared"])
def make(request) -> Callable[[], Any]:
    if request.param == "local":
        return ThreadSafeLocalStorage
    if request.param == "a user's mapping":
        return lambda: MappingStorage({})
    server = request.getfixturevalue("memory_server")
    return lambda: RemoteStorageProxy(f"machine.n{next(numbers)}", url=server.url, timeout=30)


def test_a_storage_agrees_with_a_dict_under_any_script(make):
    machine = type("Machine", (AgreesWithDict,), {"make": staticmethod(make)})

    run_state_machine_as_test(machine, settings=QUICK)


class LosesDeletes(ThreadSafeLocalStorage[str, Any]):
    def __delitem__(self, key: str) -> None:
        self[key]


def test_a_storage_that_loses_deletes_is_found():
    machine = type("Machine", (AgreesWithDict,), {"make": LosesDeletes})

    with pytest.raises(AssertionError):
        run_state_machine_as_test(machine, settings=UNTIL_FOUND)
