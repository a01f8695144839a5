"""``registry`` and ``python -m registry``: the command line; alone, it serves."""

from __future__ import annotations


def main() -> None:
    """Entry point of the command; ended while it still loads, it ends as one that runs would."""
    try:
        from registry import cli
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    cli.main()


if __name__ == "__main__":
    main()
