"""Every operation x every precondition field x every form of it: the outcome that the contract declares.

Made from ``openapi.yaml``, so that a new operation is judged too; asked over a socket of a running server.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_server.conditions import EVERY, FIELDS, HONOURED, entity_tags, preconditions_of
from registry_server.problems import Problem
from tests.server.processes import LiveServer
from tests.server.test_access_matrix import example_request
from tests.server.wire import check_answer, envelope, followed, operations, problem, setting

SPACE = "research.losses"
OPERATIONS = {definition["operationId"]: (*found, definition) for *found, definition in operations()}
NAMES = ("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range")
TAGS = NAMES[:2]
MALFORMED = (
    "",
    ",",
    ", ,",
    "x.1",
    '"x',
    'x"',
    '"x" "y"',
    '*, "x"',
    "*, *",
    "**",
    "W/x",
    'w/"x"',
    '"a b"',
    '"x";',
)
FORMS: dict[str, tuple[tuple[str, ...], str]] = {
    "true": (('"{tag}"',), "own"),
    "false": (('"another.1"',), "other"),
    "any": (("*",), "own"),
    "weak": (('W/"{tag}"',), "weak"),
    "empty elements": ((', "another.1",, "{tag}" ,\t,',), "own"),
    "empty elements, false": ((', "another.1",,',), "other"),
    "repeated": (('"another.1"', '"{tag}"'), "own"),
    "repeated, false": (('"another.1"', 'W/"another.2"'), "other"),
    "repeated, star": (("*", '"{tag}"'), "malformed"),
    "a date": (("Tue, 01 Dec 2026 00:00:00 GMT",), "malformed"),
    **{f"malformed {text!r}": ((text,), "malformed") for text in MALFORMED},
}
"""Field lines, ``{tag}`` standing for the entry's ETag or the namespace's cursor, and what they are."""


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    server = LiveServer(tmp_path_factory.mktemp("preconditions"), "memory:").start()
    with httpx.Client(base_url=server.url) as client:
        yield client
    server.stop()


def expected(definition: dict[str, Any], name: str, kind: str) -> int:
    """The status: by the contract's words, not by the server's tables."""
    about, writes = definition["x-conditions"], definition.get("x-scope") in ("write", "admin")
    if name not in TAGS:
        return 400 if writes else 200
    if about not in ("entry", "namespace") or (about == "namespace" and name == "If-None-Match"):
        return 400
    if kind == "malformed":
        return 400
    if name == "If-Match":
        return 200 if kind == "own" else 412
    if kind == "other":
        return 200
    return 412 if writes else 304


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_answers_every_condition_as_declared(operation, name, client):
    """REG-COND-02, REG-COND-04, REG-COND-05, REG-COND-06, REG-COND-07, REG-CLR-02."""
    method, path, definition = OPERATIONS[operation]
    for number, (form, (lines, kind)) in enumerate(FORMS.items()):
        space = f"{SPACE}.{operation.replace('_', '')}.{name.replace('-', '')}.n{number}"
        client.post(f"/registry/{space}/set", json=setting("old")).raise_for_status()
        stored = client.post(f"/registry/{space}/set", json=setting("my_key", 7)).json()
        fields = [(name, line.format(tag=stored["etag"])) for line in lines]

        request = example_request(path, definition, space)
        answer = client.request(method, request.pop("url"), headers=fields, **request)

        status = expected(definition, name, kind)
        assert answer.status_code == status, (form, answer.text)
        check_answer(answer)
        if status == 400:
            problem(answer, 400, "invalid_request")
        if status != 200:
            kept = client.get(f"/registry/{space}/get", params={"key": "my_key"}).json()
            assert (kept["cursor"], kept["value"]) == (stored["cursor"], envelope(7)), form


@pytest.mark.parametrize("name", TAGS)
def test_head_is_answered_as_get(name, client):
    etag = client.post(f"/registry/{SPACE}/set", json=setting("my_key", 7)).json()["etag"]
    for value in (f'"{etag}"', '"another.1"', "another"):
        path = f"/registry/{SPACE}/get?key=my_key"
        assert (
            client.head(path, headers={name: value}).status_code
            == client.get(path, headers={name: value}).status_code
        )


def test_each_operation_declares_the_fields_that_it_honours():
    """REG-COND-05: the parameters that clients are generated from are those of ``x-conditions``."""
    for _, _, definition in OPERATIONS.values():
        honoured = {name.decode() for name in HONOURED[definition["x-conditions"]]}
        parameters = map(followed, definition.get("parameters", ()))
        assert {found["name"].lower() for found in parameters if found["in"] == "header"} == honoured


@pytest.mark.parametrize("definition", [{}, {"x-conditions": None}, {"x-conditions": "entries"}])
def test_an_operation_that_declares_no_conditions_does_not_start(definition):
    """REG-COND-05."""
    operation: Any = SimpleNamespace(operation_id="hasty", _operation=definition)

    with pytest.raises(ValueError, match="hasty: x-conditions"):
        preconditions_of(operation, 0)


def test_the_server_offers_conditions(client):
    """REG-COND-08, REG-SRV-04: a server that did not would refuse every one of them on a write."""
    assert "conditional" in client.get("/capabilities").json()["profiles"]


def test_every_precondition_field_is_known():
    assert {name.lower().encode() for name in NAMES} == FIELDS


BLANK = st.text(" \t", max_size=2)
OPAQUE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters='"'), max_size=8)
ELEMENT = st.one_of(st.none(), st.tuples(st.booleans(), OPAQUE))


@given(st.lists(st.tuples(BLANK, ELEMENT, BLANK), max_size=8))
def test_a_list_is_read_as_it_was_written(elements):
    """REG-COND-06: whatever stands between the commas, and however many of them there are."""
    written = {None: "", False: '"{}"', True: 'W/"{}"'}
    field = ",".join(
        before + written[element and element[0]].format(element and element[1]) + after
        for before, element, after in elements
    )
    tags = [element for _, element, _ in elements if element]
    if not tags:
        with pytest.raises(Problem):
            entity_tags(field, b"if-match")
        return
    assert entity_tags(field, b"if-none-match") == {tag for _, tag in tags}
    assert entity_tags(field, b"if-match") == {tag for weak, tag in tags if not weak}


@given(st.text(st.sampled_from('"*,W/ \tax.1'), max_size=12))
def test_any_other_text_is_refused(field):
    """REG-COND-06."""
    found: Any
    try:
        found = entity_tags(field, b"if-none-match")
    except Problem as refused:
        found = refused.status
    assert found == _read(field)


def _read(field: str) -> Any:
    """An independent reading of a field, character by character."""
    if field.strip(" \t") == "*":
        return EVERY
    tags, rest = set(), field
    while rest:
        rest = rest.lstrip(" \t")
        if rest.startswith(('"', 'W/"')):
            opaque, quote, rest = rest.removeprefix("W/")[1:].partition('"')
            if not quote or set(opaque) & set(" \t"):
                return 400
            tags.add(opaque)
            rest = rest.lstrip(" \t")
        if rest and not rest.startswith(","):
            return 400
        rest = rest[1:]
    return tags or 400
