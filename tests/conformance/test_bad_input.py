"""A run that cannot begin says why in one line, and exits 2; never 0."""

import json
import time
from contextlib import closing

import pytest

from registry.conformance.baseline import read_baseline
from registry.conformance.check import SetupError, Verdict
from registry.conformance.checks import all_checks
from registry.conformance.options import Options
from registry.conformance.read_only_data import read_given
from registry.conformance.selection import selected
from registry.conformance.session import Session
from registry.conformance.wire import Target, Wire
from tests.conformance.bad_servers import (
    answers,
    drips,
    drips_fields,
    hangs,
    listening,
    resets,
    speaks_nonsense,
)
from tests.conformance.conftest import QUICK
from tests.conformance.mutants import Guarded
from tests.conformance.reference import Problem, Reference, Response
from tests.conformance.serving import serving

CHECKS = {check.id: check for check in all_checks()}
JSON = "content-type: application/json"


def refused(url, **options):
    with pytest.raises(SetupError) as raised, Session(Options(url, **{"timeout": 0.5, **options})):
        pass
    message = str(raised.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (hangs, "no answer within 0.5 s"),
        (drips, "no answer within 0.5 s"),
        (drips_fields, "no answer within 0.5 s"),
        (resets, "does not answer"),
        (speaks_nonsense, "does not answer"),
        (answers("200 OK", "<html>hello</html>", "content-type: text/html"), "answers text/html, no JSON"),
        (
            answers("302 Found", "", "location: http://elsewhere.example/"),
            "redirects to 'http://elsewhere.example/'",
        ),
        (answers("404 Not Found", "{}", JSON), "/health answers 404"),
        (answers("200 OK", '{"status": NaN}', JSON), "no JSON"),
        (answers("200 OK", "{}", JSON), "what the server claims cannot be read"),
        (answers("200 OK", '{"profiles": "all"}', JSON), "give its profiles with --assume"),
    ],
)
def test_what_is_no_registry_server_is_told_in_one_line(behaviour, said):
    with listening(behaviour) as url:
        assert said in refused(url)


@pytest.mark.parametrize("behaviour", [drips, drips_fields])
def test_an_answer_that_drips_ends_at_the_timeout_also_to_a_head_alone(behaviour):
    with listening(behaviour) as url, closing(Wire(Target(url, timeout=0.3))) as wire:
        exchange = wire.send_head("GET", "/health", ())

    assert (exchange.status, exchange.trouble) == (None, "no answer within 0.3 s")
    assert exchange.seconds < 3


def test_a_watch_has_its_wait_beside_the_timeout():
    def late(client):
        time.sleep(0.4)
        answers("200 OK", "{}", JSON)(client)

    with listening(late) as url, closing(Wire(Target(url, timeout=0.2))) as wire:
        assert wire.send("GET", "/").status is None
        assert wire.send("GET", "/", wait=3).status == 200


def test_nobody_listens():
    with listening(hangs) as url:
        pass

    assert "does not answer" in refused(url)


@pytest.mark.parametrize(
    "url",
    ["localhost:8001", "ftp://localhost", "http://", "http://h:99999", "http://u:p@h", "http://h/?a=1", ""],
)
def test_what_is_no_address_is_refused_and_a_password_not_repeated(url):
    assert "u:p" not in refused(url)


def test_a_server_that_asks_for_a_token_is_not_called_broken():
    with serving(Guarded()) as url:
        assert "give a valid one with --token" in refused(url, timeout=10.0)


def test_profiles_can_be_assumed_of_a_server_that_does_not_say():
    class Silent(Reference):
        def get_capabilities(self, fields):
            raise Problem(404, "not_found")

    with serving(Silent()) as url, Session(Options(url, assume=("core",))) as session:
        assert session.result(CHECKS[QUICK]).verdict is Verdict.PASS
        assert session.result(CHECKS["batch.sequence_batch"]).verdict is Verdict.NOT_CLAIMED


def test_a_profile_that_is_claimed_and_not_there_fails():
    class Boasts(Reference):
        def batch_set(self, namespace, body, fields):
            raise Problem(404, "not_found")

    with serving(Boasts()) as url, Session(Options(url)) as session:
        assert session.result(CHECKS["batch.sequence_batch"]).verdict is Verdict.FAIL


@pytest.mark.parametrize("behaviour", [hangs, resets, speaks_nonsense])
def test_a_server_that_dies_under_a_check_fails_it_and_blocks_the_rest(behaviour):
    with serving(Reference()) as url:
        session = Session(Options(url, timeout=0.5))
    with listening(behaviour) as elsewhere, session:
        session._wire.target = type(session._wire.target)(elsewhere, timeout=0.5)
        results = list(session.run([CHECKS[QUICK], CHECKS["core.length_counts_entries"]]))

    assert [result.verdict for result in results] == [Verdict.FAIL, Verdict.BLOCKED]
    assert "was not answered" in results[0].message
    assert QUICK in results[1].message


