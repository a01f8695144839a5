"""The known answers that other languages read: their form, and keys and error documents against the code."""

import json
import re
from urllib.parse import quote

import jsonschema_rs
import pytest

import registry
from registry.errors import ValidationError
from registry.names import check_key
from registry.spec import load_spec
from registry.storage.problems import raise_problem
from registry_client.models import Problem
from registry_server.envelopes import key_of
from registry_server.problems import Problem as ServerProblem
from registry_server.requests import parse_query
from tests.unit.envelope.test_vectors import VECTORS, cases, load

SPEC = load_spec()
NAMES = sorted(path.stem for path in VECTORS.glob("*.json"))


def as_specified(name):
    schema = {**SPEC["components"]["schemas"][name], "components": SPEC["components"]}
    return jsonschema_rs.Draft4Validator(schema)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_vectors_has_its_schema_and_is_ascii(name):
    schema = json.loads((VECTORS / "schema" / f"{name}.schema.json").read_text(encoding="ascii"))

    jsonschema_rs.Draft7Validator(schema).validate(load(f"{name}.json"))
    # What an editor or a tool could normalise or lose is escaped.
    assert (VECTORS / f"{name}.json").read_bytes().isascii()


def test_every_schema_is_that_of_a_file():
    assert sorted(path.name for path in (VECTORS / "schema").iterdir()) == [
        f"{name}.schema.json" for name in NAMES
    ]


def key_wire(data):
    return {"type": "json", "data": data, "encoding": "json"}


@pytest.mark.parametrize("case", cases("keys.json", "valid"))
def test_a_key_is_read_in_each_of_its_spellings(case):
    """REG-NAME-02, REG-NAME-03."""
    assert check_key(case["key"]).encode().hex() == case["utf8_hex"]
    assert json.dumps(case["key"], ensure_ascii=False) == case["data"]
    assert {key_of(key_wire(data)) for data in (case["data"], *case["spellings"])} == {case["key"]}
    assert parse_query(f"key={case['query']}".encode()) == {"key": case["key"]}
    assert quote(case["key"], safe="") == case["query"]


@pytest.mark.parametrize("case", cases("keys.json", "refused"))
def test_what_spells_no_key_is_refused(case):
    with pytest.raises(ValidationError) as refused:
        key_of(key_wire(case["data"]))

    assert refused.value.code == "invalid_key"


@pytest.mark.parametrize("case", cases("problems.json", "valid"))
def test_an_error_document_is_as_specified_and_becomes_its_exception(case):
    """REG-ERR-01."""
    document = case["document"]
    as_specified("Problem").validate(document)

    if case["python"] is not None and document["code"] != "method_not_allowed":
        with pytest.raises(registry.ValidationError) as raised:
            raise_problem(Problem.from_dict(document), "http://localhost:8001")
        assert type(raised.value).__name__ == case["python"]
        assert raised.value.context["code"] == document["code"]


@pytest.mark.parametrize("case", cases("problems.json", "malformed"))
def test_what_is_no_error_document_does_not_fit(case):
    assert not as_specified("Problem").is_valid(case["document"])


@pytest.mark.parametrize("case", cases("problems.json", "valid"))
def test_a_server_writes_the_members_that_the_vectors_have(case):
    document = dict(case["document"])
    if document["type"] == "about:blank":
        return
    more = {
        name: value
        for name, value in document.items()
        if name not in ("type", "title", "status", "detail", "code")
    }
    written = json.loads(
        ServerProblem(document["status"], document["code"], document["detail"], **more).document()
    )

    assert written == document


def test_there_is_a_document_for_every_code():
    codes = re.findall(r"^\s*\| `(\w+)` \| \d{3} \|", SPEC["info"]["description"], re.MULTILINE)
    written = {case["document"]["code"] for case in load("problems.json")["valid"]}

    assert set(codes) <= written
