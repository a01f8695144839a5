"""How artifacts are replaced, removed, overridden for a test, and validated."""

from __future__ import annotations

import pytest

from registry import CoercionError, RegistryError, TypeRegistry
from tests.unit.registries.artifacts import Linear, mae, mse


@pytest.fixture
def losses(define):
    registry = define()
    registry.safe_register_batch({"mse": mse, "mae": mae})
    return registry


def test_updating_replaces_and_returns(losses):
    assert losses.update_artifact("mse", mae) is mae
    assert losses["mse"] is mae
    assert list(losses) == ["mse", "mae"]


def test_updating_with_what_cannot_be_held_changes_nothing(losses):
    with pytest.raises(CoercionError):
        losses.update_artifact("mse", 3)

    assert losses["mse"] is mse


def test_what_was_updated_may_be_registered_again(losses):
    losses.update_artifact("mse", mae)

    losses.register_artifact("mse", mae)

    assert losses["mse"] is mae


def test_unregistering_a_name_removes_that_name(losses):
    losses.register_artifact("l2", mse)

    losses.unregister_identifier("mse")

    assert list(losses) == ["mae", "l2"]


def test_unregistering_an_artifact_removes_all_its_names(losses):
    losses.register_artifact("l2", mse)

    losses.unregister_artifact(mse)

    assert list(losses) == ["mae"]


def test_unregistering_an_artifact_that_is_not_there_names_it(losses):
    with pytest.raises(RegistryError, match=r"len is not registered in Losses"):
        losses.unregister_artifact(len)


def test_clearing_removes_everything(losses):
    losses.clear_artifacts()
    losses.clear_artifacts()

    assert (len(losses), list(losses)) == (0, [])
    with pytest.raises(RegistryError):
        losses["mse"]


# ---- for a test


def test_overriding_puts_others_in_place_and_back(losses):
    with losses.overriding({"mse": mae}, huber=len):
        assert losses["mse"] is mae
        assert losses.get_artifact("huber") is len
        assert losses["mae"] is mae
        assert "huber" in losses

    assert losses["mse"] is mse
    assert "huber" not in losses
    assert losses.get_artifact("huber", None) is None


def test_overriding_can_be_nested_and_ends_with_an_error_too(losses):
    with pytest.raises(ZeroDivisionError), losses.overriding(mse=len):
        with losses.overriding(mse=max, mae=min):
            assert (losses["mse"], losses["mae"]) == (max, min)
        assert (losses["mse"], losses["mae"]) == (len, mae)
        raise ZeroDivisionError

    assert losses["mse"] is mse


def test_overriding_registers_nothing(losses):
    with losses.overriding(huber=len):
        assert list(losses) == ["mse", "mae"]
        losses.register_artifact("huber", mse)
        assert losses["huber"] is len

    assert losses["huber"] is mse


def test_overriding_with_what_cannot_be_held_changes_nothing(losses):
    with pytest.raises(CoercionError), losses.overriding(mse=3):
        raise AssertionError("not reached")

    assert losses["mse"] is mse


def test_a_change_of_everything_is_seen_while_overriding(losses):
    with losses.overriding(huber=len):
        losses.clear_artifacts()
        assert losses.get_artifact("mse", None) is None
        losses.safe_register_batch({"mse": mae})
        assert losses["mse"] is mae


# ---- validating


def test_validating_returns_the_artifact(losses):
    assert losses.validate_artifact(mse) is mse

    with pytest.raises(CoercionError):
        losses.validate_artifact("mse")


def test_a_valid_state_is_reported_so(losses):
    assert losses.validate_registry_state() == {
        "successful": ["mse", "mae"],
        "failed": [],
        "errors": [],
        "total": 2,
    }


def test_what_others_put_there_and_this_registry_may_not_hold_is_found():
    shelf = {"line": Linear, "wrong": 3}

    class Models(TypeRegistry, storage=shelf):
        pass

    report = Models.validate_registry_state()

    assert (report["successful"], report["failed"]) == (["line"], ["wrong"])
    assert "holds classes" in report["errors"][0]["error"]
