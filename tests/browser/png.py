"""Reading a screenshot: PNG as Chromium writes it (8 bits a channel, RGB or RGBA, not interlaced)."""

from __future__ import annotations

import struct
import zlib
from collections import Counter

Pixel = tuple[int, int, int]


class Picture:
    """A decoded picture.

    Attributes:
        width, height: in pixels.
        rows: its rows, each of ``width`` red, green and blue values.
    """

    def __init__(self, png: bytes) -> None:
        assert png.startswith(b"\x89PNG\r\n\x1a\n")
        chunks = list(_chunks(png))
        self.width, self.height, depth, colours, _, _, interlace = struct.unpack(">IIBBBBB", chunks[0][1])
        assert (depth, interlace) == (8, 0) and colours in (2, 6)
        self._channels = 3 if colours == 2 else 4
        packed = b"".join(data for kind, data in chunks if kind == b"IDAT")
        self.rows = self._unfiltered(zlib.decompress(packed))

    def colours(self) -> Counter[Pixel]:
        """How many pixels each colour has."""
        return Counter(pixel for row in self.rows for pixel in row)

    def _unfiltered(self, raw: bytes) -> list[list[Pixel]]:
        stride = self.width * self._channels
        before = bytearray(stride)
        rows = []
        for start in range(0, len(raw), stride + 1):
            line = bytearray(raw[start + 1 : start + 1 + stride])
            _unfilter(raw[start], line, before, self._channels)
            rows.append(list(zip(*[line[channel :: self._channels] for channel in range(3)], strict=True)))
            before = line
        assert len(rows) == self.height
        return rows


def _chunks(png: bytes):
    position = 8
    while position < len(png):
        (length,) = struct.unpack(">I", png[position : position + 4])
        yield png[position + 4 : position + 8], png[position + 8 : position + 8 + length]
        position += 12 + length


def _unfilter(kind: int, line: bytearray, above: bytearray, step: int) -> None:
    """Undo a row's filter in place (PNG specification, section 9)."""
    if kind == 0:
        return
    for at in range(len(line)):
        left = line[at - step] if at >= step else 0
        corner = above[at - step] if at >= step else 0
        guess = (
            (0, left, above[at], (left + above[at]) // 2, 0)[kind]
            if kind < 4
            else _paeth(left, above[at], corner)
        )
        line[at] = (line[at] + guess) & 0xFF


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    distances = (abs(guess - left), abs(guess - above), abs(guess - corner))
    return (left, above, corner)[distances.index(min(distances))]
