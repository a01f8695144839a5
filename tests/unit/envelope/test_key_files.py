"""Where keys are kept: who can read them, who makes them, and what is said when they cannot be used."""

import copy
import os
import pickle
import stat
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

from registry.envelope import keyfile
from registry.envelope.codec import EnvelopeCodec
from registry.envelope.signing import Keyring, SigningKey, key_id_of, new_key
from registry.envelope.trust import TrustPolicy
from registry.errors import SignatureError, SignatureInvalidError, UnknownSigningKeyError

SECRET = b"s" * 32
NAME: dict[str, Any] = {"namespace": "a.b", "key": "c"}
CHECKOUT = Path(__file__).parents[3]


@pytest.fixture
def own_file(home):
    return home / "namestead" / "signing.keys"


def key_line(key):
    return f"hmac-sha256 {key.id} {key.export()}\n"


def write_keys(path, *keys, mode=0o600):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# a comment\n" + "".join(map(key_line, keys)))
    path.chmod(mode)


def held_keys():
    keyring = keyfile.load_keyring()
    assert keyring is not None
    return list(keyring)


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def test_first_need_makes_a_private_key(own_file):
    keyring = keyfile.load_keyring()

    assert keyring is not None
    assert len(list(keyring)) == 1
    assert (mode_of(own_file), mode_of(own_file.parent)) == (0o600, 0o700)
    assert os.listdir(own_file.parent) == ["signing.keys"]
    assert keyfile.load_keyring() is keyring


def test_umask_opens_nothing(own_file):
    before = os.umask(0)
    try:
        keyfile.load_keyring()
    finally:
        os.umask(before)

    assert (mode_of(own_file), mode_of(own_file.parent)) == (0o600, 0o700)


def test_two_homes_have_two_keys(tmp_path, monkeypatch):
    first = held_keys()
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "other"))

    assert held_keys() != first


def test_json_needs_no_key(own_file):
    codec = EnvelopeCodec()
    codec.decode(codec.encode({"a": 1}, **NAME), **NAME)

    assert not own_file.exists()


def test_without_xdg_the_file_lies_under_the_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for relative in ("", "relative/path"):
        monkeypatch.setenv("XDG_CONFIG_HOME", relative)
        assert keyfile.key_file_path() == str(tmp_path / ".config" / "namestead" / "signing.keys")


@pytest.mark.parametrize("count", [8])
def test_first_starts_at_once_make_one_key(count, home):
    """Each process waits at a pipe until all stand there, then asks for the keyring."""
    program = (
        "import sys; from registry.envelope import keyfile; print('ready', flush=True); "
        "sys.stdin.readline(); print(*keyfile.load_keyring())"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT), "XDG_CONFIG_HOME": str(home)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(count)
    ]
    assert {process.stdout.readline() for process in processes if process.stdout} == {"ready\n"}
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    answers = [process.communicate(timeout=60)[0] for process in processes]

    assert len(set(answers)) == 1
    assert answers[0].split() == held_keys()
    assert os.listdir(home / "namestead") == ["signing.keys"]


def test_a_loser_of_the_race_takes_the_winners_key(own_file, monkeypatch):
    winner = SigningKey(SECRET)

    def link(source, target):
        write_keys(own_file, winner)
        raise FileExistsError

    monkeypatch.setattr(os, "link", link)

    assert held_keys() == [winner.id]
    assert os.listdir(own_file.parent) == ["signing.keys"]


# --- files that are refused --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o660])
def test_the_own_file_is_refused_if_others_can_read_or_write_it(mode, own_file):
    write_keys(own_file, SigningKey(SECRET), mode=mode)

    with pytest.raises(SignatureError, match=r"open to others") as caught:
        keyfile.load_keyring()
    assert f"chmod 600 {own_file}" in caught.value.suggestions


