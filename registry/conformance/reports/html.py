"""The run as one page that needs nothing else: each check with its requests, answers and curl lines."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from importlib import resources

from registry.conformance.check import Verdict
from registry.conformance.reports.curl import curl_line
from registry.conformance.reports.summary import Summary, kit_version, printable
from registry.conformance.session import Result
from registry.conformance.wire import Exchange, Fields

FIRST, LAST = 6, 6
"""Of a check with more requests, so many are shown from either end."""

LONGEST_BODY = 2_000
_OUTCOME = ("Conforms", "Does not conform", "Could not be judged")
_OPEN = (Verdict.FAIL, Verdict.WARN, Verdict.ERROR)


def html_report(summary: Summary) -> str:
    """The report's text."""
    style = (resources.files("registry.conformance.reports") / "report.css").read_text(encoding="utf-8")
    outcome = _OUTCOME[summary.exit_code]
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{outcome}: {_text(summary.url)}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1 class="outcome-{summary.exit_code}">{outcome}</h1>
<p class="address">{_text(summary.url)}</p>
<p>Profiles: {_text(", ".join(summary.profiles))}. Kit {_text(kit_version())}, seed {summary.seed},
<time>{_text(summary.started)}</time>, {summary.seconds:.1f} s.</p>
{_counts(summary)}
</header>
<main>
{"".join(_profile(summary, name, results) for name, results in summary.by_profile().items())}</main>
<footer><p>A check cites the promises of openapi.yaml. Header fields that may hold secrets are hidden; curl
reads a token from <code>$REGISTRY_SERVER_TOKEN</code>. Namespaces were random and were emptied: make what a
request needs before you repeat it.</p></footer>
</body>
</html>
"""


def _text(text: str) -> str:
    return escape(printable(text))


def _prose(text: str) -> str:
    """Text in which backticks stand around code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _text(text))


def _counts(summary: Summary) -> str:
    shown = [(name, count) for name, count in summary.counts.items() if count]
    return (
        '<ul class="counts">'
        + "".join(f'<li class="{name}"><b>{count}</b> {name}</li>' for name, count in shown)
        + "</ul>"
    )


def _profile(summary: Summary, name: str, results: list[Result]) -> str:
    # What did not pass comes first; `sorted` keeps the order of the rest.
    told = sorted(results, key=lambda result: result.verdict not in _OPEN)
    checks = "".join(_check(summary, result) for result in told)
    return f"<section><h2>{_text(name)}</h2>\n{checks}</section>\n"


def _check(summary: Summary, result: Result) -> str:
    check, verdict = result.check, "known" if result.known else result.verdict.value
    opened = " open" if result.verdict in _OPEN and not result.known else ""
    said = summary.said(result)
    requests = f"{len(result.exchanges)} requests, " if result.exchanges else ""
    took = f"{requests}{result.seconds:.2f} s" if result.seconds else ""
    return f"""<details class="check {verdict}"{opened}>
<summary><span class="verdict">{verdict}</span> <span class="claim">{_prose(check.claim)}</span>
<span class="took">{took}</span></summary>
<p class="about"><code>{_text(check.id)}</code> {check.level.value} {_text(", ".join(check.promises))}</p>
{f'<p class="said">{escape(said)}</p>' if said else ""}
{"".join(_exchanges(summary, result.exchanges))}</details>
"""


def _exchanges(summary: Summary, exchanges: tuple[Exchange, ...]) -> Iterable[str]:
    left_out = len(exchanges) - FIRST - LAST
    for index, exchange in enumerate(exchanges):
        if left_out <= 0 or index < FIRST or index >= FIRST + left_out:
            yield _exchange(summary, exchange)
        elif index == FIRST:
            yield f'<p class="left-out">{left_out} requests are left out here.</p>\n'


def _exchange(summary: Summary, exchange: Exchange) -> str:
    redaction = summary.redaction
    status = str(exchange.status) if exchange.status is not None else "no answer"
    answer = f"{status} {exchange.trouble}\n{_fields(summary, exchange.response_fields)}"
    request = f"{redaction.text(exchange.asked)}\n{_fields(summary, exchange.request_fields)}"
    return f"""<details class="exchange">
<summary><code>{_text(redaction.text(exchange.asked))}</code> <b>{_text(status)}</b>
<span class="took">{exchange.seconds * 1000:.0f} ms</span></summary>
<pre class="curl">{_lines(curl_line(exchange, redaction))}</pre>
<div class="pair"><pre>{_lines(request)}{_body(summary, exchange.request_body)}</pre>
<pre>{_lines(answer)}{_body(summary, exchange.response_body)}</pre></div>
</details>
"""


def _lines(text: str) -> str:
    return "\n".join(_text(line) for line in text.split("\n"))


def _fields(summary: Summary, fields: Fields) -> str:
    return "".join(f"{name}: {summary.redaction.field(name, value)}\n" for name, value in fields)


def _body(summary: Summary, body: bytes) -> str:
    if not body:
        return ""
    text = summary.redaction.text(body[:LONGEST_BODY].decode(errors="replace"))
    rest = f"\n({len(body):,} bytes in all)" if len(body) > LONGEST_BODY else ""
    return f"\n{_lines(text)}{rest}"
