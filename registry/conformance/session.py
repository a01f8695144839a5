"""One run of the kit against one server: set-up, then a verdict for each check."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from registry.conformance.check import Check, Failure, Level, SetupError, Verdict
from registry.conformance.context import Context, envelope, key_envelope
from registry.conformance.contract import Contract, field_of, json_of
from registry.conformance.options import Options
from registry.conformance.read_only_data import in_words, one_line
from registry.conformance.selection import not_run
from registry.conformance.wire import Exchange, Target, Wire
from registry.errors import NamespaceError
from registry.names import check_namespace
from registry.spec import load_spec

ESSENTIAL = "core.what_is_set_is_there"
"""Where this fails and nothing can be stored at all, what writes is not tried."""

LIMITS_UNKNOWN = {
    "body_bytes": 16 * 1024 * 1024,
    "value_bytes": 8 * 1024 * 1024,
    "key_bytes": 1_024,
    "batch_entries": 1_000,
    "page_entries": 1_000,
    "json_depth": 64,
    "header_bytes": 32 * 1024,
}
"""Of a server whose profiles are assumed, where its ``/capabilities`` cannot be used."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a check.

    Attributes:
        message: why, where it did not pass.
        known: the reason in the baseline, where a failure is known.
        seconds: how long it took.
        exchanges: its requests and their answers.
    """

    check: Check
    verdict: Verdict
    message: str = ""
    known: str = ""
    seconds: float = 0.0
    exchanges: tuple[Exchange, ...] = ()

    @property
    def counts_against(self) -> bool:
        """Whether the run fails by it."""
        return self.verdict in (Verdict.FAIL, Verdict.BLOCKED) and not self.known


class Session:
    """A server that was found to speak the protocol, ready to be checked; a context manager."""

    def __init__(self, options: Options, baseline: Mapping[str, str] | None = None) -> None:
        """Connect and read what the server claims.

        Raises:
            SetupError: the run cannot begin.
        """
        self.options = replace(options, url=_checked_url(options.url))
        self._baseline = baseline or {}
        self._blocked = ""
        self._nothing_stored = ""
        try:
            check_namespace(f"{options.prefix}.{'x' * 200}")
        except NamespaceError:
            raise SetupError(f"--namespace {options.prefix}: not a namespace, or too long a one") from None
        self.contract = Contract(load_spec())
        try:
            self._wire = Wire(Target(self.options.url, options.token, options.timeout, options.ca))
        except (OSError, ValueError) as error:
            raise SetupError(f"--ca {options.ca}: cannot be used: {in_words(error)}") from None
        try:
            self._greet()
            self.capabilities = self._capabilities()
        except BaseException:
            self._wire.close()
            raise
        claimed = ("read-only",) if options.data else options.assume or self.capabilities["profiles"]
        self.profiles = frozenset(claimed)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._wire.close()

    # ---- set-up

    def _greet(self) -> None:
        """Raise `SetupError` unless something answers ``/health`` with JSON."""
        url, exchange = self.options.url, self._wire.send("GET", "/health", token=None)
        if exchange.status is None:
            raise SetupError(f"{url} does not answer: {exchange.trouble}")
        if 300 <= exchange.status < 400:
            raise SetupError(f"{url} redirects to {field_of(exchange, 'location')!r}: give that address")
        if exchange.status != 200:
            raise SetupError(
                f"{url}/health answers {exchange.status}: is this the address of a registry server?"
            )
        try:
            json_of(exchange)
        except Failure:
            kind = field_of(exchange, "content-type") or "nothing"
            raise SetupError(f"{url}/health answers {kind}, no JSON: is this a registry server?") from None

    def _capabilities(self) -> Mapping[str, Any]:
        exchange = self._wire.send("GET", "/capabilities")
        if exchange.status == 401:
            raise SetupError(f"{self.options.url} asks for a token: give a valid one with --token")
        try:
            if exchange.status != 200:
                raise Failure(f"/capabilities answers {exchange.status or exchange.trouble}")
            capabilities: Mapping[str, Any] = self.contract.judge("get_capabilities", exchange)
        except Failure as failure:
            if self.options.assume:
                return {"profiles": list(self.options.assume), "limits": LIMITS_UNKNOWN}
            raise SetupError(
                f"what the server claims cannot be read ({failure}): give its profiles with --assume"
            ) from None
        return capabilities

    # ---- the run

    def run(self, checks: Sequence[Check]) -> Iterator[Result]:
        """The results, one by one, in the order of the checks; the essential one comes first."""
        for check in sorted(checks, key=lambda check: check.id != ESSENTIAL):
            result = self.result(check)
            yield result
            if self.options.fail_fast and (result.counts_against or result.verdict is Verdict.ERROR):
                return

    def result(self, check: Check) -> Result:
        """What becomes of one check."""
        if left_out := not_run(check, self.options, self.profiles):
            return Result(check, *left_out)
        blocked = self._blocked or ("" if _only_reads(check) else self._nothing_stored)
        if blocked:
            return Result(check, Verdict.BLOCKED, blocked)
        context = Context(self._wire, self.contract, self.options, self.capabilities, self.profiles, check.id)
        begun = time.monotonic()
        verdict, message = _tried(check, context)
        if verdict in (Verdict.FAIL, Verdict.WARN, Verdict.ERROR):
            self._look_whether_to_go_on(check)
        if not self._blocked:
            context.clean_up()
        seconds = time.monotonic() - begun
        result = Result(check, verdict, message, "", seconds, tuple(context.exchanges))
        return self._against_baseline(result)

    def _look_whether_to_go_on(self, failed: Check) -> None:
        """Block what follows where the server is gone, or takes nothing at all."""
        health = self._wire.send("GET", "/health", token=None)
        if health.status is None:
            self._blocked = f"the server does not answer any more, since {failed.id}: {health.trouble}"
        elif failed.id == ESSENTIAL and not self._stores():
            self._nothing_stored = f"nothing can be stored, see {failed.id}"

    def _stores(self) -> bool:
        probe = Context(self._wire, self.contract, self.options, self.capabilities, self.profiles, "probe")
        namespace = probe.namespace()
        body = {"key": key_envelope("key"), "value": envelope(1)}
        try:
            probe.expect(200, "set_entry", namespace, body=body)
            probe.get(namespace, "key")
        except Failure:
            return False
        finally:
            probe.clean_up()
        return True

    def _against_baseline(self, result: Result) -> Result:
        reason = self._baseline.get(result.check.id, "")
        if reason and result.verdict in (Verdict.FAIL, Verdict.WARN):
            return replace(result, known=reason)
        if reason and result.verdict is Verdict.PASS:
            message = f"it passes, and is in the baseline as known to fail ({reason}): take it out there"
            return replace(result, verdict=Verdict.FAIL, message=message)
        return result


def _tried(check: Check, context: Context) -> tuple[Verdict, str]:
    try:
        check.run(context)
    except Failure as failure:
        return (Verdict.FAIL if check.level is Level.MUST else Verdict.WARN), str(failure)
    except SetupError as error:
        return Verdict.ERROR, str(error)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        return Verdict.ERROR, f"the kit failed at {where.filename}:{where.lineno}: {one_line(error)}"
    return Verdict.PASS, ""


def _only_reads(check: Check) -> bool:
    return check.profile == "read-only" or all(promise.startswith("REG-SRV") for promise in check.promises)


def _checked_url(url: str) -> str:
    """``http(s)://host[:port][/path]`` without a slash at its end."""
    parts = urlsplit("")
    try:
        parts = urlsplit(url)
        usable = (
            parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port > 0)
        )
    except ValueError:
        usable = False
    if not usable:
        raise SetupError(f"{url!r} is no address of a server, such as http://127.0.0.1:8001")
    if parts.username is not None or parts.query or parts.fragment:
        raise SetupError("the address is http(s)://host:port and a path; a token is given with --token")
    return url.rstrip("/")
