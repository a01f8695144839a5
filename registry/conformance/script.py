"""A state machine that holds a server against `registry.conformance.model` (Hypothesis)."""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from registry.conformance.check import require
from registry.conformance.checks.batch import batch_set, outcomes, put
from registry.conformance.checks.changes import changes
from registry.conformance.context import CREATE_ONLY, Context, envelope, etag_field, key_envelope
from registry.conformance.model import Model

KEYS = st.sampled_from(("a", "b", "A", "é", "..", "a/b", " ", "\x00"))
VALUES = st.integers(0, 3)


def script_of(context: Context) -> type[Script]:
    """The machine for the server of ``context``, with the rules of the profiles that are checked."""
    return type("ScriptOfServer", (Script,), {"context": context})


def _claims(script: Script, profile: str) -> bool:
    return profile in script.context.profiles


class Script(RuleBasedStateMachine):
    """What is done to the server is done to the model, and what comes is compared; see `script_of`."""

    context: ClassVar[Context]

    def __init__(self) -> None:
        super().__init__()
        self.context.exchanges.clear()  # what is left at the end is the script that fails
        self.namespace, self.model = self.context.namespace(), Model()
        self.etags: dict[str, str] = {}
        self.start = self.context.cursor(self.namespace)

    @rule(key=KEYS, value=VALUES)
    def set_one(self, key: str, value: int) -> None:
        self._stored(key, self.context.set(self.namespace, key, value).json, *self.model.set(key, value))

    def _stored(self, key: str, answer: Any, outcome: str, revision: int) -> None:
        found = (answer["outcome"], answer["revision"])
        require(found == (outcome, revision), f"a set is {found}, and the model says {(outcome, revision)}")
        self.etags[key] = answer["etag"]

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        held = self.model.entries.get(key)
        answer = self.context.get(self.namespace, key, status=200 if held else 404).json
        if held:
            found = (answer["value"]["data"], answer["revision"])
            require(found == (str(held.value), held.revision), f"read {found}, the model has {held}")

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        there = self.model.delete(key)
        answer = self.context.delete(self.namespace, key, status=200 if there else 404).json
        require(not there or answer["revision"] == self.model.head, f"a delete has {answer}")

    @rule()
    def clear(self) -> None:
        count = self.model.clear()
        answer = self.context.clear(self.namespace).json
        found = (answer["count"], answer["revision"])
        require(found == (count, self.model.head), f"a clear is {found}, not {(count, self.model.head)}")

    @precondition(lambda self: _claims(self, "conditional"))
    @rule(key=KEYS, value=VALUES)
    def create(self, key: str, value: int) -> None:
        if key in self.model.entries:
            self.context.set(self.namespace, key, value, status=412, fields=[CREATE_ONLY])
        else:
            answer = self.context.set(self.namespace, key, value, fields=[CREATE_ONLY]).json
            self._stored(key, answer, *self.model.set(key, value))

    @precondition(lambda self: _claims(self, "conditional") and self.etags)
    @rule(data=st.data(), value=VALUES)
    def replace_a_version(self, data: Any, value: int) -> None:
        key = data.draw(st.sampled_from(sorted(self.etags)))
        held, etag = self.model.entries.get(key), self.etags[key]
        if held and etag.endswith(f".{held.revision}"):
            answer = self.context.set(self.namespace, key, value, fields=[etag_field(etag)]).json
            self._stored(key, answer, *self.model.set(key, value))
        else:
            self.context.set(self.namespace, key, value, status=412, fields=[etag_field(etag)])

    @precondition(lambda self: _claims(self, "batch"))
    @rule(entries=st.dictionaries(KEYS, VALUES, min_size=1, max_size=4))
    def set_many(self, entries: dict[str, int]) -> None:
        answer = batch_set(self.context, self.namespace, *(put(key, value) for key, value in entries.items()))
        wanted = [self.model.set(key, value) for key, value in entries.items()]
        found = [(one["outcome"], one["revision"]) for one in answer["outcomes"]]
        require(found == wanted, f"a batch is {found}, the model says {wanted}")

    @precondition(lambda self: _claims(self, "batch"))
    @rule(names=st.lists(KEYS, unique=True, min_size=1, max_size=4))
    def delete_many(self, names: list[str]) -> None:
        body = {"entries": [{"key": key_envelope(key)} for key in names]}
        answer = self.context.expect(200, "batch_delete", self.namespace, body=body).json
        wanted = ["deleted" if self.model.delete(key) else "missing" for key in names]
        require(outcomes(answer) == wanted, f"a batch delete is {outcomes(answer)}, not {wanted}")

    @rule()
    def list_all(self) -> None:
        self._compare()

    def teardown(self) -> None:
        self._compare()
        if _claims(self, "watch"):
            told = [(one["op"], one.get("key")) for one in changes(self.context, self.namespace, self.start)]
            require(told == self.model.log, f"the changes told are {told}, not {self.model.log}")

    def _compare(self) -> None:
        pages = self.context.pages("list_items", self.namespace, "items", limit=3)
        listed = [(item["key"], item["value"], item["revision"]) for page in pages for item in page]
        held = [(key, envelope(one.value), one.revision) for key, one in self.model.entries.items()]
        require(listed == held, f"listed {listed}, the model has {held}")
        answer = self.context.expect(200, "count_entries", self.namespace).json
        require(answer["length"] == len(held), f"the length is {answer['length']}, not {len(held)}")
        head = self.model.head
        require(answer["cursor"].endswith(f".{head}"), f"the cursor is {answer['cursor']}, the head {head}")
