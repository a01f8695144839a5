"""The ``REGISTRY_*`` environment."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from registry import settings
from registry.errors import ValidationError

READERS = {
    "REGISTRY_SERVER_HOST": (settings.server_host, "localhost", "db.example", "db.example"),
    "REGISTRY_SERVER_PORT": (settings.server_port, 8001, "5000", 5000),
    "REGISTRY_SERVER_URL": (settings.server_url, None, "http://h:1", "http://h:1"),
    "REGISTRY_SERVER_TIMEOUT": (settings.server_timeout, 5.0, "30.0", 30.0),
    "REGISTRY_SERVER_RESTART_WAIT": (settings.server_restart_wait, float("inf"), "0", 0.0),
    "REGISTRY_SERVER_TOKEN": (settings.server_token, None, "s3cret", "s3cret"),
    "REGISTRY_SERVER_CA": (settings.server_ca, None, "/ca.pem", "/ca.pem"),
    "REGISTRY_SERVER_STORAGE": (settings.server_storage, None, "memory:", "memory:"),
    "REGISTRY_ON_DUPLICATE": (settings.on_duplicate, "error", "keep", "keep"),
    "REGISTRY_FROZEN": (settings.frozen, None, "registry.lock", "registry.lock"),
    "REGISTRY_SIGNING_KEY_FILE": (settings.signing_key_file, None, "/keys", "/keys"),
}


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch):
    for variable in READERS:
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("variable", READERS)
def test_a_variable_is_read_each_time_it_is_used(variable, monkeypatch):
    read, default, text, value = READERS[variable]
    assert read() == default

    monkeypatch.setenv(variable, text)
    assert read() == value

    monkeypatch.setenv(variable, f"  {text} ")
    assert read() == value


@pytest.mark.parametrize("blank", ["", "  "])
@pytest.mark.parametrize("variable", READERS)
def test_an_empty_variable_counts_as_not_set(variable, blank, monkeypatch):
    read, default, _, _ = READERS[variable]
    monkeypatch.setenv(variable, blank)

    assert read() == default


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        *(("REGISTRY_SERVER_PORT", text) for text in ("http", "-1", "65536", "80.0", "0x50", "1e3")),
        *(("REGISTRY_SERVER_TIMEOUT", text) for text in ("soon", "0", "-1", "nan", "inf", "1e999", "5s")),
        *(("REGISTRY_SERVER_RESTART_WAIT", text) for text in ("soon", "-1", "nan", "inf", "5s")),
        *(("REGISTRY_ON_DUPLICATE", text) for text in ("Error", "ignore")),
    ],
)
def test_a_wrong_value_names_the_variable_and_what_it_must_be(variable, text, monkeypatch):
    monkeypatch.setenv(variable, text)

    with pytest.raises(ValidationError, match=f"{variable} is '{text}', which is not ") as caught:
        READERS[variable][0]()

    assert caught.value.suggestions == [f"unset {variable} for the default, {READERS[variable][1]!r}"]


def test_every_variable_stands_in_the_table_with_its_default():
    table = {
        line.split("``")[1]
        for line in (settings.__doc__ or "").splitlines()
        if line.startswith("``REGISTRY_")
    }

    assert table == set(READERS)


def test_importing_the_library_reads_no_variable():
    wrong = {"REGISTRY_SERVER_PORT": "x", "REGISTRY_SERVER_TIMEOUT": "x", "REGISTRY_ON_DUPLICATE": "x"}
    program = (
        "from registry import FunctionalRegistry\n"
        "class R(FunctionalRegistry, logic_namespace='a.b'): pass\n"
        "import registry.storage.remote\n"
    )

    subprocess.run([sys.executable, "-c", program], env={**os.environ, **wrong}, check=True)
