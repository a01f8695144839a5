"""``registry key ...`` and ``registry resign``: keys are made, shown without their secrets, and changed."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from registry.envelope import keyfile
from tests.commands.conftest import SPACE, assert_mistake

OWN = Path("config/namestead/signing.keys")


def function():
    """Something that is signed."""


def secrets(path: Path) -> list[str]:
    return [line.split()[2] for line in path.read_text().splitlines() if not line.startswith("#")]


def signer(storage, key: str) -> str | None:
    signature = storage.entry(key).envelope.signature
    return signature and signature.partition(":")[0]


class TestNew:
    def test_makes_the_users_own_file(self, run, home):
        ran = run("key", "new")

        (key,) = keyfile.list_keys()
        assert ran.lines == [f"made key {key.id} in {home / OWN}"]
        assert stat.S_IMODE((home / OWN).stat().st_mode) == 0o600

    def test_makes_a_teams_file_and_says_how_to_use_it(self, run, home):
        ran = run("key", "new", "--file", "team.keys")

        assert ran.lines[1] == "use it: export REGISTRY_SIGNING_KEY_FILE=team.keys"
        assert len(secrets(home / "team.keys")) == 1
        assert not (home / OWN).exists()

    def test_never_prints_a_secret(self, run, home):
        said = [run("key", "new"), run("key", "list"), run("key", "rotate"), run("key", "list")]

        assert len(secrets(home / OWN)) == 2
        assert not any(secret in ran.out + ran.err for ran in said for secret in secrets(home / OWN))

    def test_leaves_a_file_that_is_there(self, run, home):
        run("key", "new")
        before = (home / OWN).read_text()

        assert_mistake(
            run("key", "new"), "There is a key file at", str(home / OWN), suggests="registry key rotate"
        )
        assert (home / OWN).read_text() == before

    def test_place_that_cannot_be_is_told(self, run, home):
        (home / "file").touch()

        assert_mistake(
            run("key", "new", "--file", "file/team.keys"), "Cannot make a key file", suggests="--file PATH"
        )


class TestList:
    def test_first_key_signs_and_all_verify(self, run, home):
        run("key", "new")
        run("key", "rotate")

        new, old = keyfile.list_keys()
        assert run("key", "list").rows == [[new.id, "signs and verifies"], [old.id, "verifies"]]

    @pytest.mark.parametrize("options", [(), ("--file", "missing.keys")])
    def test_no_file_yet_says_how_one_comes_to_be(self, run, options):
        assert_mistake(run("key", "list", *options), "There is no key file at", suggests="registry key new")

    def test_file_that_others_can_read_is_refused(self, run, home):
        run("key", "new")
        os.chmod(home / OWN, 0o644)

        assert_mistake(run("key", "list"), "is open to others", suggests=f"chmod 600 {home / OWN}")

    def test_file_that_is_none_is_refused_without_quoting_it(self, run, home):
        run("key", "new")
        (secret,) = secrets(home / OWN)
        (home / OWN).write_text(f"hmac-sha256 0000000000000000 {secret}\n")

        ran = run("key", "list")

        assert_mistake(ran, "has no signing key in line 1")
        assert secret not in ran.err

    @pytest.mark.parametrize("command", [("list",), ("rotate",), ("remove", "x"), ("new",)], ids=str)
    def test_directory_is_none(self, run, home, command):
        assert_mistake(run("key", *command, "--file", str(home)), "is a directory", suggests="name a file")

    def test_configured_directory_is_none(self, run, home):
        os.environ["REGISTRY_SIGNING_KEY_FILE"] = str(home)

        assert_mistake(run("key", "list"), "is a directory", suggests="name a file")

    def test_file_that_may_not_be_read_is_told(self, run, monkeypatch):
        run("key", "new")
        monkeypatch.setattr(keyfile, "open", _denied, raising=False)

        assert_mistake(run("key", "list"), "cannot be read: Permission denied")

    @pytest.mark.parametrize("command", ["list", "new", "rotate"])
    def test_file_without_a_key_is_told_alike_by_all(self, run, home, command):
        (home / "team.keys").touch(0o600)

        ran = run("key", command, "--file", "team.keys")

        assert_mistake(ran, "has no key", suggests="remove it, and make one with `registry key new`")
        assert "rotate" not in ran.err


def _denied(path, *_):
    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


class TestRotate:
    def test_new_key_stands_in_front(self, run):
        run("key", "new")
        (old,) = keyfile.list_keys()

        ran = run("key", "rotate")

        new, second = keyfile.list_keys()
        assert second.id == old.id
        assert ran.lines[0] == f"{new.id} signs from now on"
        assert "registry resign" in ran.lines[1]

    def test_nothing_to_rotate(self, run):
        assert_mistake(run("key", "rotate"), "Cannot rotate the keys", suggests="registry key new")
        ran = run("key", "rotate", "--file", "team.keys")
        assert_mistake(ran, "Cannot rotate the keys", suggests="registry key new --file team.keys")

    def test_folder_that_may_not_be_written_is_no_missing_key(self, run, monkeypatch):
        run("key", "new")
        monkeypatch.setattr(os, "open", _denied)

        ran = run("key", "rotate")

        assert_mistake(ran, "Permission denied", suggests="see who may write to the file and its folder")
        assert "key new" not in ran.err


class TestRemove:
    def test_a_key_that_was_rotated_out_is_taken_out(self, run, home):
        run("key", "new")
        (old,) = keyfile.list_keys()
        (home / OWN).write_text(f"# of the team\n{(home / OWN).read_text()}")
        (home / OWN).chmod(0o600)
        run("key", "rotate")

        ran = run("key", "remove", old.id)

        (left,) = keyfile.list_keys()
        assert left.id != old.id
        assert ran.lines == [f"{old.id} signs and verifies nothing any more"]
        assert "# of the team" in (home / OWN).read_text()
        assert stat.S_IMODE((home / OWN).stat().st_mode) == 0o600

    @pytest.mark.parametrize("which", ["the only one", "another"])
    def test_a_key_that_is_the_only_one_or_not_there_is_not(self, run, home, which):
        run("key", "new")
        (own,) = keyfile.list_keys()
        before = (home / OWN).read_text()

        ran = run("key", "remove", own.id if which == "the only one" else "nothing")

        assert_mistake(ran, "has", suggests="registry key")
        assert (home / OWN).read_text() == before

    def test_nothing_to_remove_from(self, run):
        assert_mistake(run("key", "remove", "x"), "Cannot remove a key", suggests="registry key list")


class TestResign:
    def test_entries_of_an_old_key_get_the_new_ones_signature(self, run, storage):
        storage["f"] = function
        storage["value"] = {1, 2}
        old = signer(storage, "f")
        run("key", "rotate")
        new = keyfile.list_keys()[0].id

        ran = run("resign", SPACE)

        assert ran.code == 0, ran.err
        assert "2 of 2 entries" in ran.out
        assert {signer(storage, "f"), signer(storage, "value")} == {new} != {old}

    def test_what_was_signed_again_is_read_without_the_old_key(self, run, home, storage):
        storage["f"] = function
        run("key", "rotate")
        run("resign", SPACE)
        lines = (home / OWN).read_text().splitlines()
        (home / OWN).write_text("\n".join(lines[:-1]) + "\n")

        assert len(keyfile.list_keys()) == 1
        assert storage["f"] is function

    def test_entries_of_an_unknown_key_are_listed_and_left(self, run, home, storage):
        storage["theirs"] = function
        before = storage.entry("theirs")
        (home / OWN).unlink()
        run("key", "new")
        storage["ours"] = function

        ran = run("resign", SPACE)

        assert ran.code == 1
        assert "1 of 2 entries" in ran.out
        (line,) = [line for line in ran.lines if line.startswith("left as it is: ")]
        assert line.startswith("left as it is: theirs: ")
        assert signer(storage, "theirs") in line
        assert ran.lines[-1].startswith("next: ")
        assert storage.entry("theirs") == before

    def test_entry_that_was_changed_is_listed_and_left(self, run, storage):
        envelope = storage.prepare("f", function)
        storage._set("f", envelope._replace(meta={**envelope.meta, "module": "other"}))
        before = storage.entry("f")

        ran = run("resign", SPACE)

        assert ran.code == 1
        assert "left as it is: f: The signature" in ran.out
        assert storage.entry("f") == before

    def test_unsigned_code_is_listed_and_left(self, run, storage):
        storage._set("f", storage.prepare("f", function)._replace(signature=None))

        ran = run("resign", SPACE)

        assert ran.code == 1
        assert "left as it is: f: " in ran.out
        assert signer(storage, "f") is None

    def test_json_stays_as_it_is(self, run, storage):
        storage["config"] = {"lr": 0.1}
        before = storage.entry("config")

        ran = run("resign", SPACE)

        assert ran.code == 0
        assert "JSON" in ran.out
        assert storage.entry("config") == before

    def test_again_changes_nothing(self, run, storage):
        storage["f"] = function
        before = storage.entry("f")

        assert run("resign", SPACE).code == 0
        assert storage.entry("f") == before

    def test_empty_namespace_is_none_of_none(self, run):
        assert "0 of 0 entries" in run("resign", SPACE).out

    def test_entry_that_went_meanwhile_does_not_stop_it(self, run, storage, monkeypatch):
        storage["f"] = function
        monkeypatch.setattr(type(storage), "__iter__", lambda self: iter(["gone", "f"]))
        run("key", "rotate")

        assert run("resign", SPACE).code == 0
        assert signer(storage, "f") == keyfile.list_keys()[0].id

    def test_key_file_that_cannot_be_used_is_one_mistake(self, run, home, storage):
        storage.update({str(number): function for number in range(3)})
        os.chmod(home / OWN, 0o644)

        assert_mistake(run("resign", SPACE), "is open to others", suggests="chmod 600")


def test_two_accounts_share_one_file(run, home, storage, monkeypatch):
    """What the help of ``key new --file`` says to do, done."""
    run("key", "new", "--file", "team.keys")
    monkeypatch.setenv("REGISTRY_SIGNING_KEY_FILE", "team.keys")
    storage["f"] = function
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "another"))

    assert storage["f"] is function
    assert run("resign", SPACE).code == 0
    assert not (home / "another").exists()
