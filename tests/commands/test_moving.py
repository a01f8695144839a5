"""``registry export | import``, against a real server: what is in the file, and what is done with it."""

from __future__ import annotations

import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

import registry.moving.importing as importing
from registry import (
    CoercionError,
    DuplicateKeyError,
    ExportFileError,
    FunctionalRegistry,
    NamespaceError,
    OutcomeUnknownError,
    PermissionDeniedError,
    ServerTimeoutError,
    SignatureInvalidError,
    SignatureMissingError,
    UnknownSigningKeyError,
)
from registry.envelope.form import Envelope
from registry.moving import export_entries, import_entries
from registry.moving.exporting import moving_timeout
from registry.moving.form import entry_line, first_line, last_line
from registry.storage.remote import RemoteStorageProxy
from registry.storage.server import RegistryServer
from registry.storage.transfer import ABSENT, NamespaceTransfer, Offer
from tests.commands.conftest import SPACE, assert_mistake
from tests.server.test_cli import process

OTHER = "research.configs"


def double(x: float) -> float:
    return 2 * x


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def entries_of(url: str) -> dict[str, list[tuple[str, Envelope]]]:
    """All that a server holds, in its order."""
    return {
        name: [(stored.key, stored.envelope) for stored in RemoteStorageProxy(name, url=url).entries()]
        for name, _ in RegistryServer(url).namespaces()
    }


def written(path: Path, *lines: bytes) -> Path:
    path.write_bytes(b"".join(lines))
    return path


def json_line(key: str, data: str = "1", namespace: str = SPACE) -> bytes:
    return entry_line(namespace, key, Envelope("json", data, "json"))


@pytest.fixture(autouse=True)
def address(home: Path, url: str) -> None:
    """Where the empty server is, in the environment."""
    os.environ["REGISTRY_SERVER_URL"] = url


@pytest.fixture
def filled(storage: RemoteStorageProxy[Any], url: str) -> RemoteStorageProxy[Any]:
    """Two namespaces: code of both kinds, JSON, an alias, names that are hard to write down."""

    class Losses(FunctionalRegistry, logic_namespace=SPACE, server=url):
        pass

    Losses.publish_version("double", double)
    Losses.move_alias("champion", "double@1")
    storage["join"] = os.path.join
    storage["lambda"] = lambda x: x + 1
    for number, key in enumerate(['"', "\n", "\u2028", "..", "é", "e\u0301", "\U0001f600", "\0", "a/b"]):
        storage[key] = {"n": number, "text": key}
    RemoteStorageProxy(OTHER, url=url).update({f"k{n}": n for n in range(2_300)})
    return storage


@pytest.fixture
def second(start_server: Any) -> str:
    """Another server, on another backend."""
    return str(start_server().url)


