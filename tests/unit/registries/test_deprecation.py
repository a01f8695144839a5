"""Deprecated names: one warning for a name and a process, at the line that looked it up, and in listings."""

from __future__ import annotations

import datetime
import json
import linecache
import types
import warnings

import pytest

from registry import (
    CoercionError,
    FunctionalRegistry,
    RegistryError,
    SchemeRegistry,
    SignatureInvalidError,
    UnknownSigningKeyError,
    deprecated,
)
from registry.versions import deprecation as room
from registry.versions.deprecation import Deprecation
from tests.unit.registries.artifacts import defined_as, mae, mse


@pytest.fixture(autouse=True)
def a_process_that_was_told_nothing(monkeypatch):
    monkeypatch.setattr(room, "_warned", set())


@pytest.fixture
def looked_up():
    """``looked_up(registry, *names)``: what looking them up warned of."""

    def look_up(registry, *names):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for name in names:
                registry.get_artifact(name)
        return caught

    return look_up


def said(caught):
    return [str(warning.message).partition(" is ")[2] for warning in caught]


def test_a_deprecated_name_warns_once_and_says_what_to_do(define, looked_up):
    losses = define()
    losses.register_artifact(mse)
    losses.register_artifact(mae)

    losses.deprecate("mse", removal="2027-06-01", alternative="mae", reason="too sensitive to outliers")

    (warning,) = looked_up(losses, "mae", "mse", "mse")
    assert issubclass(warning.category, DeprecationWarning)
    assert str(warning.message).startswith("'mse' in ")
    assert said([warning]) == [
        "deprecated, to be removed on 2027-06-01: use 'mae' (too sensitive to outliers)"
    ]


def test_the_warning_points_at_the_line_that_looked_it_up(define):
    losses = define()
    losses.register_artifact(mse)
    losses.deprecate("mse")

    with pytest.warns(DeprecationWarning) as caught:
        losses["mse"]

    assert caught[0].filename == __file__
    assert linecache.getline(__file__, caught[0].lineno).strip() == 'losses["mse"]'


def test_what_is_found_is_the_artifact_itself_before_while_and_after_it_warns(define):
    losses = define()
    losses.register_artifact(mse)
    losses.deprecate("mse")

    with pytest.warns(DeprecationWarning):
        found = [losses["mse"]]
    found += [losses["mse"], losses.get_artifact("mse", None)]

    assert found == [mse] * 3
    assert "mse" in losses and list(losses) == ["mse"] and losses.has_artifact(mse)


def test_a_local_registry_reads_its_dictionary_again_once_everybody_was_told():
    losses = types.new_class("Local", (FunctionalRegistry,), {})
    losses.register_artifact(mse)
    losses.register_artifact(mae)
    table = losses._view.table
    losses.deprecate("mse")
    losses.deprecate("mae")

    for name in ("mse", "mae"):
        assert losses._view.table is not table
        with pytest.warns(DeprecationWarning):
            losses[name]

    assert losses._view.table is table


def test_a_write_meanwhile_is_seen(define):
    losses = define()
    losses.register_artifact(mse)
    losses.deprecate("mse")

    losses.register_artifact(mae)
    losses.safe_register_batch({"other": mae})

    assert losses["mae"] is losses["other"] is mae


def test_a_stand_in_for_a_test_is_not_deprecated(define, looked_up):
    losses = define()
    losses.register_artifact(mse)
    losses.deprecate("mse")

    with losses.overriding(mse=mae):
        assert looked_up(losses, "mse") == []
    assert len(looked_up(losses, "mse")) == 1


def test_an_artifact_in_its_place_is_not_deprecated(define, looked_up):
    losses = define()
    losses.register_artifact(mse)
    losses.deprecate("mse")
    losses.update_artifact("mse", mae)

    assert looked_up(losses, "mse") == []
    assert [described.deprecation for described in losses.describe()] == [None]


def test_taking_it_back_leaves_nothing(define, looked_up):
    losses = define()
    losses.register_artifact(mse)
    losses.deprecate("mse", alternative="mae")
    losses.undeprecate("mse")

    assert looked_up(losses, "mse") == []
    assert [described.deprecation for described in losses.describe()] == [None]


