"""``python -m registry``: the command line; alone, it serves."""

from registry.cli import main

if __name__ == "__main__":
    main()
