"""How artifacts are found, and what a registry says when they are not."""

from __future__ import annotations

import typing

import pytest

from registry import (
    FunctionalRegistry,
    RegistryError,
    RemoteError,
    SchemeRegistry,
    ServerUnreachableError,
    TypeRegistry,
    UntrustedError,
    ValidationError,
)
from tests.unit.registries.artifacts import Linear, mae, mse


@pytest.fixture
def losses(define):
    registry = define()
    registry.safe_register_batch({"mse": mse, "mae": mae})
    return registry


def test_an_artifact_is_found_by_every_way_of_asking(losses):
    assert losses.get_artifact("mse") is losses["mse"] is losses._get_artifact("mse") is mse
    assert losses.get_artifact("mse", None) is mse


def test_a_registry_class_is_the_mapping_it_is(losses):
    assert "mse" in losses
    assert "huber" not in losses
    assert len(losses) == losses._len_mapping() == 2
    assert list(losses) == list(losses.iter_identifiers()) == list(losses._iter_mapping()) == ["mse", "mae"]
    assert list(losses.items()) == [("mse", mse), ("mae", mae)]
    assert losses.has_identifier("mse") is True
    assert losses.has_identifier("huber") is False


def test_an_artifact_is_found_by_identity(losses):
    losses.register_artifact("l1", mae)

    assert losses.has_artifact(mae) is True
    assert losses.has_artifact(len) is False


def test_an_empty_registry_is_true_and_has_length_zero(define):
    empty = define()

    assert bool(empty) is True
    assert len(empty) == 0
    assert list(empty) == list(empty.items()) == []


def test_identifiers_are_a_snapshot(losses):
    seen = []
    for name in losses.iter_identifiers():
        seen.append(name)
        losses.clear_artifacts()

    assert seen == ["mse", "mae"]


@pytest.mark.parametrize("base", [FunctionalRegistry, TypeRegistry, SchemeRegistry])
def test_a_base_class_is_no_registry_and_says_so(base):
    for use in (lambda: base.get_artifact("x"), lambda: len(base), lambda: list(base), lambda: "x" in base):
        with pytest.raises(ValidationError, match=f"{base.__name__} is a base, not a registry") as caught:
            use()
        assert base.__name__ in caught.value.suggestions[0]
    assert bool(base) is True


def test_a_base_class_stays_generic():
    functional = FunctionalRegistry[[int, str], float]

    assert typing.get_origin(functional) is FunctionalRegistry
    assert typing.get_args(functional) == ((int, str), float)
    assert typing.get_origin(TypeRegistry[Linear]) is TypeRegistry
    assert typing.get_args(TypeRegistry[Linear]) == (Linear,)


def test_a_registry_with_type_parameters_is_looked_up_with_brackets(define):
    registry = define(FunctionalRegistry[[list, list], float])
    registry.register_artifact(mse)

    assert registry["mse"] is mse


def test_a_derived_registry_has_a_storage_of_its_own(define):
    base = define()
    base.register_artifact(mse)

    class Derived(base):
        pass

    assert "mse" not in Derived
    Derived.register_artifact(mae)
    assert list(base) == ["mse"]


# ---- what is missing


def test_a_missing_name_begins_with_the_documented_words_and_offers_near_ones(losses):
    with pytest.raises(RegistryError) as caught:
        losses.get_artifact("mes")

    error = caught.value
    assert error.message.startswith("Key not found: 'mes' in Losses")
    assert error.message.endswith(". Did you mean 'mse' or 'mae'?")
    assert error.suggestions == ["mse", "mae"]
    assert error.context["key"] == "mes"
    assert isinstance(error, KeyError)


def test_the_message_of_a_shared_registry_says_where_it_looked(define_shared, memory_server):
    losses = define_shared(logic_namespace="research.losses")

    with pytest.raises(RegistryError) as caught:
        losses["mes"]

    where = f"research.losses at {memory_server.url}"
    assert caught.value.message == f"Key not found: 'mes' in Losses ({where})."
    assert caught.value.context["location"] == where


