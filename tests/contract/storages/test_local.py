from __future__ import annotations

import copy
import pickle
import threading

import pytest

from registry.storage import ThreadSafeLocalStorage
from tests.contract.storages.contract import StorageContract, at_once


class TestLocalStorage(StorageContract):
    @pytest.fixture
    def storage(self):
        return ThreadSafeLocalStorage()

    def test_what_is_read_is_the_very_object_that_was_stored(self, storage):
        value = {"a": []}
        storage["v"] = value

        assert storage["v"] is value
        assert storage.pop("v") is value

    def test_an_unhashable_key_is_a_type_error(self, storage):
        with pytest.raises(TypeError):
            storage[[]] = 1

    def test_holding_the_lock_holds_off_writers_and_not_readers(self, storage):
        storage["a"] = 1
        written = threading.Event()

        def write():
            storage["a"] = 2
            written.set()

        with storage.lock():
            writer = threading.Thread(target=write)
            writer.start()
            assert at_once(lambda: storage["a"], lambda: list(storage), lambda: len(storage)) == [1, ["a"], 1]
            assert not written.is_set()
            with storage.lock():
                storage["b"] = 3
        writer.join(10)

        assert dict(storage.items()) == {"a": 2, "b": 3}

    @pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))])
    def test_a_copy_has_the_entries_in_order_and_a_life_of_its_own(self, storage, duplicate):
        storage.update(b=[1], a=[2])

        copied = duplicate(storage)
        copied["c"] = [3]
        copied.clear()
        copied["d"] = [4]

        assert dict(storage.items()) == {"b": [1], "a": [2]}
        assert list(copied) == list(copied.view.table) == ["d"]

    def test_it_may_begin_with_entries(self):
        assert dict(ThreadSafeLocalStorage([("a", 1)]).items()) == {"a": 1}

    def test_its_representation_shows_no_value(self, storage):
        storage["a"] = "value"

        assert repr(storage) == "ThreadSafeLocalStorage(1 entries)"