def test_a_config_can_be_deprecated(define, looked_up):
    configs = define(SchemeRegistry)
    configs.register_artifact("base", {"lr": 0.1})
    configs.deprecate("base", alternative="small")

    assert said(looked_up(configs, "base", "base")) == ["deprecated: use 'small'"]
    assert configs["base"] == {"lr": 0.1}


def test_it_is_listed(define):
    losses = define()
    losses.publish_version("mse", mse)
    losses.deprecate("mse@1", removal=datetime.date(2027, 6, 1))

    (described,) = losses.describe()
    (version,) = losses.versions("mse")

    assert described.deprecation == version.deprecation == Deprecation("2027-06-01")
    assert "deprecated, to be removed on 2027-06-01" in losses._repr_html_()


def marked(artifact=None, **said):
    function = artifact or defined_as("def loss(x): return x", "loss")
    return deprecated(**said)(function)


def test_what_is_marked_where_it_is_defined_says_so_when_it_is_registered(define, looked_up):
    losses = define()
    losses.register_artifact(marked(alternative="huber"))
    losses.safe_register_batch({"batched": marked(alternative="huber")})
    losses.publish_version("published", marked(alternative="huber"))

    assert said(looked_up(losses, "loss", "batched", "published@1")) == ["deprecated: use 'huber'"] * 3


def test_pep_702_is_understood(define, looked_up):
    losses = define()
    function = defined_as("def loss(x): return x", "loss")
    function.__deprecated__ = "it never converged"
    losses.register_artifact(function)

    assert said(looked_up(losses, "loss")) == ["deprecated (it never converged)"]


def test_a_subclass_of_what_is_deprecated_is_not(define):
    base = deprecated(alternative="New")(type("Old", (), {}))
    child = type("Child", (base,), {})

    assert room.deprecation_of(base) == Deprecation(alternative="New")
    assert room.deprecation_of(child) is None


def test_registering_what_is_marked_again_is_still_a_no_op(define):
    losses = define()
    losses.register_artifact(marked(removal="2027-06-01"))
    losses.register_artifact(marked(removal="2027-06-01"))

    assert len(losses) == 1


def test_only_what_takes_attributes_can_be_marked():
    with pytest.raises(CoercionError, match="deprecate its name"):
        deprecated(reason="old")(len)


@pytest.mark.parametrize(
    "what",
    [{"removal": "June"}, {"removal": 7}, {"reason": "x" * 301}, {"alternative": 7}],
    ids=["no date", "no text date", "too long", "no text"],
)
def test_what_cannot_be_said_is_refused_and_nothing_is_written(define, what):
    losses = define()
    losses.register_artifact(mse)

    with pytest.raises(CoercionError):
        losses.deprecate("mse", **what)
    assert losses.describe()[0].deprecation is None


def test_only_what_is_there_can_be_deprecated(define):
    losses = define()
    losses.register_artifact(mse)

    with pytest.raises(RegistryError) as missed:
        losses.deprecate("mes")
    assert missed.value.suggestions == ["mse"]


def test_a_process_may_redefine_what_it_deprecated_itself(define):
    """The write that deprecates is this process' own, and no stranger's that a redefinition would undo."""
    losses = define()
    losses.register_artifact(defined_as("def loss(x): return x", "loss"))
    with pytest.warns(DeprecationWarning):
        losses.deprecate("loss")
        losses["loss"]

    losses.register_artifact(defined_as("def loss(x): return 2 * x", "loss"))

    assert losses["loss"](1) == 2


