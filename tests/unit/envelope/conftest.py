import importlib
import sys
from pathlib import Path

import pytest

from registry.envelope.codec import EnvelopeCodec
from registry.envelope.signing import Keyring, SigningKey
from registry.envelope.trust import TrustPolicy


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch) -> Path:
    """An empty configuration folder: no test reads or makes a key of whoever runs it."""
    folder = tmp_path / "config"
    folder.mkdir()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    monkeypatch.delenv("REGISTRY_SIGNING_KEY_FILE", raising=False)
    return folder


@pytest.fixture(scope="session")
def keyring() -> Keyring:
    return Keyring([SigningKey(bytes(range(32)))])


@pytest.fixture(scope="session")
def foreign_keyring() -> Keyring:
    return Keyring([SigningKey(b"f" * 32)])


@pytest.fixture
def codec(keyring) -> EnvelopeCodec:
    return EnvelopeCodec(TrustPolicy(keyring=keyring))


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Make importable modules out of texts: ``module("pkg.tools", "def f(): ...")``."""
    root = tmp_path / "modules"
    root.mkdir()
    monkeypatch.syspath_prepend(str(root))
    before = set(sys.modules)

    def make(name: str, source: str) -> None:
        *packages, leaf = name.split(".")
        folder = root.joinpath(*packages)
        folder.mkdir(parents=True, exist_ok=True)
        for depth in range(len(packages)):
            root.joinpath(*packages[: depth + 1], "__init__.py").touch()
        (folder / f"{leaf}.py").write_text(source)
        importlib.invalidate_caches()

    yield make
    for name in set(sys.modules) - before:
        if str(root) in str(getattr(sys.modules[name], "__file__", None)):
            del sys.modules[name]
