"""Any script against a model (Hypothesis), and any request against the schema (Schemathesis)."""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from registry.conformance.check import Failure, check, require
from registry.conformance.checks.batch import batch_set, outcomes, put
from registry.conformance.checks.changes import changes
from registry.conformance.context import (
    CREATE_ONLY,
    Context,
    envelope,
    etag_field,
    key_envelope,
)
from registry.conformance.model import Model

SCRIPTS = 15
STEPS = 25
CASES = 12
_KEYS = ("a", "b", "A", "é", "..", "a/b", " ", "\x00")
_OF_PROFILE = {"batch": "batch", "watch": "watch"}


@check("REG-REV-01", "REG-SET-01", "REG-REV-04", profile="core")
def any_script_agrees_with_the_model(ctx: Context) -> None:
    """Random scripts of all claimed operations answer as a dict with revisions would."""
    from hypothesis import HealthCheck, Phase, seed, settings
    from hypothesis.stateful import run_state_machine_as_test

    machine = _machine(ctx)
    found = settings(
        max_examples=SCRIPTS,
        stateful_step_count=STEPS,
        database=None,
        deadline=None,
        # Not shrunk: that can take minutes against a slow server, and the script is short as it is.
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    with _quiet():
        run_state_machine_as_test(seed(_seed(ctx))(machine), settings=found)


@check("REG-ERR-01", "REG-ERR-03", profile="core")
def any_request_is_answered_as_documented(ctx: Context) -> None:
    """Generated good and bad requests of every operation get documented answers of their schema, no 5xx."""
    import schemathesis
    from hypothesis.errors import Unsatisfiable

    schema = schemathesis.openapi.from_dict(dict(ctx.contract.spec))
    namespace = ctx.namespace()
    for found in schema.get_all_operations():
        operation: Any = found.ok()  # type: ignore[union-attr]  # our own specification is no invalid one
        raw = operation.definition.raw
        if _OF_PROFILE.get(raw["tags"][0], "core") not in ctx.profiles:
            continue
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            with _quiet(), contextlib.suppress(Unsatisfiable):  # some operations have nothing to be got wrong
                cases = operation.as_strategy(
                    generation_mode=mode, path_parameters=_path(raw, operation, namespace)
                )
                _each(ctx, cases, partial(_judge, ctx, raw["operationId"], namespace))


def _path(raw: Any, operation: Any, namespace: str) -> dict[str, Any] | None:
    return {"namespace": namespace} if "{namespace}" in operation.path else None


def _each(ctx: Context, cases: Any, judge: Callable[[Any], None]) -> None:
    from hypothesis import HealthCheck, Phase, given, seed, settings

    @seed(_seed(ctx))
    @settings(
        max_examples=CASES,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=False,
    )
    @given(cases)
    def run(case: Any) -> None:
        judge(case)

    run()


def _judge(ctx: Context, operation: str, namespace: str, case: Any) -> None:
    """Send what was generated, to our own namespace and without waiting, and judge the answer."""
    query, body = dict(case.query or {}), case.body if case.media_type else None
    if operation == "watch_namespace":
        query["wait"] = 0
    if operation == "watch_namespaces" and isinstance(body, dict):
        body = {**body, "wait": 0}
    fields = [(name.lower(), str(value)) for name, value in (case.headers or {}).items()]
    fields = [(name, value) for name, value in fields if re.fullmatch(r"[!-~]([ -~]*[!-~])?", value)]
    if any("\ud800" <= character <= "\udfff" for character in repr(query) + repr(body)):
        return
    answer = ctx.ask(operation, namespace, query=_pairs(query), body=body, fields=fields)
    require(answer.status < 500, f"{answer.asked} is answered {answer.status}")
    if body is not None and _is_bad(case, "body"):
        require(answer.status >= 400, f"{answer.asked} takes a body that does not fit: {body!r:.200}")


def _pairs(query: dict[str, Any]) -> list[tuple[str, object]]:
    return [
        (name, one)
        for name, value in query.items()
        for one in (value if isinstance(value, list) else [value])
    ]


def _is_bad(case: Any, part: str) -> bool:
    """Whether this part of a case is what Schemathesis has broken."""
    for kind, component in case.meta.components.items():
        if kind.value == part:
            return bool(component.mode.is_negative)
    return False


def _seed(ctx: Context) -> int:
    return zlib.crc32(str(ctx.options.seed).encode())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hypothesis prints nothing, and what it makes of an unsteady server is a `Failure`."""
    from hypothesis.errors import Flaky
    from hypothesis.reporting import with_reporter

    with with_reporter(lambda *_: None):
        try:
            yield
        except Flaky as error:
            raise Failure(f"the same requests are not answered the same twice: {error!s:.200}") from None


def _machine(ctx: Context) -> Any:
    """A state machine that does to the server what it does to the model, and compares."""
    from hypothesis import strategies as st
    from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

    keys, values = st.sampled_from(_KEYS), st.integers(0, 3)
    claims = ctx.profiles

    class Script(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            ctx.exchanges.clear()  # what is left at the end is the script that fails
            self.namespace, self.model = ctx.namespace(), Model()
            self.etags: dict[str, str] = {}
            self.start = ctx.cursor(self.namespace)

        @rule(key=keys, value=values)
        def set_one(self, key: str, value: int) -> None:
            self._stored(key, ctx.set(self.namespace, key, value).json, *self.model.set(key, value))

        def _stored(self, key: str, answer: Any, outcome: str, revision: int) -> None:
            found = (answer["outcome"], answer["revision"])
            require(
                found == (outcome, revision), f"a set is {found}, and the model says {(outcome, revision)}"
            )
            self.etags[key] = answer["etag"]

        @rule(key=keys)
        def get(self, key: str) -> None:
            held = self.model.entries.get(key)
            answer = ctx.get(self.namespace, key, status=200 if held else 404).json
            if held:
                found = (answer["value"]["data"], answer["revision"])
                require(found == (str(held.value), held.revision), f"read {found}, the model has {held}")

        @rule(key=keys)
        def delete(self, key: str) -> None:
            there = self.model.delete(key)
            answer = ctx.delete(self.namespace, key, status=200 if there else 404).json
            require(not there or answer["revision"] == self.model.head, f"a delete has {answer}")

        @rule()
        def clear(self) -> None:
            count = self.model.clear()
            answer = ctx.clear(self.namespace).json
            found = (answer["count"], answer["revision"])
            require(found == (count, self.model.head), f"a clear is {found}, not {(count, self.model.head)}")

        @precondition(lambda self: "conditional" in claims)
        @rule(key=keys, value=values)
        def create(self, key: str, value: int) -> None:
            if key in self.model.entries:
                ctx.set(self.namespace, key, value, status=412, fields=[CREATE_ONLY])
            else:
                answer = ctx.set(self.namespace, key, value, fields=[CREATE_ONLY]).json
                self._stored(key, answer, *self.model.set(key, value))

        @precondition(lambda self: "conditional" in claims and self.etags)
        @rule(data=st.data(), value=values)
        def replace_a_version(self, data: Any, value: int) -> None:
            key = data.draw(st.sampled_from(sorted(self.etags)))
            held, etag = self.model.entries.get(key), self.etags[key]
            if held and etag.endswith(f".{held.revision}"):
                answer = ctx.set(self.namespace, key, value, fields=[etag_field(etag)]).json
                self._stored(key, answer, *self.model.set(key, value))
            else:
                ctx.set(self.namespace, key, value, status=412, fields=[etag_field(etag)])

        @precondition(lambda self: "batch" in claims)
        @rule(entries=st.dictionaries(keys, values, min_size=1, max_size=4))
        def set_many(self, entries: dict[str, int]) -> None:
            answer = batch_set(ctx, self.namespace, *(put(key, value) for key, value in entries.items()))
            wanted = [self.model.set(key, value) for key, value in entries.items()]
            found = [(one["outcome"], one["revision"]) for one in answer["outcomes"]]
            require(found == wanted, f"a batch is {found}, the model says {wanted}")

        @precondition(lambda self: "batch" in claims)
        @rule(names=st.lists(keys, unique=True, min_size=1, max_size=4))
        def delete_many(self, names: list[str]) -> None:
            body = {"entries": [{"key": key_envelope(key)} for key in names]}
            answer = ctx.expect(200, "batch_delete", self.namespace, body=body).json
            wanted = ["deleted" if self.model.delete(key) else "missing" for key in names]
            require(outcomes(answer) == wanted, f"a batch delete is {outcomes(answer)}, not {wanted}")

        @rule()
        def list_all(self) -> None:
            self._compare()

        def teardown(self) -> None:
            self._compare()
            if "watch" in claims:
                told = [(one["op"], one.get("key")) for one in changes(ctx, self.namespace, self.start)]
                require(told == self.model.log, f"the changes told are {told}, not {self.model.log}")

        def _compare(self) -> None:
            pages = ctx.pages("list_items", self.namespace, "items", limit=3)
            listed = [(item["key"], item["value"], item["revision"]) for page in pages for item in page]
            held = [(key, envelope(one.value), one.revision) for key, one in self.model.entries.items()]
            require(listed == held, f"listed {listed}, the model has {held}")
            answer = ctx.expect(200, "count_entries", self.namespace).json
            require(answer["length"] == len(held), f"the length is {answer['length']}, not {len(held)}")
            head = self.model.head
            require(
                answer["cursor"].endswith(f".{head}"), f"the cursor is {answer['cursor']}, the head {head}"
            )

    return Script
