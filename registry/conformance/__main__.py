"""``python -m registry.conformance URL``."""

from registry.conformance.command import main

if __name__ == "__main__":
    main()
