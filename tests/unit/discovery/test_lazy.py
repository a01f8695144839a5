"""Artifacts that are imported when they are looked up first."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

from registry import (
    CoercionError,
    DuplicateKeyError,
    FunctionalRegistry,
    RegistryError,
    SerializationError,
    TypeRegistry,
)
from registry.discovery import BrokenArtifactWarning
from registry.errors import ArtifactLoadError
from tests.unit.registries.artifacts import mae, mse

ARTIFACTS = "tests.unit.registries.artifacts"


def test_a_lazy_artifact_is_imported_when_it_is_looked_up_and_not_before(define, folder):
    losses = define()
    module = folder.module("def f(): return 1")

    losses.register_lazy("f", f"{module}:f")
    assert "f" in losses
    assert list(losses) == ["f"]
    assert len(losses) == 1
    assert module not in sys.modules

    assert losses["f"]() == 1
    assert losses.get_artifact("f", None) is losses["f"] is sys.modules[module].f


def test_after_the_first_look_up_a_lazy_artifact_is_in_the_table(define_local):
    losses = define_local()
    losses.register_lazy("mse", f"{ARTIFACTS}:mse")

    losses["mse"]

    assert losses._view.table == {"mse": mse}


def test_a_lazy_artifact_may_be_an_attribute_of_a_class(define, folder):
    losses = define()
    module = folder.module("class Losses:\n    @staticmethod\n    def f(): return 1")

    losses.register_lazy("f", f"{module}:Losses.f")

    assert losses["f"]() == 1


def test_racing_look_ups_import_once_and_get_the_same(define, folder):
    losses = define()
    name = folder.unused("counter")
    module = folder.module(
        f"import sys\nsys.modules[{name!r}].append(1)\ndef make(): return lambda: 1\nf = make()"
    )
    imports = sys.modules[name] = []
    losses.register_lazy("f", f"{module}:f")
    barrier, found = threading.Barrier(8), []

    def look_up():
        barrier.wait()
        found.append(losses["f"])

    threads = [threading.Thread(target=look_up) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert imports == [1]
    assert len(found) == 8
    assert len({id(f) for f in found}) == 1


def test_a_module_that_looks_itself_up_while_another_thread_does_is_no_deadlock(define_local, folder):
    losses = define_local()
    name = folder.unused("hook")
    module = folder.module(
        f"import sys\ndef f(): return 1\nsys.modules[{name!r}].losses['f']\ndef g(): return 2"
    )
    sys.modules[name] = type("Hook", (), {"losses": losses})
    for each in "fg":
        losses.register_lazy(each, f"{module}:{each}")
    threads = [threading.Thread(target=losses.get_artifact, args=(each,), daemon=True) for each in "fgfg"]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert not any(thread.is_alive() for thread in threads)
    assert losses["g"]() == 2


@pytest.mark.parametrize(
    ("source", "cause"),
    [
        ("import discovered_not_there", ModuleNotFoundError),
        ("1 / 0", ZeroDivisionError),
        ("raise SystemExit(3)", SystemExit),
        ("x = ", SyntaxError),
        ("", AttributeError),
    ],
    ids=["missing", "raises", "exits", "no python", "lacks it"],
)
def test_a_failing_import_names_module_and_cause_and_leaves_the_others(define_local, folder, source, cause):
    losses = define_local()
    module = folder.module(source)
    losses.register_lazy("broken", f"{module}:f")
    losses.register_lazy("mse", f"{ARTIFACTS}:mse")

    for ask in (lambda: losses["broken"], lambda: losses.get_artifact("broken", None)):
        with pytest.raises(ArtifactLoadError) as caught:
            ask()
        assert caught.value.message.startswith(f"Cannot load 'broken' of Losses from {module}:f: ")
        assert cause.__name__ in caught.value.message
        assert isinstance(caught.value.__cause__, cause)
        assert isinstance(caught.value, ImportError)
        assert not isinstance(caught.value, KeyError)
    assert losses["mse"] is mse


def test_a_failing_import_says_what_to_install_or_which_name_was_meant(define_local, folder):
    losses = define_local()
    losses.register_lazy("a", f"{folder.module('import discovered_not_there')}:f")
    losses.register_lazy("b", f"{ARTIFACTS}:mze")

    for name, expected in {"a": "discovered_not_there", "b": "mse"}.items():
        with pytest.raises(ArtifactLoadError) as caught:
            losses[name]
        assert expected in caught.value.suggestions[0]


def test_a_failed_import_is_tried_again(define_local, folder):
    losses = define_local()
    module = folder.unused("later")
    losses.register_lazy("f", f"{module}:f")
    with pytest.raises(ArtifactLoadError):
        losses["f"]

    folder.module("def f(): return 1", module)
    import importlib

    importlib.invalidate_caches()

    assert losses["f"]() == 1


def test_what_the_registry_cannot_hold_is_refused_at_look_up(define_local):
    models = define_local(TypeRegistry)
    models.register_lazy("mse", f"{ARTIFACTS}:mse")

    with pytest.raises(ArtifactLoadError, match="holds classes, and function is none"):
        models["mse"]
    assert len(models._storage()) == 0


def test_items_leave_out_what_cannot_be_loaded_and_warn(define_local):
    losses = define_local()
    losses.register_artifact(mae)
    losses.register_lazy("broken", "discovered_not_there:f")
    losses.register_lazy("mse", f"{ARTIFACTS}:mse")

    with pytest.warns(BrokenArtifactWarning, match="Cannot load 'broken' of Losses"):
        assert dict(losses.items()) == {"mae": mae, "mse": mse}
    assert losses.validate_registry_state()["failed"] == ["broken"]


@pytest.mark.parametrize(
    "target", ["", "module", "module.f", ":f", "a:", "a b:f", "a:f()", "a:b:c", "../a:f", 7]
)
def test_a_target_of_another_form_is_refused_at_once(define, target):
    with pytest.raises(CoercionError, match=r"'package\.module:attribute'"):
        define().register_lazy("f", target)


# ---- the same, and another, under one name


def test_the_same_target_again_and_the_artifact_itself_are_no_duplicates(define):
    losses = define()

    losses.register_lazy("mse", f"{ARTIFACTS}:mse")
    losses.register_lazy("mse", f"{ARTIFACTS}:mse")
    losses.register_artifact(mse)
    losses.register_lazy("mse", f"{ARTIFACTS}:mse")

    assert losses["mse"] is mse
    assert len(losses) == 1


def test_a_module_may_register_itself_while_it_is_imported_for_its_lazy_name(define_local, folder):
    losses = define_local()
    hook = folder.unused("hook")
    package = folder.package(
        __init__="from .inner import f",
        inner=f"import sys\n@sys.modules[{hook!r}].losses.register_artifact\ndef f(): return 1",
    )
    sys.modules[hook] = type("Hook", (), {"losses": losses})
    losses.register_lazy("f", f"{package}:f")

    assert losses["f"]() == 1


@pytest.mark.parametrize("first", ["lazy", "registered"])
def test_another_artifact_under_the_name_is_a_duplicate_that_names_both(define, first):
    losses = define()
    if first == "lazy":
        losses.register_lazy("loss", f"{ARTIFACTS}:mse")
        with pytest.raises(DuplicateKeyError) as caught:
            losses.register_artifact("loss", mae)
    else:
        losses.register_artifact("loss", mse)
        with pytest.raises(DuplicateKeyError) as caught:
            losses.register_lazy("loss", f"{ARTIFACTS}:mae")

    assert "mse" in caught.value.message
    assert "mae" in caught.value.message
    assert losses["loss"] is mse


@pytest.mark.parametrize(("policy", "kept"), [("replace", mae), ("keep", mse)])
def test_the_duplicate_policy_applies_to_lazies(define, policy, kept):
    one, other, third = define(on_duplicate=policy), define(on_duplicate=policy), define(on_duplicate=policy)

    one.register_lazy("loss", f"{ARTIFACTS}:mse")
    one.register_artifact("loss", mae)
    other.register_artifact("loss", mse)
    other.register_lazy("loss", f"{ARTIFACTS}:mae")
    third.register_lazy("loss", f"{ARTIFACTS}:mse")
    third.safe_register_batch({"loss": mae})

    assert one["loss"] is other["loss"] is third["loss"] is kept


def test_a_lazy_artifact_is_changed_and_removed_as_any_other(define):
    losses = define()
    for name in "abc":
        losses.register_lazy(name, f"{ARTIFACTS}:mse")

    losses.update_artifact("a", mae)
    losses["b"]
    losses.unregister_identifier("b")
    losses.unregister_identifier("c")

    assert dict(losses.items()) == {"a": mae}
    losses.register_lazy("d", f"{ARTIFACTS}:mse")
    losses.clear_artifacts()
    assert list(losses) == []
    with pytest.raises(RegistryError):
        losses["d"]


def test_a_stand_in_is_found_before_a_lazy_artifact_and_nothing_is_imported(define, folder):
    losses = define()
    module = folder.module("def f(): return 1")
    losses.register_lazy("f", f"{module}:f")

    with losses.overriding(f=mae):
        assert losses["f"] is mae
    assert module not in sys.modules
    assert losses["f"]() == 1


def test_near_names_offer_lazies(define):
    losses = define()
    losses.register_lazy("huber", f"{ARTIFACTS}:mse")

    with pytest.raises(RegistryError, match="Did you mean 'huber'") as caught:
        losses["hubr"]
    assert caught.value.suggestions == ["huber"]


def test_a_base_class_takes_no_lazies():
    with pytest.raises(Exception, match="is a base, not a registry"):
        FunctionalRegistry.register_lazy("f", "a:b")


# ---- shared


def test_a_lazy_name_of_a_shared_registry_is_found_by_others_and_imported_only_there(define_shared, folder):
    losses = define_shared()
    others = define_shared(logic_namespace=losses._repository.namespace)
    module = folder.module("def f(): return 1")

    losses.register_lazy("f", f"{module}:f")
    assert list(others) == ["f"]
    assert module not in sys.modules

    assert others["f"]() == 1
    assert others._own == {}


def test_publishing_a_name_stores_what_registering_the_artifact_stores(define_shared):
    lazy, eager = define_shared(), define_shared()

    lazy.register_lazy("mse", f"{ARTIFACTS}:mse")
    eager.register_artifact(mse)

    one, other = (registry._repository.entry("mse") for registry in (lazy, eager))
    assert one.digest == other.digest
    named = ("codec", "kind", "module", "qualname")
    assert [one.envelope.meta[name] for name in named] == [other.envelope.meta[name] for name in named]
    assert one.envelope.signature


def test_what_no_other_process_can_import_is_not_published(define_shared):
    with pytest.raises(CoercionError, match="__main__:f cannot be looked up by other processes"):
        define_shared().register_lazy("f", "__main__:f")
    with pytest.raises(SerializationError, match="trust='json' sends nothing else"):
        define_shared(trust="json").register_lazy("f", "a:f")


def test_lazy_names_load_no_http_and_import_nothing():
    program = """
import sys
from registry import FunctionalRegistry
class Losses(FunctionalRegistry): pass
before = set(sys.modules)
Losses.register_lazy("f", "json:dumps")
Losses.add_alias("g", "f")
assert "f" in Losses and list(Losses) == ["f"]
assert set(sys.modules) == before, set(sys.modules) - before
assert Losses["g"]([1]) == "[1]"
assert not {"httpx", "rich", "importlib.metadata", "registry.describe"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", program], check=True)
