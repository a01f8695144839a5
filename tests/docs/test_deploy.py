"""What ``docs/deploy`` shows is what this server takes; programs that can check it do so where they are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
import yaml

from registry.cli import app
from registry_server.limits import Limits
from registry_server.problems import Problem
from registry_server.requests import Gate
from registry_server.settings import ServerSettings
from registry_server.storage.select import backend_from_url
from tests.docs.live_server import ROOT

DEPLOY = ROOT / "docs" / "deploy"
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")

FILES = sorted(one.name for one in DEPLOY.iterdir())


def options_of_serve() -> set[str]:
    command = typer.main.get_command(app).commands["serve"]
    return {name for parameter in command.params for name in parameter.opts}


def test_the_files_are_these() -> None:
    assert FILES == ["compose.yaml", "haproxy.cfg", "nginx.conf", "registry.service"]


@pytest.mark.parametrize("name", FILES)
def test_every_option_and_variable_is_one_of_ours(name: str) -> None:
    text = (DEPLOY / name).read_text(encoding="utf-8")
    served = " ".join(re.findall(r"registry serve((?:.|\n\s+)*)", text))

    assert set(re.findall(r"(?<!\S)--[a-z-]+", served)) <= options_of_serve()
    assert all(f"`{variable}`" in SETTINGS for variable in re.findall(r"REGISTRY_[A-Z_]+", text))


@pytest.mark.parametrize("name", ["compose.yaml", "registry.service"])
def test_it_starts_a_server_with_options(name: str) -> None:
    assert "registry serve" in (DEPLOY / name).read_text(encoding="utf-8")


def test_compose_starts_three_servers_over_one_storage_that_we_take() -> None:
    found = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    servers = [found["services"][name] for name in ("one", "two", "three")]
    url = servers[0]["environment"]["REGISTRY_SERVER_STORAGE"]

    assert servers[0] == servers[1] == servers[2]
    backend_from_url(re.sub(r"\$\{[^}]*\}", "password", url))
    assert set(servers[0]["depends_on"]) <= set(found["services"])
    assert {one for service in found["services"].values() for one in service.get("secrets", [])} == set(
        found["secrets"]
    )


@pytest.mark.parametrize("name", ["haproxy.cfg", "nginx.conf"])
def test_a_balancer_asks_paths_that_are_there_and_waits_longer_than_a_watch(name: str) -> None:
    text = (DEPLOY / name).read_text(encoding="utf-8")
    spec = (ROOT / "openapi.yaml").read_text(encoding="utf-8")

    assert all(f"\n  {path}:" in spec for path in re.findall(r"uri (/\w+)", text))
    for waiting in re.findall(r"(?:timeout (?:server|client)|proxy_read_timeout)\s+(\d+)s", text):
        assert int(waiting) > 30
    for size in re.findall(r"client_max_body_size (\d+)m", text):
        assert int(size) << 20 > Limits().body_bytes


@pytest.mark.parametrize(
    "settings", [ServerSettings(), ServerSettings(host="0.0.0.0", allowed_hosts=("registry.example",))]
)
def test_the_host_of_haproxys_check_is_one_that_every_server_answers_for(settings: ServerSettings) -> None:
    """Refused, its servers were down for HAProxy for as long as it ran."""
    text = (DEPLOY / "haproxy.cfg").read_text(encoding="utf-8")
    [host] = re.findall(r"http-check send .* ver HTTP/1.1 hdr Host (\S+)", text)
    gate = Gate(header_bytes=1_000, allowed_hosts=settings.hosts())

    gate.check([(b"host", host.encode())])
    with pytest.raises(Problem, match="Host"):
        gate.check([])


def test_systemd_gives_more_time_to_stop_than_a_server_takes() -> None:
    from registry_server.workers import STOP_SECONDS

    unit = (DEPLOY / "registry.service").read_text(encoding="utf-8")

    assert int(re.search(r"TimeoutStopSec=(\d+)", unit)[1]) > STOP_SECONDS
    assert int(re.search(r"LimitNOFILE=(\d+)", unit)[1]) >= 65_536


def test_systemd_finds_nothing_to_say(tmp_path: Path) -> None:
    """Where there is no systemd, its lines are still ``Key=value`` in the sections that a service has."""
    text = (DEPLOY / "registry.service").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert [line for line in lines if line.startswith("[")] == ["[Unit]", "[Service]", "[Install]"]
    assert all(re.fullmatch(r"\[\w+\]|[A-Z]\w+=.*", line) for line in lines)
    if program := shutil.which("systemd-analyze"):
        unit = tmp_path / "registry.service"
        here = re.sub(r"ExecStart=\S+", f"ExecStart={shutil.which('true')}", text)
        unit.write_text(re.sub("(User|Group)=registry", r"\1=root", here))
        done = subprocess.run([program, "verify", unit], capture_output=True, text=True, timeout=60)
        said = [line for line in done.stderr.splitlines() if "registry.service" in line]
        assert said == []


def test_the_page_shows_what_the_calculation_of_sizes_prints() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    command, _, shown = (
        page.partition("python docs/examples/sizing.py")[2].partition("```")[0].partition("\n\n")
    )
    program = [sys.executable, ROOT / "docs" / "examples" / "sizing.py", *command.split()]

    printed = subprocess.run(program, capture_output=True, text=True, timeout=60, check=True).stdout

    assert shown == printed
