"""The kit as it is used: the command, baselines, profiles, the plugin, and our own server."""

import json
import re
import ssl
import subprocess
import sys
from collections import Counter

import jsonschema_rs
import pytest
import trustme

from registry.conformance.check import PROFILES, Level, Verdict
from registry.conformance.checks import all_checks
from registry.conformance.contract import promises_of
from registry.conformance.options import Options
from registry.conformance.read_only_data import GivenEntry
from registry.conformance.sequences import mismatch, sequence_files
from registry.conformance.session import Session
from registry.conformance.uncovered import NOT_OBSERVABLE
from registry.spec import spec_text
from tests.conformance.conftest import QUICK
from tests.conformance.mutants import AlwaysCreates, CountsSets, Guarded
from tests.conformance.reference import Problem, Reference
from tests.conformance.serving import serving
from tests.server.processes import ROOT, environment

CHECKS = {check.id: check for check in all_checks()}
LENGTH = "core.length_counts_entries"


def test_every_promise_is_covered_by_a_check_that_must_pass():
    covered = {
        promise for check in CHECKS.values() if check.level is Level.MUST for promise in check.promises
    }

    assert promises_of(spec_text()) - covered == set(NOT_OBSERVABLE)
    assert covered <= promises_of(spec_text())
    assert all(len(reason) > 20 for reason in NOT_OBSERVABLE.values())


def test_checks_have_an_id_of_their_own_a_profile_and_a_claim():
    assert len(CHECKS) == len(all_checks()) > 100
    assert {check.profile for check in CHECKS.values()} == set(PROFILES)
    for check in CHECKS.values():
        assert re.fullmatch(r"[a-z-]+\.[a-z0-9_]+", check.id)
        assert check.claim.endswith(".")
        assert check.promises


@pytest.mark.parametrize("name", sequence_files())
def test_sequences_have_their_form(name):
    schema = json.loads((ROOT / "registry/conformance/sequences/sequence.schema.json").read_text())

    jsonschema_rs.Draft7Validator(schema).validate(sequence_files()[name])


@pytest.mark.parametrize(
    ("wanted", "found", "fits"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": {"$absent": True}}, {}, True),
        ({"a": {"$absent": True}}, {"a": None}, False),
        ({"a": {"$type": "integer"}}, {"a": 1}, True),
        ({"a": {"$type": "integer"}}, {"a": True}, False),
        ([1, {"a": 1}], [1, {"a": 1, "b": 2}], True),
        ([1], [1, 2], False),
        ("text", "text", True),
    ],
)
def test_expected_bodies_are_compared_as_the_format_says(wanted, found, fits):
    assert (mismatch(wanted, found) == "") is fits


def test_a_failing_server_is_exit_1_with_the_promise_and_a_curl_line(kit):
    with serving(AlwaysCreates()) as url:
        done = kit(url, "--only", QUICK)

    assert done.returncode == 1, done.stderr
    assert f"{QUICK}  REG-SET-01, REG-GET-01" in done.stdout
    assert "answered 'created', not 'replaced'" in done.stdout
    assert f"curl -sS -i -X POST {url}/registry/conformance." in done.stdout
    assert "does not conform" in done.stdout


def test_a_sound_server_is_exit_0(kit, sound_server):
    done = kit("conformance", sound_server, "--only", "REG-LEN-*", "--skip", LENGTH, "-v", module="registry")

    assert done.returncode == 0, done.stderr
    assert "core.sequence_life_of_an_entry" in done.stdout
    assert f"disabled    {LENGTH}" in done.stdout


def test_fail_fast_ends_with_the_first_failure():
    with serving(CountsSets()) as url, Session(Options(url, fail_fast=True)) as session:
        results = list(session.run([CHECKS[LENGTH], CHECKS["core.clear_is_one_change"]]))

    assert [result.verdict for result in results] == [Verdict.FAIL]


def test_a_should_that_is_broken_is_a_warning(kit, tmp_path):
    class Laconic(Reference):
        def missing(self, space, key, namespace, suggest=0):
            problem = super().missing(space, key, namespace, suggest)
            del problem.members["context"]
            return problem

    with serving(Laconic()) as url:
        done = kit(url, "--only", "core.a_missing_key_says_what_was_asked", "--json", "report.json")

    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "report.json").read_text())["counts"]["warn"] == 1


def test_a_known_failure_is_no_failure_and_one_that_passes_is(kit, tmp_path):
    (tmp_path / "known.json").write_text(json.dumps({"known": [{"check": LENGTH, "reason": "see #12"}]}))

    with serving(CountsSets()) as broken:
        known = kit(broken, "--only", LENGTH, "--baseline", "known.json")
    with serving(Reference()) as sound:
        passes = kit(sound, "--only", LENGTH, "--baseline", "known.json")

    assert known.returncode == 0, known.stdout + known.stderr
    assert passes.returncode == 1
    assert "it passes, and is in the baseline as known to fail (see #12)" in passes.stdout


def test_the_same_seed_asks_the_same():
    def asked(seed):
        reference = Reference()
        with serving(reference) as url, Session(Options(url, seed=seed)) as session:
            result = session.result(CHECKS["core.any_script_agrees_with_the_model"])
        assert result.verdict is Verdict.PASS, result.message
        return [exchange.request_body for exchange in result.exchanges]

    assert asked(7) == asked(7)
    assert asked(7) != asked(8)


def test_namespaces_are_emptied_and_lie_below_the_prefix():
    reference = Reference()
    with serving(reference) as url, Session(Options(url, prefix="mine.kit")) as session:
        names = ["core.namespaces_are_listed_by_name", "core.clear_leaves_other_namespaces", LENGTH]
        assert {session.result(CHECKS[name]).verdict for name in names} == {Verdict.PASS}

    assert all(name.startswith("mine.kit.") for name in reference.spaces)
    assert [name for name, space in reference.spaces.items() if space.entries] == []


