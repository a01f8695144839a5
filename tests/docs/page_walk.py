"""Walks through a page: every block of it is run, in order, against a live server, and seen to be true.

``README.md`` beside this file says what is done with a block of which language.
"""

from __future__ import annotations

import io
import json
import linecache
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stdout, suppress
from itertools import count
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import httpx
import pytest
import requests

from registry.settings import DEFAULT_PORT
from tests.docs.live_server import ROOT, LiveServer, bare_environment
from tests.docs.markdown import Block, agrees, blocks_of, claims_of
from tests.docs.protocol import answers_alike, check_json_example

PRINTED_SERVER = f"localhost:{DEFAULT_PORT}"
"""The address in the pages: that of a server nobody configured."""

SECURE_PLACE = "/secure/place"
"""The folder in the pages for what is kept from others; the page's own folder stands for it."""

ROUNDS = 2
"""How often an endless loop of a page comes round before its sleep ends it."""


class HttpAnswer(NamedTuple):
    """The latest answer that a block of the page got, and to what."""

    method: str
    path: str
    status: int
    headers: Mapping[str, str]
    body: str


class Record(NamedTuple):
    """What one block did.

    Attributes:
        block: the block.
        names: the page's namespace after it.
        output: all that it printed.
        requests: by how much it raised ``/stats``' number of requests.
        error: what it raised, or None.
    """

    block: Block
    names: dict[str, Any]
    output: str
    requests: int
    error: BaseException | None


class EndOfLoop(BaseException):
    """Ends a loop that runs for ever; nothing that a page catches."""


