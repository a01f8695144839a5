"""A name whose artifact is the same, and whose signature is another's."""

import pytest

from registry import DuplicateKeyError, FunctionalRegistry
from registry.envelope.keyfile import create_key_file, rotate_keys


def double(x):
    return 2 * x


@pytest.fixture
def losses(live_server_url, tmp_path, monkeypatch):
    monkeypatch.setenv("REGISTRY_SIGNING_KEY_FILE", str(tmp_path / "first.keys"))
    create_key_file()

    class Theirs(FunctionalRegistry, logic_namespace="research.losses"):
        pass

    class Losses(FunctionalRegistry, logic_namespace="research.losses"):
        pass

    Theirs.register_artifact(double)
    return Losses


def test_the_same_artifact_under_a_key_of_others_is_no_silent_success(losses, tmp_path, monkeypatch):
    """Whoever holds only the new key could not read what stands there."""
    monkeypatch.setenv("REGISTRY_SIGNING_KEY_FILE", str(tmp_path / "second.keys"))
    create_key_file()

    with pytest.raises(DuplicateKeyError, match="signed with a key that is not held here"):
        losses.register_artifact(double)

    losses.update_artifact("double", double)
    assert losses.get_artifact("double")(4) == 8


def test_the_same_artifact_under_a_rotated_key_is_registered_already(losses):
    rotate_keys()

    losses.register_artifact(double)
