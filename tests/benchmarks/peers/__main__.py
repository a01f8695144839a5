"""Serve a peer until told to stop: ``python -m tests.benchmarks.peers NAME``."""

from __future__ import annotations

import sys

from tests.benchmarks.peers import asgi, origin

if __name__ == "__main__":
    name = sys.argv[1]
    origin.serve() if name == "origin" else asgi.serve(name)
