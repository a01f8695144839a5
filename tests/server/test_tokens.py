"""Tokens and their file: what is kept, who may read it, and how soon a running server follows it."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from registry_server.access import guard as guards
from registry_server.access.guard import OPEN, Guard
from registry_server.access.needs import Needs
from registry_server.access.scopes import Scope, parse_scope
from registry_server.access.token_file import TokenFileError, read_token_file, revoke_token
from registry_server.access.tokens import expiry, id_in, make_token
from registry_server.answers import Answer
from registry_server.app import create_app
from registry_server.operations import OperationStage
from registry_server.problems import Problem
from registry_server.requests import Gate
from registry_server.settings import ServerSettings
from registry_server.storage.memory import MemoryBackend
from registry_server.tallies import Tally
from tests.server.tokens import new_token
from tests.server.wire import problem


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tokens"


def bearer(text):
    return {b"authorization": f"Bearer {text}".encode()}


def admitted(guard: Guard, text: str) -> bool:
    try:
        guard.bearer(bearer(text))
    except Problem as refusal:
        assert refusal.status == 401
        return False
    return True


class TestScopes:
    @pytest.mark.parametrize("text", ["a:read", "a.b.c:write", "*:admin", "A1.b2:read"])
    def test_one_is_read_as_it_is_written(self, text):
        assert str(parse_scope(text)) == text

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "a",
            "a:",
            ":read",
            "a:reed",
            "a:READ",
            "a.:read",
            "a_b:read",
            "*.a:read",
            "a.*:read",
            "a:read ",
        ],
    )
    def test_what_is_none_is_refused_and_told_what_one_is(self, text):
        with pytest.raises(ValueError, match=r"one is NAMESPACE:PERMISSION.* \*:read"):
            parse_scope(text)

    @pytest.mark.parametrize(
        ("own", "namespace", "covered"),
        [
            ("research", "research", True),
            ("research", "research.losses", True),
            ("research", "research2", False),
            ("research", "researc", False),
            ("research", "", False),
            ("research", "Research", False),
            ("research.losses", "research", False),
            ("", "anything", True),
            ("", "", True),
        ],
    )
    def test_a_namespace_is_covered_dot_by_dot(self, own, namespace, covered):
        """REG-AUTH-02."""
        assert Scope(own, parse_scope("a:read").permission).covers(namespace) is covered


class TestTokens:
    def test_one_has_256_random_bits_and_its_id(self):
        made = [make_token("n", (), expires_at=None) for _ in range(100)]

        assert len({text for _, text in made}) == 100
        for token, text in made:
            assert id_in(text) == token.id
            assert len(text) == len("rgt_") + 12 + 1 + 43
            assert token.is_spelled(text)
            assert not token.is_spelled(text[:-1])

    @pytest.mark.parametrize(
        "text", ["", "rgt", "rgt__", "x" * 1_000_000, "rgt_" + "a" * 12 + "_" + "ä" * 43, "\0"]
    )
    def test_what_has_no_tokens_form_has_no_id(self, text):
        assert id_in(text) is None

    @pytest.mark.parametrize(("text", "days"), [("90d", 90), ("2w", 14), ("36h", 1.5), ("1440m", 1)])
    def test_an_expiry_is_a_time_from_now(self, text, days):
        now = datetime(2026, 1, 31, tzinfo=UTC)

        assert expiry(text, now) == now + timedelta(days=days)

    def test_an_expiry_is_a_date_or_time(self):
        now = datetime(2026, 1, 31, tzinfo=UTC)

        assert expiry("2026-02-01", now) == datetime(2026, 2, 1, tzinfo=UTC)
        assert expiry("2026-02-01T12:00+02:00", now) == datetime(2026, 2, 1, 10, tzinfo=UTC)

    @pytest.mark.parametrize(
        "text", ["", "soon", "-1d", "0d", "90", "999999d", "2026-01-30", "2026-13-01", "1e9d"]
    )
    def test_what_is_no_time_or_has_passed_is_refused(self, text):
        with pytest.raises(ValueError, match=r"is no time|has passed"):
            expiry(text, datetime(2026, 1, 31, tzinfo=UTC))


class TestFile:
    def test_holds_no_token_and_is_its_owners_alone(self, path):
        token_id, text = new_token(path, "a:read")

        kept = path.read_text()
        assert token_id in kept
        assert text not in kept
        assert text.split("_", 2)[2] not in kept
        assert stat.S_IMODE(path.stat().st_mode) == 0o600

    def test_gives_back_what_it_was_given(self, path):
        token_id, text = new_token(path, "a:read", "*:write", name='né "x"\n', seconds=60)
        again = read_token_file(str(path)).tokens[token_id]

        assert (again.name, again.is_spelled(text)) == ('né "x"\n', True)
        assert [str(scope) for scope in again.scopes] == ["a:read", "*:write"]
        assert again.expires_at is not None

    def test_a_change_keeps_its_mode_and_its_key(self, path):
        token_id, _ = new_token(path, "a:read")
        os.chmod(path, 0o640)
        before = read_token_file(str(path))

        revoke_token(str(path), token_id)

        after = read_token_file(str(path))
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert after.session_key == before.session_key
        assert after.stamp != before.stamp

    def test_a_link_stays_a_link(self, path, tmp_path):
        new_token(path, "a:read")
        (tmp_path / "link").symlink_to(path)

        new_token(tmp_path / "link", "b:read")

        assert (tmp_path / "link").is_symlink()
        assert len(read_token_file(str(path)).tokens) == 2

    @pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o666, 0o641])
    def test_one_that_is_open_to_others_is_refused(self, mode, path):
        new_token(path, "a:read")
        os.chmod(path, mode)

        with pytest.raises(TokenFileError, match="is open to others") as refused:
            read_token_file(str(path))
        assert refused.value.suggestions == [f"chmod 600 {path}"]

    @pytest.mark.parametrize(
        "change",
        [
            lambda kept: b"",
            lambda kept: kept[:-10],
            lambda kept: b"[]",
            lambda kept: b"null",
            lambda kept: kept.replace(b'"version": 1', b'"version": 2'),
            lambda kept: kept.replace(b":read", b":reed"),
            lambda kept: kept.replace(b'"scopes"', b'"scope"'),
            lambda kept: kept.replace(b'"sha256": "', b'"sha256": "hunter2'),
            lambda kept: json.dumps({**json.loads(kept), "session_key": "AAAA"}).encode(),
            lambda kept: kept.replace(b"created_at", b"created_at\xff"),
            lambda kept: b"[" * 100_000,
        ],
    )
    def test_one_that_is_none_is_refused_without_quoting_it(self, change, path):
        new_token(path, "a:read")
        path.write_bytes(change(path.read_bytes()))

        with pytest.raises(TokenFileError, match="is no token file") as refused:
            read_token_file(str(path))
        assert "hunter2" not in str(refused.value)
        assert "name another" in refused.value.suggestions[0]  # `token new` says so too, of this very file

    def test_writers_at_once_lose_nothing(self, path):
        new_token(path, "a:read")

        def make(_):
            try:
                return new_token(path, "a:read")[0]
            except TokenFileError as error:
                assert "is being changed by another process" in error.message
                return None

        with ThreadPoolExecutor(8) as pool:
            made = {token_id for token_id in pool.map(make, range(40)) if token_id}

        assert made
        assert made < read_token_file(str(path)).tokens.keys()
        assert not path.with_name("tokens.new").exists()

    def test_a_change_that_fails_leaves_it_as_it_was(self, path, monkeypatch):
        new_token(path, "a:read")
        before = path.read_bytes()

        def full(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(TokenFileError, match="No space left"):
            new_token(path, "a:read")

        assert path.read_bytes() == before
        assert not path.with_name("tokens.new").exists()

    def test_what_root_changes_stays_its_owners(self, path, monkeypatch):
        """Else the server could not read it, and would go on with what it had: nothing would be revoked."""
        new_token(path, "a:read")
        given = []
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        monkeypatch.setattr(os, "fchown", lambda _, user, group: given.append((user, group)))

        new_token(path, "b:read")

        assert given == [(path.stat().st_uid, path.stat().st_gid)]


class TestGuard:
    def test_without_a_file_everybody_may_do_everything(self, path):
        for guard in (Guard(None), Guard(str(path), must_exist=False)):
            assert not guard.on
            assert guard.admit({}, Needs(permission=3, position=0), ["a"]) is OPEN

    def test_a_file_that_must_be_there_and_is_not_is_refused(self, path):
        with pytest.raises(TokenFileError, match="There is no token file"):
            Guard(str(path))

    def test_a_file_that_comes_later_locks_the_server(self, path):
        guard = Guard(str(path), must_exist=False)
        _, text = new_token(path, "a:read")

        guard.look()

        assert guard.on
        assert admitted(guard, text)
        assert not admitted(guard, "hunter2")

    @pytest.mark.parametrize("content", [b"", b"hunter2"])
    def test_a_file_that_comes_later_and_is_none_locks_it_too(self, content, path, caplog):
        guard = Guard(str(path), must_exist=False)
        path.write_bytes(content)
        os.chmod(path, 0o600)

        guard.look()

        assert guard.on
        assert not admitted(guard, "hunter2")
        assert "no request is admitted" in caplog.text

    def test_a_revoked_token_is_none_at_the_next_look(self, path):
        """REG-AUTH-05."""
        token_id, text = new_token(path, "a:read")
        guard = Guard(str(path))
        assert admitted(guard, text)

        revoke_token(str(path), token_id)
        guard.look()

        assert not admitted(guard, text)

    def test_a_token_that_came_by_before_is_still_known_to_expire(self, path, monkeypatch):
        """REG-AUTH-05: though what is known of it was not read again."""
        _, text = new_token(path, "a:read", seconds=60)
        guard = Guard(str(path))
        assert admitted(guard, text)

        class Later(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(tz) + timedelta(seconds=61)

        monkeypatch.setattr(guards, "datetime", Later)
        monkeypatch.setattr(guards, "time", lambda: Later.now(UTC).timestamp())

        assert not admitted(guard, text)

    def test_a_file_that_is_gone_holds_no_token(self, path, caplog):
        _, text = new_token(path, "a:read")
        guard = Guard(str(path))
        path.unlink()

        for _ in range(3):
            guard.look()

        assert guard.on
        assert not admitted(guard, text)
        assert caplog.text.count("is gone: no request is admitted") == 1

    def test_a_file_that_cannot_be_used_changes_nothing_and_is_complained_of(self, path, caplog):
        token_id, text = new_token(path, "a:read")
        guard = Guard(str(path))
        kept = path.read_bytes()
        path.write_bytes(b"hunter2")

        for _ in range(3):
            guard.look()

        assert admitted(guard, text)
        assert caplog.text.count("is no token file; what it said before counts on") == 1
        path.write_bytes(kept)
        revoke_token(str(path), token_id)
        guard.look()
        assert not admitted(guard, text)

    def test_what_a_revoked_tokens_last_request_leaves_behind_counts_for_nothing(self, path):
        """Else a look at the file, while a request was being identified, would bring the token back."""
        token_id, text = new_token(path, "a:read")
        guard = Guard(str(path))
        before = guard.ledger
        revoke_token(str(path), token_id)
        guard.look()

        guards._identified(before, bearer(text)[b"authorization"])  # by what was read before the look

        assert not admitted(guard, text)

    @pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER", "Bearer  "])
    def test_the_scheme_is_read_as_http_has_it(self, scheme, path):
        """RFC 9110 section 11.1: letter case aside, and one space or more."""
        _, text = new_token(path, "a:read")

        assert Guard(str(path)).bearer({b"authorization": f"{scheme} {text}".encode()}).token

    def test_known_headers_are_bounded(self, path):
        _, text = new_token(path, "a:read")
        guard = Guard(str(path))

        for spaces in range(3_000):
            guard.bearer({b"authorization": b"Bearer" + b" " * (spaces + 1) + text.encode()})

        assert guard.ledger is not None
        assert len(guard.ledger.known) <= 1_024

    def test_known_namespaces_are_bounded(self, path):
        _, text = new_token(path, "a:read")
        access = Guard(str(path)).bearer(bearer(text))

        for number in range(10_000):
            access.permission(f"a.{number}")
        access.permission("a" * 100_000)

        assert len(access._permissions) <= 4_096
        assert max(map(len, access._permissions)) <= 255

    def test_hashes_are_compared_in_constant_time(self, path, monkeypatch):
        compared = []
        monkeypatch.setattr(
            "registry_server.access.tokens.hmac.compare_digest",
            lambda a, b: compared.append((a, b)) or a == b,
        )
        _, text = new_token(path, "a:read")
        guard = Guard(str(path))

        assert [admitted(guard, text), admitted(guard, text), admitted(guard, text[:-4] + "AAAA")] == [
            True,
            True,
            False,
        ]

        assert len(compared) == 2, "one for each that was not known, and none for the second time"

    async def test_it_is_looked_at_again_and_again(self, path, monkeypatch):
        monkeypatch.setattr(guards, "LOOK_SECONDS", 0.01)
        token_id, text = new_token(path, "a:read")
        guard = Guard(str(path))
        watching = asyncio.create_task(guard.watch())
        revoke_token(str(path), token_id)

        async with asyncio.timeout(20):
            while admitted(guard, text):
                await asyncio.sleep(0.01)
        watching.cancel()


class TestLongPoll:
    """REG-AUTH-05: what a request read is for who may read it when it is answered."""

    @pytest.fixture
    def stage(self, path):
        async def behind(*_):
            raise AssertionError("an operation")

        gate = Gate(header_bytes=1_000, allowed_hosts=None)
        return OperationStage(behind, gate=gate, guard=Guard(str(path), must_exist=False), body_limit=1_000)

    async def ask(self, stage, headers, *, meanwhile, permission):
        class Polling:
            operation_id = "watch"
            requests = 0
            tally = Tally()
            needs = Needs(permission=permission, position=1)

            async def answer(self, *_):
                meanwhile()
                stage._guard.look()
                return Answer({"changes": ["hunter2"]})

        stage.table.add("GET", "/{namespace}", Polling())
        async with httpx.AsyncClient(transport=httpx.ASGITransport(stage), base_url="http://any") as client:
            return await client.get("/a", headers=headers)

    async def test_of_a_token_that_was_revoked_meanwhile_is_401(self, path, stage):
        token_id, text = new_token(path, "a:admin")
        stage._guard.look()

        def revoke():
            revoke_token(str(path), token_id)

        headers = {"Authorization": f"Bearer {text}"}
        answer = await self.ask(stage, headers, meanwhile=revoke, permission=1)

        assert "revoked" in problem(answer, 401, "unauthorized")["detail"]
        assert "hunter2" not in answer.text

    async def test_of_nobody_in_particular_is_401_once_there_are_tokens(self, path, stage):
        answer = await self.ask(stage, {}, meanwhile=lambda: new_token(path, "a:read"), permission=1)

        problem(answer, 401, "unauthorized")

    async def test_of_another_token_is_answered(self, path, stage):
        _, text = new_token(path, "a:read")
        stage._guard.look()

        headers = {"Authorization": f"Bearer {text}"}
        answer = await self.ask(stage, headers, meanwhile=lambda: new_token(path, "b:read"), permission=1)

        assert answer.status_code == 200

    async def test_a_write_that_was_done_is_answered_as_done(self, path, stage):
        token_id, text = new_token(path, "a:admin")
        stage._guard.look()

        headers = {"Authorization": f"Bearer {text}"}
        answer = await self.ask(
            stage, headers, meanwhile=lambda: revoke_token(str(path), token_id), permission=2
        )

        assert answer.status_code == 200


class TestWhatItIsBeside:
    async def test_tokens_beside_the_data_lock_an_application_too(self, tmp_path):
        """Whoever runs `create_app` under a server of their own must not get an open one."""
        storage = f"sqlite:///{tmp_path}/registry.db"
        new_token(f"{tmp_path}/registry.db.tokens", "a:read")
        app = create_app(ServerSettings(storage=storage))

        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost"
        ) as client:
            problem(await client.get("/registry/a/keys"), 401, "unauthorized")

    @pytest.mark.parametrize("made", [False, True])
    def test_where_a_token_is_required_and_none_is_valid_there_is_no_application(self, made, path):
        if made:
            new_token(path, "a:read", seconds=-1)
        settings = ServerSettings(tokens=str(path) if made else None, require_auth=True)

        with pytest.raises(TokenFileError, match="A token is required"):
            create_app(settings, MemoryBackend())

    async def test_capabilities_say_that_tokens_are_asked_for(self, path, client):
        _, text = new_token(path, "a:read")
        app = create_app(ServerSettings(tokens=str(path)), MemoryBackend())
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost"
        ) as guarded:
            answer = await guarded.get("/capabilities", headers={"Authorization": f"Bearer {text}"})

        assert "auth" in answer.json()["profiles"]
        assert "auth" not in (await client.get("/capabilities")).json()["profiles"]


class TestChallenge:
    """RFC 6750 section 3."""

    @pytest.fixture
    async def guarded(self, path):
        self.ids, self.texts = {}, {}
        for name, seconds in (("revoked", None), ("expired", -1), ("valid", None)):
            self.ids[name], self.texts[name] = new_token(path, "a:read", name=name, seconds=seconds)
        revoke_token(str(path), self.ids["revoked"])
        app = create_app(ServerSettings(tokens=str(path)), MemoryBackend())
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://localhost"
        ) as client:
            yield client

    async def test_who_sent_none_is_told_no_error(self, guarded):
        """REG-AUTH-01."""
        answer = await guarded.get("/capabilities")

        assert answer.headers["www-authenticate"] == 'Bearer realm="registry"'
        assert "Authorization: Bearer TOKEN" in answer.json()["detail"]

    @pytest.mark.parametrize("name", ["revoked", "expired"])
    async def test_who_held_one_is_told_what_became_of_it(self, name, guarded):
        answer = await guarded.get("/capabilities", headers={"Authorization": f"Bearer {self.texts[name]}"})

        assert answer.headers["www-authenticate"] == 'Bearer realm="registry", error="invalid_token"'
        assert f"{self.ids[name]} ({name}) is {name}" in answer.json()["detail"]

    @pytest.mark.parametrize("name", ["revoked", "valid"])
    async def test_who_guesses_is_told_nothing(self, name, guarded):
        guess = self.texts[name][:-4] + "AAAA"

        answer = await guarded.get("/capabilities", headers={"Authorization": f"Bearer {guess}"})

        assert answer.json()["detail"] == "That is no token of this server"
        assert guess not in answer.text

    async def test_who_may_not_is_told_the_scope_that_is_needed(self, guarded):
        """REG-AUTH-03."""
        headers = {"Authorization": f"Bearer {self.texts['valid']}"}
        answer = await guarded.delete("/registry/a/clear", headers=headers)

        refused = problem(answer, 403, "forbidden")
        assert refused["context"] == {"needed": "a:admin"}
        assert answer.headers["www-authenticate"].endswith('error="insufficient_scope", scope="a:admin"')

    @pytest.mark.parametrize("name", ['x", realm="y', "x%0D%0AX: y", "x" * 2_000, "%C3%A4"])
    async def test_a_hostile_name_is_in_no_header(self, name, guarded):
        headers = {"Authorization": f"Bearer {self.texts['valid']}"}
        answer = await guarded.get(f"/registry/{name}/keys", headers=headers)

        problem(answer, 403, "forbidden")
        assert len(answer.content) < 1_500
        challenge = answer.headers["www-authenticate"]
        assert "\n" not in challenge
        assert challenge.count('"') in (4, 6)
        assert len(challenge) < 400
