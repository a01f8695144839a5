"""What the operations of a shared registry cost: requests that the server counts."""

from __future__ import annotations

import json
import urllib.request

import pytest

from registry import RegistryError
from tests.unit.registries.artifacts import mae, mse


def refused(call):
    with pytest.raises(RegistryError):
        call()


OPERATIONS = {
    "registration": (1, lambda losses: losses.register_artifact("new", mse)),
    "registration of a function by value": (1, lambda losses: losses.register_artifact("new", lambda: 1)),
    "registration of the same again": (1, lambda losses: losses.register_artifact("mse", mse)),
    "registration under a taken name": (
        1,
        lambda losses: refused(lambda: losses.register_artifact("mse", mae)),
    ),
    "look-up": (1, lambda losses: losses["mse"]),
    "miss with near names": (1, lambda losses: refused(lambda: losses["mes"])),
    "miss with a default": (1, lambda losses: losses.get_artifact("mes", None)),
    "in": (1, lambda losses: "mse" in losses),
    "len": (1, len),
    "identifiers": (1, lambda losses: list(losses.iter_identifiers())),
    "items": (1, lambda losses: list(losses.items())),
    "has_artifact": (1, lambda losses: losses.has_artifact(mse)),
    "update": (1, lambda losses: losses.update_artifact("mse", mae)),
    "unregistration": (1, lambda losses: losses.unregister_identifier("mse")),
    "clear": (1, lambda losses: losses.clear_artifacts()),
    "batch of 1,000": (1, lambda losses: losses.safe_register_batch({str(n): mse for n in range(1_000)})),
    "batch of 1,001": (2, lambda losses: losses.safe_register_batch({str(n): mse for n in range(1_001)})),
    "validation of a batch": (0, lambda losses: losses.batch_validate({str(n): mse for n in range(9)})),
    "look-up while overriding": (0, lambda losses: overridden(losses)),
    "representation": (0, repr),
    "truth": (0, bool),
}


def overridden(losses):
    with losses.overriding(mse=len):
        assert losses["mse"] is len


@pytest.mark.parametrize(("requests", "operation"), OPERATIONS.values(), ids=OPERATIONS)
def test_an_operation_costs_so_many_requests(define_shared, memory_server, requests, operation):
    losses = define_shared()
    losses.register_artifact(mse)

    def total():
        with urllib.request.urlopen(f"{memory_server.url}/stats") as answer:
            return json.load(answer)["total_requests"]

    asking = -total() + total()
    before = total()
    operation(losses)

    assert total() - before - asking == requests