class TestExport:
    def test_is_a_line_for_each_entry_between_a_first_and_a_last(self, filled, url, home):
        exported = export_entries(home / "all.jsonl")

        first, *entries, last = lines_of(home / "all.jsonl")
        assert first == {"export": 1, "source": url}
        assert last == {"end": True, "entries": len(entries)}
        assert exported.entries == len(entries) == 2_313
        assert exported.namespaces == {OTHER: 2_300, SPACE: 13}
        assert exported.changing == []
        assert [(line["namespace"], line["key"]) for line in entries] == [
            (name, key) for name, found in entries_of(url).items() for key, _ in found
        ]
        for line in entries:
            assert list(line) == ["namespace", "key", "digest", "envelope"]
            assert Envelope.from_dict(line["envelope"]).digest == line["digest"]

    def test_of_the_same_entries_is_the_same_bytes(self, filled, home, second):
        export_entries(home / "once.jsonl")
        export_entries(home / "twice.jsonl")
        import_entries(home / "once.jsonl", server=second)
        export_entries(home / "second.jsonl", server=second)

        once, twice, elsewhere = (
            (home / name).read_bytes() for name in ("once.jsonl", "twice.jsonl", "second.jsonl")
        )
        assert once == twice
        assert once.split(b"\n")[1:] == elsewhere.split(b"\n")[1:], "more than the source differs"

    def test_decodes_nothing(self, filled, home, monkeypatch):
        import registry.envelope.by_value as by_value
        from registry.envelope import reference

        for module, name in ((by_value, "decode"), (reference, "resolve")):
            monkeypatch.setattr(module, name, lambda *_: pytest.fail("a value was decoded"))

        export_entries(home / "all.jsonl")
        import_entries(home / "all.jsonl")

    def test_takes_some_namespaces_and_some_keys(self, filled, home):
        exported = export_entries(
            home / "some.jsonl", [OTHER, "empty.space"], prefix="k229", allow_empty=True
        )

        assert exported.namespaces == {OTHER: 11, "empty.space": 0}
        assert {line["key"] for line in lines_of(home / "some.jsonl")[1:-1]} == {"k229"} | {
            f"k229{n}" for n in range(10)
        }

    def test_leaves_an_older_file_until_it_is_whole(self, home, url):
        (home / "old.jsonl").write_text("older")
        os.environ["REGISTRY_SERVER_TIMEOUT"] = "1"

        with pytest.raises(ConnectionError):
            export_entries(home / "old.jsonl", server="http://127.0.0.1:9")

        assert [path.name for path in home.iterdir()] == ["old.jsonl"]
        assert (home / "old.jsonl").read_text() == "older"

    def test_that_cannot_be_written_says_so(self, filled, home):
        with pytest.raises(ExportFileError, match="No such file"):
            export_entries(home / "missing" / "all.jsonl")

    def test_of_a_namespace_that_is_written_to_is_read_again(self, filled, url, home, monkeypatch):
        """The first reading meets a write, the second does not: the file is of one moment."""
        real = RemoteStorageProxy.entries
        writes = iter([True])

        def interrupted(self, prefix=""):
            for number, stored in enumerate(real(self, prefix)):
                if number == 1 and next(writes, None):
                    filled["late"] = 1
                yield stored

        monkeypatch.setattr(RemoteStorageProxy, "entries", interrupted)

        exported = export_entries(home / "all.jsonl", [SPACE])

        assert exported.changing == []
        assert [line["key"] for line in lines_of(home / "all.jsonl")[1:-1]].count("late") == 1
        assert exported.entries == 14

    def test_of_a_namespace_that_never_rests_says_so(self, filled, home, monkeypatch):
        real = RemoteStorageProxy.entries

        def interrupted(self, prefix=""):
            filled["late"] = os.urandom(4).hex()
            yield from real(self, prefix)

        monkeypatch.setattr(RemoteStorageProxy, "entries", interrupted)

        assert export_entries(home / "all.jsonl", [SPACE]).changing == [SPACE]
        assert lines_of(home / "all.jsonl")[-1] == {"end": True, "entries": 14}

    @pytest.mark.filterwarnings("ignore:The user and password")
    def test_does_not_say_the_password_of_its_source(self, home, url):
        with_password = url.replace("://", "://user:secret@")

        export_entries(home / "all.jsonl", server=with_password, allow_empty=True)
        with pytest.raises(NamespaceError) as named:
            export_entries(home / "all.jsonl", [SPACE], server=with_password)
        with pytest.raises(NamespaceError) as whole:
            export_entries(home / "all.jsonl", server=with_password)

        assert "secret" not in f"{named.value}{whole.value}"
        assert b"secret" not in (home / "all.jsonl").read_bytes()