@pytest.mark.parametrize(
    ("mode", "allowed"), [(0o600, True), (0o440, True), (0o640, True), (0o644, False), (0o660, False)]
)
def test_a_configured_file_may_be_read_by_its_group_only(mode, allowed, tmp_path, monkeypatch):
    path = tmp_path / "team.keys"
    write_keys(path, SigningKey(SECRET), mode=mode)
    monkeypatch.setenv("REGISTRY_SIGNING_KEY_FILE", str(path))

    if allowed:
        assert held_keys() == [SigningKey(SECRET).id]
    else:
        with pytest.raises(SignatureError, match=r"open to others"):
            keyfile.load_keyring()


def test_opening_a_file_to_others_is_noticed_by_a_running_process(own_file):
    keyfile.load_keyring()
    own_file.chmod(0o644)

    with pytest.raises(SignatureError, match=r"open to others"):
        keyfile.load_keyring()


def test_a_configured_file_that_is_missing_is_an_error_and_not_made(tmp_path, monkeypatch, own_file):
    monkeypatch.setenv("REGISTRY_SIGNING_KEY_FILE", str(tmp_path / "missing.keys"))

    with pytest.raises(SignatureError, match=r"missing.keys does not exist"):
        keyfile.load_keyring()
    assert not (tmp_path / "missing.keys").exists()
    assert not own_file.exists()


GOOD = SigningKey(SECRET)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "has no key"),
        ("# only a comment\n", "has no key"),
        (key_line(GOOD) * 2, "has a key twice"),
        (f"{GOOD.export()}\n", "line 1"),
        (f"\nhmac-sha256 0123456789abcdef {GOOD.export()}\n", "line 2"),
        (f"hmac-sha1 {GOOD.id} {GOOD.export()}\n", "line 1"),
        (f"hmac-sha256 {GOOD.id} {GOOD.export()[:-8]}\n", "line 1"),
        (f"hmac-sha256 {GOOD.id} c2hvcnQ=\n", "line 1"),
        (f"hmac-sha256 {GOOD.id} {GOOD.export()} extra\n", "line 1"),
        ("\0\xff", "line 1"),
        ("x" * 70_000, "too large"),
    ],
)
def test_a_damaged_file_is_refused_without_quoting_it(text, reason, own_file):
    own_file.parent.mkdir()
    own_file.write_text(text)
    own_file.chmod(0o600)

    with pytest.raises(SignatureError, match=reason) as caught:
        keyfile.load_keyring()
    assert GOOD.export()[:16] not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("home_is", ["a file", "in a file"])
def test_where_no_home_is_usable_there_is_no_keyring_and_a_next_step(home_is, tmp_path, monkeypatch):
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(blocker if home_is == "a file" else blocker / "deeper"))

    assert keyfile.load_keyring() is None
    assert "REGISTRY_SIGNING_KEY_FILE" in keyfile.why_no_keyring()


def test_a_disk_that_cannot_be_written_leaves_nothing_behind(own_file, monkeypatch):
    def link(source, target):
        raise PermissionError("this file system has no links")

    monkeypatch.setattr(os, "link", link)

    assert keyfile.load_keyring() is None
    assert os.listdir(own_file.parent) == []


def signing_key(envelope):
    return key_id_of(envelope.signature)


# --- rotation ----------------------------------------------------------------------------------------------


def test_rotation_signs_with_the_new_key_and_still_verifies_the_old(own_file):
    codec = EnvelopeCodec()
    before = codec.encode((1,), **NAME)
    new = keyfile.rotate_keys()
    after = codec.encode((1,), **NAME)

    assert signing_key(after) == new.id != signing_key(before)
    assert codec.decode(before, **NAME) == codec.decode(after, **NAME) == (1,)
    assert [key.signs for key in keyfile.list_keys()] == [True, False]
    assert mode_of(own_file) == 0o600


