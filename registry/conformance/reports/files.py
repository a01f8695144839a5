"""Reports as files: opened before the run, so that a path that cannot be written is known at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from registry.conformance.check import SetupError
from registry.conformance.reports.html import html_report
from registry.conformance.reports.json_report import json_report
from registry.conformance.reports.junit import junit_report
from registry.conformance.reports.markdown import markdown_report
from registry.conformance.reports.summary import Summary

WRITERS: Mapping[str, Callable[[Summary], str]] = {
    "--junit": junit_report,
    "--json": json_report,
    "--markdown": markdown_report,
    "--html": html_report,
}


def check_paths(paths: Mapping[str, str | None]) -> None:
    """Make each file.

    Raises:
        SetupError: one cannot be written.
    """
    for option, path in paths.items():
        if path:
            try:
                Path(path).open("a", encoding="utf-8").close()
            except OSError as error:
                raise SetupError(f"{option} {path}: cannot be written: {error.strerror}") from None


def write_reports(summary: Summary, paths: Mapping[str, str | None]) -> None:
    """Write each report that was asked for.

    Raises:
        SetupError: one cannot be written.
    """
    for option, path in paths.items():
        if path:
            try:
                Path(path).write_text(WRITERS[option](summary), encoding="utf-8")
            except OSError as error:
                raise SetupError(f"{option} {path}: cannot be written: {error.strerror}") from None