class TestImport:
    def test_makes_the_second_server_hold_the_same_in_the_same_order(self, filled, url, home, second):
        export_entries(home / "all.jsonl")
        told = []

        imported = import_entries(
            home / "all.jsonl", server=second, progress=lambda done, total: told.append((done, total))
        )

        assert entries_of(second) == entries_of(url)
        assert imported.total("created") == 2_313
        assert told[-1] == (2_313, 2_313)
        assert len(told) >= 4

        class Losses(FunctionalRegistry, logic_namespace=SPACE, server=second):
            pass

        assert Losses.get_artifact("champion")(4) == 8  # the signatures hold there too

    def test_again_leaves_everything_unchanged(self, filled, url, home, second):
        export_entries(home / "all.jsonl")
        import_entries(home / "all.jsonl", server=second)
        cursor = RegistryServer(second).cursor(OTHER)

        imported = import_entries(home / "all.jsonl", server=second)

        assert imported.total("unchanged") == imported.done == 2_313
        assert imported.entries == []
        assert RegistryServer(second).cursor(OTHER) == cursor, "something was written"

    def test_broken_off_is_gone_on_with(self, filled, url, home, second, monkeypatch):
        export_entries(home / "all.jsonl")
        real, calls = NamespaceTransfer.put, []

        def dies(self, offers):
            calls.append(len(offers))
            if len(calls) == 2:
                real(self, offers)  # done, and nobody told
                raise OutcomeUnknownError("the connection died")
            return real(self, offers)

        monkeypatch.setattr(NamespaceTransfer, "put", dies)
        with pytest.raises(OutcomeUnknownError) as broken:
            import_entries(home / "all.jsonl", server=second)
        assert "run it again" in broken.value.suggestions[0]
        assert broken.value.context["imported"] == 1_000

        imported = import_entries(home / "all.jsonl", server=second)

        assert (imported.total("unchanged"), imported.total("created")) == (2_000, 313)
        assert entries_of(second) == entries_of(url)

    def test_dry_run_says_what_would_be_done_and_does_nothing(self, storage, url, home):
        storage.update({"same": 1, "other": 2})
        file = written(
            home / "in.jsonl",
            first_line("x"),
            json_line("same"),
            json_line("other"),
            json_line("new"),
            last_line(3),
        )
        before = RegistryServer(url).cursor(SPACE)

        plans = {
            policy: import_entries(file, dry_run=True, on_conflict=policy) for policy in importing.POLICIES
        }

        assert RegistryServer(url).cursor(SPACE) == before
        for policy, action in (("error", "conflict"), ("skip", "skipped"), ("replace", "replaced")):
            assert plans[policy].dry_run
            assert plans[policy].counts == {SPACE: {"unchanged": 1, action: 1, "created": 1}}
            assert [entry[1:] for entry in plans[policy].entries] == [("other", action), ("new", "created")]

    def test_conflict_is_an_error_and_nothing_is_written(self, storage, url, home):
        storage["last"] = 2
        file = written(home / "in.jsonl", first_line("x"), json_line("new"), json_line("last"), last_line(2))

        with pytest.raises(
            DuplicateKeyError, match=r"'last' of research.losses.*nothing was written"
        ) as refused:
            import_entries(file)

        assert list(storage) == ["last"]
        assert any("--dry-run" in step for step in refused.value.suggestions)

    def test_conflict_is_skipped_or_replaced_where_asked_for(self, storage, home):
        storage["mine"] = 2
        file = written(home / "in.jsonl", first_line("x"), json_line("new"), json_line("mine"), last_line(2))

        skipped = import_entries(file, on_conflict="skip")
        assert dict(storage.items()) == {"mine": 2, "new": 1}
        replaced = import_entries(file, on_conflict="replace")

        assert dict(storage.items()) == {"mine": 1, "new": 1}
        assert skipped.counts == {SPACE: {"created": 1, "skipped": 1}}
        assert replaced.counts == {SPACE: {"unchanged": 1, "replaced": 1}}

    def test_a_version_is_not_replaced(self, storage, home):
        storage["model@1"] = 2
        file = written(home / "in.jsonl", first_line("x"), json_line("model@1"), last_line(1))

        with pytest.raises(DuplicateKeyError):
            import_entries(file, on_conflict="replace")

        assert storage["model@1"] == 2

    def test_what_somebody_writes_meanwhile_is_not_overwritten_unseen(self, storage, home, monkeypatch):
        """Between the comparison and the write another entry comes; it is compared with, and replaced."""
        storage["mine"] = 2
        file = written(home / "in.jsonl", first_line("x"), json_line("mine"), last_line(1))
        real = NamespaceTransfer.put
        seen = []

        def raced(self, offers):
            seen.append([offer.expect for offer in offers])
            if len(seen) == 2:
                storage["mine"] = 3
            return real(self, offers)

        monkeypatch.setattr(NamespaceTransfer, "put", raced)

        assert import_entries(file, on_conflict="replace").total("replaced") == 1

        assert storage["mine"] == 1
        assert seen[0] == [ABSENT]
        assert len({expect for [expect] in seen}) == 3, "each write was on condition of what it had seen"

    def test_a_conflict_that_comes_up_meanwhile_stops_it(self, storage, home, monkeypatch):
        file = written(home / "in.jsonl", first_line("x"), json_line("mine"), last_line(1))
        real = NamespaceTransfer.put

        def raced(self, offers):
            storage["mine"] = 3
            return real(self, offers)

        monkeypatch.setattr(NamespaceTransfer, "put", raced)

        with pytest.raises(DuplicateKeyError):
            import_entries(file)

        assert storage["mine"] == 3

    def test_takes_some_keys_only(self, storage, home):
        file = written(home / "in.jsonl", first_line("x"), json_line("aa"), json_line("ba"), last_line(2))

        import_entries(file, prefix="a")

        assert list(storage) == ["aa"]

    def test_of_no_policy_is_a_mistake(self, home):
        with pytest.raises(CoercionError, match="no policy"):
            import_entries(home / "in.jsonl", on_conflict="merge")

    def test_streams_are_read_and_written(self, filled, url, second):
        import io

        out = io.BytesIO()
        export_entries(out, [SPACE])

        import_entries(io.BytesIO(out.getvalue()), server=second)

        assert entries_of(second) == {SPACE: entries_of(url)[SPACE]}


