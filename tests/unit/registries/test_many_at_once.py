"""Many artifacts in one call, on each kind of storage."""

from __future__ import annotations

import json
import types

import pytest

from registry import CoercionError, FunctionalRegistry, RegistryError, SchemeRegistry


@pytest.fixture
def configs(define):
    return define(SchemeRegistry)


def test_prefetch_finds_those_that_there_are_in_the_order_asked(configs):
    configs.safe_register_batch({"a": 1, "b": [2], "c": 3})

    assert list(configs.prefetch(["c", "missing", "b", "c"]).items()) == [("c", 3), ("b", [2])]
    assert configs.prefetch() == {"a": 1, "b": [2], "c": 3}
    assert configs.prefetch([]) == {}


def test_prefetch_finds_lazy_names_and_aliases(define):
    losses = define()
    losses.register_artifact("dumps", json.dumps)
    losses.register_lazy("loads", "json:loads")
    losses.add_alias("write", "dumps")

    assert losses.prefetch(["loads", "write"]) == {"loads": json.loads, "write": json.dumps}


def test_prefetch_finds_what_a_parent_has(define):
    parent = define()
    parent.register_artifact("dumps", json.dumps)
    child = types.new_class("Child", (FunctionalRegistry,), {"parent": parent})

    assert child.prefetch(["dumps", "missing"]) == {"dumps": json.dumps}


def test_unregister_many_removes_them_and_names_those_that_were_not_there(configs):
    configs.safe_register_batch({"a": 1, "b": 2, "c": 3})
    told = []

    with pytest.raises(RegistryError, match=r"2 of 4 names .*'x', 'y'") as raised:
        configs.unregister_many(["a", "x", "c", "y"], progress=lambda *counts: told.append(counts))

    assert raised.value.context["missing"] == ["x", "y"]
    assert list(configs) == ["b"]
    assert told == [(4, 4)]


def test_unregister_many_forgets_lazy_names_too(define):
    losses = define()
    losses.register_artifact("dumps", json.dumps)
    losses.register_lazy("loads", "json:loads")

    losses.unregister_many(["dumps", "loads"])

    assert list(losses) == []


def test_progress_is_told_of_a_batch(configs):
    told = []

    configs.safe_register_batch({"a": 1, "b": 2}, progress=lambda *counts: told.append(counts))

    assert told == [(2, 2)]


def test_what_was_removed_can_be_registered_again_as_something_else(configs):
    configs.register_artifact("a", 1)
    configs.unregister_many(["a"])

    configs.register_artifact("a", 2)

    assert configs["a"] == 2


@pytest.mark.parametrize("given", [[1, 2], None, 3], ids=repr)
def test_what_is_no_mapping_is_refused(define, given):
    for many in (define().safe_register_batch, define().batch_validate):
        with pytest.raises(CoercionError, match="mapping from name to artifact"):
            many(given)
