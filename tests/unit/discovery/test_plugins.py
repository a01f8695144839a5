"""Entry points of installed distributions."""

from __future__ import annotations

import subprocess
import sys

import pytest

from registry import RegistryError
from registry.discovery import BrokenArtifactWarning
from registry.errors import ArtifactLoadError, ValidationError
from tests.unit.registries.artifacts import mae, mse

ARTIFACTS = "tests.unit.registries.artifacts"


@pytest.fixture
def group(folder):
    return folder.unused("group").replace("_", ".")


@pytest.fixture
def plugins(define, folder, group):
    """A registry with the entry points ``mse``, and ``broken`` of another distribution."""
    folder.distribution("good", f"[{group}]\nmse = {ARTIFACTS}:mse\n")
    folder.distribution("bad", f"[{group}]\nbroken = discovered_not_there:f\n", "2.1")
    return define(entry_points=group)


def test_an_entry_point_is_found_like_anything_registered(plugins):
    assert plugins["mse"] is plugins.get_artifact("mse", None) is mse
    assert "mse" in plugins
    assert sorted(plugins) == ["broken", "mse"]
    assert len(plugins) == 2


def test_an_entry_point_is_imported_when_it_is_looked_up_and_not_before(define, folder, group):
    module = folder.module("def f(): return 1")
    folder.distribution("lazy", f"[{group}]\nf = {module}:f [extra]\n")
    losses = define(entry_points=group)

    assert list(losses) == ["f"]
    losses.describe()
    assert module not in sys.modules
    assert losses["f"]() == 1


def test_a_group_that_is_no_name_is_refused(define):
    with pytest.raises(ValidationError, match="name of a group"):
        define(entry_points=3)


def test_a_broken_plugin_is_named_and_leaves_the_others(plugins):
    for ask in (lambda: plugins["broken"], lambda: plugins.get_artifact("broken", None)):
        with pytest.raises(ArtifactLoadError) as caught:
            ask()
        assert "the entry point 'broken' (discovered_not_there:f) of bad 2.1" in caught.value.message
        assert "ModuleNotFoundError: No module named 'discovered_not_there'" in caught.value.message
        assert isinstance(caught.value.__cause__, ModuleNotFoundError)
    assert plugins["mse"] is mse
    with pytest.warns(BrokenArtifactWarning, match=r"'broken' .* of bad 2\.1"):
        assert dict(plugins.items()) == {"mse": mse}


def test_unreadable_metadata_is_named_and_leaves_the_others(define_local, folder, group):
    folder.distribution("fine", f"[{group}]\nmse = {ARTIFACTS}:mse\n")
    folder.distribution("garbled", f"[{group}]\nno equals sign\n")
    losses = define_local(entry_points=group)

    with pytest.warns(BrokenArtifactWarning, match="Cannot read the entry points of garbled"):
        assert losses["mse"] is mse


def test_two_distributions_with_one_name_are_both_named_when_it_is_looked_up(define_local, folder, group):
    folder.distribution("one", f"[{group}]\nloss = {ARTIFACTS}:mse\nsame = {ARTIFACTS}:mse\n")
    folder.distribution("two", f"[{group}]\nloss = {ARTIFACTS}:mae\nsame = {ARTIFACTS}:mse\n")
    losses = define_local(entry_points=group)

    with pytest.raises(ArtifactLoadError, match=r"(one|two) 1\.0 and (one|two) 1\.0 both offer 'loss'"):
        losses["loss"]
    assert losses["same"] is mse

    losses.register_artifact("loss", mae)
    assert losses["loss"] is mae


def test_what_is_registered_is_found_before_an_entry_point(plugins):
    plugins.register_artifact("mse", mae)

    assert plugins["mse"] is mae
    assert len(plugins) == 2


def test_a_stand_in_is_found_before_an_entry_point(plugins):
    with plugins.overriding(broken=mae):
        assert plugins["broken"] is mae


def test_an_entry_point_is_changed_and_removed_as_any_other(plugins):
    plugins.update_artifact("mse", mae)
    assert plugins["mse"] is mae

    plugins.unregister_identifier("mse")
    plugins.unregister_identifier("broken")
    with pytest.raises(RegistryError):
        plugins["mse"]
    assert list(plugins) == []


def test_looking_up_a_plugin_publishes_nothing(define_shared, folder, group):
    folder.distribution("good", f"[{group}]\nmse = {ARTIFACTS}:mse\n")
    plugins = define_shared(entry_points=group)
    others = define_shared(logic_namespace=plugins._repository.namespace)

    assert plugins["mse"] is plugins["mse"] is mse
    assert "mse" not in others
    assert others._len_mapping() == 0


def test_near_names_offer_entry_points(plugins):
    with pytest.raises(RegistryError) as caught:
        plugins["brokn"]

    assert caught.value.suggestions == ["broken"]


def test_a_group_is_looked_for_once_and_only_when_a_name_is_missing():
    program = """
import sys
from registry import FunctionalRegistry
class One(FunctionalRegistry, entry_points="discovered.none"): pass
class Other(FunctionalRegistry, entry_points="discovered.none"): pass
One.register_artifact("f", len)
assert One["f"] is len and "f" in One
assert "importlib.metadata" not in sys.modules
asked = []
import importlib.metadata as metadata
metadata.entry_points = lambda *, group: asked.append(group) or []
assert One.get_artifact("g", None) is Other.get_artifact("g", None) is None
assert list(One) == ["f"] and list(Other) == []
assert asked == ["discovered.none"], asked
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_an_entry_point_that_is_no_artifact_is_refused_and_named(define_local, folder, group):
    folder.distribution("odd", f"[{group}]\nmodule = json\nnumber = {ARTIFACTS}:__name__\n")
    losses = define_local(entry_points=group)

    for name in ("module", "number"):
        with pytest.raises(ArtifactLoadError, match=r"of odd 1\.0: CoercionError: Losses holds callables"):
            losses[name]
