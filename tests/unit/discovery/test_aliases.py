"""Further names, in this process, for what is registered."""

from __future__ import annotations

import itertools

import pytest

from registry import CoercionError, DuplicateKeyError, RegistryError
from tests.unit.registries.artifacts import mae, mse


@pytest.fixture
def losses(define):
    registry = define()
    registry.register_artifact("mse", mse, aliases=("l2", "squared"))
    return registry


def test_an_alias_finds_what_the_name_finds(losses):
    assert losses["l2"] is losses.get_artifact("squared", None) is mse
    assert "l2" in losses
    losses.update_artifact("mse", mae)
    assert losses["l2"] is mae


def test_every_form_of_registration_takes_aliases(define):
    losses = define()

    losses.register_artifact(mse, aliases=["a"])
    losses.register_artifact(mse, aliases="one text")

    @losses.register_artifact("named", aliases=["b"])
    def f():
        return 1

    assert losses["a"] is losses["one text"] is mse
    assert losses["b"]() == f() == 1


def test_an_alias_is_found_and_not_listed(losses):
    assert list(losses) == ["mse"]
    assert len(losses) == 1
    assert list(losses.items()) == [("mse", mse)]


def test_an_alias_may_lead_to_an_alias_and_come_before_its_name(define):
    losses = define()
    losses.add_alias("a", "b")
    losses.add_alias("b", "mse")
    assert "a" not in losses
    assert losses.get_artifact("a", 7) == 7

    losses.register_artifact(mse)

    assert losses["a"] is mse


def test_an_alias_that_leads_to_nothing_says_so_and_which_names_are_near(losses):
    losses.add_alias("loss", "mes")

    with pytest.raises(RegistryError, match=r"^'loss' in Losses is an alias. Key not found: 'mes'") as caught:
        losses["loss"]

    assert caught.value.suggestions == ["mse"]
    assert caught.value.context["alias"] == "loss"


@pytest.mark.parametrize("chain", [["a"], ["a", "b"], ["a", "b", "c"]])
def test_aliases_in_a_circle_are_refused(define, chain):
    losses = define()
    for one, other in itertools.pairwise(chain):
        losses.add_alias(one, other)

    with pytest.raises(CoercionError, match="leads back to it"):
        losses.add_alias(chain[-1], chain[0])


def test_a_taken_name_is_no_alias(losses):
    losses.register_artifact(mae)
    losses.register_lazy("lazy", "json:dumps")

    for taken in ("mae", "lazy"):
        with pytest.raises(DuplicateKeyError, match=f"already has '{taken}'.*as an alias of 'mse'"):
            losses.add_alias(taken, "mse")
    losses.add_alias("l2", "mse")
    with pytest.raises(DuplicateKeyError, match="'l2', registered as an alias of 'mse'"):
        losses.add_alias("l2", "mae")


def test_an_alias_is_no_name_for_another_artifact(losses):
    for register in (losses.register_artifact, lambda name, f: losses.register_lazy(name, "json:dumps")):
        with pytest.raises(DuplicateKeyError, match="'l2', registered as an alias of 'mse'"):
            register("l2", mae)
    assert losses.safe_register_batch({"l2": mae, "mae": mae})["failed"] == ["l2"]
    assert losses["l2"] is mse


@pytest.mark.parametrize(("policy", "moved", "registered"), [("replace", mae, mae), ("keep", mse, mse)])
def test_the_duplicate_policy_applies_to_aliases(define, policy, moved, registered):
    losses = define(on_duplicate=policy)
    losses.register_artifact(mse, aliases=["a", "b"])
    losses.register_artifact(mae)

    losses.add_alias("a", "mae")
    losses.register_artifact("b", mae)

    assert losses["a"] is moved
    assert losses["b"] is registered


def test_an_alias_is_removed_alone_and_updated_through(losses):
    losses.unregister_identifier("l2")
    assert "l2" not in losses
    assert losses["mse"] is mse

    losses.update_artifact("squared", mae)
    assert losses["mse"] is mae

    losses.clear_artifacts()
    assert "squared" not in losses


def test_an_alias_finds_the_stand_in_of_its_name_and_may_have_one(losses):
    with losses.overriding(mse=mae):
        assert losses["l2"] is mae
    with losses.overriding(l2=mae):
        assert losses["l2"] is mae
        assert losses["mse"] is mse
    assert losses["l2"] is mse


def test_aliases_are_of_this_process_and_of_one_registry(define_shared):
    losses = define_shared()
    others = define_shared(logic_namespace=losses._repository.namespace)

    losses.register_artifact("mse", mse, aliases=["l2"])
    assert "l2" not in others

    others.register_artifact("l2", mae)
    assert losses["l2"] is mae, "what is registered is found before what this process declares"


def test_near_names_offer_aliases(losses):
    with pytest.raises(RegistryError) as caught:
        losses["sqared"]

    assert caught.value.suggestions == ["squared"]
