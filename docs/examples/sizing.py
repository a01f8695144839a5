"""How many processes and how much memory so many clients need: ``sizing.py 10 1000 100000``.

The costs are processor time and memory that servers over PostgreSQL used, measured as ``docs/operations.md``
says. What clients do is assumed, and stands in `Clients`: change it to what yours do.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass

READ_SECONDS = 750e-6
WRITE_SECONDS = 2_800e-6
DATABASE_READ_SECONDS = 480e-6
DATABASE_WRITE_SECONDS = 1_450e-6
WAKE_SECONDS = 100e-6
"""To answer a poll that waited, and take the next one."""

IDLE_SECONDS = 6e-6
"""What a poll that waits costs in a second."""

PROCESS_MIB = 80.0
WATCHER_KIB = 16.0
USED = 0.5
"""Of a core: what is left free takes peaks, and the clients of a server that dies."""

MOST_WATCHERS = 10_000
"""Polls that a process is to hold, whatever they cost: each is an open socket."""


@dataclass(frozen=True, slots=True)
class Clients:
    """What one client does, on average.

    Attributes:
        reads: uncached reads in a second.
        writes: writes in a second.
        changes: changes in a second that all of them hear of.
    """

    reads: float = 1 / 60
    writes: float = 1 / 600
    changes: float = 1.0


def database_cores(clients: int, of: Clients) -> float:
    """Cores that the database uses for their reads and writes."""
    return clients * (of.reads * DATABASE_READ_SECONDS + of.writes * DATABASE_WRITE_SECONDS)


def processes_for(clients: int, of: Clients) -> tuple[float, int, float]:
    """Cores in use, processes to run (two at least, so that one may die), and MiB of memory."""
    each = of.reads * READ_SECONDS + of.writes * WRITE_SECONDS + of.changes * WAKE_SECONDS + IDLE_SECONDS
    cores = clients * each
    processes = max(2, math.ceil(cores / USED), math.ceil(clients / MOST_WATCHERS) + 1)
    return cores, processes, processes * PROCESS_MIB + clients * WATCHER_KIB / 1_024


def main() -> None:
    print(f"{'clients':>9}  {'cores in use':>12}  {'processes':>9}  {'memory, MiB':>11}  {'database':>8}")
    for clients in map(int, sys.argv[1:]):
        cores, processes, memory = processes_for(clients, Clients())
        database = database_cores(clients, Clients())
        print(f"{clients:>9,}  {cores:>12.3f}  {processes:>9,}  {memory:>11,.0f}  {database:>8.3f}")


if __name__ == "__main__":
    main()
