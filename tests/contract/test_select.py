from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry_server.storage.base import StorageSetupError
from registry_server.storage.memory import MemoryBackend
from registry_server.storage.select import backend_from_url, default_url
from registry_server.storage.sqlite import SqliteBackend


@pytest.mark.parametrize("url", ["memory:", "memory://", "MEMORY:"])
def test_memory_is_named_by_its_scheme(url: str) -> None:
    assert isinstance(backend_from_url(url), MemoryBackend)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///registry.db", "registry.db"),
        ("sqlite:///a/b.db", "a/b.db"),
        ("sqlite:////var/lib/registry.db", "/var/lib/registry.db"),
        ("sqlite:///with%20space%3F.db", "with space?.db"),
        ("sqlite:///~/registry.db", str(Path("~/registry.db").expanduser())),
    ],
)
def test_sqlite_paths_follow_the_usual_convention(url: str, path: str) -> None:
    backend = backend_from_url(url)

    assert isinstance(backend, SqliteBackend)
    assert backend.location == f"sqlite:///{path}"


def test_synchronous_is_the_one_option_of_sqlite() -> None:
    assert not backend_from_url("sqlite:///registry.db?synchronous=NORMAL").durable
    assert backend_from_url("sqlite:///registry.db?synchronous=extra").durable
    with pytest.raises(StorageSetupError, match="no option 'sync'"):
        backend_from_url("sqlite:///registry.db?sync=NORMAL")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlit:///x.db", "Did you mean 'sqlite://'"),
        ("memory", "Did you mean 'memory:'"),
        ("/x.db", "no storage goes by this URL"),
        ("", "no storage goes by this URL"),
        ("mysql://user:secret@host/x", "no storage goes by this URL"),
        ("postgresql:user:secret@host/x", "postgresql://user:password@host"),
        ("redis://:secret@host/secret", "database is a number"),
        ("sqlite://x.db", "four slashes"),
        ("sqlite:x.db", "four slashes"),
        ("sqlite:///", "four slashes"),
        ("sqlite:///:memory:", "--storage memory:"),
        ("memory:secret", "takes nothing"),
    ],
)
def test_what_is_not_understood_is_refused_without_repeating_secrets(url: str, message: str) -> None:
    with pytest.raises(StorageSetupError) as refused:
        backend_from_url(url)

    assert message in str(refused.value)
    assert "secret" not in str(refused.value)


def test_the_default_lies_in_the_users_data_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "my data"))

    backend = backend_from_url(default_url())

    folder = tmp_path / "my data" / "namestead"
    assert backend.location == f"sqlite:///{folder / 'registry.db'}"
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_data_directory_that_cannot_be_made_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))

    with pytest.raises(StorageSetupError, match="--storage memory:"):
        default_url()


def test_choosing_memory_loads_no_sqlite() -> None:
    script = (
        "import sys; from registry_server.storage.select import backend_from_url as choose; "
        "choose('memory:'); print('sqlite3' in sys.modules)"
    )

    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True)

    assert done.stdout == b"False\n"
