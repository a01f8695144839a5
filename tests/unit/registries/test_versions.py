"""Versions: numbered by whoever creates the next one, the same one again is itself, none is replaced."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from registry import CoercionError, DuplicateKeyError, RegistryError, SchemeRegistry
from registry.versions.numbers import is_version, split_version
from tests.unit.registries.artifacts import defined_as, mae, mse


def numbered(number):
    return defined_as(f"def loss(x): return x * {number}", "loss")


@pytest.mark.parametrize(
    ("key", "version"),
    [
        ("mse@1", ("mse", 1)),
        ("a@b@12", ("a@b", 12)),
        ("two\nlines@3", ("two\nlines", 3)),
        ("mse@0", None),
        ("mse@01", None),
        ("mse@-1", None),
        ("mse@1\n", None),
        ("mse@\u0661", None),
        ("mse@1234567890", None),
        ("@1", None),
        ("mse", None),
        (("mse", 1), None),
    ],
)
def test_a_version_is_a_name_and_a_number(key, version):
    assert split_version(key) == version
    assert is_version(key) == (version is not None)


def test_versions_are_numbered_from_one_and_looked_up_by_their_keys(define):
    losses = define()

    assert [losses.publish_version("mse", numbered(n)) for n in (1, 2, 3)] == ["mse@1", "mse@2", "mse@3"]
    assert [losses[f"mse@{n}"](10) for n in (1, 2, 3)] == [10, 20, 30]


def test_the_same_artifact_again_is_its_version_also_when_it_is_not_the_latest(define):
    losses = define()
    losses.publish_version("loss", numbered(1))
    losses.publish_version("loss", numbered(2))

    assert losses.publish_version("loss", numbered(1)) == "loss@1"
    assert list(losses) == ["loss@1", "loss@2"]


def test_the_number_after_ten_is_eleven(define):
    losses = define()
    for number in range(11):
        losses.publish_version("loss", numbered(number))

    assert losses.publish_version("loss", numbered(99)) == "loss@12"
    assert [version.number for version in losses.versions("loss")] == list(range(1, 13))


def test_a_config_has_versions_too(define):
    configs = define(SchemeRegistry)

    keys = [configs.publish_version("base", {"lr": lr}) for lr in (0.1, 0.2, 0.1)]

    assert keys == ["base@1", "base@2", "base@1"]
    assert configs["base@2"] == {"lr": 0.2}


def test_versions_tells_each_without_the_others_that_begin_alike(define):
    losses = define()
    losses.publish_version("mse", mse)
    losses.register_artifact("mse@home", mae)
    losses.publish_version("mse2", mae)

    (version,) = losses.versions("mse")

    assert (version.number, version.key) == (1, "mse@1")
    assert version.origin.startswith(f"{mse.__module__}.mse (")
    assert version.deprecation is None
    assert losses.versions("nothing") == []


def test_a_version_that_somebody_removed_from_the_middle_is_not_given_again(define):
    losses = define()
    for number in (1, 2, 3):
        losses.publish_version("loss", numbered(number))
    losses.unregister_identifier("loss@2")

    assert losses.publish_version("loss", numbered(4)) == "loss@4"


@pytest.mark.parametrize("policy", ["error", "replace"])
def test_a_version_is_never_replaced(define, policy):
    losses = define(on_duplicate=policy)
    losses.publish_version("loss", numbered(1))

    for replace in (
        lambda: losses.update_artifact("loss@1", numbered(2)),
        lambda: losses.register_artifact("loss@1", numbered(2)),
    ):
        with pytest.raises(DuplicateKeyError, match="never replaced") as refused:
            replace()
        assert "publish_version('loss', ...)" in refused.value.suggestions[0]
    assert losses.safe_register_batch({"loss@1": numbered(2)})["failed"] == ["loss@1"]
    assert losses["loss@1"](1) == 1


def test_keeping_what_is_there_is_for_versions_too(define):
    losses = define(on_duplicate="keep")
    losses.publish_version("loss", numbered(1))
    losses.register_artifact("loss@1", numbered(2))

    assert losses["loss@1"](1) == 1


def test_a_redefinition_does_not_replace_a_version_that_this_process_registered(define):
    losses = define()
    losses.register_artifact("loss@1", numbered(1))

    with pytest.raises(DuplicateKeyError, match="never replaced"):
        losses.register_artifact("loss@1", numbered(2))


@pytest.mark.parametrize("name", ["mse@1", "", 7, None])
def test_what_has_no_versions_is_refused(define, name):
    losses = define()

    with pytest.raises(CoercionError):
        losses.publish_version(name, mse)
    with pytest.raises(CoercionError):
        losses.versions(name)
    assert len(losses) == 0


def test_what_the_registry_cannot_hold_is_not_published(define):
    losses = define()

    with pytest.raises(CoercionError):
        losses.publish_version("mse", 3)
    assert len(losses) == 0


def test_threads_that_publish_at_once_each_get_a_number_of_their_own(define):
    losses = define()
    artifacts = [numbered(n) for n in range(16)]

    with ThreadPoolExecutor(8) as threads:
        keys = list(threads.map(lambda loss: losses.publish_version("loss", loss), artifacts))

    assert sorted(keys) == sorted(f"loss@{n}" for n in range(1, 17))
    assert [losses[key](1) for key in keys] == list(range(16))


def test_the_same_code_signed_by_a_stranger_is_no_version_of_ours(define_shared, monkeypatch, tmp_path):
    losses = define_shared()
    losses.publish_version("mse", mse)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another account"))

    assert losses.publish_version("mse", mse) == "mse@2"
    assert losses["mse@2"] is mse


def test_a_miss_of_a_version_has_the_near_ones(define):
    losses = define()
    losses.publish_version("mse", mse)

    with pytest.raises(RegistryError) as missed:
        losses["mse@2"]
    assert missed.value.suggestions == ["mse@1"]
