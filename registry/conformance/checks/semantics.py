"""Any script against a model (Hypothesis), and any request against the schema (Schemathesis)."""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from registry.conformance.check import Failure, check, require
from registry.conformance.context import (
    Context,
)

SCRIPTS = 15
STEPS = 25
CASES = 12
_OF_PROFILE = {"batch": "batch", "watch": "watch"}


@check("REG-REV-01", "REG-SET-01", "REG-REV-04", profile="core")
def any_script_agrees_with_the_model(ctx: Context) -> None:
    """Random scripts of all claimed operations answer as a dict with revisions would."""
    from hypothesis import HealthCheck, Phase, seed, settings
    from hypothesis.stateful import run_state_machine_as_test

    from registry.conformance.script import script_of

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
        run_state_machine_as_test(seed(_seed(ctx))(script_of(ctx)), settings=found)


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