GOOD = (first_line("x"), json_line("a"), json_line("b", "2"), last_line(2))


class TestDamagedFiles:
    @pytest.mark.parametrize(
        ("lines", "number", "why"),
        [
            ((), 1, "does not begin"),
            ((b"{}\n",), 1, "does not begin"),
            ((b'{"export": true}\n',), 1, "does not begin"),
            ((b'{"export": 2, "source": "x"}\n',), 1, "newer version"),
            (GOOD[:3], 3, "cut off"),
            ((*GOOD[:2], GOOD[2][:40]), 3, "strict JSON"),
            ((*GOOD[:2], b"\n", *GOOD[2:]), 3, "strict JSON"),
            ((*GOOD[:2], b"[]\n", *GOOD[2:]), 3, "no JSON object"),
            ((*GOOD[:2], b"\xff\n", *GOOD[2:]), 3, "not UTF-8"),
            ((*GOOD[:2], b'{"namespace": "a", "key": "b"}\n', *GOOD[2:]), 3, "has the fields"),
            ((*GOOD[:2], GOOD[2].replace(b'"2"', b'"3"'), GOOD[3]), 3, "digest"),
            ((*GOOD[:2], GOOD[2].replace(b'"2"', b'"nope"'), GOOD[3]), 3, "strict JSON"),
            ((*GOOD[:2], GOOD[2].replace(b"research.losses", b"no_space"), GOOD[3]), 3, "Invalid namespace"),
            ((*GOOD[:2], GOOD[2].replace(b'"key": "b"', b'"key": ""'), GOOD[3]), 3, "key"),
            ((*GOOD[:2], GOOD[2].replace(b'"key": "b"', b'"key": 1'), GOOD[3]), 3, "key"),
            ((*GOOD[:2], GOOD[2].replace(b'"key": "b"', b'"key": "b", "key": "c"'), GOOD[3]), 3, "twice"),
            ((*GOOD[:2], GOOD[1], last_line(2)), 3, "stands in line 2 too"),
            ((*GOOD[:3], last_line(3)), 4, "says that there are 3 entries"),
            ((*GOOD, json_line("c")), 5, "something follows"),
            ((*GOOD[:2], b"[" * 100_000 + b"\n", *GOOD[2:]), 3, "nests deeper"),
        ],
    )
    def test_names_the_line_and_writes_nothing(self, storage, home, lines, number, why):
        file = written(home / "in.jsonl", *lines)

        for policy in importing.POLICIES:
            with pytest.raises(ExportFileError, match=why) as refused:
                import_entries(file, on_conflict=policy)
            assert refused.value.context == {"path": str(file), "line": number}

        assert len(storage) == 0

    def test_any_flipped_bit_of_an_entry_is_noticed_or_harmless(self, storage, home):
        """Of each bit of a signed entry's line: refused here, or by whoever reads the entry."""
        storage["mse"] = double
        export_entries(home / "good.jsonl", [SPACE])
        good = (home / "good.jsonl").read_bytes()
        begin, end = good.index(b"\n") + 1, good.rindex(b"\n", 0, -1)
        storage.clear()
        noticed = 0
        for position in range(begin, end, 7):
            raw = bytearray(good)
            raw[position] ^= 1 << (position % 8)
            file = written(home / "bad.jsonl", bytes(raw))
            try:
                import_entries(file, dry_run=True)
            except ExportFileError:
                noticed += 1
                continue
            line = json.loads(bytes(raw).split(b"\n")[1])
            changed = RemoteStorageProxy(line["namespace"], url=storage.url)
            import_entries(file)
            with pytest.raises((SignatureInvalidError, UnknownSigningKeyError)):
                changed[line["key"]]
            changed.clear()

        assert noticed > 20

    def test_that_is_not_there_is_a_mistake(self, home):
        with pytest.raises(ExportFileError, match="Cannot read"):
            import_entries(home / "missing.jsonl")
        with pytest.raises(ExportFileError, match="Is a directory"):
            import_entries(home)


