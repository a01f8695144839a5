from __future__ import annotations

import itertools
import sys
import textwrap

import pytest

from tests.unit.registries.conftest import define, define_shared, home, memory_server

__all__ = ["define", "define_shared", "home", "memory_server"]

numbers = itertools.count()


class Folder:
    """A folder on ``sys.path`` in which modules and distributions are written; names are never used twice."""

    def __init__(self, path) -> None:
        self.path = path

    def unused(self, stem="pkg") -> str:
        return f"discovered_{stem}_{next(numbers)}"

    def module(self, source, name=None) -> str:
        """Write a module, or with a dotted ``name`` a submodule of a package; returns its name."""
        name = name or self.unused("module")
        *parents, last = name.split(".")
        folder = self.path.joinpath(*parents)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{last}.py").write_text(textwrap.dedent(source))
        return name

    def package(self, **sources) -> str:
        """A package: ``__init__`` and submodules by name, ``a__b`` for what lies deeper."""
        name = self.unused()
        (self.path / name).mkdir()
        for part, source in {"__init__": "", **sources}.items():
            inner = part if part.startswith("_") else part.replace("__", ".")
            self.module(source, f"{name}.{inner}")
            for parent in (self.path / name).rglob("*"):
                if parent.is_dir() and parent.name != "__pycache__":
                    (parent / "__init__.py").touch()
        return name

    def distribution(self, name, entry_points, version="1.0") -> None:
        folder = self.path / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (folder / "entry_points.txt").write_text(textwrap.dedent(entry_points))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    path = tmp_path / "installed"
    path.mkdir()
    monkeypatch.syspath_prepend(path)
    yield Folder(path)
    for name in [name for name in sys.modules if name.startswith("discovered_")]:
        del sys.modules[name]


@pytest.fixture
def define_local():
    from registry import FunctionalRegistry

    def make(base=FunctionalRegistry, **keywords):
        class Losses(base, **keywords):
            pass

        return Losses

    return make
