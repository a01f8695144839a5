"""``make bench``: peers and product side by side in one run, each ratio with its target."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tests.benchmarks import (
    cached_lookups,
    growth,
    in_process,
    local_lookups,
    local_threads,
    machine,
    over_the_wire,
    page,
    remote_client,
    remote_peers,
    report,
    watchers,
)
from tests.benchmarks.load import BUNDLED_NOTE, wrk_is_there
from tests.benchmarks.machine import BenchmarkError
from tests.benchmarks.measure import Benchmark, Effort, Result, run
from tests.benchmarks.peers.stores import INSTALL_ETCD, etcd_is_there
from tests.benchmarks.servers import Servers

BENCHMARKS: tuple[Benchmark, ...] = (
    *over_the_wire.BENCHMARKS,
    *in_process.BENCHMARKS,
    *local_lookups.BENCHMARKS,
    *local_threads.BENCHMARKS,
    *remote_client.BENCHMARKS,
    *remote_peers.BENCHMARKS,
    *watchers.BENCHMARKS,
    *growth.BENCHMARKS,
    *cached_lookups.BENCHMARKS,
)

_DESCRIPTION = """\
Measure the registry against what it would be compared with: bare frameworks, other registries, a class
written by hand, plain httpx. In each round every contender runs once, in turn forwards and backwards, so that
a ratio compares the same moment of the machine; printed is the median of the rounds' ratios, with the range.
Trust ratios; a rate or a time tells of this machine at this moment.
"""

_EXAMPLES = """\
examples:
  make bench                                       everything, some twenty minutes
  make bench ARGS="--only wire-get wire-set"       the server only
  make bench ARGS="--only lookup threads"          what a registry of one process costs
  make bench ARGS="--rounds 25 --json result.json" more rounds; all numbers kept
  make bench ARGS="--page"                         everything, and docs/benchmarks.md renewed
  make bench ARGS="--clock cpu"                    on a machine that does other work beside it
  make bench ARGS="--rounds 1 --seconds 0.1"       a quick look

A target is what the median should reach; one marked "later" is not promised yet.
"""


_FILE_WIDTH = 120
"""Columns where the output is no terminal."""


def _arguments(words: list[str]) -> argparse.Namespace:
    names = [benchmark.name for benchmark in BENCHMARKS]
    lines = "\n".join(f"  {benchmark.name:<14} {benchmark.about}" for benchmark in BENCHMARKS)
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description=_DESCRIPTION,
        epilog=f"benchmarks:\n{lines}\n\n{_EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=_count, default=9, help="paired rounds of each benchmark (9)")
    parser.add_argument(
        "--seconds",
        type=_seconds,
        default=1.0,
        help="for each contender in a round; wrk takes whole ones (1)",
    )
    parser.add_argument(
        "--only", nargs="+", choices=names, metavar="NAME", help="run these only; names below"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured there")
    parser.add_argument(
        "--page", action="store_true", help="renew the tables and charts of docs/benchmarks.md from this run"
    )
    parser.add_argument(
        "--load",
        choices=("auto", "wrk", "bundled"),
        default="auto",
        help="what makes the load (wrk if it is there)",
    )
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu counts what the measured process computes: steady beside other work, blind to waiting",
    )
    return parser.parse_args(words)


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1_000:
        raise argparse.ArgumentTypeError("1 to 1000")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number <= 60:
        raise argparse.ArgumentTypeError("more than 0, at most 60")
    return number


def main(words: list[str]) -> int:
    """Run what the command line asks for; 1 where something could not be measured."""
    options = _arguments(words)
    effort = Effort(options.rounds, options.seconds, options.load, options.clock)
    console = Console(width=None if sys.stdout.isatty() else _FILE_WIDTH)
    about = machine.description()
    report.print_machine(console, about)
    if options.load != "bundled" and not wrk_is_there():
        console.print(BUNDLED_NOTE, style="yellow")
    if not etcd_is_there():
        console.print(INSTALL_ETCD, style="yellow")
    chosen = [benchmark for benchmark in BENCHMARKS if options.only is None or benchmark.name in options.only]
    results: list[Result] = []
    if options.page and options.only:
        console.print("--page is of everything: leave out --only", style="red")
        return 1
    try:
        with Servers() as servers:
            for benchmark in chosen:
                results.append(_watched(benchmark, effort, servers, console))
                report.print_result(console, results[-1])
        if options.page:
            page.write(report.as_json(about, effort, results))
    except BenchmarkError as error:
        console.print(f"Cannot measure: {error}", style="red", markup=False)
        return 1
    finally:
        if options.json is not None:
            options.json.write_text(json.dumps(report.as_json(about, effort, results), indent=2) + "\n")
    return 0


def _watched(benchmark: Benchmark, effort: Effort, servers: Servers, console: Console) -> Result:
    """Run a benchmark under a progress bar, which goes when it is done."""
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(f"{benchmark.name}: starting", total=None)

        def watch(contender: str, done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, description=f"{benchmark.name}: {contender}")

        return run(benchmark, effort, servers, watch)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the servers are stopped too
    sys.exit(main(sys.argv[1:]))
