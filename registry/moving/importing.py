"""From a file to a server.

The whole file is read before the first entry is written, so that a damaged line, a signature that cannot be
made anew or, where conflicts are errors, a conflict, leaves the server as it was. Every write is conditional
on what the file was compared with. So an import can be broken off and run again: what is there already is
``unchanged``.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import IO, Final, Literal, NamedTuple, cast

from registry.envelope import keyfile
from registry.envelope.signing import Keyring
from registry.errors import (
    CoercionError,
    DuplicateKeyError,
    ExportFileError,
    RemoteError,
    SignatureError,
    SignatureInvalidError,
)
from registry.files import spooled
from registry.moving.exporting import Progress, moving_timeout
from registry.moving.form import Line, read_lines
from registry.moving.renaming import Renaming
from registry.storage.server import RegistryServer
from registry.storage.transfer import ABSENT, NamespaceTransfer, Offer, Standing
from registry.versions.numbers import is_version

Action = Literal["created", "replaced", "unchanged", "skipped", "conflict"]

POLICIES: Final = ("error", "skip", "replace")
ACTIONS: Final[tuple[Action, ...]] = ("created", "replaced", "unchanged", "skipped", "conflict")

_BATCH_ENTRIES: Final = 1_000
_BATCH_BYTES: Final = 8 * 1024 * 1024
_ROUNDS: Final = 20
"""How often a replaced entry is compared again because somebody else wrote it meanwhile."""


class Planned(NamedTuple):
    """What is done with an entry.

    Attributes:
        namespace: where it goes.
        key: under which key.
        action: ``created``, ``replaced``, ``unchanged`` (it is there, equal in every field), ``skipped``
            (another one is there, and stays), or ``conflict`` (another one is there).
    """

    namespace: str
    key: str
    action: Action


class Imported:
    """What an import did, or would do.

    Attributes:
        dry_run: whether nothing was written.
        counts: how many entries of each namespace had which action.
        entries: what was done with each, those left ``unchanged`` left out; in the order of the file.
        wrongly_signed: namespace and key of each entry that names a signing key held here, and which that key
            has not signed under this name: nobody will read it. What other keys signed is not judged.
    """

    def __init__(self, *, dry_run: bool, wrongly_signed: Sequence[tuple[str, str]] = ()) -> None:
        self.dry_run = dry_run
        self.wrongly_signed = list(wrongly_signed)
        self.counts: dict[str, Counter[str]] = {}
        self.entries: list[Planned] = []

    def add(self, namespace: str, key: str, action: Action) -> None:
        """Note what is done with an entry."""
        self.counts.setdefault(namespace, Counter())[action] += 1
        if action != "unchanged":
            self.entries.append(Planned(namespace, key, action))

    @property
    def done(self) -> int:
        """How many entries, in all."""
        return sum(counts.total() for counts in self.counts.values())

    @property
    def conflicts(self) -> list[Planned]:
        """The entries in whose place there is another one that may not be replaced."""
        return [entry for entry in self.entries if entry.action == "conflict"]

    def total(self, action: Action) -> int:
        """How many entries had this action."""
        return sum(counts[action] for counts in self.counts.values())


def import_entries(
    source: str | os.PathLike[str] | IO[bytes],
    *,
    server: str | None = None,
    token: str | None = None,
    on_conflict: str = "error",
    dry_run: bool = False,
    prefix: str = "",
    to_namespace: Mapping[str, str] | None = None,
    progress: Progress = lambda done, total: None,
) -> Imported:
    """Store the entries of an export on a server, 1,000 a request; no value is decoded.

    Args:
        source: a path, or a binary stream.
        server: the server's URL; from the environment unless given.
        token: bearer token; from the environment unless given.
        on_conflict: what is done where another entry has the key: ``error`` writes nothing at all, ``skip``
            leaves it, ``replace`` replaces it, unless it is a version with other content.
        dry_run: write nothing; say what would be done.
        prefix: only keys that begin with this.
        to_namespace: from old to new namespaces; what is signed is signed anew, see
            `registry.moving.renaming`.

    Raises:
        ExportFileError: the file is no export or damaged; names the line. Nothing was written.
        DuplicateKeyError: there are conflicts. Nothing was written, but where they came up meanwhile.
        SignatureError: an entry cannot be signed for its new name. Nothing was written.
        CoercionError: the policy, or a namespace to be renamed, is not known. Nothing was written.
        RemoteError: the server gave no usable answer; part of it may be written. Run it again.
    """
    if on_conflict not in POLICIES:
        raise CoercionError(f"{on_conflict!r} is no policy for conflicts", [f"one of {', '.join(POLICIES)}"])
    renaming = Renaming(to_namespace or {})
    with _readable(source) as (file, name):
        job = _Import(file, name, (server, token), on_conflict, prefix, renaming, progress)
        job.check()
        if dry_run:
            return job.plan()
        if on_conflict == "error":
            _refuse_conflicts(job.plan())
        return job.write()


class _Import:
    """One import under way."""

    def __init__(
        self,
        file: IO[bytes],
        name: str,
        server: tuple[str | None, str | None],
        on_conflict: str,
        prefix: str,
        renaming: Renaming,
        progress: Progress,
    ) -> None:
        self._file = file
        self._name = name
        url, self._token = server
        self._server = RegistryServer(url, timeout=moving_timeout(), token=self._token)
        self._on_conflict = on_conflict
        self._prefix = prefix
        self._renaming = renaming
        self._progress = progress
        self._total = 0
        self._wrongly_signed: list[tuple[str, str]] = []

    def check(self) -> None:
        """Read the file to its end, and count."""
        places: dict[tuple[str, str], int] = {}
        keyring = _held_keys()
        for line in self._lines():
            earlier = places.setdefault((line.namespace, line.key), line.number)
            if earlier != line.number:
                raise ExportFileError(
                    f"{self._name}, line {line.number}: {line.key!r} of {line.namespace} stands in line "
                    f"{earlier} too",
                    context={"path": self._name, "line": line.number},
                )
            if keyring is not None and _is_wrongly_signed(line, keyring):
                self._wrongly_signed.append((line.namespace, line.key))
        self._renaming.check_all_met()
        self._total = len(places)

    def plan(self) -> Imported:
        """What would be done, as the server is now."""
        report = Imported(dry_run=True, wrongly_signed=self._wrongly_signed)
        for batch in self._batches():
            standing = self._transfer(batch).standing([line.key for line in batch])
            for line in batch:
                report.add(line.namespace, line.key, self._action(line, standing.get(line.key)))
            self._progress(report.done, self._total)
        return report

    def write(self) -> Imported:
        """Do it."""
        report = Imported(dry_run=False, wrongly_signed=self._wrongly_signed)
        try:
            self._write_all(report)
        except KeyboardInterrupt as error:
            error.add_note(
                f"broken off after {report.done:,} of {self._total:,} entries, those under way may be stored "
                "too; run it again: what was written is left unchanged"
            )
            raise
        return report

    def _write_all(self, report: Imported) -> None:
        for batch in self._batches():
            try:
                self._write(batch, report)
            except RemoteError as error:
                error.suggestions = ["run it again: what was written is left unchanged", *error.suggestions]
                error.context["imported"] = report.done
                raise
            _refuse_conflicts(report)
            self._progress(report.done, self._total)

    def _write(self, batch: list[Line], report: Imported) -> None:
        transfer = self._transfer(batch)
        actions: dict[str, Action] = {}
        pending = [(line, ABSENT) for line in batch]
        for _ in range(_ROUNDS):
            offers = [Offer(line.key, line.envelope, expect) for line, expect in pending]
            again: list[tuple[Line, str]] = []
            for (line, _), (outcome, standing) in zip(pending, transfer.put(offers), strict=True):
                action = self._action(line, standing) if outcome == "refused" else cast(Action, outcome)
                actions[line.key] = action
                if outcome == "refused" and action in ("created", "replaced"):
                    again.append((line, ABSENT if standing is None else standing.etag))
            pending = again
            if not pending:
                break
        actions.update((line.key, "conflict") for line, _ in pending)  # others write it all the time
        for line in batch:
            report.add(line.namespace, line.key, actions[line.key])

    def _action(self, line: Line, standing: Standing | None) -> Action:
        """What is to be done with an entry, given what stands in its place."""
        if standing is None:
            return "created"
        if standing.is_equal(line.envelope):
            return "unchanged"
        if self._on_conflict == "skip":
            return "skipped"
        replaceable = not is_version(line.key) or standing.digest == line.envelope.digest
        return "replaced" if self._on_conflict == "replace" and replaceable else "conflict"

    def _transfer(self, batch: list[Line]) -> NamespaceTransfer:
        return NamespaceTransfer(
            batch[0].namespace, url=self._server.url, timeout=moving_timeout(), token=self._token
        )

    def _lines(self) -> Iterator[Line]:
        self._file.seek(0)
        chosen = (line for line in read_lines(self._file, self._name) if line.key.startswith(self._prefix))
        return self._renaming(chosen)

    def _batches(self) -> Iterator[list[Line]]:
        """Lines that follow each other in one namespace, as many as one request takes."""
        limits = self._server.capabilities()["limits"]
        return batches(self._lines(), min(_BATCH_ENTRIES, limits["batch_entries"]))


def batches(lines: Iterable[Line], entries: int) -> Iterator[list[Line]]:
    """``lines`` in their order, parted where the namespace changes or one request would be too large."""
    batch: list[Line] = []
    size = 0
    for line in lines:
        full = len(batch) == entries or size + line.size > _BATCH_BYTES
        if batch and (full or line.namespace != batch[0].namespace):
            yield batch
            batch, size = [], 0
        batch.append(line)
        size += line.size
    if batch:
        yield batch


def _held_keys() -> Keyring | None:
    """The keys of this machine; None where there are none to be used. An import makes none."""
    path = keyfile.key_file_path()
    with suppress(SignatureError):
        return keyfile.load_keyring() if path is not None and os.path.exists(path) else None
    return None


def _is_wrongly_signed(line: Line, keyring: Keyring) -> bool:
    try:
        keyring.verify(line.envelope, namespace=line.namespace, key=line.key)
    except SignatureInvalidError:
        return True
    except SignatureError:
        return False
    return False


def _refuse_conflicts(report: Imported) -> None:
    conflicts = report.conflicts
    if not conflicts:
        return
    first = conflicts[0]
    raise DuplicateKeyError(
        f"{len(conflicts):,} entries have another one in their place, {first.key!r} of {first.namespace} "
        f"the first" + (", and nothing was written" if report.dry_run else ""),
        suggestions=[
            "see which: --dry-run",
            "leave what is there: --on-conflict skip",
            "replace what is there, but for versions: --on-conflict replace",
        ],
        context={"conflicts": len(conflicts), "namespace": first.namespace, "key": first.key},
    )


@contextmanager
def _readable(source: str | os.PathLike[str] | IO[bytes]) -> Iterator[tuple[IO[bytes], str]]:
    """The file, to be read more than once, and its name."""
    if not isinstance(source, str | os.PathLike):
        with _kept(source) as spool:
            yield spool, "the export"
        return
    with _opened(source) as file, nullcontext(file) if file.seekable() else _kept(file) as readable:
        yield readable, str(source)


@contextmanager
def _kept(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """All of a stream, which can be read but once."""
    with spooled() as spool:
        shutil.copyfileobj(stream, spool)
        yield spool


def _opened(path: str | os.PathLike[str]) -> IO[bytes]:
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise ExportFileError(
            f"Cannot read {path}: {error.strerror}",
            ["registry export -o FILE writes one"],
            {"path": str(path)},
        ) from None
