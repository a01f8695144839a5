"""Lock files: what is frozen is found without a server, what was edited is refused, nothing is written."""

from __future__ import annotations

import json
import pickle
import types
import warnings

import pytest

from registry import (
    AliasError,
    FrozenError,
    FunctionalRegistry,
    LockFileError,
    NamespaceError,
    RegistryError,
    SchemeRegistry,
    SignatureInvalidError,
    UnknownSigningKeyError,
    ValidationError,
)
from registry.versions import deprecation as room
from registry.versions.lock import Difference, differences, freeze, seal
from tests.unit.registries.artifacts import defined_as, mae, mse


def by_value(number):
    return defined_as(f"def loss(x): return x * {number}", "loss")


@pytest.fixture
def losses(define_shared):
    """A shared registry with a version by value, an importable function, and an alias."""
    losses = define_shared()
    losses.publish_version("loss", by_value(2))
    losses.register_artifact(mse)
    losses.move_alias("champion", "loss@1")
    return losses


@pytest.fixture
def path(tmp_path):
    return tmp_path / "registry.lock"


@pytest.fixture
def open_frozen(losses, path, monkeypatch):
    """``open_frozen(base, **keywords)``: a registry over the lock file; there is no server."""

    def open_(base=FunctionalRegistry, **keywords):
        monkeypatch.setenv("REGISTRY_SERVER_URL", "http://127.0.0.1:9")
        keywords = {"logic_namespace": losses._storage().namespace, "frozen": path, **keywords}
        return types.new_class("Losses", (base,), keywords, lambda body: body.update(__module__=__name__))

    return open_


@pytest.fixture
def frozen(losses, path, open_frozen):
    losses.freeze(path)
    return open_frozen()


def edit(path, change):
    """Change the file as ``change`` changes its document."""
    document = json.loads(path.read_text(encoding="utf-8"))
    change(document, *document["namespaces"].values())
    path.write_text(json.dumps(document), encoding="utf-8")


class TestReading:
    def test_it_finds_what_was_frozen_and_asks_no_server(self, frozen):
        assert frozen["loss@1"](10) == 20
        assert frozen["champion"](10) == 20
        assert frozen["mse"] is mse
        assert list(frozen) == ["loss@1", "mse", "champion"]
        assert len(frozen) == 3 and "mse" in frozen
        assert dict(frozen.items())["champion"](10) == 20
        assert frozen.has_artifact(mse)

    def test_nothing_is_to_be_watched(self, frozen):
        with pytest.raises(
            ValidationError, match=r"Nothing changes in .*: it is read from a lock file"
        ) as told:
            frozen.changes()

        assert "without frozen=" in told.value.suggestions[0]

    def test_what_changes_on_the_server_changes_nothing(self, losses, frozen):
        losses.update_artifact("mse", mae)
        losses.publish_version("loss", by_value(3))
        losses.move_alias("champion", "loss@2")

        assert frozen["mse"] is mse
        assert frozen["champion"](10) == 20
        assert "loss@2" not in frozen

    def test_a_function_is_decoded_once_and_then_found_as_a_local_one(self, frozen):
        first = frozen["champion"]

        assert frozen["champion"] is frozen["loss@1"] is first
        assert frozen._view.table["champion"] is first

    def test_a_config_is_decoded_afresh_for_each_reader(self, define_shared, path, open_frozen):
        configs = define_shared(SchemeRegistry)
        configs.register_artifact("base", {"lr": 0.1})
        configs.freeze(path)
        frozen = open_frozen(SchemeRegistry, logic_namespace=configs._storage().namespace)
        frozen["base"]["lr"] = 9

        assert frozen["base"] == {"lr": 0.1}

    def test_a_name_outside_is_a_miss_with_near_names(self, frozen):
        with pytest.raises(RegistryError, match="Did you mean 'mse'") as missed:
            frozen["mes"]
        assert missed.value.suggestions == ["mse"]
        assert str(missed.value.context["location"]).endswith("registry.lock")
        assert frozen.get_artifact("mes", None) is None

    def test_a_namespace_outside_is_empty(self, losses, path, open_frozen):
        losses.freeze(path)
        other = open_frozen(logic_namespace="unit.other")

        assert list(other) == []
        with pytest.raises(RegistryError, match=r"unit\.other in .*registry\.lock"):
            other["mse"]

    def test_the_variable_freezes_shared_registries_and_no_others(
        self, losses, path, open_frozen, monkeypatch
    ):
        losses.freeze(path)
        monkeypatch.setenv("REGISTRY_FROZEN", str(path))

        assert open_frozen(frozen=None)["champion"](10) == 20
        local = types.new_class("Local", (FunctionalRegistry,), {})
        local.register_artifact(mse)
        assert local["mse"] is mse

    def test_it_shows_and_tells_versions_and_aliases(self, losses, frozen):
        kinds = {described.name: (described.kind, described.alias_of) for described in frozen.describe()}

        assert kinds["champion"] == ("alias", "loss@1")
        assert kinds["mse"] == ("function", None)
        assert [version.key for version in frozen.versions("loss")] == ["loss@1"]
        assert frozen.get_alias("champion").history == losses.get_alias("champion").history

    def test_a_deprecated_name_warns(self, losses, path, open_frozen, monkeypatch):
        monkeypatch.setattr(room, "_warned", set())
        losses.deprecate("mse", alternative="mae")
        losses.freeze(path)
        frozen = open_frozen()

        with pytest.warns(DeprecationWarning, match="use 'mae'") as caught:
            frozen["mse"]
        assert caught[0].filename == __file__
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            frozen["mse"]

    def test_its_storage_travels_by_its_path(self, frozen):
        assert pickle.loads(pickle.dumps(frozen._storage()))["loss@1"](10) == 20

    def test_aliases_of_this_process_lead_to_what_is_frozen(self, frozen):
        frozen.add_alias("l2", "mse")

        assert frozen["l2"] is mse


