"""Each file that a server holds, beside its storage's, when it is unlinked, replaced, unreadable or full."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil

import pytest

from registry_server.access import audit as audits
from registry_server.access.audit import AuditLog
from registry_server.access.ended import EndedSessions
from registry_server.access.guard import Guard
from registry_server.access.sessions import end_session, session_access, session_of
from registry_server.access.token_file import TokenFileError, revoke_token
from registry_server.descriptors import Reserve, raise_descriptor_limit
from registry_server.problems import Problem
from tests.server.tokens import new_token

FAILURES = [errno.EMFILE, errno.ENFILE, errno.ESTALE, errno.EIO, errno.EACCES]


@pytest.fixture
def failing(monkeypatch):
    """``failing(path, number, calls)``: those functions of `os`, and `open`, raise this for paths below."""

    def fail(path, number, *calls):
        def wrapped(call):
            def called(where, *arguments, **keywords):
                if isinstance(where, str | os.PathLike) and str(where).startswith(str(path)):
                    raise OSError(number, os.strerror(number), str(where))
                return call(where, *arguments, **keywords)

            return called

        for call in calls:
            if call == "open":
                monkeypatch.setattr("builtins.open", wrapped(open))
                monkeypatch.setattr("io.open", wrapped(open))
            monkeypatch.setattr(os, call, wrapped(getattr(os, call)))

    with monkeypatch.context() as patch:
        fail.end = patch.undo  # type: ignore[attr-defined]
        monkeypatch = patch
        yield fail


def admitted(guard, text) -> bool:
    try:
        guard.bearer_of(text)
    except Problem:
        return False
    return True


class TestTokenFile:
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "tokens"

    @pytest.mark.parametrize("calls", [["open"], ["stat"], ["open", "stat"]], ids=str)
    @pytest.mark.parametrize("number", FAILURES)
    def test_a_revocation_is_seen_as_soon_as_the_file_can_be_read(self, number, calls, path, failing, caplog):
        """REG-AUTH-05: one look that fails must not hide what changed from all later ones."""
        token_id, text = new_token(path, "a:read")
        _, kept = new_token(path, "a:read")
        guard = Guard(str(path))
        revoke_token(str(path), token_id)

        failing(path, number, *calls)
        for _ in range(3):
            guard.look()
        assert admitted(guard, kept), "what was read last stays in force"
        assert guard.unread >= 1
        failing.end()
        guard.look()

        assert (admitted(guard, text), admitted(guard, kept), guard.unread) == (False, True, 0)
        assert caplog.text.count(f"{path} cannot be read") <= 1

    @pytest.mark.parametrize("number", FAILURES)
    def test_a_server_that_is_open_is_locked_by_a_file_it_cannot_read_yet(self, number, path, failing):
        guard = Guard(str(path), must_exist=False)
        _, text = new_token(path, "a:read")

        failing(path, number, "open")
        guard.look()
        assert guard.on
        assert not admitted(guard, text)
        failing.end()
        guard.look()

        assert admitted(guard, text)

    def test_a_copy_with_the_same_times_and_size_is_seen(self, path, tmp_path):
        _, text = new_token(path, "a:read")
        guard = Guard(str(path))
        _, other = new_token(tmp_path / "other", "a:read")
        status = path.stat()
        path.write_bytes((tmp_path / "other").read_bytes())
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

        guard.look()

        assert (admitted(guard, text), admitted(guard, other)) == (False, True)

    def test_it_is_read_with_no_descriptor_left(self, path):
        token_id, text = new_token(path, "a:read")
        guard = Guard(str(path))
        guard.reserve.fill()
        revoke_token(str(path), token_id)

        with no_descriptor_left():
            guard.look()
        guard.reserve.release()

        assert not admitted(guard, text)


class no_descriptor_left:
    """All the process may have are open; the limit is lowered first, so that there are few."""

    def __enter__(self):
        self.limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.taken = [os.open(os.devnull, os.O_RDONLY)]
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.taken[0] + 20, self.limits[1]))
        with pytest.raises(OSError, match="Too many open files"):
            while True:
                self.taken.append(os.open(os.devnull, os.O_RDONLY))

    def __exit__(self, *_):
        for descriptor in self.taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, self.limits)


def moved(file):
    file.rename(file.with_suffix(".1"))


def removed(file):
    file.unlink()


def replaced(file):
    shutil.copy(file, file.with_suffix(".new"))
    os.replace(file.with_suffix(".new"), file)


class TestAuditLog:
    @pytest.fixture
    async def log(self, tmp_path, monkeypatch):
        monkeypatch.setattr(audits, "FLUSH_SECONDS", 3_600.0)
        monkeypatch.setattr(audits, "RETRY_SECONDS", 3_600.0)
        log = AuditLog(str(tmp_path / "audit.jsonl"))
        log.start()
        yield log
        await log.close()

    @pytest.fixture
    def file(self, tmp_path):
        return tmp_path / "audit.jsonl"

    @staticmethod
    def keys(*files) -> list[str]:
        lines = [line for file in files if file.exists() for line in file.read_text().splitlines()]
        return [json.loads(line)["key"] for line in lines]

    @pytest.mark.parametrize("change", [moved, removed, replaced])
    @pytest.mark.parametrize("without_descriptors", [False, True])
    async def test_no_line_is_lost_when_the_file_is(self, change, without_descriptors, log, file):
        log.note("a", "created", key="before")
        await log.flush()
        change(file)
        log.note("a", "created", key="after")
        if without_descriptors:
            with no_descriptor_left():
                await log.flush()
        await log.flush()

        expected = ["after"] if change is removed else ["before", "after"]
        assert self.keys(file.with_suffix(".1"), file) == expected
        assert (log.lost, log.waiting) == (0, 0)

    @pytest.mark.parametrize("number", FAILURES)
    @pytest.mark.parametrize("calls", [["open"], ["stat"], ["open", "stat"]], ids=str)
    async def test_lines_wait_while_it_cannot_be_opened(self, calls, number, log, file, failing, caplog):
        moved(file)
        failing(file, number, *calls)
        for number_of_line in range(3):
            log.note("a", "created", key=str(number_of_line))
            await log.flush()
        failing.end()
        await log.flush()

        assert self.keys(file) == ["0", "1", "2"]
        assert log.lost == 0
        assert caplog.text.count("cannot be written") <= 1

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
    async def test_lines_wait_for_room_and_none_is_cut(self, number, log, file, monkeypatch):
        room = [1_000]
        write = os.write

        def written(descriptor, raw):
            if not room[0]:
                raise OSError(number, os.strerror(number))
            part = raw[: room[0]]
            room[0] -= len(part)
            return write(descriptor, part)

        for line in range(20):
            log.note("a", "created", key=str(line))
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", written)
            await log.flush()
            found = self.keys(file)
            assert 0 < len(found) < 20
            assert log.waiting == 20 - len(found)
        await log.flush()

        assert self.keys(file) == [str(line) for line in range(20)]


class TestEndedSessions:
    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "tokens"

    @pytest.fixture
    def cookie(self, path):
        _, text = new_token(path, "a:read")
        guard = Guard(str(path))
        return f"registry_session={session_of(guard, guard.bearer_of(text))}".encode()

    @staticmethod
    def is_open(guard, cookie) -> bool:
        return session_access(guard, {b"cookie": cookie}) is not None

    def test_a_logged_out_cookie_is_dead_on_other_workers_and_after_a_restart(self, path, cookie):
        one, other = Guard(str(path)), Guard(str(path))
        assert self.is_open(one, cookie)

        end_session(one, cookie)
        other.look()

        guards = {"one": one, "other": other, "restarted": Guard(str(path))}
        assert {name: self.is_open(guard, cookie) for name, guard in guards.items()} == dict.fromkeys(
            guards, False
        )

    def test_another_session_of_the_token_goes_on(self, path, cookie):
        guard = Guard(str(path))
        token = session_access(guard, {b"cookie": cookie})
        second = f"registry_session={session_of(guard, token)}".encode()

        end_session(guard, cookie)

        assert self.is_open(guard, second)

    @pytest.mark.parametrize("change", ["unlinked", "emptied", *FAILURES])
    def test_what_was_seen_once_stays_ended(self, change, path, cookie, failing):
        one, other = Guard(str(path)), Guard(str(path))
        end_session(one, cookie)
        other.look()
        [file] = path.parent.glob("tokens.ended.*")
        if change == "unlinked":
            file.unlink()
        elif change == "emptied":
            file.write_bytes(b"")
        else:
            os.utime(file)
            failing(file, change, "open", "stat")

        for guard in (one, other):
            guard.look()
            assert not self.is_open(guard, cookie)

    @pytest.mark.parametrize("number", FAILURES)
    def test_a_failed_look_is_made_again(self, number, path, cookie, failing):
        one, other = Guard(str(path)), Guard(str(path))
        end_session(one, cookie)

        failing(path.with_name("tokens.ended"), number, "open")
        other.look()
        assert other.unread == 1
        failing.end()
        other.look()

        assert not self.is_open(other, cookie)
        assert other.unread == 0

    @pytest.mark.parametrize("number", FAILURES)
    def test_a_server_does_not_start_without_knowing_them(self, number, path, cookie, failing):
        end_session(Guard(str(path)), cookie)
        failing(path.with_name("tokens.ended"), number, "open")

        with pytest.raises(TokenFileError, match="logged-out sessions"):
            Guard(str(path))

    @pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, *FAILURES])
    def test_one_that_cannot_be_recorded_is_dead_here_and_said(self, number, path, cookie, failing):
        guard = Guard(str(path))
        failing(path.with_name("tokens.ended"), number, "open")

        with pytest.raises(OSError, match=os.strerror(number)):
            end_session(guard, cookie)

        assert not self.is_open(guard, cookie)

    def test_a_folder_that_is_not_the_servers_has_them_in_the_data_directory(
        self, path, cookie, tmp_path, monkeypatch
    ):
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
        monkeypatch.setattr(os, "access", lambda *_: False)

        end_session(Guard(str(path)), cookie)

        assert not self.is_open(Guard(str(path)), cookie)
        assert [*(tmp_path / "data" / "namestead").glob("sessions-*.ended.*")]

    def test_files_of_sessions_that_are_over_are_deleted_and_one_is_bounded(self, path, monkeypatch):
        from registry_server.access import ended

        now = ended.time()
        sessions = EndedSessions(str(path))
        sessions.end("old", int(now) + 10)
        monkeypatch.setattr(ended, "time", lambda: now + 3 * ended.SESSION_SECONDS)
        sessions.end("new", int(now) + 3 * ended.SESSION_SECONDS + 10)
        sessions.look()

        assert ("old" in sessions, "new" in sessions) == (False, True)
        assert len([*path.parent.iterdir()]) == 1
        monkeypatch.setattr(ended, "MAX_FILE_BYTES", 10)
        with pytest.raises(OSError, match="full"):
            sessions.end("more", int(now) + 3 * ended.SESSION_SECONDS + 10)


def test_the_soft_limit_of_descriptors_is_raised(monkeypatch):
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (before[1] - 1, before[1]))

    raise_descriptor_limit()

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_reserve_that_cannot_be_had_is_tried_again():
    reserve = Reserve()
    with no_descriptor_left():
        reserve.fill()
        assert not reserve.held
    reserve.fill()
    assert reserve.held
    reserve.release()
