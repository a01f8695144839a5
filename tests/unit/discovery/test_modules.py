"""Registering what modules and packages define."""

from __future__ import annotations

import sys

import pytest

from registry import FunctionalRegistry, SchemeRegistry, TypeRegistry
from registry.errors import ArtifactLoadError
from tests.unit.registries import artifacts
from tests.unit.registries.artifacts import Linear, Model, mse

SOURCE = """
from json import dumps
from math import sqrt
from fractions import Fraction

LIMIT = 3
def public(x): return x
def _private(x): return x
class Thing: pass
other = public
instance = Thing()
"""


def test_a_module_registers_the_public_functions_that_it_defines(define, folder):
    losses = define()

    report = losses.register_module(folder.module(SOURCE))

    assert list(losses) == ["public", "other"]
    assert report == {"successful": ["public", "other"], "failed": [], "errors": [], "total": 2}


@pytest.mark.parametrize(
    ("base", "names"), [(TypeRegistry, ["Thing"]), (SchemeRegistry, ["public", "Thing", "other"])]
)
def test_a_module_registers_what_the_registry_is_for(define, folder, base, names):
    registry = define(base)

    registry.register_module(folder.module(SOURCE))

    assert list(registry) == names


def test_a_module_is_given_by_name_or_itself_and_again_changes_nothing(define):
    losses = define()

    losses.register_module(artifacts)
    losses.register_module("tests.unit.registries.artifacts")

    assert losses["mse"] is mse
    assert "Callable" not in losses
    assert "Linear" not in losses


def test_classes_that_do_not_inherit_are_left_out_and_those_that_do_not_conform_are_named(define_local):
    models = define_local(TypeRegistry[Model], abstract=True, strict=True)

    report = models.register_module(artifacts)

    assert models["Linear"] is Linear
    assert "Stranger" not in models
    assert report["failed"] == ["WrongSignature"]
    assert "predict" in report["errors"][0]["error"]


def test_all_says_what_is_registered_and_foreign_names_are_left_out(define_local, folder):
    package = folder.package(
        __init__="from json import dumps\nfrom .inner import f, g\n"
        "def h(): pass\ndef _i(): pass\n__all__ = ['f', '_i', 'dumps', 'missing']",
        inner="def f(): pass\ndef g(): pass",
    )
    losses = define_local()

    losses.register_module(package)

    assert list(losses) == ["f", "_i"]


def test_a_module_that_cannot_be_imported_is_named_with_the_cause(define_local, folder):
    module = folder.module("1 / 0")

    with pytest.raises(ArtifactLoadError, match=f"Cannot import {module}: ZeroDivisionError: ") as caught:
        define_local().register_module(module)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_package_registers_its_modules_at_every_depth_in_one_batch(define, folder, monkeypatch):
    package = folder.package(
        __init__="def top(): pass",
        a="def in_a(): pass",
        deep__b="from json import dumps\ndef in_b(): pass",
        _private="raise AssertionError('imported')",
        __main__="raise AssertionError('run')",
    )
    losses = define()
    batches = []
    batch = losses.safe_register_batch
    monkeypatch.setattr(losses, "safe_register_batch", lambda found: batches.append(found) or batch(found))

    report = losses.register_package(package)

    assert list(losses) == ["top", "in_a", "in_b"]
    assert report["successful"] == ["top", "in_a", "in_b"]
    assert len(batches) == 1


@pytest.mark.parametrize("broken", ["import discovered_not_there", "raise SystemExit", "x ="])
def test_a_broken_submodule_is_named_and_the_others_are_registered(define_local, folder, broken):
    package = folder.package(a="def in_a(): pass", b=broken, c="def in_c(): pass")
    losses = define_local()

    report = losses.register_package(package)

    assert list(losses) == ["in_a", "in_c"]
    assert report["failed"] == [f"{package}.b"]
    assert report["errors"][0]["error"].startswith(f"Cannot import {package}.b: ")
    assert report["total"] == 3


def test_a_name_that_two_modules_define_is_reported_with_both_origins(define_local, folder):
    package = folder.package(a="def f(): pass", b="\ndef f(): pass")
    losses = define_local()

    report = losses.register_package(package)

    assert losses["f"] is sys.modules[f"{package}.a"].f
    assert report["failed"] == [f"{package}.b.f"]
    assert "a.py:1) is registered" in report["errors"][0]["error"]
    assert "b.py:2) is not" in report["errors"][0]["error"]


def test_a_package_whose_modules_register_themselves_is_no_duplicate(define_local, folder):
    hook = folder.unused("hook")
    package = folder.package(a=f"import sys\n@sys.modules[{hook!r}].losses.register_artifact\ndef f(): pass")
    losses = define_local(FunctionalRegistry)
    sys.modules[hook] = type("Hook", (), {"losses": losses})

    assert losses.register_package(package)["failed"] == []
    assert list(losses) == ["f"]
