"""A user's own mapping, ``storage=``: a dictionary, and one whose every step is slow and its own code."""

from __future__ import annotations

import pickle
import time
from collections import OrderedDict, UserDict, defaultdict

import pytest

from registry.storage.base import PRESENT, MappingStorage
from tests.contract.storages.contract import StorageContract


class SlowMapping(UserDict):
    """Gives way in the middle of every step, so that what is not kept together falls apart."""

    def __getitem__(self, key):
        time.sleep(0)
        return super().__getitem__(key)

    def __setitem__(self, key, value):
        time.sleep(0)
        super().__setitem__(key, value)

    def __delitem__(self, key):
        time.sleep(0)
        super().__delitem__(key)


class TestDictionary(StorageContract):
    all_at_once = False  # readers read the user's mapping itself, and it changes entry by entry

    @pytest.fixture
    def storage(self):
        return MappingStorage({})

    def test_the_user_sees_the_artifacts_in_the_mapping(self):
        mapping = OrderedDict()
        storage = MappingStorage(mapping)
        storage["a"] = 1
        mapping["b"] = 2

        assert mapping == {"a": 1, "b": 2}
        assert storage["b"] == 2

    def test_what_the_mapping_raises_comes_out_as_it_is(self):
        class Broken(dict):
            def __getitem__(self, key):
                raise OSError("the disk is gone")

        storage = MappingStorage(Broken(a=1))

        with pytest.raises(OSError, match="the disk is gone"):
            storage["a"]
        with pytest.raises(OSError, match="the disk is gone"):
            storage.get("a", None)

    def test_a_mapping_that_makes_what_is_missing_can_be_claimed(self):
        storage = MappingStorage(defaultdict(list))

        assert storage.claim("a", 1).won
        assert not storage.replace("b", 1, PRESENT).won
        assert list(storage) == ["a"]

    def test_it_pickles_with_its_mapping(self):
        found = pickle.loads(pickle.dumps(MappingStorage({"a": 1})))

        found["b"] = 2
        assert dict(found.items()) == {"a": 1, "b": 2}


class TestSlowMapping(StorageContract):
    all_at_once = False

    @pytest.fixture
    def storage(self):
        return MappingStorage(SlowMapping())
