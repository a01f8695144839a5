"""How artifacts get into a registry, and what happens when the name is taken."""

from __future__ import annotations

import functools
import threading
from collections import OrderedDict

import pytest

from registry import (
    CoercionError,
    DuplicateKeyError,
    RegistryError,
    SchemeRegistry,
    SerializationError,
    TypeRegistry,
    ValidationError,
)
from registry.duplicates import taken
from tests.unit.registries import artifacts
from tests.unit.registries.artifacts import Callee, Linear, Model, Stranger, defined_as, mae, mse

FILE = artifacts.__file__


# ---- the forms


def test_a_function_is_registered_under_its_name_and_returned(define):
    losses = define()

    assert losses.register_artifact(mse) is mse
    assert losses.get_artifact("mse") is mse


def test_a_function_is_registered_under_a_given_name(define):
    losses = define()

    assert losses.register_artifact("squared", mse) is mse
    assert losses.get_artifact("squared") is mse
    assert "mse" not in losses


def test_a_decorator_registers_and_leaves_the_function_as_it_is(define):
    losses = define()

    @losses.register_artifact
    def plain(x):
        return x + 1

    @losses.register_artifact("named")
    def other(x):
        return x + 2

    assert (plain(1), other(1)) == (2, 3)
    assert losses["plain"](1) == 2
    assert losses["named"](1) == 3
    assert list(losses) == ["plain", "named"]


def test_a_class_is_registered_and_returned(define):
    models = define(TypeRegistry)

    assert models.register_artifact(Linear) is Linear
    assert models.register_artifact("line", Linear) is Linear
    assert models["Linear"] is models["line"] is Linear


def test_what_can_be_called_is_an_artifact_of_a_functional_registry(define):
    losses = define()

    losses.register_artifact("class", Linear)
    losses.register_artifact("builtin", len)
    losses.register_artifact("partial", functools.partial(pow, 2))
    losses.register_artifact("instance", Callee())
    losses.register_artifact("lambda", lambda x: x * 3)

    assert losses["class"]().predict(2) == 4
    assert losses["builtin"]([1]) == 1
    assert losses["partial"](5) == 32
    assert losses["instance"](7) == 7
    assert losses["lambda"](2) == 6


@pytest.mark.parametrize(
    "value", [{"lr": 0.1}, [1, 2], "text", 3, 0.5, True, None, {"a": {"b": []}}], ids=repr
)
def test_json_values_are_artifacts_of_a_scheme_registry(define, value):
    configs = define(SchemeRegistry)

    assert configs.register_artifact("value", value) == value
    assert configs["value"] == value


@pytest.mark.parametrize(
    "nameless", [Callee(), functools.partial(pow, 2), lambda: None], ids=lambda value: type(value).__name__
)
def test_what_has_no_name_needs_one(define, nameless):
    losses = define()

    with pytest.raises(CoercionError) as caught:
        losses.register_artifact(nameless)

    assert caught.value.suggestions == ["Losses.register_artifact('name', artifact)"]
    assert len(losses) == 0


@pytest.mark.parametrize(
    "value", [3, None, ["mse"], {"a": 1}, object()], ids=lambda value: type(value).__name__
)
def test_a_functional_registry_refuses_what_cannot_be_called(define, value):
    losses = define()

    with pytest.raises(CoercionError, match=f"Losses holds callables, and {type(value).__name__} is none"):
        losses.register_artifact("name", value)

    assert len(losses) == 0


@pytest.mark.parametrize("value", [mse, Linear(), "Linear", None], ids=lambda value: type(value).__name__)
def test_a_type_registry_refuses_what_is_no_class(define, value):
    models = define(TypeRegistry)

    with pytest.raises(CoercionError, match="Losses holds classes") as caught:
        models.register_artifact("name", value)

    assert isinstance(caught.value, TypeError)


def nested(levels):
    value = {}
    for _ in range(levels):
        value = {"x": value}
    return value