class TestTrust:
    def test_a_stranger_to_the_key_gets_no_code(self, frozen, monkeypatch, tmp_path):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "stranger"))

        for name in ("loss@1", "champion"):
            with pytest.raises(UnknownSigningKeyError):
                frozen[name]

    def test_a_signature_that_was_forged_with_its_seal_is_refused(self, losses, frozen, path, open_frozen):
        """Whoever edits the file can compute digests and seals; signatures they cannot."""
        from registry.envelope.form import Envelope

        namespace = losses._storage().namespace

        def forge(document, entries):
            envelope = Envelope(**entries["mse"]["envelope"])
            moved = envelope._replace(meta={**envelope.meta, "origin": "elsewhere"})
            entries["mse"] = {
                "digest": moved.digest,
                "seal": seal(namespace, "mse", moved),
                "envelope": moved.to_dict(),
            }

        edit(path, forge)

        with pytest.raises(SignatureInvalidError):
            open_frozen()["mse"]

    def test_the_level_counts(self, losses, path, open_frozen):
        losses.freeze(path)

        with pytest.raises(ValidationError, match="trust='json'"):
            open_frozen(trust="json")["mse"]


class TestEdited:
    @pytest.mark.parametrize(
        "change",
        [
            lambda entry: entry["envelope"].update(data="gASVAAAAAAAAAAAu"),
            lambda entry: entry["envelope"]["meta"].update(origin="elsewhere"),
            lambda entry: entry["envelope"].pop("signature"),
            lambda entry: entry["envelope"].update(signature="0:0"),
            lambda entry: entry["envelope"].update(type="json"),
            lambda entry: entry["envelope"].update(more=1),
            lambda entry: entry["envelope"].clear(),
            lambda entry: entry.update(envelope=[]),
            lambda entry: entry.update(digest="sha256:" + 64 * "0"),
            lambda entry: entry.update(digest=None),
            lambda entry: entry.update(seal="sha256:" + 64 * "0"),
            lambda entry: entry.pop("seal"),
            lambda entry: entry.update(more=1),
        ],
    )
    def test_an_edited_entry_is_refused_by_name_and_hides_no_other(self, frozen, path, open_frozen, change):
        edit(path, lambda document, entries: change(entries["mse"]))
        edited = open_frozen()

        for read in (lambda: edited["mse"], lambda: edited.get_artifact("mse", None)):
            with pytest.raises(LockFileError) as refused:
                read()
            assert refused.value.context["key"] == "mse"
            assert "'mse'" in refused.value.message
        assert edited["loss@1"](10) == 20

    def test_an_entry_that_is_no_object(self, frozen, path, open_frozen):
        edit(path, lambda document, entries: entries.update(mse=7))

        with pytest.raises(LockFileError, match="'mse'"):
            open_frozen()["mse"]

    def test_two_configs_that_change_places_are_noticed(self, define_shared, path, open_frozen):
        configs = define_shared(SchemeRegistry)
        configs.register_artifact("small", {"lr": 0.1})
        configs.register_artifact("large", {"lr": 9})
        configs.freeze(path)

        def swap(document, entries):
            entries["small"], entries["large"] = entries["large"], entries["small"]

        edit(path, swap)

        with pytest.raises(LockFileError, match="its seal"):
            open_frozen(SchemeRegistry, logic_namespace=configs._storage().namespace)["small"]

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("", "JSON"),
            ("{", "JSON"),
            ("[]", "no lock format"),
            ("{}", "no lock format"),
            ('{"lock": 1, "lock": 1}', "twice"),
            ('{"lock": 2, "namespaces": {}}', "format is 2"),
            ('{"lock": true, "namespaces": {}}', "format is True"),
            ('{"lock": 1}', "not objects"),
            ('{"lock": 1, "namespaces": []}', "not objects"),
            ('{"lock": 1, "namespaces": {"a": 7}}', "not objects"),
            ('{"lock": 1, "namespaces": {"a-b": {}}}', "Invalid namespace"),
            ('{"lock": 1, "namespaces": {"a": {"": {}}}}', "at least one character"),
            ('{"lock": 1, "namespaces": {"a": {"k": {}, "k": {}}}}', "twice"),
            ("[" * 100_000, "deeper"),
            ('{"lock": 1, "namespaces": {"a": {"k": "\\ud800"}}}', "surrogate"),
            (b"\xff\xfe", "UTF-8"),
        ],
        ids=repr,
    )
    def test_what_is_no_lock_file_is_refused_when_the_registry_is_defined(
        self, losses, path, open_frozen, text, why
    ):
        path.write_bytes(text if isinstance(text, bytes) else text.encode())

        with pytest.raises(LockFileError, match=why) as refused:
            open_frozen()
        assert str(path) in refused.value.message

    def test_a_file_that_is_not_there(self, losses, open_frozen, tmp_path):
        for place in (tmp_path / "missing.lock", tmp_path):
            with pytest.raises(LockFileError, match="Cannot read") as refused:
                open_frozen(frozen=place)
            assert "registry freeze" in refused.value.suggestions[0]

    def test_circles_are_not_followed(self, losses, path, open_frozen):
        from registry.envelope.form import Envelope

        envelope = Envelope("json", '{"target": "one", "history": []}', "json", {"kind": "alias"})
        losses._storage()._set("one", envelope)
        losses.freeze(path)

        with pytest.raises(AliasError):
            open_frozen()["one"]


