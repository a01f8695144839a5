"""The run on a terminal: how far it is, what fails as it fails, and the sum at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn
from rich.table import Table
from rich.text import Text

from registry.conformance.check import Check, Verdict
from registry.conformance.redaction import Redaction
from registry.conformance.reports.curl import curl_line
from registry.conformance.reports.summary import Summary, printable
from registry.conformance.session import Result

_STYLE = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.ERROR: "bold red",
    Verdict.BLOCKED: "red",
    Verdict.WARN: "yellow",
}
_TOLD = (Verdict.FAIL, Verdict.WARN, Verdict.ERROR)
_OUTCOME = ("conforms", "does not conform", "could not be judged")


class Terminal:
    """Prints to standard output; the progress bar only where somebody looks at it."""

    def __init__(self, redaction: Redaction, *, verbose: bool) -> None:
        """``verbose``: a line for every check, and not only for those that do not pass."""
        self._console = Console(highlight=False, soft_wrap=True)
        self._redaction = redaction
        self._verbose = verbose

    def following(self, results: Iterable[Result], checks: list[Check]) -> Iterator[Result]:
        """The results, told as they come."""
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(
            *columns, console=self._console, transient=True, disable=not self._console.is_terminal
        ) as progress:
            task = progress.add_task("checking", total=len(checks))
            for result in results:
                progress.update(task, advance=1, description=f"{result.check.profile:<12}")
                self._tell(result)
                yield result

    def _tell(self, result: Result) -> None:
        told = result.verdict in _TOLD
        if not (told or self._verbose):
            return
        verdict = "known" if result.known else result.verdict.value
        line = Text(f"{verdict:<12}", _STYLE.get(result.verdict, "dim"))
        line.append(f"{result.check.id}  ", "default").append(", ".join(result.check.promises), "dim")
        self._console.print(line)
        if result.message:
            self._console.print(Text(f"            {self._shown(result.message)}"))
        if told and result.exchanges:
            self._console.print(
                Text(f"            {self._shown(curl_line(result.exchanges[-1], self._redaction))}", "dim")
            )

    def _shown(self, text: str) -> str:
        text = printable(self._redaction.text(text))
        return text if len(text) <= 600 else f"{text[:600]}..."

    def sum_up(self, summary: Summary) -> None:
        """The profiles with their counts, and what it comes to."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        table.add_column("Profile")
        names = [name for name, count in summary.counts.items() if count]
        for name in names:
            table.add_column(name, justify="right")
        for profile, results in summary.by_profile().items():
            verdicts = ["known" if result.known else result.verdict.value for result in results]
            table.add_row(profile, *(str(verdicts.count(name) or "") for name in names))
        self._console.print(table)
        outcome = _OUTCOME[summary.exit_code]
        claimed = ", ".join(summary.profiles)
        tail = f" ({claimed}), seed {summary.seed}, {summary.seconds:.1f} s"
        style = "bold green" if summary.exit_code == 0 else "bold red"
        self._console.print(Text(f"{printable(summary.url)} {outcome}", style).append(tail, "default"))