class TestShared:
    def test_every_process_is_told_and_the_version_is_what_it_was(self, define_shared, looked_up):
        writer = define_shared()
        reader = define_shared(logic_namespace=writer._storage().namespace)
        writer.publish_version("mse", mse)
        digest = writer._storage().entry("mse@1").digest
        assert looked_up(reader, "mse@1") == []

        writer.deprecate("mse@1", alternative="mse@2")

        assert said(looked_up(reader, "mse@1", "mse@1")) == ["deprecated: use 'mse@2'"]
        assert reader["mse@1"] is mse
        assert reader._storage().entry("mse@1").digest == digest

    def test_two_registries_of_one_namespace_warn_once(self, define_shared, looked_up):
        writer = define_shared()
        reader = define_shared(logic_namespace=writer._storage().namespace)
        writer.register_artifact(mse)
        writer.deprecate("mse")

        assert len(looked_up(writer, "mse") + looked_up(reader, "mse")) == 1

    def test_through_an_alias_both_names_count(self, define_shared, looked_up):
        losses = define_shared()
        losses.publish_version("mse", mse)
        losses.move_alias("champion", "mse@1")
        losses.deprecate("champion", alternative="best")
        losses.deprecate("mse@1", alternative="mse@2")

        assert said(looked_up(losses, "champion")) == ["deprecated: use 'best'", "deprecated: use 'mse@2'"]

    def test_moving_a_deprecated_alias_leaves_it_deprecated(self, define_shared):
        losses = define_shared()
        losses.publish_version("mse", mse)
        losses.publish_version("mse", mae)
        losses.move_alias("champion", "mse@1")
        losses.deprecate("champion", alternative="best")
        losses.move_alias("champion", "mse@2")

        (alias,) = [each for each in losses.describe() if each.kind == "alias"]
        assert alias.deprecation == Deprecation(alternative="best")

    def test_what_is_said_is_signed(self, define_shared):
        losses = define_shared()
        losses.register_artifact(mse)
        losses.deprecate("mse", alternative="mae")
        storage = losses._storage()
        envelope = storage.entry("mse").envelope
        storage._set("mse", envelope._replace(meta={**envelope.meta, "deprecated": "{}"}))

        with pytest.raises(SignatureInvalidError):
            losses["mse"]

    def test_what_a_stranger_signed_is_not_signed_again(self, define_shared, monkeypatch, tmp_path):
        losses = define_shared()
        with monkeypatch.context() as patch:
            patch.setenv("XDG_CONFIG_HOME", str(tmp_path / "stranger"))
            losses.register_artifact(mse)
        etag = losses._storage().entry("mse").etag

        with pytest.raises(UnknownSigningKeyError):
            losses.deprecate("mse")
        assert losses._storage().entry("mse").etag == etag

    def test_somebody_who_replaces_it_meanwhile_is_not_undone(self, define_shared, monkeypatch):
        losses = define_shared()
        losses.register_artifact(mse)
        storage = losses._storage()
        read = storage.entry

        def entry_and_then_somebody_writes(key):
            stored = read(key)
            monkeypatch.setattr(storage, "entry", read)
            losses.update_artifact("mse", mae)
            return stored

        monkeypatch.setattr(storage, "entry", entry_and_then_somebody_writes)
        losses.deprecate("mse", alternative="huber")

        assert losses.describe()[0].deprecation == Deprecation(alternative="huber")
        with pytest.warns(DeprecationWarning):
            assert losses["mse"] is mae

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("no JSON", Deprecation()),
            ("[1]", Deprecation()),
            ('{"reason": 7, "removal": null}', Deprecation()),
            (json.dumps({"reason": "a\x1b[31m\nb"}), Deprecation(reason="a [31m b")),
            (json.dumps({"reason": "x" * 1_000}), Deprecation(reason="x" * 299 + "…")),
            ("[" * 1_000, Deprecation()),
        ],
    )
    def test_whatever_others_wrote_there_warns_and_breaks_nothing(
        self, define_shared, looked_up, text, expected
    ):
        configs = define_shared(SchemeRegistry)
        configs.register_artifact("base", {"lr": 0.1})
        storage = configs._storage()
        storage._set("base", storage.entry("base").envelope._replace(meta={"deprecated": text}))

        assert said(looked_up(configs, "base")) == [str(expected)]
        assert configs["base"] == {"lr": 0.1}
        assert configs.describe()[0].deprecation == expected
