"""A real Jupyter kernel: cells that are changed and run again, and what a notebook shows of a registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from registry import FunctionalRegistry
from tests.server.processes import LiveServer, environment

KERNEL_SECONDS = 60

DEFINE = """
@Losses.register_artifact
def loss(x):
    '''So far from nothing.'''
    return {factor} * x
"""
LOCAL = "from registry import FunctionalRegistry\nclass Losses(FunctionalRegistry): pass"
SHARED = (
    LOCAL.replace("Registry)", "Registry, logic_namespace='notebook.losses')") + "\nLosses.clear_artifacts()"
)

RunCell = Callable[[str], dict[str, str]]


@pytest.fixture(scope="module")
def kernel_environment(tmp_path_factory) -> Iterator[dict[str, str]]:
    """The environment of the kernel: it has a home of its own, and a server."""
    home = tmp_path_factory.mktemp("home")
    server = LiveServer(tmp_path_factory.mktemp("server"), "memory:").start()
    places = {name: str(home / name.lower()) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR")}
    yield environment(home, REGISTRY_SERVER_URL=server.url, **places)
    server.kill()


@pytest.fixture(scope="module")
def run_cell(kernel_environment) -> Iterator[RunCell]:
    """``run_cell(source)``: runs a cell and returns its result by media type; one kernel for all tests."""
    notebook = nbformat.v4.new_notebook()
    client = NotebookClient(notebook, kernel_name="python3", timeout=KERNEL_SECONDS)

    def run(source: str) -> dict[str, str]:
        cell = nbformat.v4.new_code_cell(source)
        notebook.cells.append(cell)
        client.execute_cell(cell, len(notebook.cells) - 1)
        results = [output.data for output in cell.outputs if output.output_type == "execute_result"]
        return dict(results[0]) if results else {}

    with client.setup_kernel(env=kernel_environment, cwd=kernel_environment["HOME"]):
        yield run


@pytest.mark.parametrize("registry", [LOCAL, SHARED], ids=["local", "shared"])
def test_a_cell_that_is_changed_and_run_again_defines_anew(run_cell, registry):
    run_cell(registry)

    for factor in (2, 2, 3):
        run_cell(DEFINE.format(factor=factor))
        assert run_cell("Losses['loss'](10)")["text/plain"] == str(factor * 10)

    assert run_cell("len(Losses)")["text/plain"] == "1"


def test_other_processes_see_the_second_definition(run_cell, kernel_environment, monkeypatch):
    for name in ("HOME", "XDG_CONFIG_HOME", "REGISTRY_SERVER_URL"):  # the same user's, with the same key
        monkeypatch.setenv(name, kernel_environment[name])

    class Losses(FunctionalRegistry, logic_namespace="notebook.losses"):
        pass

    run_cell(SHARED)
    for factor in (2, 3):
        run_cell(DEFINE.format(factor=factor))
        assert Losses["loss"](10) == factor * 10


def test_a_cell_that_takes_the_name_of_another_function_fails_with_both_cells(run_cell):
    run_cell(LOCAL)
    run_cell(DEFINE.format(factor=2))

    with pytest.raises(CellExecutionError, match=r"DuplicateKeyError.*already has 'loss'"):
        run_cell("Losses.register_artifact('loss', max)")

    assert run_cell("Losses['loss'](10)")["text/plain"] == "20"


def test_a_cell_that_runs_the_class_statement_again_begins_an_empty_registry(run_cell):
    run_cell(LOCAL)
    run_cell(DEFINE.format(factor=2))
    run_cell(LOCAL)

    assert run_cell("list(Losses)")["text/plain"] == "[]"


@pytest.mark.parametrize("registry", [LOCAL, SHARED], ids=["local", "shared"])
def test_a_notebook_shows_a_registry_as_a_table(run_cell, registry):
    run_cell(registry)
    run_cell(DEFINE.format(factor=2))

    shown = run_cell("Losses")

    assert shown["text/html"].startswith("<table><caption>Losses</caption>")
    assert "<td>loss</td>" in shown["text/html"]
    assert shown["text/plain"].startswith("<registry __main__.Losses: ")
