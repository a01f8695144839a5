"""The fenced blocks of a page, and what its code claims to print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

_FENCE = re.compile(r"```(?P<language>\w*)\s*")
_HEADING = re.compile(r"#+ (?P<title>.*)")


class Block(NamedTuple):
    """One fenced block.

    Attributes:
        page: the file it stands in.
        line: number of its first line of text, counted from 1.
        language: the word after the fence; empty for diagrams.
        text: what stands between the fences.
        heading: the title above it.
    """

    page: Path
    line: int
    language: str
    text: str
    heading: str

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """All fenced blocks, from top to bottom."""
    return list(_blocks(page))


def _blocks(page: Path) -> Iterator[Block]:
    heading = ""
    lines = iter(enumerate(page.read_text(encoding="utf-8").splitlines(), 1))
    for number, line in lines:
        if title := _HEADING.fullmatch(line):
            heading = title["title"]
        if fence := _FENCE.fullmatch(line):
            text = []
            for _, inner in lines:
                if inner == "```":
                    break
                text.append(inner)
            else:
                raise ValueError(f"{page.name}:{number}: a block that is not closed")
            yield Block(page, number + 1, fence["language"], "\n".join(text) + "\n", heading)


class Claim(NamedTuple):
    """What a block says it prints: between the lines ``after`` and ``until`` of the page, this text."""

    after: int
    until: int
    text: str


_INLINE = re.compile(r"\s*print\(.*\)  # (?P<text>.+)")
_ARROW = re.compile(r"\s*# -> ?(?P<text>.*)")


def claims_of(block: Block) -> list[Claim]:
    """What the block claims to print.

    ``print(x)  # text`` claims that this line prints the text; lines ``# -> text`` claim it of all the lines
    between them and the claim before.
    """
    claims: list[Claim] = []
    start = 0
    arrows: list[str] = []
    for number, line in enumerate([*block.text.splitlines(), ""], block.line):
        if arrow := _ARROW.fullmatch(line):
            arrows.append(arrow["text"])
            continue
        if arrows:
            claims.append(Claim(start, number, "\n".join(arrows)))
            start, arrows = number - 1, []
        if inline := _INLINE.fullmatch(line):
            claims.append(Claim(number - 1, number + 1, inline["text"]))
            start = number
    return claims


def agrees(claimed: str, actual: str) -> bool:
    """Whether the texts are equal line by line; ``...`` in the claim stands for any text."""
    pattern = ".*?".join(re.escape(part) for part in claimed.strip().split("..."))
    return re.fullmatch(pattern, actual.strip(), re.DOTALL) is not None