class TestOtherNamespaces:
    def test_signs_anew_what_a_key_held_here_has_signed(self, filled, url, home):
        export_entries(home / "all.jsonl", [SPACE])

        imported = import_entries(home / "all.jsonl", to_namespace={SPACE: "archive.losses"})

        assert imported.counts.keys() == {"archive.losses"}

        class Archive(FunctionalRegistry, logic_namespace="archive.losses", server=url):
            pass

        assert Archive.get_artifact("champion")(4) == 8
        assert Archive.get_artifact("lambda")(1) == 2
        assert Archive.get_artifact("join") is os.path.join

    def test_takes_what_lies_below_along_and_the_longest_wins(self, filled, home, url):
        export_entries(home / "all.jsonl")

        imported = import_entries(
            home / "all.jsonl", to_namespace={"research": "archive", "research.configs": "old.configs"}
        )

        assert imported.counts.keys() == {"archive.losses", "old.configs"}
        assert (
            import_entries(
                home / "all.jsonl", to_namespace={"research": "archive", "research.configs": "old.configs"}
            ).total("unchanged")
            == 2_313
        )

    def test_is_refused_where_the_key_is_not_held(self, filled, home, monkeypatch):
        export_entries(home / "all.jsonl", [SPACE])
        monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "another"))

        with pytest.raises(UnknownSigningKeyError) as refused:
            import_entries(home / "all.jsonl", to_namespace={SPACE: "archive.losses"}, on_conflict="skip")

        assert refused.value.context["line"] == 2
        assert any("leave out --to-namespace" in step for step in refused.value.suggestions)
        assert any("REGISTRY_SIGNING_KEY_FILE" in step for step in refused.value.suggestions)
        assert len(RemoteStorageProxy("archive.losses", url=filled.url)) == 0
        import_entries(home / "all.jsonl")  # under its own name nobody's key is needed

    def test_is_refused_where_the_signature_is_wrong(self, filled, home):
        """Signed for another name: to sign it anew would vouch for whoever moved it."""
        stored = filled.entry("join")
        file = written(
            home / "in.jsonl", first_line("x"), entry_line(SPACE, "moved", stored.envelope), last_line(1)
        )

        with pytest.raises(SignatureInvalidError) as refused:
            import_entries(file, to_namespace={SPACE: "archive.losses"})

        assert not any("leave out" in step for step in refused.value.suggestions)

    def test_is_refused_where_code_is_not_signed(self, filled, home):
        unsigned = filled.entry("join").envelope._replace(signature=None)
        file = written(home / "in.jsonl", first_line("x"), entry_line(SPACE, "join", unsigned), last_line(1))

        with pytest.raises(SignatureMissingError):
            import_entries(file, to_namespace={SPACE: "archive.losses"})

    def test_where_two_lines_come_to_one_name_is_refused(self, home, url):
        file = written(
            home / "in.jsonl",
            first_line("x"),
            json_line("a", namespace="one"),
            json_line("a", "2", namespace="two"),
            last_line(2),
        )

        with pytest.raises(ExportFileError, match="stands in line 2 too"):
            import_entries(file, to_namespace={"one": "both", "two": "both"})

    def test_that_are_not_in_the_file_are_a_mistake(self, home, url):
        file = written(home / "in.jsonl", first_line("x"), json_line("a"), last_line(1))

        with pytest.raises(CoercionError, match="reserch") as refused:
            import_entries(file, to_namespace={"reserch": "archive"})

        assert "research" in refused.value.suggestions


