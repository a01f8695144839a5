"""Envelopes to and from a namespace as they are, many a request, each written on its own condition."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from registry.envelope.form import Envelope
from registry.storage.connection import Address, Connection
from registry.storage.problems import outside_contract
from registry_client.api.batch import batch_get, batch_set
from registry_client.models import (
    BatchGetEntry,
    BatchGetRequest,
    BatchSetEntry,
    BatchSetRequest,
    KeyEnvelope,
)
from registry_client.models import Envelope as WireEnvelope

ABSENT: Final = "absent"
"""The condition that the key is free; any other is the ETag of the version to replace."""


class Standing(NamedTuple):
    """What stands under a key.

    Attributes:
        etag: its version.
        digest: of its content.
        meta: as the envelope's.
        signature: as the envelope's.
    """

    etag: str
    digest: str
    meta: Mapping[str, str] | None
    signature: str | None

    def is_equal(self, envelope: Envelope) -> bool:
        """Whether an envelope is this one in every field."""
        return self[1:] == (envelope.digest, envelope.meta, envelope.signature)


class Offer(NamedTuple):
    """An envelope to store under a key, and on which condition: `ABSENT` or an ETag."""

    key: str
    envelope: Envelope
    expect: str


class Result(NamedTuple):
    """What became of an `Offer`: ``created``, ``replaced``, ``unchanged``; or ``refused``, by what stands."""

    outcome: str
    standing: Standing | None


class NamespaceTransfer:
    """One namespace of one server. Each method is one request, but for values that fill several answers.

    Raises:
        RemoteError: the server gave no usable answer.
    """

    def __init__(self, namespace: str, *, url: str | None, timeout: float, token: str | None = None) -> None:
        self.namespace = namespace
        self._connection = Connection(Address(timeout=timeout, url=url), token)

    def put(self, offers: Sequence[Offer]) -> list[Result]:
        """Store the envelopes whose conditions hold, in one transaction; what became of each, in order."""
        entries = [
            BatchSetEntry(_key(offer.key), WireEnvelope.from_dict(offer.envelope.to_dict()), offer.expect)
            for offer in offers
        ]
        answer = self._connection.call(batch_set, self.namespace, body=BatchSetRequest(entries))
        self._check(answer.outcomes, offers)
        return [_result(outcome) for outcome in answer.outcomes]

    def standing(self, keys: Sequence[str]) -> dict[str, Standing]:
        """What stands under each of the keys that are taken."""
        found: dict[str, Standing] = {}
        wanted = list(keys)
        while wanted:
            request = BatchGetRequest([BatchGetEntry(_key(key)) for key in wanted])
            answer = self._connection.call(batch_get, self.namespace, body=request)
            self._check(answer.outcomes, wanted)
            omitted = []
            for key, outcome in zip(wanted, answer.outcomes, strict=True):
                if outcome.outcome == "omitted":
                    omitted.append(key)
                elif outcome.outcome == "found":
                    found[key] = self._found(outcome)
            if len(omitted) == len(wanted):
                raise outside_contract(self._connection.url, "a batch of which it omitted everything")
            wanted = omitted
        return found

    def _found(self, outcome: Any) -> Standing:
        if not (type(outcome.etag) is str and isinstance(outcome.value, WireEnvelope)):
            raise outside_contract(self._connection.url, "an entry without ETag or value")
        envelope = Envelope.from_dict(outcome.value.to_dict())
        return Standing(outcome.etag, envelope.digest, envelope.meta, envelope.signature)

    def _check(self, outcomes: Sequence[Any], asked: Sequence[object]) -> None:
        if len(outcomes) != len(asked):
            raise outside_contract(self._connection.url, f"{len(outcomes)} outcomes for {len(asked)} entries")


def _result(outcome: Any) -> Result:
    if outcome.outcome != "refused" or not outcome.current:
        return Result(outcome.outcome, None)
    current = outcome.current.to_dict()
    about = current["etag"], current["digest"], current.get("meta"), current.get("signature")
    return Result("refused", Standing(*about))


def _key(key: str) -> KeyEnvelope:
    return KeyEnvelope(type_="json", data=json.dumps(key, ensure_ascii=False), encoding="json")