def test_near_names_are_the_same_wherever_the_artifacts_are(losses):
    for name in ("huber", "Huber2", "l1", "cross_entropy", "crossentropy"):
        losses.register_artifact(name, mse)

    def offered(name):
        with pytest.raises(RegistryError) as caught:
            losses[name]
        return caught.value.suggestions

    assert offered("HUBER") == ["huber", "Huber2"]
    assert offered("crossEntropy") == ["crossentropy", "cross_entropy"]
    assert offered("transformer") == []


def test_a_default_is_given_for_what_is_missing_only(losses):
    marker = object()

    assert losses.get_artifact("huber", marker) is marker
    assert losses.get_artifact("huber", None) is None
    assert losses.get_artifact("mse", marker) is mse


@pytest.mark.parametrize("change", ["update_artifact", "unregister_identifier"])
def test_changing_what_is_missing_says_the_same(losses, change):
    arguments = ("mes", mse) if change == "update_artifact" else ("mes",)

    with pytest.raises(RegistryError, match=r"^Key not found: 'mes' in Losses") as caught:
        getattr(losses, change)(*arguments)

    assert caught.value.suggestions == ["mse", "mae"]


# ---- what no default hides

ASKING = {
    "get": lambda registry: registry.get_artifact("mse"),
    "get with a default": lambda registry: registry.get_artifact("mse", None),
    "brackets": lambda registry: registry["mse"],
    "in": lambda registry: "mse" in registry,
    "len": len,
    "iter": list,
    "items": lambda registry: list(registry.items()),
    "has_identifier": lambda registry: registry.has_identifier("mse"),
    "has_artifact": lambda registry: registry.has_artifact(mse),
    "register": lambda registry: registry.register_artifact(mse),
    "batch": lambda registry: registry.safe_register_batch({"mse": mse}),
    "update": lambda registry: registry.update_artifact("mse", mse),
    "unregister": lambda registry: registry.unregister_identifier("mse"),
    "clear": lambda registry: registry.clear_artifacts(),
    "validate": lambda registry: registry.validate_registry_state(),
}


@pytest.mark.parametrize("ask", ASKING.values(), ids=ASKING)
def test_that_the_server_is_away_is_never_swallowed(define_shared, ask):
    registry = define_shared(server="http://127.0.0.1:9")  # the discard port: nothing listens

    with pytest.raises(ServerUnreachableError, match=r"^Cannot connect"):
        ask(registry)


def test_validating_the_state_ends_when_the_server_goes_away(define_shared, monkeypatch):
    """Not one error for each of a thousand names, each after half a second of trying."""
    losses = define_shared()
    losses.safe_register_batch({f"loss{n}": mse for n in range(5)})
    names = list(losses)
    asked = []

    def away(key, default=None):
        asked.append(key)
        raise ServerUnreachableError("Cannot connect")

    monkeypatch.setattr(losses, "iter_identifiers", lambda: iter(names))
    monkeypatch.setattr(losses, "get_artifact", away)

    with pytest.raises(RemoteError):
        losses.validate_registry_state()
    assert asked == names[:1]


def test_what_is_not_trusted_is_never_swallowed_and_hides_nothing_else(define_shared, tmp_path, monkeypatch):
    registry = define_shared(SchemeRegistry)
    registry.safe_register_batch({"code": lambda: 1, "config": {"a": 1}})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another"))
    stranger = define_shared(SchemeRegistry, logic_namespace=registry._repository.namespace)

    for ask in (
        lambda: stranger.get_artifact("code"),
        lambda: stranger.get_artifact("code", None),
        lambda: stranger["code"],
        lambda: list(stranger.items()),
    ):
        with pytest.raises(UntrustedError):
            ask()
    assert list(stranger) == ["code", "config"]
    assert "code" in stranger
    assert len(stranger) == 2
    assert stranger["config"] == {"a": 1}
    assert stranger.validate_registry_state()["failed"] == ["code"]
    assert stranger.validate_registry_state()["successful"] == ["config"]


# ---- how a registry shows itself


def test_the_representation_says_where_it_is(define_shared, memory_server):
    class Local(FunctionalRegistry):
        pass

    Local.register_artifact(mse)

    assert repr(Local).endswith("Local: 1 artifacts>")
    assert f"research.losses at {memory_server.url}" in repr(define_shared(logic_namespace="research.losses"))
    assert repr(FunctionalRegistry) == "<class 'registry.functional.FunctionalRegistry'>"
