"""``registry conformance``: its options, and what it exits with. It needs the extra ``conformance``."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from registry.conformance.check import PROFILES, Check, SetupError
from registry.conformance.options import DEFAULT_PREFIX, Options
from registry.extras import install

if TYPE_CHECKING:
    from registry.conformance.reports.summary import Summary
    from registry.conformance.reports.terminal import Terminal

Several = list[str] | None


def main() -> None:
    """Entry point of ``python -m registry.conformance``."""
    app = typer.Typer(pretty_exceptions_enable=False, add_completion=False)
    app.command()(conformance)
    app(prog_name="python -m registry.conformance")


def conformance(
    url: Annotated[str, typer.Argument(help="The server's address, such as http://127.0.0.1:8001.")],
    assume: Annotated[
        Several,
        typer.Option(help=f"Check these profiles, whatever /capabilities offers: {', '.join(PROFILES)}."),
    ] = None,
    only: Annotated[
        Several, typer.Option(help="Run only this check, promise or profile, or a glob of them.")
    ] = None,
    skip: Annotated[
        Several, typer.Option(help="Leave out this check, promise or profile, or a glob.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Draw the random data from this number.")] = 0,
    baseline: Annotated[
        str | None, typer.Option(help="File of failures that are known; one that passes is a failure.")
    ] = None,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="End with the first failure.")] = False,
    timeout: Annotated[float, typer.Option(help="Seconds to wait for one answer.", min=0.1)] = 10.0,
    token: Annotated[
        str | None, typer.Option(help="Bearer token with the scope *:admin.", envvar="REGISTRY_SERVER_TOKEN")
    ] = None,
    reader_token: Annotated[
        str | None, typer.Option(help="Bearer token with the scope NAMESPACE:read, of --namespace.")
    ] = None,
    revoked_token: Annotated[
        str | None, typer.Option(help="Bearer token that was revoked or has expired.")
    ] = None,
    ca: Annotated[str | None, typer.Option(help="File of the authority that signed the certificate.")] = None,
    namespace: Annotated[
        str, typer.Option(help="Namespace below which everything is written, and removed.")
    ] = DEFAULT_PREFIX,
    restart_cmd: Annotated[
        str | None, typer.Option(help="Command that stops the server, orderly, and starts it again.")
    ] = None,
    read_only: Annotated[
        str | None, typer.Option(help="Write nothing; compare with the entries in this file.")
    ] = None,
    junit: Annotated[str | None, typer.Option(help="Write a JUnit report to this file.")] = None,
    json: Annotated[str | None, typer.Option("--json", help="Write a JSON report to this file.")] = None,
    markdown: Annotated[str | None, typer.Option(help="Write a Markdown report to this file.")] = None,
    html: Annotated[str | None, typer.Option(help="Write one HTML page to this file.")] = None,
    list_: Annotated[
        bool, typer.Option("--list", help="Print the checks, and ask the server nothing.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="A line for every check.")] = False,
) -> None:
    """Check a server of any make against the promises of the protocol.

    Exits 0 where every claimed promise was kept, 1 where one was not, 2 where the run itself went wrong.
    """
    reports = {"--junit": junit, "--json": json, "--markdown": markdown, "--html": html}
    try:
        options = _options(
            url,
            assume=assume,
            only=only,
            skip=skip,
            seed=seed,
            fail_fast=fail_fast,
            timeout=timeout,
            token=token,
            reader_token=reader_token,
            revoked_token=revoked_token,
            ca=ca,
            prefix=namespace,
            restart=restart_cmd,
            read_only=read_only,
        )
        code = _list(options) if list_ else _run(options, baseline, reports, verbose=verbose)
    except SetupError as error:
        _fail(str(error))
    except ImportError as error:
        _fail(f"The conformance kit needs an extra ({error.name}); {install('conformance')}")
    raise typer.Exit(code)


def _options(
    url: str, *, assume: Several, only: Several, skip: Several, read_only: str | None, **given: object
) -> Options:
    from registry.conformance.read_only_data import read_given
    from registry.conformance.selection import checked_profiles

    return Options(
        url,
        assume=checked_profiles(assume or ()),
        only=tuple(only or ()),
        skip=tuple(skip or ()),
        data=read_given(read_only) if read_only else (),
        **given,  # type: ignore[arg-type]
    )


def _selected(options: Options) -> tuple[list[Check], list[Check]]:
    """All checks, and those to be run."""
    from registry.conformance.checks import all_checks
    from registry.conformance.selection import selected

    checks = all_checks()
    return checks, selected(checks, options)


def _list(options: Options) -> int:
    for check in _selected(options)[1]:
        typer.echo(f"{check.id}  {check.level.value} {', '.join(check.promises)}\n    {check.claim}")
    return 0


def _run(options: Options, baseline: str | None, reports: Mapping[str, str | None], *, verbose: bool) -> int:
    from registry.conformance.baseline import read_baseline
    from registry.conformance.redaction import Redaction
    from registry.conformance.reports.files import check_paths, write_reports
    from registry.conformance.reports.terminal import Terminal

    every, checks = _selected(options)
    known = read_baseline(baseline, {check.id for check in every}) if baseline else {}
    check_paths(reports)
    terminal = Terminal(Redaction(options.secrets), verbose=verbose)
    summary = _judged(options, known, checks, terminal)
    write_reports(summary, reports)
    terminal.sum_up(summary)
    return summary.exit_code


def _judged(options: Options, known: Mapping[str, str], checks: list[Check], terminal: Terminal) -> Summary:
    from registry.conformance.redaction import Redaction
    from registry.conformance.reports import summary
    from registry.conformance.session import Session

    started, begun = datetime.now(UTC), time.monotonic()
    with Session(options, known) as session:
        results = list(terminal.following(session.run(checks), checks))
        profiles = [profile for profile in PROFILES if profile in session.profiles]
        return summary.Summary(
            url=session.options.url,
            started=started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            seconds=time.monotonic() - begun,
            seed=options.seed,
            profiles=profiles,
            results=results,
            redaction=Redaction(options.secrets),
        )


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise SystemExit(2)
