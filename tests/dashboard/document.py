"""A page as a browser takes it: elements, links, texts. Enough of HTML for pages without scripts."""

from __future__ import annotations

from collections import defaultdict
from html.parser import HTMLParser

import httpx

Shape = list[tuple[str, tuple[str, ...]]]


class Document(HTMLParser):
    """A parsed page.

    Attributes:
        shape: each element's tag and the names of its attributes, in order: all that data must not change.
        links: the addresses of the links, by their text.
        texts: the text of each element that has one, by tag.
    """

    def __init__(self, source: str) -> None:
        super().__init__()
        self.shape: Shape = []
        self.links: dict[str, str] = {}
        self.texts: defaultdict[str, list[str]] = defaultdict(list)
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(source)
        self.close()

    @classmethod
    def of(cls, answer: httpx.Response) -> Document:
        """The page that an answer is."""
        assert answer.headers["content-type"] == "text/html; charset=utf-8", answer.text
        return cls(answer.content.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, tuple(name for name, _ in attrs)))
        if tag not in ("meta", "link", "input"):
            self._open.append((tag, dict(attrs)))
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open and self._open[-1][0] == tag, f"</{tag}> where {self._open} is open"
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if not self._open:
            return
        tag, attributes = self._open[-1]
        self.texts[tag][-1] += data
        if tag == "a" and attributes.get("href"):
            self.links[self.texts[tag][-1]] = str(attributes["href"])
