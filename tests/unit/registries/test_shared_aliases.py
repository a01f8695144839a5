"""Shared aliases: where they lead, how they move, and what a hostile one cannot do."""

from __future__ import annotations

import json

import pytest

from registry import (
    AliasError,
    CoercionError,
    DuplicateKeyError,
    RegistryError,
    SchemeRegistry,
    SignatureInvalidError,
    SignatureMissingError,
    ValidationError,
)
from registry.envelope.form import Envelope
from registry.versions.aliases import MAX_MOVES
from tests.unit.registries.artifacts import defined_as, mae, mse


def by_value(number):
    return defined_as(f"def loss(x): return x * {number}", "loss")


def forge(losses, key, value, *, meta=None):
    """Put what claims to be an alias where a registry would not, unsigned."""
    text = value if isinstance(value, str) else json.dumps(value)
    losses._storage()._set(key, Envelope("json", text, "json", meta or {"kind": "alias"}))


@pytest.fixture
def losses(define_shared):
    losses = define_shared()
    losses.publish_version("mse", by_value(1))
    losses.publish_version("mse", by_value(2))
    return losses


@pytest.fixture
def reader(losses, define_shared):
    """The same namespace in another registry, which remembers nothing."""
    return define_shared(logic_namespace=losses._storage().namespace)


def test_an_alias_finds_what_it_leads_to_in_every_process(losses, reader):
    losses.move_alias("champion", "mse@2")

    assert reader["champion"](10) == 20
    assert "champion" in reader
    assert dict(reader.items())["champion"](10) == 20


def test_moving_is_seen_at_the_next_look_up_and_rolling_back_is_moving_back(losses, reader):
    losses.move_alias("champion", "mse@1")
    found = [reader["champion"](10)]
    losses.move_alias("champion", "mse@2")
    found.append(reader["champion"](10))
    losses.move_alias("champion", losses.get_alias("champion").history[-1].previous)
    found.append(reader["champion"](10))

    assert found == [10, 20, 10]


def test_the_history_says_who_and_from_where_and_when(losses):
    losses.move_alias("champion", "mse@1", by="ann")
    losses.move_alias("champion", "mse@2", by="bob")

    alias = losses.get_alias("champion")

    assert alias.target == "mse@2"
    assert [(move.by, move.previous, move.target) for move in alias.history] == [
        ("ann", None, "mse@1"),
        ("bob", "mse@1", "mse@2"),
    ]
    assert alias.history[0].at < alias.history[1].at
    assert alias.is_vouched_for


def test_moving_to_where_it_is_changes_nothing(losses):
    losses.move_alias("champion", "mse@1")
    etag = losses._storage().entry("champion").etag

    losses.move_alias("champion", "mse@1", by="somebody else")

    assert losses._storage().entry("champion").etag == etag


def test_the_history_is_bounded_and_keeps_the_newest(losses):
    for number in range(MAX_MOVES + 3):
        losses.move_alias("champion", f"mse@{number % 2 + 1}", by=f"mover {number}")

    history = losses.get_alias("champion").history

    assert len(history) == MAX_MOVES
    assert [history[0].by, history[-1].by] == ["mover 3", f"mover {MAX_MOVES + 2}"]


def test_a_json_value_that_looks_like_an_alias_is_a_value(define_shared):
    configs = define_shared(SchemeRegistry)
    lookalike = {"target": "base", "history": [], "kind": "alias"}
    configs.register_artifact("base", {"lr": 0.1})
    configs.register_artifact("lookalike", lookalike)

    assert configs["lookalike"] == lookalike
    assert [described.kind for described in configs.describe()] == ["json", "json"]
    with pytest.raises(DuplicateKeyError, match="no alias"):
        configs.move_alias("lookalike", "base")
    with pytest.raises(AliasError, match="not an alias"):
        configs.get_alias("lookalike")


def test_an_alias_of_a_config_is_decoded_afresh_for_each_reader(define_shared):
    configs = define_shared(SchemeRegistry)
    configs.publish_version("base", {"lr": 0.1})
    configs.move_alias("default", "base@1")
    configs["default"]["lr"] = 9

    assert configs["default"] == {"lr": 0.1}


def test_an_artifact_is_no_place_for_an_alias_and_an_alias_none_for_an_artifact(losses):
    losses.move_alias("champion", "mse@1")
    losses.register_artifact("taken", mae)

    with pytest.raises(DuplicateKeyError, match="no alias"):
        losses.move_alias("taken", "mse@1")
    with pytest.raises(DuplicateKeyError, match=r"an alias of 'mse@1'"):
        losses.register_artifact("champion", mae)


@pytest.mark.parametrize(
    ("alias", "target", "error"),
    [
        ("champion", "mse@9", RegistryError),
        ("champion", "champion", AliasError),
        ("champion", "other", AliasError),
        ("mse@3", "mse@1", CoercionError),
        ("", "mse@1", CoercionError),
        ("champion", 7, CoercionError),
    ],
)
def test_an_alias_leads_to_an_artifact_that_is_there(losses, alias, target, error):
    losses.move_alias("other", "mse@1")

    with pytest.raises(error):
        losses.move_alias(alias, target)
    assert "champion" not in losses


@pytest.mark.parametrize("by", ["", "two\nlines", "x" * 201, 7])
def test_who_moves_is_a_line(losses, by):
    with pytest.raises(CoercionError):
        losses.move_alias("champion", "mse@1", by=by)


def test_an_alias_of_what_was_removed_is_a_miss_that_names_both(losses, reader):
    losses.move_alias("champion", "mse@2")
    losses.unregister_identifier("mse@2")

    with pytest.raises(RegistryError, match="'mse@2'") as missed:
        reader["champion"]
    assert missed.value.context["alias"] == "champion"
    assert missed.value.suggestions == ["mse@1"]
    assert reader.get_artifact("champion", None) is None
    assert reader.validate_registry_state()["failed"] == ["champion"]