class TestTokens:
    def test_each_side_may_have_a_token_of_its_own(self, filled, url, home, start_server):
        """The second server asks for one; the environment has none."""
        locked = start_server()
        made = process(home, "token", "new", "mover", "--scope", "*:admin", "--storage", locked.storage)
        assert made.returncode == 0, made.stderr
        token = next(word for word in made.stdout.split() if len(word) > 40)
        locked.restart()
        export_entries(home / "all.jsonl", [SPACE])

        with pytest.raises(PermissionDeniedError):
            import_entries(home / "all.jsonl", server=locked.url)
        imported = import_entries(home / "all.jsonl", server=locked.url, token=token)

        assert imported.total("created") == 13
        again = export_entries(home / "back.jsonl", server=locked.url, token=token)
        assert again.namespaces == {SPACE: 13}
        assert token.encode() not in (home / "back.jsonl").read_bytes()


class TestCommands:
    def test_export_says_what_the_file_holds(self, run, filled, home):
        ran = run("export", SPACE, "-o", "out.jsonl")

        assert (ran.code, ran.lines) == (0, ["out.jsonl holds 13 entries of 1 namespaces"])
        assert run("export", SPACE, "-o", "out.jsonl", "--json").json == {
            "file": "out.jsonl",
            "entries": 13,
            "namespaces": {SPACE: 13},
            "changing": [],
        }

    @pytest.mark.parametrize("command", ["export", "freeze"])
    def test_nothing_in_a_namespace_that_was_named_leaves_the_older_file(self, run, storage, home, command):
        storage["mse"] = 1
        (home / "out").write_text("older")

        assert_mistake(run(command, "research.loses", "-o", "out"), "holds nothing", suggests=SPACE)
        assert_mistake(run(command, SPACE, "one.more", "-o", "out"), suggests="--allow-empty")
        assert (home / "out").read_text() == "older"
        assert run(command, SPACE, "one.more", "-o", "out", "--allow-empty").code == 0
        assert "one.more" in (home / "out").read_text() or command == "export"

    def test_nothing_at_all_to_export_is_an_error(self, run, storage, home):
        storage["mse"] = 1
        (home / "out").write_text("older")

        assert_mistake(run("export", "--prefix", "nse", "-o", "out"), "begins with 'nse'")
        storage.clear()
        assert_mistake(run("export", "-o", "out"), "nothing to export", suggests="token")
        assert (home / "out").read_text() == "older"
        assert run("export", "-o", "out", "--allow-empty").code == 0

    @pytest.mark.parametrize("command", ["export", "freeze"])
    def test_what_is_no_regular_file_is_written_into(self, run, storage, home, command):
        storage["mse"] = 1
        os.mkfifo(home / "pipe")
        (home / "link").symlink_to("target")
        (home / "older").touch(0o640)
        read: list[bytes] = []
        reader = threading.Thread(target=lambda: read.append((home / "pipe").read_bytes()), daemon=True)
        reader.start()

        piped = run(command, SPACE, "-o", "pipe")
        reader.join(10)
        for name in ("link", "older"):
            assert run(command, SPACE, "-o", name).code == 0

        assert piped.out == "", "it may be standard output"
        assert (home / "pipe").is_fifo()
        assert (home / "link").is_symlink()
        assert read == [(home / "target").read_bytes()] == [(home / "older").read_bytes()]
        assert (home / "older").stat().st_mode & 0o777 == 0o640
        assert (home / "target").stat().st_mode & 0o077 == (0 if command == "export" else 0o044)

    @pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is full")
    def test_no_room_is_told_in_words(self, run, storage, home):
        storage["mse"] = 1
        (home / "full").symlink_to("/dev/full")  # a mistake in this may cost the link, and no device

        assert_mistake(run("export", "-o", "full"), "No space left", suggests="-o FILE")
        with (
            open("/dev/full", "wb", buffering=0) as full,
            pytest.raises(ExportFileError, match="No space left"),
        ):
            export_entries(full)

    def test_import_reads_a_pipe_by_name(self, run, storage, home):
        os.mkfifo(home / "pipe")
        writer = threading.Thread(target=lambda: written(home / "pipe", *GOOD), daemon=True)
        writer.start()

        assert run("import", "pipe").rows == [[SPACE, "2", "0", "0", "0", "0"]]

    def test_a_key_that_was_edited_is_told_who_holds_its_signing_key(self, run, filled, home, monkeypatch):
        export_entries(home / "out.jsonl", [SPACE])
        edited = (home / "out.jsonl").read_bytes().replace(b'"key": "join"', b'"key": "joint"')
        written(home / "in.jsonl", edited)

        ran = run("import", "in.jsonl", "--dry-run")
        monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "another"))
        elsewhere = run("import", "in.jsonl", "--dry-run")

        assert f"joint in {SPACE} cannot be read" in ran.err
        assert len(ran.err.splitlines()) == 1
        assert elsewhere.err == ""
        assert not (home / "another").exists(), "an import makes no key"

    def test_import_ended_by_ctrl_c_says_what_is_stored(self, run, storage, home, monkeypatch):
        written(home / "in.jsonl", *GOOD[:2], json_line("c", namespace="other"), last_line(2))
        real, first = NamespaceTransfer.put, iter([True])

        def put(self, offers):
            if not next(first, None):
                raise KeyboardInterrupt
            return real(self, offers)

        monkeypatch.setattr(NamespaceTransfer, "put", put)
        ran = run("import", "in.jsonl")

        assert (ran.code, ran.out) == (130, "")
        assert "after 1 of 2 entries" in ran.err
        assert "run it again" in ran.err

    def test_waits_as_long_as_the_environment_says(self, home):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            os.environ["REGISTRY_SERVER_TIMEOUT"] = "0.2"
            silent_url = f"http://127.0.0.1:{silent.getsockname()[1]}"

            with pytest.raises(ServerTimeoutError, match=r"within 0\.2 s"):
                export_entries(home / "out", server=silent_url)

        del os.environ["REGISTRY_SERVER_TIMEOUT"]
        assert moving_timeout() == 60

    def test_dry_run_is_a_table_and_conflicts_are_exit_code_1(self, run, storage, home):
        storage.update({"same": 1, "other": 2})
        written(
            home / "in.jsonl",
            first_line("x"),
            json_line("same"),
            json_line("other"),
            json_line("new"),
            last_line(3),
        )

        ran = run("import", "in.jsonl", "--dry-run")

        assert ran.code == 1
        assert ran.lines[0].split() == [
            "Namespace",
            "Created",
            "Replaced",
            "Unchanged",
            "Skipped",
            "Conflict",
        ]
        assert ran.lines[1].split() == [SPACE, "1", "0", "1", "0", "1"]
        assert ran.lines[2:] == [f"conflict: other in {SPACE}", "nothing was written: --dry-run"]
        as_json = run("import", "in.jsonl", "--dry-run", "--json", "--on-conflict", "skip").json
        assert as_json["entries"] == [
            {"namespace": SPACE, "key": "other", "action": "skipped"},
            {"namespace": SPACE, "key": "new", "action": "created"},
        ]

    def test_conflicts_and_mistakes_are_told_with_the_next_step(self, run, storage, home):
        storage["a"] = 2
        written(home / "in.jsonl", *GOOD)
        written(home / "bad.jsonl", *GOOD[:2])

        assert_mistake(run("import", "in.jsonl"), "1 entries have another one", suggests="--on-conflict skip")
        assert_mistake(run("import", "bad.jsonl"), "bad.jsonl, line 2", suggests="export it again")
        assert_mistake(
            run("import", "missing.jsonl"), "Cannot read missing.jsonl", suggests="registry export"
        )
        assert_mistake(run("import", "in.jsonl", "--on-conflict", "merge"), "no policy", suggests="replace")
        assert_mistake(run("import", "in.jsonl", "--to-namespace", "a"), "OLD=NEW", suggests="=")
        assert_mistake(run("export", "-o", "-", "--json"), "standard output", suggests="-o FILE")
        assert_mistake(run("export", "no_space", "-o", "x.jsonl"), "Invalid namespace")

    def test_moves_under_another_name(self, run, filled, home):
        run("export", SPACE, "-o", "out.jsonl")

        ran = run("import", "out.jsonl", "--to-namespace", f"{SPACE}=archive.losses")

        assert ran.rows == [["archive.losses", "13", "0", "0", "0", "0"]]

    def test_hostile_names_command_no_terminal(self, run, storage, home):
        storage["\x1b[31mred"] = 2
        written(home / "in.jsonl", first_line("x"), json_line("\x1b[31mred"), last_line(1))

        ran = run("import", "in.jsonl", "--on-conflict", "replace")

        assert "\x1b" not in ran.out
        assert "\\x1b[31mred" in ran.out