def fill(reference, namespaces, keys=("a", "b")):
    with reference.moved:
        for namespace in namespaces:
            for key in keys:
                reference.store(reference.space(namespace), key, given().value)


def test_others_may_use_the_server_meanwhile():
    """Entries of somebody else change nothing, and are there afterwards."""
    reference = Reference()
    fill(reference, [f"research.n{number}" for number in range(50)])
    about_all = {"REG-NSP-01", "REG-SRV-03"}
    with serving(reference) as url, Session(Options(url)) as session:
        results = [session.result(check) for check in CHECKS.values() if about_all & {*check.promises}]

    assert {result.verdict for result in results} == {Verdict.PASS}
    assert sum(len(space.entries) for space in reference.spaces.values()) == 100


def given(data="1"):
    return GivenEntry("research", "a", {"type": "json", "data": data, "encoding": "json"})


@pytest.mark.parametrize(("data", "verdict"), [("1", Verdict.PASS), ("2", Verdict.FAIL)])
def test_a_server_that_is_only_read_is_held_against_given_data(data, verdict):
    class ReadOnly(Reference):
        def set_entry(self, namespace, body, fields):
            raise Problem(403, "forbidden")

        batch_set = clear_namespace = delete_entry = set_entry

    reference = ReadOnly()
    fill(reference, ["research"])
    with serving(reference) as url, Session(Options(url, data=(given(data),))) as session:
        results = list(session.run(list(CHECKS.values())))

    verdicts = Counter(result.verdict for result in results if result.check.profile == "read-only")
    assert verdicts[verdict] >= 1 and set(verdicts) <= {Verdict.PASS, verdict}
    assert {result.verdict for result in results if result.check.profile != "read-only"} == {Verdict.DISABLED}
    assert set(reference.counts) & {"set_entry", "batch_set", "delete_entry", "clear_namespace"} == set()


def test_a_token_is_sent_and_read_from_the_environment(kit):
    with serving(Guarded()) as url:
        assert kit(url, "--only", QUICK, REGISTRY_SERVER_TOKEN="good").returncode == 0
        assert kit(url, "--only", QUICK, "--token", "bad").returncode == 2


@pytest.mark.parametrize("check", [QUICK, "core.a_body_over_the_limit_is_413_unread"])
def test_https_is_trusted_by_its_authority_and_else_refused(kit, tmp_path, check):
    authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")

    with serving(Reference(), tls) as url:
        trusted = kit(url, "--only", check, "--ca", "ca.pem")
        unknown = kit(url, "--only", check)

    assert trusted.returncode == 0, trusted.stdout + trusted.stderr
    assert unknown.returncode == 2
    assert "does not answer" in unknown.stderr and "certificate" in unknown.stderr.lower()


def test_the_list_of_checks_asks_nobody(kit):
    done = kit("http://127.0.0.1:9", "--list", "--only", "REG-SET-02")

    assert done.returncode == 0
    assert "core.an_equal_value_changes_nothing  MUST REG-SET-02" in done.stdout


def test_without_the_extra_it_says_what_to_install(tmp_path):
    without = "import sys; sys.modules['jsonschema_rs'] = None; "
    code = f"{without}from registry.conformance.command import main; main()"

    done = subprocess.run(
        [sys.executable, "-c", code, "http://127.0.0.1:9"],
        capture_output=True,
        text=True,
        env=environment(tmp_path),
        timeout=60,
    )

    assert done.returncode == 2
    assert "pip install '.[conformance]'" in done.stderr


NOT_FROM_ENTRY_POINTS = ["-p", "no:namestead", "-p", "no:namestead-conformance"]
PLUGIN = [
    "pytest",
    *NOT_FROM_ENTRY_POINTS,
    "-p",
    "registry.conformance.pytest_plugin",
    "-p",
    "no:cacheprovider",
]


def test_each_check_is_a_test_of_pytest(kit, tmp_path):
    (tmp_path / "test_own.py").write_text("def test_own(): pass\n")
    with serving(CountsSets()) as url:
        done = kit(
            "--registry-url",
            url,
            "-q",
            "-k",
            "length or asks_for_a_token or test_own",
            module=" ".join([*PLUGIN, "-rs"]),
        )

    assert done.returncode == 1, done.stdout + done.stderr
    assert "1 failed, 1 passed, 1 skipped" in done.stdout, done.stdout
    assert "REG-LEN-01 (MUST)" in done.stdout
    assert "the server does not offer auth" in done.stdout


def test_pytest_without_a_server_or_without_the_option_is_left_alone(kit, tmp_path):
    (tmp_path / "test_own.py").write_text("def test_own(): pass\n")

    assert "1 passed" in kit("-q", module=" ".join(PLUGIN)).stdout
    done = kit("--registry-url", "http://127.0.0.1:9", module=" ".join(PLUGIN))
    assert done.returncode == 4
    assert "does not answer" in done.stderr


QUICKLY = [check for check in CHECKS.values() if check.id != "core.any_request_is_answered_as_documented"]
"""What Schemathesis generates is asked by `tests/server/test_conformance_fuzz.py` too."""


@pytest.mark.timeout(240)
def test_our_own_server_keeps_every_promise_that_it_claims(start_server):
    server = start_server("memory:")

    with Session(Options(server.url, timeout=30.0)) as session:
        results = list(session.run(QUICKLY))

    assert [f"{result.check.id}: {result.message}" for result in results if result.counts_against] == []
    verdicts = Counter(result.verdict for result in results)
    assert verdicts[Verdict.PASS] > 90 and verdicts[Verdict.ERROR] == verdicts[Verdict.WARN] == 0
