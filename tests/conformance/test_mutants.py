"""The kit says of a broken server what is broken, and of a sound one nothing."""

import pytest

from registry.conformance.check import Verdict
from registry.conformance.checks import all_checks
from registry.conformance.options import Options
from registry.conformance.session import Session
from tests.conformance.mutants import SOUND, Guarded, mutants, restart_command
from tests.conformance.mutants_table import PAGE, parted, table
from tests.conformance.reference import Reference
from tests.conformance.serving import serving

CHECKS = {check.id: check for check in all_checks()}
HANGS = {"watch": 2.0, "core.a_body_over_the_limit_is_413_unread": 2.0}
"""Seconds to wait where a broken server does not answer at all."""


def options_for(url, check=None):
    timeout = HANGS.get(check.id, HANGS.get(check.profile, 30.0)) if check else 30.0
    tokens = {"token": "good", "reader_token": "reader", "revoked_token": "revoked"}
    return Options(url, timeout=timeout, restart=restart_command(url), **tokens)


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.server.__name__)
def test_a_broken_server_is_caught_by_the_check_that_names_its_promise(mutant):
    check = CHECKS[mutant.check]
    assert mutant.promise in check.promises

    with serving(mutant.server()) as url, Session(options_for(url, check)) as session:
        result = session.result(check)

    assert result.verdict is Verdict.FAIL, result.message
    assert result.message
    assert check.id in HANGS or "not answered" not in result.message


@pytest.mark.timeout(240)
@pytest.mark.parametrize("server", SOUND, ids=lambda server: server.__name__)
def test_nothing_is_said_of_a_sound_server(server):
    """Every check that catches a mutant passes on the server that the mutants are made of."""
    caught_by = {
        mutant.check for mutant in mutants() if server is Reference or mutant.check.startswith("auth.")
    }
    checks = [check for check in CHECKS.values() if check.id in caught_by]

    with serving(server()) as url, Session(options_for(url)) as session:
        results = list(session.run(checks))

    others = {result.check.id: result for result in results if result.verdict is not Verdict.PASS}
    assert {check for check in others if server is Guarded or not check.startswith("auth.")} == set()


def test_there_is_a_mutant_for_every_promise_that_a_server_can_break():
    promised = {promise for check in CHECKS.values() for promise in check.promises}

    assert promised - {mutant.promise for mutant in mutants()} == set()
    assert len(mutants()) >= 40


def test_the_page_has_the_table_of_broken_servers():
    rows = parted(PAGE.read_text(encoding="utf-8"))[1]

    assert rows == table(), "run: python -m tests.conformance.mutants_table"