class TestTransfer:
    def test_values_that_fill_several_answers_are_all_compared(self, storage, url):
        """A batch's answer has room for some 16 MiB; the rest is asked for again."""
        storage.update({f"large{n}": "x" * 7_000_000 for n in range(4)})
        transfer = NamespaceTransfer(SPACE, url=url, timeout=60)

        standing = transfer.standing([*(f"large{n}" for n in range(4)), "missing"])

        assert standing.keys() == {f"large{n}" for n in range(4)}
        results = transfer.put([Offer("large0", storage.entry("large0").envelope, ABSENT)])
        assert results[0].outcome == "refused"
        assert results[0].standing == standing["large0"]

    def test_an_import_by_two_at_once_creates_each_entry_once(self, home, url, storage):
        file = written(
            home / "in.jsonl",
            first_line("x"),
            *(json_line(f"k{n}", str(n)) for n in range(1_500)),
            last_line(1_500),
        )
        reports = []
        racers = [
            threading.Thread(target=lambda: reports.append(import_entries(file, on_conflict="skip")))
            for _ in "ab"
        ]
        for racer in racers:
            racer.start()
        for racer in racers:
            racer.join()

        assert sum(report.total("created") for report in reports) == 1_500
        assert sum(report.total("unchanged") for report in reports) == 1_500
        assert len(storage) == 1_500
