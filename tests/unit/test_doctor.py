"""`Registry.explain`: the same diagnosis, from within a program."""

from __future__ import annotations

import pytest

from registry import CoercionError, FunctionalRegistry, ValidationError
from registry.discovery import plugins
from registry.discovery.plugins import Plugin
from registry.doctor.findings import Diagnosis, finding
from tests.unit.hierarchy.conftest import new
from tests.unit.registries.artifacts import mae, mse


def test_a_name_of_this_process():
    losses = new("Losses")
    losses.register_artifact(mse)

    told = losses.explain("mse")

    assert told.usable
    assert "'mse' is in Losses, registered from tests.unit.registries.artifacts.mse" in str(told)


def test_a_name_that_is_nowhere_says_what_to_do():
    losses = new("Losses")
    losses.register_artifact(mse)

    assert losses.explain("mes").findings[-1].suggestions == ("mse",)
    told = losses.explain("huber")
    assert not told.usable
    assert "import the module that registers it" in told.findings[-1].suggestions[0]
    assert not losses.explain(3).usable


def test_a_stand_in_comes_first():
    losses = new("Losses", entry_points="no.such.group")

    with losses.overriding(mse=mae):
        assert losses.explain("mse").usable
        assert "overriding" in str(losses.explain("mse"))


def test_entry_points_that_disagree_and_that_cannot_be_imported(monkeypatch):
    offered = {
        "both": Plugin("both", "a:f, b:f", "one 1.0 and other 2.0"),
        "gone": Plugin("gone", "columnar:dump", "columns 1.0"),
        "good": Plugin("good", "json:dumps [fast]", "good 1.0"),
    }
    monkeypatch.setitem(plugins._found, "acme.losses", offered)
    losses = new("Losses", FunctionalRegistry, entry_points="acme.losses")

    assert "one 1.0 and other 2.0 both offer it" in losses.explain("both").summary
    assert (
        "columns 1.0, cannot be imported here: there is no module 'columnar'"
        in losses.explain("gone").summary
    )
    assert losses.explain("good").usable


def test_what_cannot_be_a_key_is_refused_and_so_is_what_is_no_registry():
    with pytest.raises(CoercionError):
        new("Losses").explain([])
    with pytest.raises(ValidationError, match="is a base, not a registry"):
        FunctionalRegistry.explain("mse")


def test_a_registry_in_a_mapping_says_in_which():
    assert "Losses is kept in a dict and holds 0 artifacts" in str(new("Losses", storage={}).explain("mse"))


def test_a_suggestion_is_shown_once_where_it_is_given_last():
    told = Diagnosis(
        "mse",
        (
            finding("keys", "note", "no key", ["make one"]),
            finding("value", "wrong", "not verified", ["make one", "ask"]),
        ),
    )

    assert str(told).splitlines()[1:] == [
        "  note  keys: no key",
        "  wrong value: not verified",
        "        suggestion: make one",
        "        suggestion: ask",
    ]
