"""Each benchmark runs and answers its questions. How fast, is not for a test to say: machines differ."""

from __future__ import annotations

import json
from dataclasses import replace
from math import isfinite

import pytest

from tests.benchmarks import __main__ as command
from tests.benchmarks import charts, page, traffic
from tests.benchmarks.load import generate
from tests.benchmarks.machine import BenchmarkError
from tests.benchmarks.measure import Effort, Finding, at_least, at_most, figure, run
from tests.benchmarks.servers import Servers

NOWHERE = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
QUICK = Effort(rounds=1, seconds=0.02, load="bundled", most=12)


@pytest.fixture(scope="module")
def servers():
    with Servers() as servers:
        yield servers


@pytest.mark.parametrize("benchmark", command.BENCHMARKS, ids=lambda benchmark: benchmark.name)
def test_every_question_is_answered_in_every_round(benchmark, servers):
    result = run(replace(benchmark, slices=1), QUICK, servers)

    for finding in result.findings:
        assert len(finding.values) == QUICK.rounds
        assert all(isfinite(value) for value in finding.values)


def test_the_default_generator_counts_answers(servers):
    url = servers.url("bare")

    assert generate(url, traffic.sets(url), connections=2, seconds=0.02).answers > 0


@pytest.mark.parametrize("generator", ["auto", "bundled"])
def test_a_server_that_answers_with_errors_is_not_measured(generator, servers):
    with pytest.raises(BenchmarkError):
        generate(servers.url("starlette"), [NOWHERE], connections=2, seconds=0.02, generator=generator)


def test_a_server_that_does_not_start_is_named_with_its_words(servers):
    with pytest.raises(BenchmarkError, match="KeyError"):
        servers.url("nobody")


def test_a_target_is_held_against_the_median():
    finding = Finding(figure("anything", "", at_least(2), at_most(1.9)), [1, 2, 9])

    assert [holds for _, holds in finding.verdicts()] == [True, False]


def test_the_command_writes_what_it_printed(tmp_path, capsys):
    file = tmp_path / "result.json"

    assert command.main(["--only", "lookup", "--rounds", "1", "--seconds", "0.01", "--json", str(file)]) == 0

    printed = capsys.readouterr().out
    [written] = json.loads(file.read_text())["benchmarks"]
    assert all(finding["name"] in printed for finding in written["findings"])


def test_the_page_is_renewed_between_its_marks(tmp_path):
    page_of_a_run = tmp_path / "benchmarks.md"
    page_of_a_run.write_text("Said.\n<!-- measured: wire-get -->\nold\n<!-- end -->\nSaid too.\n")
    measured = json.loads((page.PAGE.with_suffix("") / page.RESULTS).read_text())

    page.write(measured, page_of_a_run)

    written = page_of_a_run.read_text()
    assert written.startswith("Said.\n") and written.endswith("Said too.\n")
    assert "\nold\n" not in written and "| memory / starlette |" in written
    assert {file.stem for file in (tmp_path / "benchmarks").glob("*.svg")} == charts.CHARTS.keys()


def test_a_page_that_asks_for_more_than_was_measured_stays_as_it_is(tmp_path):
    page_of_a_run = tmp_path / "benchmarks.md"
    page_of_a_run.write_text("<!-- measured: nothing -->\n<!-- end -->\n")
    measured = json.loads((page.PAGE.with_suffix("") / page.RESULTS).read_text())

    with pytest.raises(BenchmarkError, match="nothing was not measured"):
        page.write(measured, page_of_a_run)

    assert page_of_a_run.read_text() == "<!-- measured: nothing -->\n<!-- end -->\n"
