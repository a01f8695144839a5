"""Promises that no check can be about, each with the reason; a test keeps every other one covered."""

from __future__ import annotations

from collections.abc import Mapping

NOT_OBSERVABLE: Mapping[str, str] = {}
"""Why a promise cannot be seen from outside, by its id."""
