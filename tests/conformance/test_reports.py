"""Reports say what was found, in their form, and no secret."""

import json
import re
import shlex
import subprocess
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import jsonschema_rs
import pytest

from registry.conformance.check import Check, Level, Verdict
from registry.conformance.redaction import HIDDEN, Redaction
from registry.conformance.reports.curl import curl_line
from registry.conformance.reports.files import WRITERS
from registry.conformance.reports.summary import Summary
from registry.conformance.session import Result
from registry.conformance.wire import Exchange
from tests.conformance.reference import Reference
from tests.conformance.serving import serving
from tests.server.processes import ROOT

SECRET = "s3cret-t0ken"
HOSTILE = "</code><script>alert(1)</script>\x1b[31m\x00```| & <b>"


def exchange(**more):
    given = {
        "method": "POST",
        "url": f"http://127.0.0.1:1/registry/a/set?key={SECRET}",
        "request_fields": (
            ("authorization", f"Bearer {SECRET}"),
            ("content-type", "application/json"),
            ("x-odd", SECRET),
        ),
        "request_body": f'{{"a": "{HOSTILE}{SECRET}"}}'.encode(),
        "status": 500,
        "response_fields": (("content-type", "text/html"), ("set-cookie", f"session={SECRET}")),
        "response_body": HOSTILE.encode() + SECRET.encode() + b"\xff",
    }
    return Exchange(**{**given, **more})


def result(verdict, number=0, **more):
    check = Check(
        f"core.check_{verdict.value.replace('-', '_')}{number}",
        ("REG-SET-01",),
        "core",
        Level.MUST,
        f"A claim {HOSTILE}.",
        print,
    )
    message = "" if verdict is Verdict.PASS else f"it is {HOSTILE} {SECRET}"
    return Result(check, verdict, message, exchanges=(exchange(),) * 20, seconds=0.5, **more)


@pytest.fixture
def summary():
    results = [*(result(verdict) for verdict in Verdict), result(Verdict.FAIL, 2, known=f"see #12 {HOSTILE}")]
    return Summary(
        "http://127.0.0.1:1", "2026-01-31T12:00:00.000Z", 1.5, 0, ["core"], results, Redaction([SECRET])
    )


@pytest.mark.parametrize("option", WRITERS)
def test_no_report_shows_a_secret_or_obeys_a_server(summary, option):
    text = WRITERS[option](summary)

    assert SECRET not in text
    assert "\x1b" not in text and "\x00" not in text
    if option == "--html":
        assert "<script" not in text and HIDDEN in text


def test_json_has_its_schema(summary):
    schema = json.loads((ROOT / "registry/conformance/reports/report.schema.json").read_text())
    report = json.loads(WRITERS["--json"](summary))

    jsonschema_rs.Draft7Validator(schema).validate(report)
    assert report["exit_code"] == 2
    assert report["counts"] == {**{verdict.value: 1 for verdict in Verdict}, "known": 1}


def test_junit_has_real_failures_errors_and_skips(summary):
    suite = ElementTree.fromstring(WRITERS["--junit"](summary)).find("testsuite")

    assert suite is not None
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "8",
        "failures": "1",
        "errors": "2",
        "skipped": "3",
    }
    assert [len(suite.findall(f"testcase/{kind}")) for kind in ("failure", "error", "skipped")] == [1, 2, 3]


class Resources(HTMLParser):
    """What a page would load or run."""

    def __init__(self):
        super().__init__()
        self.found = []

    def handle_starttag(self, tag, attributes):
        names = dict(attributes)
        self.found += [
            f"{tag} {name}" for name in ("src", "href", "onclick", "style", "action") if name in names
        ]
        if tag in ("script", "link", "img", "iframe", "object", "form", "base"):
            self.found.append(tag)


def test_html_is_one_page_that_loads_and_runs_nothing(summary):
    text = WRITERS["--html"](summary)
    parser = Resources()
    parser.feed(text)

    assert parser.found == []
    assert not re.search(r"url\(|@import", text)
    assert "8 requests are left out here" in text
    assert "default-src 'none'" in text


def test_markdown_tells_what_did_not_pass(summary):
    text = WRITERS["--markdown"](summary)

    assert "## fail: `core.check_fail0`" in text
    assert "check_pass" not in text
    assert "| core | 1 | 1 | 1 | 1 | 4 |" in text


def test_curl_lines_hide_the_token_and_keep_the_rest():
    line = curl_line(exchange(url="http://h/a?key='x'", request_body=b'{"a": "it\'s"}'), Redaction([SECRET]))

    assert SECRET not in line
    assert '-H "Authorization: Bearer $REGISTRY_SERVER_TOKEN"' in line
    assert shlex.split(line)[-1] == '{"a": "it\'s"}'
    assert "http://h/a?key='x'" in shlex.split(line)


@pytest.mark.parametrize("body", [b'{"a": "\xc3\xa9"}', b"\xff\x00%d'\\", b"@file", b"\n\r\n", b"it's"])
def test_a_curl_line_sends_the_same_bytes(body):
    """Run with a shell and, in place of curl, a program that prints what it was given."""
    line = curl_line(exchange(url="http://h/", request_body=body, request_fields=()), Redaction([]))
    shown = 'curl() { for last; do :; done; if [ "$last" = "@-" ]; then cat; else printf %s "$last"; fi; }; '

    done = subprocess.run(["sh", "-c", shown + line], capture_output=True, timeout=30)

    assert done.stdout == body


def test_reports_of_a_run_are_written(kit, tmp_path):
    paths = {option: f"report{option}" for option in WRITERS}
    with serving(Reference()) as url:
        done = kit(url, "--only", "REG-LEN-01", *(word for pair in paths.items() for word in pair))

    assert done.returncode == 0, done.stderr
    assert all((tmp_path / path).stat().st_size > 100 for path in paths.values())
