"""``strict=`` and ``abstract=``: what type parameters demand."""

from __future__ import annotations

from typing import Protocol

import pytest

from registry import ConformanceError, FunctionalRegistry, InheritanceError, TypeRegistry
from tests.unit.registries.artifacts import Lacking, Linear, Model, Stranger, WrongSignature


def double(x: int) -> float:
    return x * 2.0


def two(x: int, y: int) -> float:
    return x / y


def text(x: str) -> float:
    return float(x)


def untyped(x):
    return x


class TestStrictFunctions:
    @pytest.fixture
    def losses(self, define):
        return define(FunctionalRegistry[[int], float], strict=True)

    @pytest.mark.parametrize("function", [double, untyped, lambda *args: 1.0, abs], ids=range(4))
    def test_what_can_be_called_as_declared_is_stored_itself(self, losses, function):
        losses.register_artifact("f", function)

        assert losses["f"](-1) == function(-1)

    def test_an_importable_function_is_the_one_that_is_found(self, losses):
        """The mode once stored None."""
        assert losses.register_artifact(double) is double
        assert losses["double"] is double

    @pytest.mark.parametrize("function", [two, text, lambda: 1.0], ids=range(3))
    def test_what_cannot_is_refused_with_both_signatures(self, losses, function):
        with pytest.raises(ConformanceError) as caught:
            losses.register_artifact("f", function)

        assert isinstance(caught.value, TypeError)
        assert "(int) -> float" in caught.value.message
        assert caught.value.suggestions
        assert len(losses) == 0

    def test_updating_overriding_and_batches_are_as_strict(self, losses):
        losses.register_artifact("f", double)

        with pytest.raises(ConformanceError):
            losses.update_artifact("f", two)
        with pytest.raises(ConformanceError), losses.overriding(f=two):
            raise AssertionError("not reached")
        assert losses.safe_register_batch({"g": two, "h": double})["failed"] == ["g"]
        assert losses["f"] is double

    def test_without_the_keyword_anything_that_can_be_called_is_taken(self, define):
        losses = define(FunctionalRegistry[[int], float])

        assert losses.register_artifact(two) is two

    def test_strictness_is_inherited_and_can_be_lifted(self):
        class Strict(FunctionalRegistry[[int], float], strict=True):
            pass

        class Derived(Strict):
            pass

        class Lenient(Strict, strict=False):
            pass

        with pytest.raises(ConformanceError):
            Derived.register_artifact(two)
        Lenient.register_artifact(two)

    def test_strict_without_type_parameters_demands_nothing(self, define):
        define(strict=True).register_artifact(two)


class TestClasses:
    def test_abstract_takes_subclasses_only(self, define):
        models = define(TypeRegistry[Model], abstract=True)

        assert models.register_artifact(Linear) is Linear
        with pytest.raises(InheritanceError, match=r"Stranger does not inherit .*Model") as caught:
            models.register_artifact(Stranger)

        assert isinstance(caught.value, TypeError)
        assert caught.value.suggestions
        assert list(models) == ["Linear"]

    def test_without_the_keyword_any_class_is_taken(self, define):
        assert define(TypeRegistry[Model]).register_artifact(Stranger) is Stranger

    def test_strict_compares_the_methods(self, define):
        models = define(TypeRegistry[Model], strict=True)

        models.register_artifact(Linear)
        models.register_artifact(Stranger)
        with pytest.raises(ConformanceError, match="predict"):
            models.register_artifact(WrongSignature)

    def test_strict_names_the_method_that_is_lacking(self, define):
        models = define(TypeRegistry[Model], strict=True)

        with pytest.raises(ConformanceError, match=r"Lacking has no method predict\(\)") as caught:
            models.register_artifact(Lacking)

        assert caught.value.suggestions
        assert len(models) == 0

    def test_both_together_demand_both(self, define):
        models = define(TypeRegistry[Model], abstract=True, strict=True)

        for wrong, error in ((Stranger, InheritanceError), (WrongSignature, ConformanceError)):
            with pytest.raises(error):
                models.register_artifact(wrong)
        models.register_artifact(Linear)

    def test_a_protocol_is_satisfied_by_structure(self, define):
        class Predicts(Protocol):
            def predict(self, x: int) -> int: ...

        models = define(TypeRegistry[Predicts], abstract=True)

        models.register_artifact(Stranger)
        with pytest.raises(InheritanceError, match="predict"):
            models.register_artifact(Lacking)
