"""What the pages refer to is there, and what is there is in the pages."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

import registry
from registry.cli import app
from registry.spec import load_spec, spec_text
from registry.storage.problems import raise_problem
from registry_client.models import Problem
from tests.docs.conftest import PAGES
from tests.docs.live_server import ROOT

EVERY_PAGE = sorted({*PAGES, *(ROOT / "docs").rglob("*.md"), ROOT / "CHANGELOG.md"})

_LINK = re.compile(r"\[[^\]]*\]\((?P<target>[^)\s]+)\)")
_FENCED = re.compile(r"```.*?```", re.DOTALL)


def anchors_of(page: Path) -> set[str]:
    """The fragments that its headings have, as forges make them."""
    headings = re.findall(r"^#+ (.*)$", _FENCED.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def codes_in_the_page() -> list[tuple[str, str, str]]:
    """Code, status and exception of each row of the page about errors."""
    page = (ROOT / "docs" / "VALIDATION_ERROR_HANDLING.md").read_text(encoding="utf-8")
    return re.findall(r"^\| `(\w+)` \| (\d{3}) \| `(\w+)` \|", page, re.MULTILINE)


@pytest.mark.parametrize("page", EVERY_PAGE, ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_resolve(page: Path) -> None:
    broken = []
    for link in _LINK.finditer(_FENCED.sub("", page.read_text(encoding="utf-8"))):
        target, _, fragment = link["target"].partition("#")
        if "://" in target:
            continue
        file = (page.parent / target).resolve() if target else page
        if not file.is_file() or (fragment and fragment not in anchors_of(file)):
            broken.append(link["target"])

    assert not broken


def test_every_page_is_reached_from_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    linked = {link["target"].partition("#")[0] for link in _LINK.finditer(index)}

    assert {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"} <= linked


def test_every_public_name_is_in_the_pages() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    missing = [name for name in registry.__all__ if not re.search(rf"\b{name}\b", text)]

    assert not missing


def test_every_exception_and_its_place_in_the_tree_is_in_the_page_about_errors() -> None:
    page = (ROOT / "docs" / "VALIDATION_ERROR_HANDLING.md").read_text(encoding="utf-8")
    tree = page.partition("```\n")[2].partition("```")[0]
    drawn = re.findall(
        r"^(?P<indent>[│├└─ ]*)(?P<name>\w+Error)(?: \((?P<builtin>\w+)\))?", tree, re.MULTILINE
    )
    parents: list[str] = []
    found = {}
    for indent, name, builtin in drawn:
        depth = len(indent) // 4
        parents[depth:] = [name]
        found[name] = (parents[depth - 1] if depth else "Exception", builtin)

    assert found == dict(tree_of_exceptions())


def tree_of_exceptions() -> Iterator[tuple[str, tuple[str, str]]]:
    """Each exception with its base in the tree and the builtin that it also is."""
    for name in registry.__all__:
        kind = getattr(registry, name)
        if isinstance(kind, type) and issubclass(kind, registry.ValidationError):
            own, *others = kind.__bases__
            yield name, (own.__name__, others[0].__name__ if others else "")


def test_every_code_of_the_protocol_is_in_the_page_about_errors() -> None:
    rows = re.findall(r"^\s*\| `(\w+)` \| (\d{3}) \|", load_spec()["info"]["description"], re.MULTILINE)

    assert rows
    assert [(code, status) for code, status, _ in codes_in_the_page()] == rows


@pytest.mark.parametrize(
    ("code", "status", "becomes"),
    # The specification gives no operation this answer, so the generated client does not parse it.
    [row for row in codes_in_the_page() if row[0] != "method_not_allowed"],
)
def test_each_code_becomes_the_exception_that_the_page_says(code: str, status: str, becomes: str) -> None:
    problem = Problem(type_=f"/problems/{code}", title="", status=int(status), detail="", code=code)

    with pytest.raises(registry.ValidationError) as raised:
        raise_problem(problem, "http://localhost:8001")

    assert type(raised.value).__name__ == becomes


def test_every_environment_variable_is_in_the_page_about_settings() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in ("registry", "server/registry_server")
        for path in (ROOT / folder).rglob("*.py")
    )
    variables = set(re.findall(r"\bREGISTRY_[A-Z_]+[A-Z]\b", sources))

    assert len(variables) >= 8
    assert {name for name in variables if f"`{name}`" not in page} == set()


def command_line() -> Iterator[tuple[str, str]]:
    """Every command with each of its options; ``("key new", "--file")``."""
    waiting = [("", typer.main.get_command(app))]
    while waiting:
        name, command = waiting.pop()
        for parameter in command.params:
            for option in (*parameter.opts, *parameter.secondary_opts):
                if option.startswith("--"):
                    yield name, option
        for child, inner in getattr(command, "commands", {}).items():
            waiting.append((f"{name} {child}".strip(), inner))
            yield f"{name} {child}".strip(), "--help"


def about_command(page: str, command: str) -> str:
    """What the page says of a command: its rows and sections, and what holds for all of them."""
    sections = re.split(r"^(?=#+ )", page, flags=re.MULTILINE)
    rows = re.findall(rf"^\| `registry {command}[ `].*$", page, re.MULTILINE)
    own = [section for section in sections if f"`registry {command}`" in section.partition("\n")[0]]
    if not command:
        own += [section for section in sections if "`registry serve`" in section.partition("\n")[0]]
    everywhere = [section for section in sections if section.startswith("### Everywhere")]
    return "\n".join([*rows, *own, *everywhere]) if rows or own else ""


def test_every_command_and_option_is_in_the_page_about_settings() -> None:
    page = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    missing = {
        f"registry {command} {option}"
        for command, option in command_line()
        if command != "key" and option not in about_command(page, command)
    }

    assert missing == set()


def test_the_page_of_promises_is_what_the_contract_promises() -> None:
    checked = subprocess.run(
        [sys.executable, str(ROOT / ".ci" / "promises"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    page = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")

    assert checked.returncode == 0, checked.stderr
    assert set(re.findall(r"\*\*(REG-\w+-\d+)\*\*", page)) == set(
        re.findall(r"\*\*(REG-\w+-\d+)\*\*", spec_text())
    )


def test_nothing_says_to_install_from_an_index() -> None:
    """No index has this package; whoever follows such advice installs nothing, or a stranger's package."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    kept = [ROOT / name for name in listed.stdout.split("\0") if name and not name.startswith("tests/")]
    wrong = re.compile(
        r"pip install\b[^\n`|]*\bnamestead(?![\w.\-]*whl)(?!(\[[\w,]*\])? @ git)|pypi\.org/project/namestead"
    )

    assert [
        f"{file.relative_to(ROOT)}: {found[0]}"
        for file in kept
        if file.is_file() and (found := wrong.search(file.read_text(encoding="utf-8", errors="replace")))
    ] == []


_SCRIPT = re.compile(r"^```python\n(# \w+\.py\n.*?)^```", re.DOTALL | re.MULTILINE)
"""A block that a reader saves as a file and runs."""


def test_no_two_pages_have_scripts_that_share_a_namespace() -> None:
    """Whoever follows both, on one server, would be told that a name is taken."""
    pages_of: dict[str, set[str]] = {}
    for page in PAGES:
        for script in _SCRIPT.findall(page.read_text(encoding="utf-8")):
            for namespace in re.findall(r'logic_namespace="([\w.]+)"', script):
                pages_of.setdefault(namespace, set()).add(page.name)

    assert {"README.md", "tutorial.md"} <= {page for pages in pages_of.values() for page in pages}
    assert {namespace: pages for namespace, pages in pages_of.items() if len(pages) > 1} == {}
