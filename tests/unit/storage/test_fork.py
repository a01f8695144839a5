"""A fork while another thread writes: whatever lock it holds, nobody releases it in the child."""

from __future__ import annotations

import threading

from registry.storage import ThreadSafeLocalStorage
from registry.storage.base import MappingStorage
from tests.e2e.children import in_child


def test_a_local_storage_that_is_being_written_can_be_written_in_a_forked_child():
    for local in (ThreadSafeLocalStorage(), MappingStorage({})):
        held, release = threading.Event(), threading.Event()

        def hold(local=local, held=held, release=release):
            with local.lock():
                held.set()
                release.wait(30)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(30)
        try:

            def child(local=local):
                local["a"] = 1
                return local["a"]

            assert in_child(child) == 1
        finally:
            release.set()
            holder.join(30)
