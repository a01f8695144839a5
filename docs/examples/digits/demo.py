"""Runs the whole example: a server, a publisher, four workers, and a table of what they found."""

import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from registry.testing import ServerProcess

HERE = Path(__file__).parent
WORKERS = 4
WORST_CASE_SECONDS = 300.0


def work(worker):
    """What a spawned process runs: it imports the worker's module, and that of the registries."""
    sys.path.insert(0, str(HERE))
    from worker import search

    search(worker)


def main():
    """Run the example with its command-line options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="folder for the server's database (a new temporary one)")
    parser.add_argument("--kill-server", action="store_true", help="kill and restart it in the middle")
    parser.add_argument("--quick", action="store_true", help="search half of the grid")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = (options.data or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        server = ServerProcess(f"sqlite:///{folder}/registry.db")
        run(server, Console(), kill_server=options.kill_server, quick=options.quick)


def run(server, console, *, kill_server, quick):
    """The example from start to end; leaves no process behind."""
    with server:
        os.environ["REGISTRY_SERVER_URL"] = server.url
        sys.path.insert(0, str(HERE))
        console.print(f"server on {server.url}, data in SQLite")
        publish = [sys.executable, str(HERE / "publish.py"), *(["--quick"] if quick else [])]
        subprocess.run(publish, check=True)
        search_together(server, console, kill_server=kill_server)
        show_best(console, "The best of the grid")
        server.restart()
        show_best(console, "The same, read from the server after a restart", rows=3)


def search_together(server, console, *, kill_server):
    """Start the workers and show how far they are, until the last has ended."""
    from registries import Grid, Results

    from registry import RemoteError

    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=work, args=(n,)) for n in range(1, WORKERS + 1)]
    total = len(Grid)
    deadline = time.monotonic() + WORST_CASE_SECONDS
    for worker in workers:
        worker.start()
    try:
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
        ) as progress:
            bar = progress.add_task(f"{WORKERS} workers", total=total)
            while any(worker.is_alive() for worker in workers):
                if time.monotonic() > deadline:
                    raise SystemExit("the workers took too long")
                try:
                    done = len(Results)
                except RemoteError:
                    continue
                progress.update(bar, completed=done)
                if kill_server and done >= total // 3:
                    kill_server = False
                    server.kill()
                    progress.console.print("server killed; starting it again on the same data")
                    server.start()
                time.sleep(0.1)
            progress.update(bar, completed=len(Results))
    finally:
        for worker in workers:
            worker.terminate()
            worker.join()
    if kill_server:
        raise SystemExit("the search was over before the server could be killed")
    failed = [worker for worker in workers if worker.exitcode]
    if failed or len(Results) != total:
        raise SystemExit(f"{len(failed)} workers failed; {len(Results)} of {total} points have a result")


def show_best(console, title, rows=10):
    """A table of the results with the lowest cross entropy."""
    from registries import Results

    results = sorted(Results.items(), key=lambda item: item[1]["losses"]["cross_entropy"])
    table = Table("Model", "Parameters", "Loss", "Errors", "Worker", title=title, title_justify="left")
    for _, result in results[:rows]:
        losses = result["losses"]
        table.add_row(
            result["model"],
            " ".join(f"{name}={value}" for name, value in result["parameters"].items()),
            f"{losses['cross_entropy']:.4f}",
            f"{losses['error_rate']:.2%}",
            str(result["worker"]),
        )
    console.print(table)
    console.print(f"{len(results)} results, by {len({result['worker'] for _, result in results})} workers")


if __name__ == "__main__":
    main()