class PageWalk:
    """One page, its namespace, its server and its folder.

    The namespace calls itself ``__main__``, as a script's does, so its functions travel by value.

    Args:
        page: the page.
        server: what shared registries of the page find.
        folder: where its files are put and its commands run.
        prelude: a page whose blocks are run before the first one under a heading of the same title.
    """

    def __init__(self, page: Path, server: LiveServer, folder: Path, prelude: Path | None = None) -> None:
        self.page = page
        self.server = server
        self.folder = folder
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.environment = dict(os.environ)
        self.answer: HttpAnswer | None = None
        self.output = ""
        self._prelude = {block.heading: block for block in blocks_of(prelude)} if prelude else {}

    def walk(self) -> list[Record]:
        """Run every block; those after one that failed are run too."""
        if "" in self._prelude:
            self._run_python(self._prelude.pop(""))
        return [self._recorded(block) for block in blocks_of(self.page)]

    def _recorded(self, block: Block) -> Record:
        if needed := self._prelude.pop(block.heading, None):
            self._run_python(needed)
        before = self.requests()
        error: BaseException | None = None
        output = io.StringIO()
        try:
            with redirect_stdout(output):
                self.run(block)
        except (Exception, pytest.fail.Exception) as raised:
            error = raised
        # Looking it up is a request too.
        asked = self.requests() - before - 1
        return Record(block, dict(self.names), output.getvalue(), asked, error)

    def requests(self) -> int:
        """How many requests the server has had, this one too."""
        total: int = self.server.get("/stats")["total_requests"]
        return total

    def run(self, block: Block) -> None:
        """Run one block; raises what it raises, and `AssertionError` where it is not true."""
        run = getattr(self, f"_run_{block.language or 'diagram'}", None)
        assert run is not None, f"{block.place}: nobody checks blocks of the language {block.language!r}"
        run(block)

    # ---- python

    def _run_python(self, block: Block) -> None:
        if name := _file_name(block):
            (self.folder / name).write_text(block.text, encoding="utf-8")
            return
        if is_envelope(block):
            check_json_example(eval(block.text), block.place)
            return
        # The page is the source file, so tracebacks and inspect.getsource point into it.
        code = compile("\n" * (block.line - 1) + block.text, str(block.page), "exec", dont_inherit=True)
        printed: list[tuple[int, str]] = []
        self.names["print"] = _printer(printed)
        linecache.checkcache(str(block.page))
        with suppress(EndOfLoop), bounded_loops(), chdir(self.folder):
            exec(code, self.names)
        self.output = "".join(text for _, text in printed)
        for claim in claims_of(block):
            shown = "".join(text for line, text in printed if claim.after < line < claim.until)
            assert agrees(claim.text, shown), (
                f"{block.place}: printed\n{shown}and the page says\n{claim.text}"
            )

    # ---- what is typed into a shell

    def _run_bash(self, block: Block) -> None:
        self.output = ""
        for command in _commands(block.text.replace(SECURE_PLACE, str(self.folder))):
            words = shlex.split(command, comments=True)
            assignments = {}
            if words[:1] == ["export"]:
                self.environment |= dict(word.split("=", 1) for word in words[1:])
                continue
            while words and re.match(r"[A-Z_]+=", words[0]):
                name, _, assignments[name] = words.pop(0).partition("=")
            if words:
                self._run_command(words, {**self.environment, **assignments}, block.place)

    def _run_command(self, words: list[str], environment: dict[str, str], place: str) -> None:
        known = {
            "curl": self._run_curl,
            "make": _check_make_target,
            "pip": _check_extras,
            "python": self._run_program,
            ".venv/bin/python": self._run_program,  # the one that `make serve` made; here ours
            "registry": self._run_program,
        }
        assert words[0] in known, f"{place}: nobody runs {words[0]!r}"
        known[words[0]](words[1:], environment=environment, program=words[0])

    def _run_program(self, words: list[str], *, environment: dict[str, str], program: str) -> None:
        words = [word.replace(PRINTED_SERVER, f"localhost:{self.server.port}") for word in words]
        arguments = words if program != "registry" else ["-m", "registry", *words]
        if starts_a_server(arguments):
            self.output += "\n".join(start_and_stop(arguments, environment)) + "\n"
            print(self.output, end="")
            return
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.output += done.stdout + done.stderr
        print(done.stdout + done.stderr, end="")
        assert done.returncode == 0, f"{shlex.join(arguments)}: {done.stdout}{done.stderr}"

    def _run_curl(self, words: list[str], *, environment: dict[str, str], program: str) -> None:
        """The few options that the pages use; nothing is asked of the machine that tests."""
        method, headers, data, url = "", {}, None, ""
        words = list(words)
        while words:
            word = words.pop(0)
            if word in ("-X", "--request"):
                method = words.pop(0)
            elif word in ("-H", "--header"):
                name, _, value = words.pop(0).partition(":")
                headers[name] = value.strip()
            elif word in ("-d", "--data"):
                data = words.pop(0).encode()
                headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
            elif word not in ("-s", "-i"):
                assert not word.startswith("-") and not url, f"curl {word} is not known here"
                url = word if "://" in word else f"http://{word}"
        self._send(method or ("GET" if data is None else "POST"), url, headers, data)
        print(self.output)

    def _send(self, method: str, url: str, headers: Mapping[str, str], data: bytes | None) -> None:
        target = httpx.URL(url.replace(PRINTED_SERVER, f"localhost:{self.server.port}"))
        # Compiled from its parts: httpx would put the query into a spelling of its own.
        query = f"?{target.query.decode()}" if target.query else ""
        answer = httpx.request(
            method,
            f"{self.server.url}{target.path}{query}",
            headers=dict(headers),
            content=data,
            timeout=30,
            trust_env=False,
        )
        self.answer = HttpAnswer(method, target.path, answer.status_code, answer.headers, answer.text)
        self.output = answer.text

    def _run_text(self, block: Block) -> None:
        assert agrees(block.text, self.output), (
            f"{block.place}: the page says\n{block.text}and it was\n{self.output}"
        )

    # ---- HTTP and JSON

    def _run_http(self, block: Block) -> None:
        head, _, body = block.text.partition("\n\n")
        first, *fields = head.splitlines()
        headers = dict(field.split(": ", 1) for field in fields)
        if first.startswith("HTTP/"):
            self._compare_answer(int(first.split()[1]), headers, body, block.place)
            return
        method, path, version = first.split()
        assert version == "HTTP/1.1", block.place
        self._send(method, self.server.url + path, headers, body.encode() if body.strip() else None)

    def _compare_answer(self, status: int, headers: Mapping[str, str], body: str, place: str) -> None:
        answer = self.answer
        assert answer is not None, f"{place}: an answer, and nothing was asked"
        assert answer.status == status, f"{place}: {answer.status} {answer.body}"
        for name, value in headers.items():
            assert agrees(value, answer.headers[name]), f"{place}: {name}: {answer.headers[name]}"
        if body.strip():
            answers_alike(json.loads(body), json.loads(answer.body), place)

    def _run_json(self, block: Block) -> None:
        """An answer where the block before asked for one, else an example of a form of the protocol."""
        example = json.loads(block.text)
        if self.answer is not None and self.output == self.answer.body:
            answers_alike(example, json.loads(self.answer.body), block.place, exact=True)
        else:
            check_json_example(example, block.place)

    def _run_diagram(self, block: Block) -> None:
        """Nothing to run."""


