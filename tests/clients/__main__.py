"""Builds and runs the clients of other languages against a server: python -m tests.clients [LANGUAGE...]"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from registry.envelope.keyfile import create_key_file
from registry.testing import ServerProcess
from tests.clients.exchange import written_by_python, wrong_in_python
from tests.clients.languages import LANGUAGES, ROOT, Language
from tests.clients.running import missing_programs, run


def main() -> int:
    """The exit status: 0 if every test was run and passed, 1 if not, 2 where a program is missing."""
    names = [language.name for language in LANGUAGES]
    parser = argparse.ArgumentParser(prog="python -m tests.clients", description=__doc__)
    parser.add_argument(
        "languages", nargs="*", metavar="LANGUAGE", help=f"of {', '.join(names)}; all unless given"
    )
    chosen = parser.parse_args().languages
    if unknown := set(chosen) - set(names):
        parser.error(f"no such language: {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    languages = [language for language in LANGUAGES if not chosen or language.name in chosen]
    if missing := missing_programs(languages):
        print("\n".join(missing), file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        nothing_is_set_up_but_a_key(Path(folder) / "signing.keys")
        results = [tested(language) for language in languages]
        if any(language.name == "go" for language in languages):
            results.append(server_in_go())
    passed, failed = (sum(counts) for counts in zip(*results, strict=True))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def nothing_is_set_up_but_a_key(file: Path) -> None:
    """Settings of whoever runs this are not the tests' concern."""
    for variable in [name for name in os.environ if name.startswith("REGISTRY_")]:
        del os.environ[variable]
    create_key_file(str(file))
    os.environ["REGISTRY_SIGNING_KEY_FILE"] = str(file)


def tested(language: Language) -> tuple[int, int]:
    """How many tests passed and failed, each language with a server of its own."""
    print(f"--- {language.title}", flush=True)
    with ServerProcess() as server:
        written_by_python(server.url)
        outcomes = run(language, server.url)
        for name in wrong_in_python(server.url, language):
            outcomes[f"python reads {name!r} as it was written"] = False
    for name, passed in outcomes.items():
        print(f"  {'passed' if passed else 'FAILED'}  {name}")
    passed = sum(outcomes.values())
    print(f"--- {language.title}: {passed} passed, {len(outcomes) - passed} failed", flush=True)
    return passed, len(outcomes) - passed


def server_in_go() -> tuple[int, int]:
    """How many tests of the independent server in Go passed and failed."""
    print("--- Server in Go, asked what ours is asked", flush=True)
    file = ROOT / "tests" / "alternatives" / "go_server.py"
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", str(file)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(done.stdout, end="")
    last = done.stdout.splitlines()[-1] if done.stdout else ""
    passed, failed, errors = (
        int(found[1]) if (found := re.search(rf"(\d+) {word}", last)) else 0
        for word in ("passed", "failed", "error")
    )
    # What ended badly without a test that failed, or ran none, has failed as a whole.
    failed = failed + errors or int(done.returncode != 0)
    print(f"--- Server in Go: {passed} passed, {failed} failed", flush=True)
    return passed, failed


if __name__ == "__main__":
    sys.exit(main())
