"""Servers with tokens as users run them: commands, TLS, proxies, and what is in no log."""

from __future__ import annotations

import json
import os
import re
import ssl
import subprocess
import time
from pathlib import Path

import httpx
import pytest
import trustme

from registry.errors import PermissionDeniedError, ServerUnreachableError, ValidationError
from registry.storage.remote import RemoteStorageProxy
from tests.server.processes import LiveServer, command, environment
from tests.server.wire import problem, setting

PATIENCE = 30.0


def registry(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, in a folder that is its home."""
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        env=environment(folder, COLUMNS="200", NO_COLOR="1", TERM="dumb", **variables),
        cwd=folder,
        timeout=60,
    )


def new_token(folder: Path, *scopes: str, tokens: str = "tokens") -> str:
    """A token made by the command, as a script takes it: all of standard output."""
    given = [part for scope in scopes for part in ("--scope", scope)]
    made = registry(folder, "token", "new", "alice", *given, "--tokens", tokens)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def until(url: str, status: int, **request: object) -> None:
    """Return once a GET of ``url`` is answered so."""
    deadline = time.monotonic() + PATIENCE
    while (found := httpx.get(url, **request).status_code) != status:  # type: ignore[arg-type]
        assert time.monotonic() < deadline, f"still answered {found}"


class TestRunning:
    def test_a_server_is_locked_by_its_first_token_and_follows_the_others(self, live_server, tmp_path):
        """REG-AUTH-01, REG-AUTH-05: without a restart."""
        beside = live_server.storage.removeprefix("sqlite:///") + ".tokens"
        keys = f"{live_server.url}/registry/a/keys"
        assert httpx.get(keys).status_code == 200

        first = new_token(tmp_path, "a:read", tokens=beside)
        until(keys, 401)
        assert httpx.get(keys, headers=bearer(first)).status_code == 200
        second = new_token(tmp_path, "*:admin", tokens=beside)
        until(keys, 200, headers=bearer(second))
        listed = registry(tmp_path, "token", "list", "--tokens", beside, "--json")
        ended = registry(tmp_path, "token", "revoke", json.loads(listed.stdout)[0]["id"], "--tokens", beside)
        assert ended.returncode == 0, ended.stderr
        until(keys, 401, headers=bearer(first))

        assert httpx.get(keys, headers=bearer(second)).status_code == 200
        assert httpx.get(f"{live_server.url}/health").status_code == 200

    def test_a_client_takes_its_token_from_the_environment_or_in_code(
        self, start_server, tmp_path, monkeypatch
    ):
        token = new_token(tmp_path, "research:write")
        server = start_server("memory:", "--tokens", str(tmp_path / "tokens"))
        monkeypatch.setenv("REGISTRY_SERVER_URL", server.url)
        storage: RemoteStorageProxy[int] = RemoteStorageProxy("research.losses")

        with pytest.raises(PermissionDeniedError, match="asks for a token") as refused:
            storage["k"] = 1
        assert "REGISTRY_SERVER_TOKEN" in refused.value.suggestions[0]
        monkeypatch.setenv("REGISTRY_SERVER_TOKEN", token)
        storage["k"] = 1
        in_code: RemoteStorageProxy[int] = RemoteStorageProxy("research.losses", token=token)
        assert in_code["k"] == 1
        other: RemoteStorageProxy[int] = RemoteStorageProxy("research2", token=token)
        with pytest.raises(PermissionDeniedError, match="it needs research2:read"):
            other["k"]

    def test_no_token_is_in_any_log(self, start_server, tmp_path):
        good, revoked = new_token(tmp_path, "*:admin"), new_token(tmp_path, "*:admin")
        audit = tmp_path / "audit.jsonl"
        server = start_server(
            "memory:", "--debug", "--tokens", str(tmp_path / "tokens"), "--audit-log", str(audit)
        )
        listed = json.loads(registry(tmp_path, "token", "list", "--tokens", "tokens", "--json").stdout)
        registry(tmp_path, "token", "revoke", listed[1]["id"], "--tokens", "tokens")
        until(f"{server.url}/capabilities", 401, headers=bearer(revoked))

        with httpx.Client(base_url=server.url, follow_redirects=True) as client:
            for token in (good, revoked, good[:-4] + "AAAA", "hunter2"):
                for path in ("/", "/stats", "/registry/a/keys", "/docs/", "/nowhere"):
                    client.get(path, headers=bearer(token))
                client.post("/registry/a/set", json=setting("k"), headers=bearer(token))
                client.post("/registry/a/set", content=b"\xff", headers=bearer(token))
                client.post("/login", data={"token": token}, headers={"Accept": "text/html"})
            session = client.cookies["registry_session"]
            client.get("/")
        server.stop()

        said = "\n".join([*server.greeting, *server.said, server.log, audit.read_text()])
        assert "GET /registry/a/keys" in said, "with --debug requests are logged"
        assert '"outcome":"created"' in said
        for secret in (good, revoked, session):
            for part in (secret, secret[-20:], secret[:40]):
                assert part not in said


class TestStarting:
    def test_says_how_many_tokens_there_are(self, start_server, tmp_path):
        new_token(tmp_path, "*:admin")
        server = start_server("memory:", "--tokens", str(tmp_path / "tokens"))
        server.stop()

        assert f"tokens in {tmp_path}/tokens: 1 valid" in server.said

    def test_off_loopback_with_tokens_it_warns_of_http_instead(self, start_server, tmp_path):
        new_token(tmp_path, "*:admin")
        server = start_server("memory:", "--tokens", str(tmp_path / "tokens"), host="0.0.0.0")
        server.stop()

        said = "\n".join(server.said)
        assert "WARNING: tokens travel readable over http" in said
        assert "everyone there can" not in said

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            (["--require-auth"], ["A token is required", "registry token new"]),
            (["--tokens", "missing"], ["There is no token file", "registry token new"]),
            (["--tokens", "open"], ["is open to others", "chmod 600"]),
            (["--tokens", "none"], ["is no token file"]),
            (["--tls-key", "key.pem"], ["without its certificate", "--tls-cert"]),
            (
                ["--tls-cert", "missing.pem"],
                ["missing.pem", "No such file", "--tls-cert FILE --tls-key FILE"],
            ),
            (["--tls-cert", "none"], ["cannot be used", "PEM"]),
            (["--tls-cert", "cert.pem", "--tls-key", "encrypted.pem"], ["without a passphrase"]),
            (["--audit-log", "missing/audit.jsonl"], ["The audit log", "--audit-log"]),
        ],
        ids=lambda value: " ".join(value),
    )
    def test_a_mistake_is_told_and_nothing_is_served(self, options, words, tmp_path):
        (tmp_path / "none").write_text("hunter2")
        (tmp_path / "none").chmod(0o600)
        new_token(tmp_path, "*:admin", tokens="open")
        (tmp_path / "open").chmod(0o644)
        certificate = trustme.CA().issue_cert("localhost")
        certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
        encrypted = subprocess.run(
            ["openssl", "pkey", "-aes256", "-passout", "pass:hunter2"],
            input=certificate.private_key_pem.bytes(),
            capture_output=True,
            check=True,
        )
        (tmp_path / "encrypted.pem").write_bytes(encrypted.stdout)

        done = registry(tmp_path, "--port", "0", "--storage", "memory:", *options)

        said = " ".join(done.stderr.split())
        assert (done.returncode, done.stdout) == (2, ""), done
        assert "Traceback" not in said
        assert "hunter2" not in said
        for word in words:
            assert word in said

    def test_a_variable_stands_for_each_option(self, tmp_path):
        variables = {
            "REGISTRY_SERVER_TOKENS": "There is no token file",
            "REGISTRY_SERVER_REQUIRE_AUTH": "A token is required",
            "REGISTRY_SERVER_TLS_CERT": "The certificate",
            "REGISTRY_SERVER_TLS_KEY": "without its certificate",
            "REGISTRY_SERVER_AUDIT_LOG": "The audit log",
        }
        for variable, complaint in variables.items():
            value = "1" if variable.endswith("AUTH") else "missing/file"
            done = registry(tmp_path, "--port", "0", "--storage", "memory:", **{variable: value})
            assert (done.returncode, complaint in done.stderr) == (2, True), done


class TestTls:
    @pytest.fixture
    def secure(self, tmp_path):
        """A server on https; the authority that signed its certificate is in ``ca.pem``."""
        authority = trustme.CA()
        certificate = authority.issue_cert("127.0.0.1")
        certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
        for pem in certificate.cert_chain_pems:
            pem.write_to_path(tmp_path / "cert.pem", append=True)
        authority.cert_pem.write_to_path(tmp_path / "ca.pem")
        options = ("--tls-cert", str(tmp_path / "cert.pem"), "--tls-key", str(tmp_path / "key.pem"))
        server = LiveServer(tmp_path, "memory:", *options).start()
        yield server
        server.kill()

    def test_a_client_that_trusts_the_authority_is_served(self, secure, tmp_path, monkeypatch):
        monkeypatch.setenv("REGISTRY_SERVER_CA", str(tmp_path / "ca.pem"))
        storage: RemoteStorageProxy[int] = RemoteStorageProxy("a", url=secure.url)

        storage["k"] = 1

        assert secure.url.startswith("https://")
        assert dict(storage) == {"k": 1}

    def test_openssls_own_variable_is_heeded(self, secure, tmp_path, monkeypatch):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))

        assert len(RemoteStorageProxy("a", url=secure.url)) == 0

    def test_a_client_that_does_not_is_told_what_to_set(self, secure):
        with pytest.raises(
            ServerUnreachableError, match=r"is not trusted here: .*certificate verify failed"
        ) as refused:
            len(RemoteStorageProxy("a", url=secure.url))
        assert "REGISTRY_SERVER_CA" in refused.value.suggestions[0]

    def test_an_authority_is_asked_for_no_other_name(self, secure, tmp_path, monkeypatch):
        monkeypatch.setenv("REGISTRY_SERVER_CA", str(tmp_path / "ca.pem"))

        with pytest.raises(ServerUnreachableError, match="is not trusted here"):
            len(RemoteStorageProxy("a", url=f"https://localhost:{secure.port}"))

    @pytest.mark.parametrize("content", [None, "", "hunter2"])
    def test_a_file_that_holds_no_authority_is_told(self, content, secure, tmp_path, monkeypatch):
        if content is not None:
            (tmp_path / "none.pem").write_text(content)
        monkeypatch.setenv("REGISTRY_SERVER_CA", str(tmp_path / "none.pem"))

        with pytest.raises(ValidationError, match=r"REGISTRY_SERVER_CA is .* which cannot be used"):
            len(RemoteStorageProxy("a", url=secure.url))

    def test_http_gets_no_answer_there(self, secure):
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"http://{secure.host}:{secure.port}/health")

    def test_nothing_older_than_tls_1_2_is_spoken(self, secure, tmp_path):
        context = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        with pytest.warns(DeprecationWarning, match="TLSv1_1"):
            context.maximum_version = ssl.TLSVersion.TLSv1_1

        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{secure.url}/health", verify=context)


class TestProxies:
    """X-Forwarded-For is whatever its sender writes."""

    def client_told(self, start_server, tmp_path, *options) -> str:
        audit = tmp_path / "audit.jsonl"
        server = start_server("memory:", "--audit-log", str(audit), *options)
        forwarded = {
            "X-Forwarded-For": "203.0.113.7",
            "Forwarded": "for=203.0.113.7",
            "X-Real-IP": "203.0.113.7",
        }
        httpx.post(f"{server.url}/registry/a/set", json=setting("k"), headers=forwarded)
        server.stop()
        return json.loads(audit.read_text())["client"]

    def test_is_believed_of_nobody(self, start_server, tmp_path):
        assert self.client_told(start_server, tmp_path) == "127.0.0.1"

    def test_is_believed_of_a_proxy_that_is_named(self, start_server, tmp_path):
        assert self.client_told(start_server, tmp_path, "--trusted-proxy", "127.0.0.0/8") == "203.0.113.7"

    def test_is_believed_of_no_other(self, start_server, tmp_path):
        assert self.client_told(start_server, tmp_path, "--trusted-proxy", "192.0.2.1") == "127.0.0.1"


class TestCommands:
    def test_new_prints_the_token_alone_and_the_rest_beside_it(self, tmp_path):
        made = registry(
            tmp_path,
            "token",
            "new",
            "CI of ours",
            "--scope",
            "b:write",
            "--scope",
            "a:read",
            "--expires",
            "90d",
        )

        assert re.fullmatch(r"rgt_[0-9a-f]{12}_[\w-]{43}\n", made.stdout)
        assert "for CI of ours: a:read, b:write; until 2" in made.stderr
        assert made.stderr.endswith(f"in {tmp_path}/data/namestead/registry.db.tokens\n")

    def test_list_shows_all_but_the_token(self, tmp_path):
        token = new_token(tmp_path, "a:read")
        listed = registry(tmp_path, "token", "list", "--tokens", "tokens")

        assert listed.stdout.splitlines()[1].split()[1:4] == ["alice", "a:read", "valid"]
        assert token[-20:] not in listed.stdout + listed.stderr
        registry(tmp_path, "token", "revoke", listed.stdout.splitlines()[1].split()[0], "--tokens", "tokens")
        assert "revoked" in registry(tmp_path, "token", "list", "--tokens", "tokens").stdout

    def test_the_file_is_the_one_beside_the_storage_that_is_named(self, tmp_path):
        made = registry(
            tmp_path, "token", "new", "x", "--scope", "*:read", "--storage", "sqlite:///r.db?synchronous=FULL"
        )

        assert made.stderr.endswith(f"in {tmp_path}/r.db.tokens\n")
        assert (tmp_path / "r.db.tokens").exists()

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (("new",), ["name"]),
            (("new", "x", "--scope", "a"), ["is no scope", "*:read"]),
            (("new", " ", "--scope", "a:read"), ["1 to 200 characters"]),
            (("new", "x\x1b[31m", "--scope", "a:read"), ["can be printed"]),
            (("new", "x", "--scope", "a:read", "--expires", "soon"), ["is no time"]),
            (("new", "x", "--scope", "a:read", "--expires", "2020-01-01"), ["has passed"]),
            (("new", "x", "--scope", "a:read", "--storage", "memory:"), ["--tokens FILE"]),
            (
                ("new", "x", "--scope", "a:read", "--tokens", "no/where"),
                ["cannot be written", "--tokens FILE"],
            ),
            (("list", "--tokens", "missing"), ["There is no token file", "registry token new"]),
            (("revoke", "0", "--tokens", "missing"), ["does not exist", "registry token new"]),
        ],
        ids=lambda value: " ".join(value),
    )
    def test_a_mistake_is_told_and_changes_nothing(self, arguments, words, tmp_path):
        before = sorted(os.listdir(tmp_path))

        done = registry(tmp_path, "token", *arguments)

        said = " ".join(done.stderr.replace("│", " ").split())
        assert (done.returncode, done.stdout) == (2, ""), done
        assert "Traceback" not in said
        for word in words:
            assert word in said
        assert sorted(os.listdir(tmp_path)) == before


def test_an_id_that_is_none_revokes_nothing(tmp_path):
    new_token(tmp_path, "a:read")

    done = registry(tmp_path, "token", "revoke", "0" * 12, "--tokens", "tokens")

    assert done.returncode == 2
    assert "registry token list shows their ids" in done.stderr
    assert (
        json.loads(registry(tmp_path, "token", "list", "--tokens", "tokens", "--json").stdout)[0]["state"]
        == "valid"
    )


async def test_a_foreign_page_is_refused_before_its_token_is_looked_at(client):
    """An Origin that is not the Host's: 403 and not 401, token or not."""
    answer = await client.get("/stats", headers={"Origin": "http://evil.example", **bearer("hunter2")})

    problem(answer, 403, "forbidden")
