"""Aliases of a namespace, and awaited calls, beside a cache."""

from __future__ import annotations

import asyncio
import json

from registry import SchemeRegistry
from tests.e2e.conftest import until


def test_an_alias_that_is_moved_is_followed_at_once(define):
    Losses = define()
    Losses.publish_version("f", json.dumps)
    Losses.publish_version("f", json.loads)
    Losses.move_alias("best", "f@1")
    Losses.prefetch()

    assert Losses["best"] is json.dumps
    assert "best" not in Losses._view.table
    Losses.move_alias("best", "f@2")
    assert Losses["best"] is Losses.get_artifact("best") is json.loads
    assert dict(Losses.items())["best"] is json.loads
    assert Losses.prefetch(["best"]) == {"best": json.loads}


def test_a_target_that_is_replaced_is_seen_through_its_alias(define):
    Losses = define()
    Losses.register_artifact("f", json.dumps)
    Losses.move_alias("best", "f")
    Losses.prefetch()
    assert Losses["best"] is json.dumps

    Losses.update_artifact("f", json.loads)

    assert Losses["best"] is json.loads
    Losses.unregister_identifier("f")
    assert Losses.get_artifact("best", None) is None


def test_what_is_awaited_is_seen_at_once_by_whoever_calls(define):
    Configs = define(SchemeRegistry)
    Configs.prefetch()

    async def write():
        for number in range(20):
            await Configs.aregister_artifact(f"c{number}", number)
            assert Configs[f"c{number}"] == number
            assert await Configs.aget_artifact(f"c{number}") == number

    asyncio.run(write())

    until(lambda: Configs.cache_info().state == "current")
    assert len(Configs) == 20
