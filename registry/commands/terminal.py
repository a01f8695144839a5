"""What commands print. Names and values were chosen by others: a terminal shows them and obeys none."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from registry.errors import ValidationError
from registry.text import visible

_PIPE_WIDTH = 100_000


def say(text: str) -> None:
    """Print a line."""
    typer.echo(visible(text))


def say_json(value: Any) -> None:
    """Print a value as JSON that no terminal obeys and every parser reads as the same value."""
    ascii_only = (sys.stdout.encoding or "").lower() not in ("utf-8", "utf8")
    text = json.dumps(value, indent=2, ensure_ascii=ascii_only)
    # Only strings can hold these, and there an escape is the same character.
    typer.echo("".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text))


def open_closed_streams() -> None:
    """Give a process that was started with closed standard streams ones that fail as closed ones do.

    Python has None in their place, and the next file or socket would get their descriptors.
    """
    for descriptor, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            # Reading only: what is written to a closed output is an error, and not lost in silence.
            flags = os.O_WRONLY if descriptor == 2 else os.O_RDONLY
            opened = os.open(os.devnull, flags)
            if opened != descriptor:
                os.dup2(opened, descriptor)
                os.close(opened)
            setattr(sys, name, open(descriptor, mode, closefd=False))  # noqa: SIM115 - for the process


def do_without_output() -> None:
    """Discard what is printed if standard output was closed: a server serves without it."""
    if sys.__stdout__ is None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def show_what_cannot_be_encoded() -> None:
    """Have the standard streams write as an escape what their encoding lacks, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def drop_what_cannot_be_written() -> None:
    """Let go of output that nobody takes, which Python would try to write, and complain of, at the end."""
    try:
        sys.stdout.flush()
    except OSError:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def explained(error: ValidationError) -> str:
    """What `str` says of an error, made visible."""
    lines = [visible(error.message)]
    lines += [f"  suggestion: {visible(suggestion)}" for suggestion in error.suggestions]
    lines += [f"  {visible(name)}: {visible(str(value))}" for name, value in error.context.items()]
    return "\n".join(lines)


class TextTable:
    """A table of texts, never of markup; a column whose name begins with ``>`` is of numbers."""

    def __init__(self, *columns: str) -> None:
        self._table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            number = column.startswith(">")
            self._table.add_column(column.lstrip(">"), justify="right" if number else "left", no_wrap=number)

    def add(self, *cells: str) -> None:
        """Add a row."""
        self._table.add_row(*map(_cell, cells))

    def print(self, nothing: str) -> None:
        """Print it, or ``nothing`` where it has no rows."""
        if self._table.row_count:
            _console().print(self._table)
        else:
            say(nothing)


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Print names beside what is known under them."""
    table = Table.grid(padding=(0, 2))
    for name, value in facts:
        table.add_row(_cell(name.replace("_", " ")), _cell(value))
    _console().print(table)


def _cell(text: str) -> Text:
    return Text(visible(text), overflow="fold")  # a name that was cut cannot be asked for


def _console() -> Console:
    """As wide as the terminal; in a pipe a row is a line, whatever its length."""
    return Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
