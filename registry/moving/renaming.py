"""Importing under another namespace: a signature is over the name, so what is signed is signed anew.

Only by a key that is held here, and only what a held key has signed for the old name: else a server could
have anything signed by having it moved.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from registry.envelope import keyfile
from registry.envelope.form import Envelope
from registry.errors import CoercionError, SignatureError, SignatureInvalidError
from registry.moving.form import Line
from registry.names import check_namespace
from registry.suggest import near_names


class Renaming:
    """From namespaces to others; what lies below one goes along.

    Args:
        to_namespace: the new name of each; where several lead to a namespace, the longest counts.

    Raises:
        NamespaceError: one is no namespace.
    """

    def __init__(self, to_namespace: Mapping[str, str]) -> None:
        self._to = {check_namespace(old): check_namespace(new) for old, new in to_namespace.items()}
        self._met: set[str] = set()
        self._seen: set[str] = set()

    def __call__(self, lines: Iterable[Line]) -> Iterator[Line]:
        """The lines as they are imported.

        Raises:
            SignatureError: one is signed by no held key, or wrongly; or there is no key here.
        """
        return (self._renamed(line) for line in lines)

    def check_all_met(self) -> None:
        """Raise `CoercionError` if a namespace that was to be renamed has not come."""
        for old in self._to.keys() - self._met:
            raise CoercionError(
                f"Nothing of the namespace {old} is in the file",
                suggestions=near_names(old, self._seen) or sorted(self._seen)[:3],
                context={"namespace": old},
            )

    def _renamed(self, line: Line) -> Line:
        parts = line.namespace.split(".")
        self._seen.update(".".join(parts[:end]) for end in range(1, len(parts) + 1))
        old = self._longest(line.namespace)
        if old is None:
            return line
        self._met.add(old)
        namespace = check_namespace(self._to[old] + line.namespace[len(old) :])
        if namespace == line.namespace:
            return line
        return line._replace(namespace=namespace, envelope=_signed_anew(line, namespace))

    def _longest(self, namespace: str) -> str | None:
        while namespace not in self._to:
            namespace, dot, _ = namespace.rpartition(".")
            if not dot:
                return None
        return namespace


def _signed_anew(line: Line, namespace: str) -> Envelope:
    envelope = line.envelope
    if envelope.type == "json" and envelope.signature is None:
        return envelope
    try:
        keyring = keyfile.load_keyring()
        if keyring is None:
            raise SignatureError(f"{line.key!r} has to be signed anew", [keyfile.why_no_keyring()])
        keyring.verify(envelope, namespace=line.namespace, key=line.key)
    except SignatureError as error:
        error.context["line"] = line.number
        if not isinstance(error, SignatureInvalidError):
            error.suggestions = [*error.suggestions, "import it under its own name: leave out --to-namespace"]
        raise
    return keyring.sign(envelope, namespace=namespace, key=line.key)