WRITES = {
    "register another": lambda losses: losses.register_artifact("new", mae),
    "register anew": lambda losses: losses.register_artifact("mse", mae),
    "update": lambda losses: losses.update_artifact("mse", mae),
    "unregister": lambda losses: losses.unregister_identifier("mse"),
    "unregister by artifact": lambda losses: losses.unregister_artifact(mse),
    "clear": lambda losses: losses.clear_artifacts(),
    "publish": lambda losses: losses.publish_version("loss", by_value(3)),
    "move": lambda losses: losses.move_alias("champion", "mse"),
    "deprecate": lambda losses: losses.deprecate("mse"),
    "undeprecate": lambda losses: losses.undeprecate("mse"),
    "lazy": lambda losses: losses.register_lazy("dumps", "json:dumps"),
    "freeze": lambda losses: losses.freeze("another.lock"),
    "assign": lambda losses: losses._storage().__setitem__("mse", mae),
    "pop": lambda losses: losses._storage().pop("mse", None),
    "popitem": lambda losses: losses._storage().popitem(),
    "setdefault": lambda losses: losses._storage().setdefault("mse", mae),
    "storage update": lambda losses: losses._storage().update({"mse": mae}),
}


class TestWriting:
    @pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
    def test_every_write_is_refused(self, frozen, path, write, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        before = path.read_bytes()

        with pytest.raises(FrozenError) as refused:
            write(frozen)
        assert isinstance(refused.value, PermissionError)
        assert path.read_bytes() == before
        assert list(frozen) == ["loss@1", "mse", "champion"]

    @pytest.mark.parametrize("policy", ["error", "replace", "keep"])
    def test_another_artifact_is_refused_by_name_whatever_the_policy(self, losses, path, open_frozen, policy):
        losses.freeze(path)

        with pytest.raises(FrozenError, match="'mse'") as refused:
            open_frozen(on_duplicate=policy).register_artifact("mse", mae)
        assert refused.value.context["key"] == "mse"

    def test_a_script_that_registers_what_was_frozen_runs(self, frozen):
        frozen.register_artifact(mse)
        frozen.register_artifact("loss@1", by_value(2))
        frozen.register_lazy("mse", f"{mse.__module__}:mse")

        assert frozen.publish_version("loss", by_value(2)) == "loss@1"
        assert frozen["mse"] is mse

    def test_a_batch_says_which_are_not_what_was_frozen(self, frozen):
        report = frozen.safe_register_batch({"mse": mse, "loss@1": by_value(3), "new": mae})

        assert report["successful"] == ["mse"]
        assert report["failed"] == ["loss@1", "new"]

    def test_entry_points_and_lazies_are_no_way_past_it(self, losses, path, open_frozen):
        losses.freeze(path)
        frozen = open_frozen(entry_points="console_scripts")

        assert frozen.get_artifact("pip", None) is None
        assert list(frozen) == ["loss@1", "mse", "champion"]

    def test_only_what_is_shared_can_be_frozen(self):
        with pytest.raises(ValidationError, match="logic_namespace"):
            types.new_class("Local", (FunctionalRegistry,), {"frozen": "registry.lock"})


class TestFreezing:
    def test_the_file_is_the_same_for_the_same_content_and_reads_line_by_line(self, losses, path, tmp_path):
        losses.freeze(path)
        losses.freeze(tmp_path / "again.lock")
        text = path.read_text(encoding="utf-8")

        assert (tmp_path / "again.lock").read_text(encoding="utf-8") == text
        assert list(json.loads(text)["namespaces"][losses._storage().namespace]) == list(losses)
        assert text.endswith("}\n") and len(text.splitlines()) > 30
        assert sorted(each.name for each in tmp_path.iterdir() if each.suffix != "" or each.is_file()) == [
            "again.lock",
            "registry.lock",
        ]

    def test_several_namespaces_stand_in_the_order_of_their_names(self, define_shared, memory_server, path):
        for name in ("unit.zeta", "unit.alpha"):
            define_shared(logic_namespace=name).register_artifact(mse)

        count = freeze(["unit.zeta", "unit.alpha", "unit.zeta"], path, server=memory_server.url)

        assert count == 2
        assert list(json.loads(path.read_text())["namespaces"]) == ["unit.alpha", "unit.zeta"]

    def test_what_is_written_meanwhile_is_in_it_whole_or_not_at_all(self, losses, path, monkeypatch):
        storage = losses._storage()
        read, writes = storage.entries, iter(range(2))

        def entries_while_somebody_writes(prefix=""):
            found = list(read(prefix))
            number = next(writes, None) if not prefix else None
            if number is not None:
                losses.move_alias("champion", losses.publish_version("late", by_value(10 + number)))
            return found

        monkeypatch.setattr(storage, "entries", entries_while_somebody_writes)
        losses.freeze(path)

        entries = json.loads(path.read_text())["namespaces"][storage.namespace]
        assert json.loads(entries["champion"]["envelope"]["data"])["target"] == "late@2"
        assert "late@2" in entries

    def test_a_namespace_that_never_rests_is_an_error_and_no_file(self, losses, path, monkeypatch):
        storage = losses._storage()
        read, numbers = storage.entries, iter(range(1_000))

        def entries_while_somebody_writes():
            found = list(read())
            losses.register_artifact(f"n{next(numbers)}", mse)
            return found

        monkeypatch.setattr(storage, "entries", entries_while_somebody_writes)

        with pytest.raises(LockFileError, match="each time"):
            losses.freeze(path)
        assert not path.exists()

    def test_a_place_that_cannot_be_written(self, losses, tmp_path):
        with pytest.raises(LockFileError, match="Cannot write"):
            losses.freeze(tmp_path / "no" / "such" / "folder.lock")

    def test_check_tells_what_differs(self, losses, path, memory_server):
        losses.register_artifact(mae)
        losses.freeze(path)
        namespace = losses._storage().namespace
        assert list(differences(path, server=memory_server.url)) == []

        before = losses._storage().entry("mse").digest
        losses.update_artifact("mse", mae)
        losses.unregister_identifier("mae")
        losses.register_artifact("new", mse)
        losses.deprecate("loss@1")  # another meta: what is found is the same

        found = list(differences(path, server=memory_server.url))
        assert [(each.key, each.state) for each in found] == [
            ("mse", "changed"),
            ("mae", "gone"),
            ("new", "new"),
        ]
        assert found[0] == Difference(
            namespace, "mse", "changed", before, losses._storage().entry("mse").digest
        )
        assert list(differences(path, namespaces=[namespace], server=memory_server.url)) == found

    def test_check_of_a_namespace_that_is_not_in_the_file(self, losses, path, memory_server):
        losses.freeze(path)

        with pytest.raises(NamespaceError, match="is not in"):
            list(differences(path, namespaces=["unit.absent"], server=memory_server.url))

    def test_check_of_an_edited_file_says_so(self, losses, path, memory_server):
        losses.freeze(path)
        edit(path, lambda document, entries: entries["mse"].update(digest="sha256:0"))

        with pytest.raises(LockFileError, match="'mse'"):
            list(differences(path, server=memory_server.url))