def test_a_local_registry_points_to_its_own_aliases(define_shared):
    from registry import FunctionalRegistry

    class Local(FunctionalRegistry):
        pass

    for ask in (lambda: Local.move_alias("a", "b"), lambda: Local.get_alias("a")):
        with pytest.raises(ValidationError, match="shared registries") as refused:
            ask()
        assert any("add_alias" in suggestion for suggestion in refused.value.suggestions)


def test_describe_shows_where_an_alias_leads(losses):
    losses.move_alias("champion", "mse@2")

    (described,) = [each for each in losses.describe() if each.name == "champion"]

    assert (described.kind, described.alias_of) == ("alias", "mse@2")


def test_pop_of_an_alias_removes_the_alias_alone(losses):
    losses.move_alias("champion", "mse@2")

    assert losses._storage().pop("champion")(1) == 2
    assert list(losses) == ["mse@1", "mse@2"]


class TestHostile:
    @pytest.mark.parametrize(
        "value",
        [
            "[]",
            "null",
            '"mse@1"',
            {"history": []},
            {"target": 7, "history": []},
            {"target": "", "history": []},
            {"target": "mse@1"},
            {"target": "mse@1", "history": [{"at": "now"}]},
            {"target": "mse@1", "history": 3},
            {"target": "x" * 2_000, "history": []},
        ],
        ids=str,
    )
    def test_what_says_that_it_is_an_alias_and_is_none_is_refused_with_its_name(self, reader, value):
        forge(reader, "bad", value)

        for read in (lambda: reader["bad"], lambda: reader.get_artifact("bad", None)):
            with pytest.raises(AliasError, match="'bad'"):
                read()
        assert reader["mse@1"](1) == 1
        assert len(reader.describe()) == 3

    def test_circles_and_chains_are_not_followed(self, reader):
        forge(reader, "one", {"target": "two", "history": []})
        forge(reader, "two", {"target": "one", "history": []})
        forge(reader, "itself", {"target": "itself", "history": []})

        for name in ("one", "two", "itself"):
            with pytest.raises(AliasError):
                reader.get_artifact(name, None)

    def test_a_signed_chain_is_not_followed_either(self, losses, reader):
        losses.move_alias("one", "mse@1")
        losses.move_alias("two", "mse@2")
        losses.unregister_identifier("mse@1")
        storage = losses._storage()
        keyring = storage._codec.policy.keyring()
        alias = storage.entry("two").envelope
        for key in ("mse@1", "plain"):
            signed = keyring.sign(alias, namespace=storage.namespace, key=key)
            storage._set(key, signed)

        for _ in range(2):  # the second time the target is remembered
            with pytest.raises(AliasError, match="the alias 'mse@1'"):
                reader["one"]
            assert reader["mse@1"](1) == 2

    def test_an_unsigned_alias_does_not_let_one_signed_function_answer_for_another(self, reader):
        forge(reader, "champion", {"target": "mse@1", "history": []})

        with pytest.raises(SignatureMissingError, match=r"'champion'.* is an alias of code"):
            reader.get_artifact("champion", None)

    def test_nor_does_one_that_was_signed_for_another_name(self, losses, reader):
        losses.move_alias("champion", "mse@1")
        losses._storage()._set("other", losses._storage().entry("champion").envelope)

        with pytest.raises(SignatureInvalidError):
            reader["other"]

    def test_nor_one_whose_target_was_changed_under_its_signature(self, losses, reader):
        losses.move_alias("champion", "mse@1")
        signed = losses._storage().entry("champion").envelope
        losses._storage()._set("champion", signed._replace(data=signed.data.replace("mse@1", "mse@2")))

        with pytest.raises(SignatureInvalidError):
            reader["champion"]

    def test_nor_one_that_a_stranger_signed(self, losses, reader, monkeypatch, tmp_path):
        with monkeypatch.context() as patch:
            patch.setenv("XDG_CONFIG_HOME", str(tmp_path / "stranger"))
            losses.move_alias("champion", "mse@1")

        with pytest.raises(SignatureMissingError):
            reader["champion"]

    def test_an_unsigned_alias_leads_where_an_unsigned_reference_could(self, define_shared, losses):
        losses.publish_version("mae", mae)
        forge(losses, "champion", {"target": "mae@1", "history": []})
        trusting = define_shared(
            logic_namespace=losses._storage().namespace, trusted_modules=(mae.__module__,)
        )

        assert trusting["champion"] is mae
        with pytest.raises(SignatureMissingError):
            losses["champion"]

    def test_an_unsigned_alias_of_a_config_is_followed_as_the_config_itself_would_be(self, define_shared):
        configs = define_shared(SchemeRegistry, trust="json")
        configs.register_artifact("base", {"lr": 0.1})
        configs.move_alias("default", "base")

        assert configs._storage().entry("default").envelope.signature is None
        assert configs["default"] == {"lr": 0.1}

    def test_the_signature_that_counts_is_that_of_the_resolved_name(self, losses, reader):
        losses.move_alias("champion", "mse@1")
        storage = losses._storage()
        storage._set("mse@1", storage.entry("mse@2").envelope)  # signed, and for another name

        with pytest.raises(SignatureInvalidError, match="'mse@1'"):
            reader["champion"]


def test_importable_targets_too(define_shared):
    losses = define_shared()
    losses.publish_version("mse", mse)
    losses.move_alias("champion", "mse@1")

    assert losses["champion"] is losses["champion"] is mse