def holding_itself():
    value = {"a": {"ok": 1}}
    value["a"]["me"] = value
    return value


@pytest.mark.parametrize(
    "value",
    [{1: 2}, (1, 2), {1}, float("nan"), object(), {"a": (1,)}],
    ids=lambda value: type(value).__name__,
)
def test_a_scheme_registry_refuses_what_is_neither_callable_nor_json(define, value):
    with pytest.raises(CoercionError, match="holds callables and JSON values"):
        define(SchemeRegistry).register_artifact("name", value)


@pytest.mark.parametrize(
    ("config", "part", "why"),
    [
        ({"opt": {"betas": (0.9, 0.99)}}, "opt.betas", "tuple is not a JSON type"),
        ({"opt": [1, {"lr": float("nan")}]}, "opt.1.lr", "nan is no JSON number"),
        ({"layers": {1: 2}}, "layers", "its key 1 is no text"),
        ({"a": ["ok", "\ud800"]}, "a.1", "U+D800 in it is half of a pair"),
        ({"a": {"\ud800": 1}}, "a", "U+D800 in it is half of a pair"),
        ({"a": -(10**5000)}, "a", "it has more than 4,300 digits"),
        ({"a": OrderedDict()}, "a", "collections.OrderedDict is not a JSON type"),
        ({1}, "(root)", "set is not a JSON type"),
        (nested(64), "x.x.x", "it is nested more than 64 deep"),
        (holding_itself(), "a.me", "it holds itself"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_scheme_registry_names_the_part_that_is_not_json(define, config, part, why):
    with pytest.raises(CoercionError, match="holds callables and JSON values") as caught:
        define(SchemeRegistry).register_artifact("name", config)

    assert f"at {part}: {why}" in caught.value.message
    assert caught.value.context["part"] == part
    assert caught.value.suggestions


def test_a_config_that_reaches_one_part_in_many_ways_is_refused_at_once(define):
    """2**60 ways; each part is looked at as often as it lies deeper, and no more."""
    part: list[object] = []
    for _ in range(60):
        part = [part, part]

    with pytest.raises(ValidationError):
        define(SchemeRegistry).register_artifact("name", {"good": part, "bad": ()})


@pytest.mark.parametrize("key", [[], {}, set()], ids=repr)
def test_an_unhashable_key_is_refused_by_every_operation(define, key):
    losses = define()

    for use in (
        lambda: losses.register_artifact(key, mse),
        lambda: losses.get_artifact(key),
        lambda: losses.get_artifact(key, None),
        lambda: losses[key],
        lambda: key in losses,
        lambda: losses.update_artifact(key, mse),
        lambda: losses.unregister_identifier(key),
    ):
        with pytest.raises(CoercionError):
            use()


def test_the_key_of_a_shared_registry_is_a_text(define_shared):
    losses = define_shared()

    for use in (
        lambda: losses.register_artifact(1, mse),
        lambda: losses[1],
        lambda: losses.get_artifact(1, None),
        lambda: 1 in losses,
    ):
        with pytest.raises(CoercionError, match="A key of a shared registry is a text, not int"):
            use()


def test_what_cannot_travel_is_refused_with_the_part_that_cannot(define_shared):
    lock = threading.Lock()

    with pytest.raises(SerializationError, match="lock"):
        define_shared().register_artifact("locked", lambda: lock)


# ---- the same again


def test_registering_the_same_again_does_nothing(define):
    losses = define()

    losses.register_artifact(mse)
    losses.register_artifact(mse)
    losses.register_artifact("mse", mse)

    assert len(losses) == 1


def test_the_same_json_again_does_nothing_and_other_json_is_a_duplicate(define):
    configs = define(SchemeRegistry)

    configs.register_artifact("sgd", {"lr": 0.1})
    configs.register_artifact("sgd", {"lr": 0.1})
    with pytest.raises(DuplicateKeyError):
        configs.register_artifact("sgd", {"lr": 0.2})

    assert configs["sgd"] == {"lr": 0.1}


@pytest.mark.parametrize("other", [{"lr": 1.0}, {"lr": True}, {"lr": 1, "x": None}, [1]])
def test_json_values_that_python_calls_equal_are_told_apart(define, other):
    configs = define(SchemeRegistry)
    configs.register_artifact("sgd", {"lr": 1})

    with pytest.raises(DuplicateKeyError):
        configs.register_artifact("sgd", other)


def test_one_artifact_may_have_many_names(define):
    losses = define()

    losses.register_artifact("l2", mse)
    losses.register_artifact(mse)

    assert losses["l2"] is losses["mse"] is mse


# ---- another artifact


def test_another_artifact_under_a_taken_name_raises_and_names_both_with_file_and_line(define):
    losses = define()
    losses.register_artifact("loss", mse)

    with pytest.raises(DuplicateKeyError) as caught:
        losses.register_artifact("loss", mae)

    error = caught.value
    first, second = (f"{FILE}:{f.__code__.co_firstlineno}" for f in (mse, mae))
    assert isinstance(error, RegistryError)
    assert isinstance(error, KeyError)
    assert first in error.message
    assert second in error.message
    assert error.message.index(first) < error.message.index(second)
    assert first in error.context["owner"]
    assert second in error.context["offered"]
    assert error.context["key"] == "loss"
    assert any("on_duplicate='replace'" in suggestion for suggestion in error.suggestions)
    assert any("update_artifact('loss'" in suggestion for suggestion in error.suggestions)
    assert losses["loss"] is mse


def test_another_class_under_a_taken_name_raises_and_names_both_with_file_and_line(define):
    models = define(TypeRegistry)
    models.register_artifact("model", Linear)

    with pytest.raises(DuplicateKeyError, match=rf"Linear \({FILE}:\d+\).*Stranger \({FILE}:\d+\)"):
        models.register_artifact("model", Stranger)


def test_an_artifact_of_another_process_is_never_replaced_as_if_it_were_ours(define_shared):
    """Same module, same name, other code: only what this process registered itself counts as its own."""
    theirs, ours = define_shared(), None
    ours = define_shared(logic_namespace=theirs._repository.namespace)
    theirs.register_artifact(defined_as("def f(): return 1", "f"))

    with pytest.raises(DuplicateKeyError):
        ours.register_artifact(defined_as("def f(): return 2", "f"))

    assert ours["f"]() == 1


def test_a_redefinition_replaces_what_this_process_registered(define):
    """A notebook cell that is edited and run again, twice."""
    losses = define()

    for result in (1, 2, 3):
        losses.register_artifact(defined_as(f"def f(): return {result}", "f"))
        assert losses["f"]() == result

    assert len(losses) == 1


def test_a_global_edited_and_run_again_is_a_redefinition(define):
    losses = define()

    losses.register_artifact(defined_as("def f(): return K", "f", K=3))
    losses.register_artifact(defined_as("def f(): return K", "f", K=4))

    assert losses["f"]() == 4


def test_another_lambda_under_a_taken_name_is_no_redefinition(define):
    """All lambdas of a module are called ``<lambda>``, and all that a function makes share a name too."""
    losses = define()
    losses.register_artifact("scale", lambda x: 2 * x)

    with pytest.raises(DuplicateKeyError):
        losses.register_artifact("scale", lambda x: 3 * x)


def test_a_redefinition_does_not_replace_what_others_put_there_meanwhile(define_shared):
    losses = define_shared()
    others = define_shared(logic_namespace=losses._repository.namespace)
    losses.register_artifact(defined_as("def f(): return 1", "f"))
    others.update_artifact("f", mse)

    with pytest.raises(DuplicateKeyError):
        losses.register_artifact(defined_as("def f(): return 2", "f"))

    assert others["f"] is mse


def test_what_another_process_registered_first_is_not_ours_though_it_is_the_same(define_shared):
    first = define_shared()
    second = define_shared(logic_namespace=first._repository.namespace)
    first.register_artifact(defined_as("def f(): return 1", "f"))
    second.register_artifact(defined_as("def f(): return 1", "f"))

    with pytest.raises(DuplicateKeyError):
        second.register_artifact(defined_as("def f(): return 2", "f"))


def test_after_unregistering_and_clearing_a_name_is_free(define):
    losses = define()
    losses.register_artifact("a", mse)
    losses.register_artifact("b", mse)

    losses.unregister_identifier("a")
    losses.register_artifact("a", mae)
    losses.clear_artifacts()
    losses.register_artifact("b", mae)

    assert dict(losses.items()) == {"b": mae}


# ---- policies


def test_the_policy_replace_replaces(define):
    losses = define(on_duplicate="replace")

    losses.register_artifact("loss", mse)
    losses.register_artifact("loss", mae)

    assert losses["loss"] is mae


def test_the_policy_keep_keeps(define):
    losses = define(on_duplicate="keep")

    losses.register_artifact("loss", mse)
    assert losses.register_artifact("loss", mae) is mae

    assert losses["loss"] is mse


@pytest.mark.parametrize(("policy", "kept"), [("replace", mae), ("keep", mse)])
def test_the_environment_has_the_policy_where_the_class_has_none(define, monkeypatch, policy, kept):
    losses, strict = define(), define(on_duplicate="error")
    for registry in (losses, strict):
        registry.register_artifact("loss", mse)
    monkeypatch.setenv("REGISTRY_ON_DUPLICATE", policy)

    losses.register_artifact("loss", mae)
    with pytest.raises(DuplicateKeyError):
        strict.register_artifact("loss", mae)

    assert losses["loss"] is kept
    assert strict["loss"] is mse


def test_a_policy_is_inherited(define):
    base = define(on_duplicate="keep")

    class Derived(base):
        pass

    Derived.register_artifact("loss", mse)
    Derived.register_artifact("loss", mae)

    assert Derived["loss"] is mse


def test_an_unknown_policy_is_refused_with_the_known_ones(define, monkeypatch):
    with pytest.raises(ValidationError, match="on_duplicate is 'ignore'") as caught:
        define(on_duplicate="ignore")
    assert caught.value.suggestions == ["error", "replace", "keep"]

    losses = define()
    losses.register_artifact("loss", mse)
    monkeypatch.setenv("REGISTRY_ON_DUPLICATE", "ignore")
    with pytest.raises(ValidationError, match="REGISTRY_ON_DUPLICATE"):
        losses.register_artifact("loss", mae)


# ---- many at once


def test_a_batch_tells_of_each_artifact(define):
    losses = define()
    losses.register_artifact("taken", mse)

    report = losses.safe_register_batch({"new": mae, "taken": mae, "wrong": 3, "same": mse})

    assert report["successful"] == ["new", "same"]
    assert report["failed"] == ["taken", "wrong"]
    assert report["total"] == 4
    errors = {error["key"]: error for error in report["errors"]}
    assert errors["taken"]["error"].startswith("Losses")
    assert "already has 'taken'" in errors["taken"]["error"]
    assert "holds callables" in errors["wrong"]["error"]
    assert all(
        set(error) == {"key", "error", "suggestions"} and error["suggestions"] for error in errors.values()
    )
    assert list(losses) == ["taken", "new", "same"]


def test_a_batch_registered_again_is_no_failure(define):
    losses = define()

    for _ in range(2):
        report = losses.safe_register_batch({"mse": mse, "mae": mae})
        assert (report["successful"], report["errors"]) == (["mse", "mae"], [])


def test_an_empty_batch_is_nothing(define):
    assert define().safe_register_batch({}) == {"successful": [], "failed": [], "errors": [], "total": 0}


def test_a_batch_that_may_not_skip_registers_nothing_if_one_is_wrong(define):
    losses = define()

    with pytest.raises(CoercionError):
        losses.safe_register_batch({"mse": mse, "wrong": 3}, skip_invalid=False)

    assert len(losses) == 0


def test_a_batch_that_may_not_skip_raises_for_a_taken_name(define):
    losses = define()
    losses.register_artifact("loss", mse)

    with pytest.raises(DuplicateKeyError):
        losses.safe_register_batch({"loss": mae}, skip_invalid=False)

    assert losses["loss"] is mse


def test_a_batch_follows_the_policy(define):
    losses = define(on_duplicate="replace")
    losses.register_artifact("loss", mse)

    assert losses.safe_register_batch({"loss": mae})["failed"] == []
    assert losses["loss"] is mae


def test_a_batch_says_of_wrong_keys_and_of_what_cannot_travel(define_shared):
    lock = threading.Lock()
    losses = define_shared()

    report = losses.safe_register_batch({"fine": mse, 1: mse, "": mse, "locked": lambda: lock})

    assert (report["successful"], report["failed"]) == (["fine"], [1, "", "locked"])
    assert list(losses) == ["fine"]


def test_validating_a_batch_registers_nothing(define):
    losses = define()

    report = losses.batch_validate({"mse": mse, "wrong": 3})

    assert (report["successful"], report["failed"], report["total"]) == (["mse"], ["wrong"], 2)
    assert len(losses) == 0


# ---- from several threads


def test_threads_that_register_the_same_all_succeed(define):
    losses = define()

    def register(_):
        return losses.register_artifact(mse)

    assert [result for result in in_threads(register) if isinstance(result, Exception)] == []
    assert len(losses) == 1


def test_of_threads_that_register_different_artifacts_one_wins_and_the_others_know_which(define):
    losses = define()
    classes = [type(f"Model{n}", (Model,), {"n": n, "predict": Linear.predict}) for n in range(8)]

    results = in_threads(lambda n: losses.register_artifact("model", classes[n]))

    (winner,) = [result for result in results if not isinstance(result, Exception)]
    errors = [result for result in results if isinstance(result, Exception)]
    assert len(errors) == 7
    assert all(isinstance(error, DuplicateKeyError) for error in errors)
    assert all(winner.__name__ in error.context["owner"] for error in errors)
    assert losses["model"].n == winner.n


def in_threads(call, count=8):
    from tests.contract.storages.contract import at_once

    return at_once(*[lambda n=n: call(n) for n in range(count)])


@pytest.mark.parametrize("first", ["__main__", "publish"])
def test_a_file_that_is_run_and_imported_is_said_to_be_two_modules(define, tmp_path, monkeypatch, first):
    """As `python publish.py` and then ``import publish`` elsewhere, or the other way round."""
    losses = define()
    code = compile("def mse(a, b):\n    return a - b\n", str(tmp_path / "publish.py"), "exec")
    for module in (first, "publish" if first == "__main__" else "__main__"):
        namespace = {"__name__": module}
        exec(code, namespace)
        if module == first:
            losses.register_artifact(namespace["mse"])

    with pytest.raises(
        DuplicateKeyError, match=r"publish\.py, run as a script and imported, is two modules"
    ) as told:
        losses.register_artifact(namespace["mse"])

    assert "in a module that the script imports" in told.value.suggestions[0]
    assert "on_duplicate='replace'" in told.value.suggestions[1]


@pytest.mark.parametrize(
    ("owner", "offered"),
    [
        ("__main__.mse (/a/publish.py:1)", "losses.mse (/a/losses.py:1)"),
        ("__main__.mse (/a/publish.py:1)", "publish.mae (/a/publish.py:5)"),
        ("losses.publish.mse (/a/losses/publish.py:1)", "publish.mse (/a/publish.py:1)"),
        ("a JSON value", "__main__.mse (/a/publish.py:1)"),
    ],
)
def test_other_duplicates_are_not_called_one_file(owner, offered):
    assert "two modules" not in taken("Losses", "Losses", "mse", offered, owner).message
