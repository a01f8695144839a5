"""The exception tree: its shape, what it shows, and that it survives the way out of a worker."""

from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

import registry
from registry import errors
from registry.errors import RegistryError, ValidationError

CLASSES = [
    kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, ValidationError)
]

BUILTINS = {
    "CoercionError": TypeError,
    "NamespaceError": ValueError,
    "ConformanceError": TypeError,
    "InheritanceError": TypeError,
    "RegistryError": KeyError,
    "DuplicateKeyError": KeyError,
    "SerializationError": ValueError,
    "UntrustedError": ValueError,
    "ServerUnreachableError": ConnectionError,
    "ServerTimeoutError": TimeoutError,
    "PermissionDeniedError": PermissionError,
    "AliasError": LookupError,
    "LockFileError": ValueError,
    "ExportFileError": ValueError,
    "FrozenError": PermissionError,
}


def drawn_tree() -> dict[str, str]:
    """Each class of the module docstring's drawing with the class above it."""
    parents: dict[str, str] = {}
    path: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        found = re.match(r"^    ([│├└─ ]*)([A-Z]\w+Error)\b", line)
        if found:
            depth = len(found[1])
            path[depth] = found[2]
            parents[found[2]] = path[depth - 4] if depth else "Exception"
    return parents


def example(kind: type[ValidationError]) -> ValidationError:
    return kind("Asked for 'mes'", ["mse"], {"key": "mes", "limit": 3})


def test_the_tree_is_the_one_that_is_drawn():
    assert drawn_tree() == {kind.__name__: kind.__bases__[0].__name__ for kind in CLASSES}


def test_every_class_is_exported():
    assert {kind.__name__ for kind in CLASSES} <= set(registry.__all__)


@pytest.mark.parametrize(("name", "builtin"), BUILTINS.items())
def test_a_caller_may_catch_the_builtin_instead(name, builtin):
    assert issubclass(getattr(errors, name), builtin)


def test_no_remote_error_is_a_key_error():
    assert not issubclass(errors.RemoteError, KeyError)
    assert not issubclass(errors.UntrustedError, KeyError)


def test_each_kind_of_error_has_a_code_of_its_own():
    codes = [kind.code for kind in CLASSES]

    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize("kind", CLASSES)
def test_str_shows_message_suggestions_and_context(kind):
    assert str(example(kind)) == "Asked for 'mes'\n  suggestion: mse\n  key: mes\n  limit: 3"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_comes_out_of_a_pickle_whole(kind, protocol):
    error = example(kind)
    error.add_note("while testing")

    found = pickle.loads(pickle.dumps(error, protocol))

    assert type(found) is kind
    assert (found.message, found.suggestions, found.context) == (
        error.message,
        error.suggestions,
        error.context,
    )
    assert str(found) == str(error)
    assert found.__notes__ == ["while testing"]


@pytest.mark.parametrize("kind", CLASSES)
def test_an_error_can_be_copied(kind):
    found = copy.deepcopy(example(kind))

    assert (type(found), str(found)) == (kind, str(example(kind)))


def test_what_an_error_was_given_is_not_shared_with_the_giver():
    suggestions, context = ["mse"], {"key": "mes"}
    error = RegistryError("Key not found", suggestions, context)

    suggestions.append("mae")
    context["more"] = "1"

    assert error.suggestions == ["mse"]
    assert error.context == {"key": "mes"}


def test_without_suggestions_and_context_only_the_message_shows():
    assert str(RegistryError("Key not found: 'x'.")) == "Key not found: 'x'."