def test_a_server_that_stores_nothing_blocks_what_writes_and_not_what_reads():
    class Full(Reference):
        def set_entry(self, namespace, body, fields):
            raise Problem(507, "storage_full")

    asked = [QUICK, "core.length_counts_entries", "core.health_has_its_two_fields"]
    with serving(Full()) as url, Session(Options(url)) as session:
        results = list(session.run([CHECKS[name] for name in asked]))

    assert [result.verdict for result in results] == [Verdict.FAIL, Verdict.BLOCKED, Verdict.PASS]


def test_an_answer_out_of_the_contract_fails_whatever_is_checked():
    class Odd(Reference):
        def count_entries(self, namespace, fields):
            return Response(418, {"length": 0})

    with serving(Odd()) as url, Session(Options(url)) as session:
        result = session.result(CHECKS["core.length_counts_entries"])

    assert result.verdict is Verdict.FAIL
    assert "answered 418, which count_entries does not document" in result.message


def test_a_restart_command_that_fails_is_no_verdict_on_the_server(sound_server):
    durable = CHECKS["durable.answered_writes_outlive_a_restart"]
    options = Options(sound_server, restart="echo gone >&2; exit 3", assume=("core", "durable"))
    with Session(options) as session:
        result = session.result(durable)

    assert (result.verdict, result.message) == (Verdict.ERROR, "--restart-cmd exits 3: gone")


def test_a_fault_of_the_kit_is_no_verdict_on_the_server(sound_server):
    def faulty(ctx):
        raise ZeroDivisionError

    check = CHECKS[QUICK].__class__("core.faulty", ("REG-SET-01",), "core", CHECKS[QUICK].level, "", faulty)
    with Session(Options(sound_server)) as session:
        result = session.result(check)

    assert result.verdict is Verdict.ERROR
    assert "ZeroDivisionError" in result.message


@pytest.mark.parametrize("options", [{"only": ("core.what_is_set",)}, {"skip": ("REG-XXX-*",)}])
def test_a_selector_that_names_nothing_is_refused(options):
    with pytest.raises(SetupError, match="no check or promise is called so"):
        selected(list(CHECKS.values()), Options("http://localhost", **options))


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--only", "core.what_is_sett", "Did you mean"),
        ("--assume", "everything", "the profiles are core"),
        ("--baseline", "missing.json", "not a baseline"),
        ("--html", "nowhere/report.html", "cannot be written"),
        ("--json", ".", "cannot be written"),
        ("--read-only", "missing.json", "not a file of known entries"),
        ("--namespace", "no-namespace", "not a namespace"),
        ("--ca", "missing.pem", "cannot be used"),
    ],
)
def test_a_bad_option_is_one_line_and_exit_2(kit, sound_server, option, value, said):
    url = sound_server if option != "--ca" else sound_server.replace("http:", "https:")
    done = kit(url, option, value)

    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not a baseline"),
        ("[]", "not a baseline"),
        ('{"known": [{"check": "core.nothing", "reason": "x"}]}', "no check is called 'core.nothing'"),
        (f'{{"known": [{{"check": "{QUICK}", "reason": " "}}]}}', "has no reason"),
        (f'{{"known": [{{"check": "{QUICK}"}}]}}', "not a baseline"),
    ],
)
def test_a_bad_baseline_is_refused(kit, tmp_path, sound_server, text, said):
    (tmp_path / "known.json").write_text(text)

    done = kit(sound_server, "--baseline", "known.json")

    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert said in done.stderr


def test_a_run_that_tries_nothing_is_no_success(kit, sound_server):
    done = kit(sound_server, "--only", "auth")

    assert done.returncode == 2
    assert "could not be judged" in done.stdout


def test_given_entries_are_checked_before_anything_is_asked(kit, tmp_path):
    entry = {"key": "a", "value": {"type": "json", "data": "{", "encoding": "json"}}
    (tmp_path / "data.json").write_text(json.dumps({"namespace": "a", "entries": [entry]}))

    done = kit("http://127.0.0.1:9", "--read-only", "data.json")

    assert done.returncode == 2
    assert "not a file of known entries: Not strict JSON" in done.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "no JSON at line 1, column 2"),
        (b"\xff", "it is not UTF-8"),
        (b"{}", "is missing"),
        (b"[]", "of another type than it has to be"),
    ],
)
@pytest.mark.parametrize("read", [read_given, lambda path: read_baseline(path, ())])
def test_what_is_wrong_with_a_file_is_told_without_names_of_classes(tmp_path, read, text, said):
    (tmp_path / "file").write_bytes(text)

    with pytest.raises(SetupError, match=said) as refused:
        read(str(tmp_path / "file"))
    assert "Error" not in str(refused.value)