def test_a_retired_key_is_unknown_and_resigning_before_saves_the_value(own_file):
    codec = EnvelopeCodec()
    old = codec.encode((1,), **NAME)
    new = keyfile.rotate_keys()
    resigned = codec.resign(old, **NAME)
    kept = [line for line in own_file.read_text().splitlines(keepends=True) if new.id in line]
    own_file.write_text("".join(kept))

    assert codec.decode(resigned, **NAME) == (1,)
    with pytest.raises(UnknownSigningKeyError):
        codec.decode(old, **NAME)
    with pytest.raises(UnknownSigningKeyError):
        codec.resign(old, **NAME)


def test_resigning_is_no_way_to_move_a_value():
    codec = EnvelopeCodec()

    with pytest.raises(SignatureInvalidError):
        codec.resign(codec.encode((1,), **NAME), namespace="a.b", key="other")


def test_rotation_keeps_comments_and_links(tmp_path):
    path, link = tmp_path / "team.keys", tmp_path / "link"
    write_keys(path, SigningKey(SECRET))
    link.symlink_to(path)
    keyfile.rotate_keys(str(link))

    assert link.is_symlink()
    assert path.read_text().startswith("# a comment\n")
    assert path.read_text().endswith(key_line(SigningKey(SECRET)))


def test_two_rotations_at_once_lose_no_key(own_file):
    keyfile.load_keyring()
    before = own_file.read_text()
    beside = own_file.with_name("signing.keys.new")
    beside.touch()

    with pytest.raises(SignatureError, match="being changed by another process"):
        keyfile.rotate_keys()
    assert own_file.read_text() == before
    assert beside.exists()


def test_a_rotation_that_fails_changes_nothing(own_file):
    write_keys(own_file, SigningKey(SECRET))
    own_file.write_text("broken\n")

    with pytest.raises(SignatureError, match="line 1"):
        keyfile.rotate_keys()
    assert own_file.read_text() == "broken\n"
    assert os.listdir(own_file.parent) == ["signing.keys"]


def test_a_new_file_never_replaces_one(own_file):
    made = keyfile.create_key_file()
    with pytest.raises(FileExistsError):
        keyfile.create_key_file()

    assert keyfile.list_keys() == [made]


def test_a_forked_child_uses_the_same_keys():
    codec = EnvelopeCodec()
    envelope = codec.encode((1,), **NAME)
    child = os.fork()
    if child == 0:
        os._exit(0 if codec.decode(envelope, **NAME) == (1,) else 1)

    assert os.waitpid(child, 0)[1] == 0


# --- secrets stay where they are ---------------------------------------------------------------------------


def test_secrets_are_in_no_repr():
    key = SigningKey(SECRET)
    ring = Keyring([key])
    shown = f"{key!r} {key} {ring!r} {TrustPolicy(keyring=ring)!r} {keyfile.KeyListing(key.id, True)}"

    assert "sss" not in shown
    assert key.export() not in shown
    assert SECRET.hex() not in shown


@pytest.mark.parametrize("duplicate", [pickle.dumps, copy.copy, copy.deepcopy])
@pytest.mark.parametrize("thing", [SigningKey(SECRET), Keyring([SigningKey(SECRET)])], ids=repr)
def test_keys_are_neither_pickled_nor_copied(duplicate, thing):
    with pytest.raises(TypeError, match="not pickled"):
        duplicate(thing)


def test_a_policy_with_a_keyring_in_it_is_not_pickled():
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(EnvelopeCodec(TrustPolicy(keyring=Keyring([SigningKey(SECRET)]))))


def test_new_keys_differ_and_short_ones_are_refused():
    assert new_key().id != new_key().id
    with pytest.raises(ValueError, match="at least 32 bytes"):
        SigningKey(b"short")


@pytest.mark.parametrize("keys", [[], [SigningKey(SECRET), SigningKey(SECRET)]], ids=["none", "one twice"])
def test_a_keyring_has_keys_and_none_twice(keys):
    with pytest.raises(ValueError, match="at least one key"):
        Keyring(keys)
