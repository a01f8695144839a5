"""A command line that sends a request again."""

from __future__ import annotations

import shlex

from registry.conformance.redaction import SHOWN_FIELDS, Redaction
from registry.conformance.wire import Exchange

LONGEST = 4_096
"""A body of more bytes is shortened, and the line says so."""


def curl_line(exchange: Exchange, redaction: Redaction) -> str:
    """The request for a POSIX shell with curl; a token is read from ``REGISTRY_SERVER_TOKEN``."""
    words = ["curl", "-sS", "-i"]
    if exchange.method != "GET":
        words += ["-X", exchange.method]
    words.append(shlex.quote(redaction.text(exchange.url)))
    for name, value in exchange.request_fields:
        if name.lower() == "authorization":
            words += ["-H", '"Authorization: Bearer $REGISTRY_SERVER_TOKEN"']
        elif name.lower() in SHOWN_FIELDS:
            words += ["-H", shlex.quote(f"{name}: {redaction.text(value)}")]
    if not exchange.request_body:
        return " ".join(words)
    return " ".join([*_body(exchange.request_body, redaction, words)])


def _body(body: bytes, redaction: Redaction, words: list[str]) -> list[str]:
    shown = redaction.bytes(body)[:LONGEST]
    cut = f"  # the body goes on: {len(body):,} bytes in all" if len(body) > LONGEST else ""
    words = [
        *words,
        *(["-H", "'content-type;'"] if not any("content-type" in word for word in words) else []),
    ]
    try:
        text = shown.decode()
    except UnicodeDecodeError:
        text = ""
    if text.isprintable() and text and not text.startswith("@"):
        return [*words, "--data-binary", shlex.quote(text) + cut]
    # What a shell cannot hold in an argument: octal escapes are what every printf knows.
    octal = "".join(chr(b) if 32 <= b < 127 and chr(b) not in "%\\'" else f"\\{b:03o}" for b in shown)
    return ["printf", f"'{octal}'", "|", *words, "--data-binary", "@-" + cut]
