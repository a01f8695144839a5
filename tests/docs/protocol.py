"""JSON in the pages: is an example of a form of the protocol, is an answer the one that is printed."""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema_rs

from registry.envelope.form import Envelope, check_fields, check_form
from registry.errors import MalformedEnvelopeError
from registry.spec import load_spec

VARIES = frozenset(
    {
        *("cursor", "head", "etag", "digest", "revision", "origin", "identity", "signature"),
        *("created_at", "updated_at", "uptime_seconds", "storage", "version"),
        *("total_requests", "get_requests", "set_requests", "delete_requests"),
    }
)
"""Fields whose values differ from run to run; a page shows one of them."""


def answers_alike(shown: Any, actual: Any, place: str, *, exact: bool = False) -> None:
    """Raise unless ``actual`` is what the page shows; only where it is ``exact`` may nothing be added.

    Of fields that vary (`VARIES`) the type is compared.
    """
    _compare(shown, actual, place, exact=exact, path="$", varies=False)


def _compare(shown: Any, actual: Any, place: str, *, exact: bool, path: str, varies: bool) -> None:
    where = f"{place}: {path}"
    alike = type(actual) is type(shown) or {type(actual), type(shown)} == {int, float}
    assert alike, f"{where} is {actual!r}, shown as {shown!r}"
    if isinstance(shown, dict):
        missing = shown.keys() - actual.keys()
        added = actual.keys() - shown.keys() if exact else set()
        assert not missing and not added, f"{where}: not answered: {missing}; not shown: {added}"
        for name, value in shown.items():
            _compare(value, actual[name], place, exact=exact, path=f"{path}.{name}", varies=name in VARIES)
    elif isinstance(shown, list):
        assert len(shown) == len(actual), f"{where} is {actual!r}, shown as {shown!r}"
        for index, (one, other) in enumerate(zip(shown, actual, strict=True)):
            _compare(one, other, place, exact=exact, path=f"{path}[{index}]", varies=False)
    elif not varies:
        assert shown == actual, f"{where} is {actual!r}, shown as {shown!r}"


def check_json_example(example: Any, place: str) -> None:
    """Raise unless the example is an envelope, or of a form that ``openapi.yaml`` describes.

    ``...`` in an envelope's data stands for data that is left out; the rest of its form is checked.
    """
    if isinstance(example, dict) and example.keys() >= {"type", "data", "encoding"}:
        envelope = Envelope(**example)
        check = check_fields if "..." in envelope.data else check_form
        try:
            check(envelope)
        except MalformedEnvelopeError as error:
            raise AssertionError(f"{place}: {error}") from error
        return
    fitting = [name for name, schema in _schemas().items() if schema.is_valid(example)]
    assert fitting, f"{place}: no schema of openapi.yaml has this form"


@cache
def _schemas() -> dict[str, Any]:
    components = load_spec()["components"]
    return {
        name: jsonschema_rs.Draft4Validator({**schema, "components": components}, validate_formats=False)
        for name, schema in components["schemas"].items()
        if schema.get("type") == "object" and schema.get("required")
    }
