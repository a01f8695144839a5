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

    assert requests_of(memory_server, lambda: operation(losses)) == requests


VERSIONED = {
    "publishing a first version": (2, lambda losses: losses.publish_version("mae", mae)),
    "publishing a version again": (1, lambda losses: losses.publish_version("rmse", mse)),
    "look-up of a version": (1, lambda losses: losses["rmse@1"]),
    "look-up through an alias": (2, lambda losses: losses["best"]),
    "look-up through an alias of a version, again": (3, lambda losses: [losses["best"], losses["best"]]),
    "look-up through an alias of a name, again": (4, lambda losses: [losses["plain"], losses["plain"]]),
    "miss through an alias": (2, lambda losses: losses.get_artifact("gone", None)),
    "versions": (1, lambda losses: losses.versions("rmse")),
}


@pytest.mark.parametrize(("requests", "operation"), VERSIONED.values(), ids=VERSIONED)
def test_an_operation_on_versions_and_aliases_costs_so_many_requests(
    define_shared, memory_server, requests, operation
):
    losses = define_shared()
    losses.register_artifact(mse)
    losses.publish_version("rmse", mse)
    for alias, target in {"best": "rmse@1", "plain": "mse", "gone": "rmse@1"}.items():
        losses.move_alias(alias, target)
    losses.register_artifact("passing", mae)
    losses.move_alias("gone", "passing")
    losses.unregister_identifier("passing")

    assert requests_of(memory_server, lambda: operation(losses)) == requests


def requests_of(server, operation):
    def total():
        with urllib.request.urlopen(f"{server.url}/stats") as answer:
            return json.load(answer)["total_requests"]

    asking = -total() + total()
    before = total()
    operation()
    return total() - before - asking
