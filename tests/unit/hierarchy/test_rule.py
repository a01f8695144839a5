"""``parent=``: one look-up rule, on every mixture of storages."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from registry import (
    CoercionError,
    FunctionalRegistry,
    RegistryError,
    SchemeRegistry,
    SignatureInvalidError,
    TypeRegistry,
    UntrustedError,
)
from tests.server.processes import SOURCES
from tests.unit.hierarchy.conftest import new
from tests.unit.registries.artifacts import Linear, Model, mae, mse

ARTIFACTS = "tests.unit.registries.artifacts"


def huber(x):
    return x


class TestLookingUp:
    def test_a_name_is_found_in_the_nearest_level_that_has_it(self, family):
        family.grandparent.register_artifact("mse", huber)
        assert family.child["mse"] is family.child.get_artifact("mse", None) is huber

        family.parent.register_artifact("mse", mae)
        assert (family.child["mse"], family.grandparent["mse"]) == (mae, huber)

        family.child.register_artifact("mse", mse)
        assert (family.child["mse"], family.parent["mse"]) == (mse, mae)

    def test_when_the_own_one_is_removed_the_parents_is_found_again(self, family):
        family.parent.register_artifact("mse", mae)
        family.child.register_artifact("mse", mse)

        family.child.unregister_identifier("mse")

        assert family.child["mse"] is mae

    def test_membership_follows_the_rule(self, family):
        family.grandparent.register_artifact(mse)

        assert "mse" in family.child
        assert family.child.has_artifact(mse)
        assert "mae" not in family.child
        assert not family.child.has_artifact(mae)

    def test_an_artifact_whose_only_name_is_shadowed_is_not_there(self, family):
        family.parent.register_artifact("mse", mse)
        family.child.register_artifact("mse", mae)

        assert not family.child.has_artifact(mse)
        assert family.parent.has_artifact(mse)

    def test_a_value_that_each_reader_decodes_afresh_is_there(self, define_shared):
        parent = define_shared(SchemeRegistry)
        child = new("Configs", SchemeRegistry, parent=parent)
        parent.register_artifact("fast", {"lr": 0.1})

        assert child.has_artifact({"lr": 0.1})
        child.register_artifact("fast", {"lr": 0.2})
        assert not child.has_artifact({"lr": 0.1})

    def test_a_miss_names_all_levels_and_near_names_of_each(self, family):
        family.child.register_artifact("huber_a", huber)
        family.parent.register_artifact("huber_b", huber)
        family.grandparent.register_artifact("huber_c", huber)

        with pytest.raises(RegistryError) as caught:
            family.child["huber_"]

        assert sorted(caught.value.suggestions) == ["huber_a", "huber_b", "huber_c"]
        assert caught.value.message.startswith("Key not found: 'huber_' in Experimental")
        assert " or Losses" in caught.value.message and " or Common" in caught.value.message
        assert "Did you mean" in caught.value.message
        assert caught.value.context["registry"] == "Experimental"

    def test_a_default_is_given_only_where_no_level_has_the_name(self, family):
        family.grandparent.register_artifact(mse)

        assert family.child.get_artifact("mse", None) is mse
        assert family.child.get_artifact("mae", None) is None

    def test_an_alias_may_lead_to_a_name_that_only_the_parent_has(self, family):
        family.grandparent.register_artifact(mse)
        family.child.add_alias("l2", "mse")

        assert family.child["l2"] is mse
        assert "l2" not in family.parent

    def test_an_alias_of_the_parent_is_followed_there(self, family):
        family.parent.register_artifact(mse, aliases=["l2"])
        family.child.register_artifact("mse", mae)

        assert family.child["l2"] is mse

    def test_an_alias_of_the_parent_that_leads_nowhere_says_so(self, family):
        family.parent.add_alias("l2", "mse")

        with pytest.raises(RegistryError, match="'l2' in Losses is an alias"):
            family.child["l2"]
        assert family.child.get_artifact("l2", None) is None

    def test_what_is_lazy_in_a_parent_is_loaded_there(self, family):
        family.parent.register_lazy("mse", f"{ARTIFACTS}:mse")

        assert family.child["mse"] is mse
        assert "mse" in family.child

    def test_a_lazy_name_of_ones_own_shadows_the_parents(self, family):
        family.parent.register_artifact("mse", mae)
        family.child.register_lazy("mse", f"{ARTIFACTS}:mse")

        assert family.child["mse"] is mse

    def test_stand_ins_are_found_from_their_level_down(self, family):
        family.grandparent.register_artifact("mse", huber)

        with family.parent.overriding(mse=mae):
            assert (family.child["mse"], family.grandparent["mse"]) == (mae, huber)
            with family.child.overriding(mse=mse):
                assert (family.child["mse"], family.parent["mse"]) == (mse, mae)
        assert family.child["mse"] is huber

    def test_a_key_that_a_shared_parent_cannot_have_is_not_in_it(self, define_shared):
        top = new("Top")
        shared = define_shared(parent=top)
        local = new("Local", parent=shared)
        top.register_artifact((1, 2), mse)

        assert local[(1, 2)] is mse
        assert (1, 2) in local
        assert local.get_artifact((3, 4), None) is None
        assert "" not in local
        with pytest.raises(RegistryError):
            local[(3, 4)]
        with pytest.raises(CoercionError):
            shared[(1, 2)]  # asked itself, it says what it takes

    def test_near_names_are_looked_for_only_where_no_level_has_the_name(self, monkeypatch):
        parent = new("Parent")
        child = new("Child", parent=parent)
        parent.register_artifact(mse)
        monkeypatch.setattr(
            type(child._storage()), "near_names", lambda *_: pytest.fail("a search that nobody needs")
        )

        assert child["mse"] is mse
        assert child.get_artifact("mae", None) is None

    def test_a_local_registry_that_hits_asks_nobody(self, define_shared, requests_of):
        local = new("Local", parent=define_shared())
        local.register_artifact(mse)

        assert requests_of(lambda: local["mse"]) == 0


class TestListing:
    def fill(self, family):
        family.grandparent.safe_register_batch({"a": mse, "b": mse})
        family.parent.safe_register_batch({"b": mae, "c": mae})
        family.child.safe_register_batch({"d": huber, "a": huber})

    def test_names_of_all_levels_each_once_the_own_first(self, family):
        self.fill(family)

        assert list(family.child) == ["d", "a", "b", "c"]
        assert len(family.child) == 4
        assert list(family.parent) == ["b", "c", "a"]

    def test_items_are_what_look_ups_find(self, family):
        self.fill(family)

        items = list(family.child.items())

        assert items == [("d", huber), ("a", huber), ("b", mae), ("c", mae)]
        assert all(family.child[name] is artifact for name, artifact in items)

    def test_a_name_that_an_alias_shadows_is_found_and_not_listed(self, family):
        family.parent.safe_register_batch({"l2": mae, "l1": mae})
        family.child.register_artifact(mse, aliases=["l2"])

        assert family.child["l2"] is mse
        assert list(family.child) == ["mse", "l1"]
        assert [name for name, _ in family.child.items()] == ["mse", "l1"]

    def test_descriptions_say_which_registry_has_it(self, family):
        self.fill(family)

        stored = {known.name: known.stored for known in family.child.describe()}

        assert list(stored) == ["d", "a", "b", "c"]
        assert stored["b"].endswith("(Losses)")
        assert "(" not in stored["d"]
        assert {known.name: known.stored for known in family.parent.describe()}["a"].endswith("(Common)")

    def test_the_state_is_validated_at_all_levels(self, family):
        self.fill(family)

        assert family.child.validate_registry_state()["successful"] == ["d", "a", "b", "c"]


class TestWriting:
    def test_registering_never_writes_to_a_parent(self, family):
        family.parent.register_artifact("mse", mae)

        family.child.register_artifact(mse)
        family.child.safe_register_batch({"mae": mae})
        family.child.register_lazy("lazy", f"{ARTIFACTS}:mse")

        assert list(family.parent.items()) == [("mse", mae)]
        assert list(family.grandparent) == []

    def test_what_only_a_parent_has_cannot_be_changed_from_here(self, family):
        family.parent.register_artifact("mse", mae)

        for change in (
            lambda: family.child.update_artifact("mse", mse),
            lambda: family.child.unregister_identifier("mse"),
        ):
            with pytest.raises(RegistryError, match="found in its parent Losses") as caught:
                change()
            assert "Losses" in caught.value.suggestions[0]
        with pytest.raises(RegistryError):
            family.child.unregister_artifact(mae)
        family.child.clear_artifacts()
        assert family.parent["mse"] is mae

    def test_what_no_level_has_is_missing_as_ever(self, family):
        with pytest.raises(RegistryError, match="Key not found: 'mse' in Experimental"):
            family.child.update_artifact("mse", mse)


class TestRequests:
    @pytest.fixture
    def shared(self, define_shared):
        parent = define_shared()
        return define_shared(parent=parent), parent

    def test_a_miss_is_one_request_a_level(self, shared, requests_of):
        child, parent = shared
        parent.register_artifact(mse)

        def miss():
            with pytest.raises(RegistryError):
                child["mes"]

        assert requests_of(miss) == 2
        assert requests_of(lambda: child.get_artifact("mes", None)) == 2
        assert requests_of(lambda: child["mse"]) == 2
        assert requests_of(lambda: list(child.iter_identifiers())) == 2
        assert requests_of(lambda: list(child.items())) == 2

    def test_a_hit_is_one(self, shared, requests_of):
        child, _ = shared
        child.register_artifact(mse)

        assert requests_of(lambda: child["mse"]) == 1
        assert requests_of(lambda: "mse" in child) == 1
        assert requests_of(lambda: child.register_artifact(mse)) == 1


class TestTrust:
    def test_a_parents_signature_is_checked_for_the_parents_namespace_and_key(self, define_shared):
        parent = define_shared()
        child = define_shared(parent=parent)
        parent.register_artifact(mse)
        storage = parent._storage()
        storage._set("mae", storage.entry("mse").envelope)  # the same signed bytes under another name

        assert child["mse"] is mse
        with pytest.raises(SignatureInvalidError) as caught:
            child.get_artifact("mae", None)
        assert caught.value.context["namespace"] == storage.namespace

    def test_a_parent_decodes_what_its_own_trust_says(self, define_shared):
        parent = define_shared()
        parent.register_artifact(mse)
        place = {"logic_namespace": parent._storage().namespace, "server": parent._storage().url}
        careful = new("Careful", trust="json", **place)

        with pytest.raises(UntrustedError):
            define_shared(parent=careful)["mse"]
        assert define_shared(parent=parent, trust="json")["mse"] is mse


class TestSchemes:
    def test_a_scheme_published_by_a_parent_is_read_where_its_callable_is_refused(self, define_shared):
        parent = define_shared(SchemeRegistry)
        parent.register_artifact("linear", huber)
        place = {"logic_namespace": parent._storage().namespace, "server": parent._storage().url}
        careful = new("Careful", SchemeRegistry, trust="json", **place)
        child = new("Configs", SchemeRegistry, parent=careful)

        assert child.json_schema("linear") == parent.json_schema("linear")

    def test_configs_are_built_and_serialized_by_names_of_the_parent(self):
        parent = new("Models", TypeRegistry)
        child = new("Nets", TypeRegistry, parent=parent)
        parent.register_artifact("linear", Linear)

        assert isinstance(child.factorize_artifact("linear"), Linear)
        assert child.serialize(child.factorize_artifact("linear")) == {"_type": "linear"}


class TestDefinition:
    @pytest.mark.parametrize("parent", [object, "Losses", 3, FunctionalRegistry, mse], ids=range(5))
    def test_a_parent_is_a_registry(self, parent):
        with pytest.raises(CoercionError, match="is no registry") as caught:
            new("Losses", parent=parent)
        assert caught.value.suggestions

    def test_a_parent_is_of_the_same_kind(self):
        with pytest.raises(CoercionError, match="it is no FunctionalRegistry"):
            new("Losses", parent=new("Models", TypeRegistry))
        with pytest.raises(CoercionError, match="it is no TypeRegistry"):
            new("Models", TypeRegistry, parent=new("Configs", SchemeRegistry))

    def test_a_registry_that_inherits_another_is_of_its_kind(self):
        losses = new("Losses")
        derived = new("Derived", losses, parent=losses)
        losses.register_artifact(mse)

        assert derived["mse"] is mse

    def test_a_parent_is_not_inherited_by_subclasses(self):
        parent = new("Parent")
        derived = new("Derived", new("Child", parent=parent))
        parent.register_artifact(mse)

        assert "mse" not in derived

    @pytest.mark.parametrize("shared", [True, False], ids=["shared", "a mapping"])
    def test_a_parent_that_leads_back_to_the_same_place_is_refused(self, define_shared, shared):
        first = define_shared() if shared else new("First", storage={})
        storage = first._storage()
        place = (
            {"logic_namespace": storage.namespace, "server": storage.url}
            if shared
            else {"storage": storage._mapping}
        )
        second = new("Second", parent=new("Between", parent=first))

        with pytest.raises(CoercionError, match="leads back to"):
            new("Third", parent=second, **place)

    def test_a_class_defined_again_with_a_child_of_its_old_self_is_refused(self, define_shared):
        """A notebook cell run again: the only way in which a cycle can be written down."""
        losses = define_shared()
        place = {"logic_namespace": losses._storage().namespace, "server": losses._storage().url}

        with pytest.raises(CoercionError, match="same place"):
            new("Losses", parent=define_shared(parent=losses), **place)

    def test_what_is_promised_by_strictness_is_asked_of_the_parent(self):
        lenient = new("Lenient", FunctionalRegistry[[int], float])
        other = new("Other", FunctionalRegistry[[str], float], strict=True)
        same = new("Same", FunctionalRegistry[[int], float], strict=True)

        for parent, words in ((lenient, "is not strict=True"), (other, "declares other type parameters")):
            with pytest.raises(CoercionError, match=words):
                new("Strict", FunctionalRegistry[[int], float], strict=True, parent=parent)
        new("Strict", FunctionalRegistry[[int], float], strict=True, parent=same)
        new("Lenient", FunctionalRegistry[[int], float], parent=other)

    def test_a_parent_of_narrower_classes_will_do(self):
        narrow = new("Narrow", TypeRegistry[Linear], abstract=True)

        assert new("Wide", TypeRegistry[Model], abstract=True, parent=narrow)._parent is narrow
        with pytest.raises(CoercionError, match="other type parameters"):
            new(
                "Narrow",
                TypeRegistry[Linear],
                abstract=True,
                parent=new("W", TypeRegistry[Model], abstract=True),
            )

    def test_a_parent_costs_no_import(self):
        script = (
            "import sys; from registry import FunctionalRegistry as F\n"
            "class A(F): pass\n"
            "class B(F, parent=A): pass\n"
            "A.register_artifact('x', print); assert B['x'] is print and 'y' not in B\n"
            "assert not {'httpx', 'asyncio', 'pydantic'} & set(sys.modules)"
        )
        environment = {**os.environ, "PYTHONPATH": SOURCES}
        subprocess.run([sys.executable, "-c", script], check=True, timeout=60, env=environment)


WRITER = """
from registry import FunctionalRegistry
class Common(FunctionalRegistry, logic_namespace="research.common"): pass
class Losses(FunctionalRegistry, logic_namespace="research.losses", parent=Common): pass

@Common.register_artifact
def one(): return 1

@Losses.register_artifact
def two(): return Losses["one"]() + 1
"""
READER = """
from registry import FunctionalRegistry
class Mine(FunctionalRegistry, logic_namespace="research.losses"): pass
print(Mine["two"]())
"""
LOCAL = """
from registry import FunctionalRegistry, SerializationError
class Common(FunctionalRegistry): pass
class Losses(FunctionalRegistry, logic_namespace="research.losses", parent=Common): pass
try: Losses.register_artifact("f", lambda: Losses["one"])
except SerializationError as error: print(error.message)
"""


def test_a_registry_that_a_function_takes_along_keeps_its_parent(memory_server, tmp_path):
    """By value, to a process that has no such classes; a parent of this process only is refused."""

    def run(source):
        (tmp_path / "script.py").write_text(source)
        environment = {**os.environ, "PYTHONPATH": SOURCES, "REGISTRY_SERVER_URL": memory_server.url}
        ended = subprocess.run(
            [sys.executable, str(tmp_path / "script.py")],
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    run(WRITER)
    assert run(READER) == "2\n"
    assert "because of Common: a registry of this process only" in run(LOCAL)