def is_envelope(block: Block) -> bool:
    """Whether a ``python`` block only shows what an envelope looks like."""
    return block.text.startswith('{\n  "type":')


def _file_name(block: Block) -> str | None:
    """``losses.py`` where the block's first line is ``# losses.py``: a file, run by a later command."""
    named = re.match(r"# (\w+\.py)\b", block.text)
    return named[1] if named else None


def _printer(printed: list[tuple[int, str]]) -> Callable[..., None]:
    """A ``print`` that remembers which line of the page called it."""

    def remember(*values: object, **options: Any) -> None:
        text = io.StringIO()
        print(*values, **{**options, "file": text})
        caller: FrameType | None = sys._getframe(1)
        assert caller is not None
        printed.append((caller.f_lineno, text.getvalue()))
        print(text.getvalue(), end="")

    return remember


@contextmanager
def bounded_loops() -> Iterator[None]:
    """Within the block a sleep of a second or more passes at once, and the last of `ROUNDS` ends the loop."""
    real, rounds = time.sleep, count(1)

    def sleep(seconds: float) -> None:
        if seconds < 1:
            real(seconds)
        elif next(rounds) == ROUNDS:
            raise EndOfLoop

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "sleep", sleep)
        yield


# --- commands --------------------------------------------------------------------------------------


def _commands(text: str) -> list[str]:
    """The commands of a block, lines that a backslash continues put together."""
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def starts_a_server(arguments: list[str]) -> bool:
    """Whether ``python`` with these arguments would serve until it is stopped."""
    if arguments[:1] != ["-m"] or arguments[1] not in ("registry", "registry.__main__"):
        return False
    rest = [word for word in arguments[2:] if word != "--help"]
    return len(rest) == len(arguments) - 2 and (not rest or rest[0] == "serve" or rest[0].startswith("--"))


def start_and_stop(arguments: list[str], environment: Mapping[str, str]) -> list[str]:
    """Start a server as the page says, but on a free port, see that it answers, stop it; what it printed."""
    arguments = list(arguments)
    environment = {name: value for name, value in environment.items() if name != "REGISTRY_SERVER_URL"}
    if "--port" in arguments:
        arguments[arguments.index("--port") + 1] = "0"
    environment["REGISTRY_SERVER_PORT"] = "0"
    server = LiveServer(arguments, environment)
    try:
        assert server.get("/health") == {"status": "healthy", "service": "registry-server"}
    finally:
        server.stop()
    assert server.port != DEFAULT_PORT, "the port that was given was not taken"
    return server.greeting


def _check_make_target(words: list[str], *, environment: Mapping[str, str], program: str) -> None:
    """Making it would install packages; that the target is there, with these options, make itself says."""
    done = subprocess.run(["make", "--dry-run", *words], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    if words[0] == "serve":
        assert "-m registry" in done.stdout


def _check_extras(words: list[str], *, environment: Mapping[str, str], program: str) -> None:
    """What the page installs is this checkout, with extras that it has: no index has this package."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert words[0] == "install"
    for word in words[1:]:
        name, _, extras = word.rstrip("]").partition("[")
        assert name == "."
        assert set(filter(None, extras.split(","))) <= set(project["optional-dependencies"])


# --- the account that a page is run in -------------------------------------------------------------


@contextmanager
def page_account(home: Path, **variables: str) -> Iterator[None]:
    """This process as in an account where nothing is set up but ``variables``."""
    before = dict(os.environ)
    _become(bare_environment(home, **variables))
    try:
        yield
    finally:
        _become(before)


def _become(environment: Mapping[str, str]) -> None:
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


@contextmanager
def printed_server_is(server: LiveServer) -> Iterator[None]:
    """Within the block `requests` finds ``server`` where the pages say that one listens.

    A server really on that port would be another one's, in a second run of these tests beside this one.
    """
    with pytest.MonkeyPatch.context() as patch:
        send = requests.adapters.HTTPAdapter.send

        def redirected(adapter: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
            request.url = request.url.replace(PRINTED_SERVER, f"localhost:{server.port}")
            return send(adapter, request, *args, **kwargs)

        patch.setattr(requests.adapters.HTTPAdapter, "send", redirected)
        yield
