"""The form of an export: UTF-8, a JSON object a line, each line ended by ``\\n``; spelled in one way only.

The first line says what it is, the last one how much, and each between them holds one entry::

    {"export": 1, "source": "http://localhost:8001"}
    {"namespace": "research.losses", "key": "mse", "digest": "sha256:...", "envelope": {"type": ...}}
    {"end": true, "entries": 1}

Namespaces come by name, entries in the order of their creation, so that whoever imports them in this order
lists them in the same. Fields come in the order above, ``meta`` by name. No line says when it was written:
two exports of the same entries differ in nothing but their source, and a tool that compares lines shows
what changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any, Final, NamedTuple

from registry.envelope.form import Envelope, parse_json
from registry.errors import ExportFileError, ValidationError
from registry.names import check_key, check_namespace

FORMAT: Final = 1
MAX_LINE_BYTES: Final = 64 * 1024 * 1024
"""The largest value, escaped in the worst way, and all that may stand around it."""

_ENTRY_FIELDS: Final = ["namespace", "key", "digest", "envelope"]


class Line(NamedTuple):
    """An entry of an export, checked.

    Attributes:
        number: of its line, 1 or more.
        namespace: where it was.
        key: its key there.
        envelope: its value as it travels.
        size: of the line, in bytes.
    """

    number: int
    namespace: str
    key: str
    envelope: Envelope
    size: int


def first_line(source: str) -> bytes:
    """The line that says what the file is. ``source``: the server's URL."""
    return _spelled({"export": FORMAT, "source": source})


def entry_line(namespace: str, key: str, envelope: Envelope) -> bytes:
    """The line of an entry."""
    wire = envelope.to_dict()
    if "meta" in wire:
        wire["meta"] = dict(sorted(wire["meta"].items()))
    values = (namespace, key, envelope.digest, wire)
    return _spelled(dict(zip(_ENTRY_FIELDS, values, strict=True)))


def last_line(entries: int) -> bytes:
    """The line without which a file was cut off."""
    return _spelled({"end": True, "entries": entries})


def _spelled(line: dict[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def read_lines(file: IO[bytes], name: str) -> Iterator[Line]:
    """The entries of an export, each checked: form, names, envelope, digest.

    Raises:
        ExportFileError: a line is not as it must be, or the file is cut off; names file and line.
    """
    lines = _parsed_lines(file, name)
    number, _, head = next(lines, (1, 0, {}))
    if type(head.get("export")) is not int:
        raise _bad(name, number, "it does not begin an export", "registry export writes one")
    if head["export"] > FORMAT:
        raise _bad(name, number, f"its format {head['export']} is of a newer version", "upgrade namestead")
    for entries, (number, size, line) in enumerate(lines):
        if "end" in line:
            _check_end(name, number, line, entries, more=next(lines, None))
            return
        yield _entry(name, number, size, line)
    raise _bad(name, number, "the file ends here, without its last line: it was cut off", "export it again")


def _parsed_lines(file: IO[bytes], name: str) -> Iterator[tuple[int, int, dict[str, Any]]]:
    number = 0
    while raw := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(raw) > MAX_LINE_BYTES:
            raise _bad(name, number, f"it is longer than {MAX_LINE_BYTES:,} bytes")
        try:
            line = parse_json(raw.decode("utf-8-sig"))
        except UnicodeDecodeError:
            raise _bad(name, number, "it is not UTF-8") from None
        except ValidationError as error:
            raise _bad(name, number, error.message) from None
        if type(line) is not dict:
            raise _bad(name, number, "it is no JSON object")
        yield number, len(raw), line


def _check_end(
    name: str, number: int, line: dict[str, Any], entries: int, more: tuple[int, int, Any] | None
) -> None:
    if more is not None:
        raise _bad(name, more[0], "something follows the line that ends the export")
    if line.get("entries") != entries:
        raise _bad(
            name,
            number,
            f"it says that there are {line.get('entries')} entries, and there are {entries}",
            "export it again",
            f"if it was changed on purpose, correct the number: {entries}",
        )


def _entry(name: str, number: int, size: int, line: dict[str, Any]) -> Line:
    if line.keys() != set(_ENTRY_FIELDS):
        raise _bad(name, number, f"an entry has the fields {', '.join(_ENTRY_FIELDS)}")
    try:
        namespace, key = check_namespace(line["namespace"]), check_key(line["key"])
        envelope = Envelope.from_dict(line["envelope"])
    except ValidationError as error:
        raise _bad(name, number, error.message) from error
    if envelope.digest != line["digest"]:
        raise _bad(name, number, f"{key!r} is not what its digest says: it was changed or damaged")
    return Line(number, namespace, key, envelope, size)


def _bad(name: str, number: int, why: str, *suggestions: str) -> ExportFileError:
    return ExportFileError(f"{name}, line {number}: {why}", suggestions, {"path": name, "line": number})
