"""Servers that break one promise each, and the check that has to say so.

The table of `docs/conformance.md` is made from them.
"""

from __future__ import annotations

import json
import re
import time
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from registry.envelope.form import Envelope, digest_of
from tests.conformance.reference import (
    PAGE_BYTES,
    Change,
    Entry,
    Operation,
    Problem,
    Reference,
    Request,
    Response,
    Space,
)


class Mutant(NamedTuple):
    """A broken server.

    Attributes:
        promise: what it breaks.
        check: id of the check that fails for it.
        server: what it is.
    """

    promise: str
    check: str
    server: type[Reference]

    @property
    def fault(self) -> str:
        """What is wrong with it, in one sentence."""
        return (self.server.__doc__ or "").strip()


def breaks(promise: str, *, caught_by: str) -> Callable[[type[Reference]], type[Reference]]:
    """Mark a server as one that breaks a promise."""

    def marked(server: type[Reference]) -> type[Reference]:
        server.mutant = Mutant(promise, caught_by, server)  # type: ignore[attr-defined]
        return server

    return marked


def mutants() -> list[Mutant]:
    """All of them, by promise."""
    found = [
        member.__dict__["mutant"]
        for member in globals().values()
        if "mutant" in getattr(member, "__dict__", ())
    ]
    return sorted(found, key=lambda mutant: (mutant.promise, mutant.check, mutant.fault))


# ---- names


@breaks("REG-NAME-01", caught_by="core.namespaces_have_their_form")
class TakesAnyNamespace(Reference):
    """A namespace with a hyphen is taken."""

    def namespace_of(self, text: str) -> str:
        super().namespace_of(text.replace("-", "x"))
        return text


@breaks("REG-NAME-01", caught_by="core.namespaces_are_compared_by_code_point")
class FoldsNamespaces(Reference):
    """Namespaces that differ in case are one."""

    def space(self, namespace: str) -> Space:
        return super().space(namespace.lower())


@breaks("REG-NAME-02", caught_by="core.every_text_is_a_key")
class NormalisesKeys(Reference):
    """Keys are put into Unicode's normal form C."""

    def key_text(self, key: object) -> str:
        return unicodedata.normalize("NFC", super().key_text(key))


@breaks("REG-NAME-02", caught_by="core.every_text_is_a_key")
class TrimsKeys(Reference):
    """White space around a key is cut off."""

    def key_text(self, key: object) -> str:
        text = super().key_text(key)
        return text.strip() or text


@breaks("REG-NAME-02", caught_by="core.no_empty_and_no_longer_key")
class CountsCharacters(Reference):
    """1,024 characters of a key are taken for 1,024 bytes."""

    def key_text(self, key: object) -> str:
        if isinstance(key, str) and 0 < len(key) <= 1_024 and len(key.encode(errors="replace")) > 1_024:
            return key
        return super().key_text(key)


@breaks("REG-NAME-03", caught_by="core.a_plus_in_a_query_is_a_space")
class KeepsPlus(Reference):
    """A plus in a query is a plus."""

    def unescaped(self, text: str) -> str:
        return unquote_to_bytes(text).decode()


@breaks("REG-NAME-03", caught_by="core.a_key_is_spelled_as_a_json_string")
class TakesAnyKeyData(Reference):
    """Data of a key that spells a number is the number's text."""

    def key_text(self, key: object) -> str:
        return super().key_text(str(key) if isinstance(key, int) else key)


# ---- envelopes


@breaks("REG-ENV-01", caught_by="core.envelopes_have_their_fields")
class TakesOtherPairs(Reference):
    """Any encoding goes with any type."""

    def envelope_of(self, wire: dict[str, Any]) -> Envelope:
        if wire.get("type") == "json" and wire.get("encoding") == "base64":
            return super().envelope_of({**wire, "encoding": "json"})
        return super().envelope_of(wire)

    def digest_of(self, wire: dict[str, Any]) -> str:
        return digest_of(wire["type"], wire["encoding"], wire["data"])


@breaks("REG-ENV-02", caught_by="core.data_of_json_is_strict")
class TakesNaN(Reference):
    """NaN is taken for JSON, as Python's own parser does."""

    def envelope_of(self, wire: dict[str, Any]) -> Envelope:
        if wire.get("data") == "NaN":
            return Envelope("json", "NaN", "json")
        return super().envelope_of(wire)


@breaks("REG-ENV-02", caught_by="core.data_of_json_is_strict")
class TakesRepeatedNames(Reference):
    """Of two members with one name the last one counts."""

    def envelope_of(self, wire: dict[str, Any]) -> Envelope:
        if wire.get("data") == '{"a": 1, "a": 2}':
            return Envelope("json", "1", "json")
        return super().envelope_of(wire)


@breaks("REG-ENV-02", caught_by="core.data_of_json_is_strict")
class TakesDeepData(Reference):
    """Data may nest as deep as it likes."""

    def envelope_of(self, wire: dict[str, Any]) -> Envelope:
        data = wire.get("data")
        if isinstance(data, str) and data.startswith("[" * 65):
            return Envelope("json", "1", "json")
        return super().envelope_of(wire)


@breaks("REG-ENV-03", caught_by="core.data_of_pickles_is_canonical_base64")
class TakesLooseBase64(Reference):
    """Unused bits of base64 may be set."""

    def envelope_of(self, wire: dict[str, Any]) -> Envelope:
        return super().envelope_of({**wire, "data": "QQ=="} if wire.get("data") == "QR==" else wire)


@breaks("REG-ENV-04", caught_by="core.an_envelope_comes_back_whole")
class DropsMeta(Reference):
    """`meta` is not stored."""

    def stored_form(self, wire: dict[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in wire.items() if name != "meta"}


@breaks("REG-ENV-04", caught_by="core.all_strict_json_is_taken")
class RewritesJson(Reference):
    """Data is parsed and written anew, in one line and with its own escapes."""

    def stored_form(self, wire: dict[str, Any]) -> dict[str, Any]:
        if wire["type"] == "json" and len(wire["data"]) < 1_000:
            return {**wire, "data": json.dumps(json.loads(wire["data"]))}
        return wire


@breaks("REG-ENV-05", caught_by="core.digests_are_sha256_of_the_texts")
class DigestsWithoutLengths(Reference):
    """The digest is over the texts without their lengths."""

    def digest_of(self, wire: dict[str, Any]) -> str:
        from hashlib import sha256

        return "sha256:" + sha256((wire["type"] + wire["encoding"] + wire["data"]).encode()).hexdigest()


@breaks("REG-ENV-05", caught_by="core.digests_are_sha256_of_the_texts")
class DigestsValues(Reference):
    """The digest is over the value that JSON spells, so 1.0 is 1."""

    def digest_of(self, wire: dict[str, Any]) -> str:
        if wire["data"] == "1.0":
            return super().digest_of({**wire, "data": "1"})
        return super().digest_of(wire)


# ---- revisions


@breaks("REG-REV-01", caught_by="core.revisions_are_dense")
class CountsRefusals(Reference):
    """A delete that finds nothing uses a revision."""

    def missing(self, space: Space, key: str, namespace: str, suggest: int = 0) -> Problem:
        space.head += 1
        return super().missing(space, key, namespace, suggest)


@breaks("REG-REV-01", caught_by="core.racing_writers_share_no_revision")
class SharesRevisions(Reference):
    """Two writes at once may have one revision: it is read before the lock is taken."""

    def set_entry(self, namespace: str, body: Any, fields: Mapping[str, str]) -> Response:
        head = self.space(namespace).head
        time.sleep(0.001)
        with self.moved:
            response = super().set_entry(namespace, body, fields)
            response.body["revision"] = head + 1
            return response


@breaks("REG-REV-02", caught_by="conditional.nothing_of_another_epoch_matches")
class ForgetsEpochs(Reference):
    """An ETag is compared by its revision alone."""

    def names_version(self, etag: str, entry: Entry | None) -> bool:
        return entry is not None and etag.rpartition(".")[2] == str(entry.revision)


@breaks("REG-REV-03", caught_by="core.every_answer_carries_the_cursor")
class Hides404Cursor(Reference):
    """A 404 has no cursor."""

    def missing(self, space: Space, key: str, namespace: str, suggest: int = 0) -> Problem:
        problem = super().missing(space, key, namespace, suggest)
        del problem.members["cursor"]
        return problem


class _Lagging(Reference):
    """Keeps, of each namespace, the entries as they were some writes ago."""

    behind = 1

    def __init__(self) -> None:
        super().__init__()
        self.states: dict[int, list[dict[str, Entry]]] = {}

    def changed(self, space: Space, op: str, key: str | None = None, digest: str | None = None) -> int:
        self.states.setdefault(id(space), []).append(dict(space.entries))
        return super().changed(space, op, key, digest)

    def replica(self, space: Space) -> Space:
        states = self.states.get(id(space), [])
        return Space(states[-self.behind] if len(states) >= self.behind else {}, space.head)


@breaks("REG-REV-04", caught_by="core.a_write_is_seen_by_the_next_read")
class ReadsReplica(_Lagging):
    """Reads come from a replica that is one write behind."""

    def read_space(self, namespace: str) -> Space:
        return self.replica(self.space(namespace))


@breaks("REG-REV-04", caught_by="core.a_concurrent_history_is_linearizable")
class ReadsReplicaNowAndThen(_Lagging):
    """One read in five comes from a replica that is twelve writes behind."""

    behind = 12

    def read_space(self, namespace: str) -> Space:
        space = self.space(namespace)
        return self.replica(space) if self.count_of("get_entry") % 5 == 0 else space


@breaks("REG-REV-04", caught_by="durable.answered_writes_outlive_a_restart")
class ForgetsTheLastWrite(Reference):
    """A restart loses the latest write of each namespace."""

    def restart(self) -> None:
        for space in self.spaces.values():
            if space.entries:
                space.entries.popitem()
        super().restart()


@breaks("REG-REV-02", caught_by="conditional.an_etag_never_comes_back")
class BeginsAnew(Reference):
    """A restart loses everything and counts revisions from 1 again, in the same epoch."""

    def restart(self) -> None:
        self.spaces.clear()
        super().restart()


# ---- conditions


@breaks("REG-COND-01", caught_by="conditional.of_racing_creators_one_wins")
class ChecksThenActs(Reference):
    """A condition is checked before the lock is taken."""

    def set_entry(self, namespace: str, body: Any, fields: Mapping[str, str]) -> Response:
        space, key = self.space(namespace), self.key_of(body["key"])
        self.check_condition(space, space.entries.get(key), self.expectation(fields))
        time.sleep(0.002)
        return super().set_entry(namespace, body, {})


@breaks("REG-COND-01", caught_by="conditional.create_only_creates_once")
class CreatesTheSameTwice(Reference):
    """`If-None-Match: *` lets an equal value through."""

    def set_entry(self, namespace: str, body: Any, fields: Mapping[str, str]) -> Response:
        entry = self.space(namespace).entries.get(self.key_of(body["key"]))
        if entry is not None and entry.wire == body["value"]:
            fields = {}
        return super().set_entry(namespace, body, fields)


@breaks("REG-COND-02", caught_by="conditional.if_match_replaces_one_version")
class IgnoresIfMatchOnSet(Reference):
    """A set takes no notice of `If-Match`."""

    def set_entry(self, namespace: str, body: Any, fields: Mapping[str, str]) -> Response:
        return super().set_entry(
            namespace, body, {name: fields[name] for name in fields if name != "if-match"}
        )


@breaks("REG-COND-02", caught_by="conditional.if_match_deletes_one_version")
class IgnoresIfMatchOnDelete(Reference):
    """A delete takes no notice of `If-Match`."""

    def delete_entry(self, namespace: str, key: str, fields: Mapping[str, str]) -> Response:
        return super().delete_entry(namespace, key, {})


@breaks("REG-COND-02", caught_by="conditional.if_match_any_needs_an_entry")
class AnyMatchesNothing(Reference):
    """`If-Match: *` creates an entry that was not there."""

    def expectation(self, fields: Mapping[str, str]) -> Callable[[Entry | None], bool]:
        return super().expectation({} if fields.get("if-match") == "*" else fields)


@breaks("REG-COND-02", caught_by="conditional.no_update_is_lost")
class LosesUpdates(Reference):
    """`If-Match` is checked before the lock is taken, and not again."""

    def set_entry(self, namespace: str, body: Any, fields: Mapping[str, str]) -> Response:
        space, key = self.space(namespace), self.key_of(body["key"])
        self.check_condition(space, space.entries.get(key), self.expectation(fields))
        time.sleep(0.002)
        return super().set_entry(namespace, body, {})


@breaks("REG-COND-03", caught_by="conditional.a_failed_condition_changes_nothing")
class CountsFailedConditions(Reference):
    """A condition that fails uses a revision."""

    def refused(self, space: Space, entry: Entry | None) -> Problem:
        problem = super().refused(space, entry)
        self.changed(space, "clear")
        return problem


@breaks("REG-COND-03", caught_by="conditional.the_loser_learns_who_won")
class KeepsSignature(Reference):
    """A 412 does not tell the signature."""

    def current(self, entry: Entry) -> dict[str, Any]:
        return {name: value for name, value in super().current(entry).items() if name != "signature"}


@breaks("REG-COND-04", caught_by="conditional.a_current_version_is_304")
class NeverRevalidates(Reference):
    """`If-None-Match` on a read is not looked at."""

    def is_current(self, fields: Mapping[str, str], entry: Entry) -> bool:
        return False


@breaks("REG-COND-04", caught_by="conditional.a_current_version_is_304")
class RevalidatesStale(Reference):
    """Any `If-None-Match` is answered 304."""

    def is_current(self, fields: Mapping[str, str], entry: Entry) -> bool:
        return "if-none-match" in fields


# ---- changes


@breaks("REG-CHG-01", caught_by="watch.changes_say_what_was_done")
class ClearsOneByOne(Reference):
    """A clear is told as the last entry's delete."""

    def told(self, space: Space, change: Change) -> dict[str, Any]:
        body = super().told(space, change)
        return {**body, "op": "delete", "key": "b"} if change.op == "clear" else body


@breaks("REG-CHG-01", caught_by="watch.only_small_and_current_values_ride_along")
class CarriesLargeValues(Reference):
    """A value of any size rides along with its change."""

    def rides_along(self, entry: Entry, change: Change) -> bool:
        return entry.revision == change.revision


@breaks("REG-CHG-01", caught_by="watch.only_small_and_current_values_ride_along")
class CarriesLaterValues(Reference):
    """The value of today rides along with the change of yesterday."""

    def rides_along(self, entry: Entry, change: Change) -> bool:
        return len(entry.wire["data"]) < 60_000


@breaks("REG-CHG-02", caught_by="watch.a_batch_is_never_split")
class SplitsBatches(Reference):
    """A `limit` ends an answer in the middle of a batch."""

    def belongs_to(self, last: Change, following: Change) -> bool:
        return False


@breaks("REG-CHG-02", caught_by="watch.batches_do_not_mingle")
class MinglesBatches(Reference):
    """The lock is let go between the entries of a batch."""

    def put(self, space: Space, key: str, entry: Any) -> dict[str, Any]:
        outcome = super().put(space, key, entry)
        self.moved.wait(0.0005)
        return outcome


@breaks("REG-CHG-03", caught_by="watch.ten_thousand_changes_are_kept")
class KeepsFewChanges(Reference):
    """5,000 changes are kept."""

    kept_changes = 5_000


# ---- errors


@breaks("REG-ERR-01", caught_by="core.errors_are_problem_documents")
class AnswersPlainJson(Reference):
    """Errors are `application/json`."""

    problem_type = "application/json"


@breaks("REG-ERR-01", caught_by="core.errors_are_problem_documents")
class InventsCodes(Reference):
    """A page token that is none has a code that the contract does not know."""

    def position(self, page: str | None, head: int) -> int:
        try:
            return super().position(page, head)
        except Problem as problem:
            raise Problem(problem.status, "bad_page_token") from None


@breaks("REG-ERR-01", caught_by="core.other_methods_and_paths_are_problems")
class ForgetsAllow(Reference):
    """A method that is not there is 404."""

    def _answer(self, request: Request) -> Response:
        try:
            return super()._answer(request)
        except Problem as problem:
            if problem.status == 405:
                raise Problem(404, "not_found") from None
            raise


@breaks("REG-ERR-02", caught_by="core.a_refused_write_changes_nothing")
class DeletesThenRefuses(Reference):
    """A delete with an unknown parameter is refused after it was done."""

    def operate(self, operation: Operation, segments: list[str], request: Request) -> Response:
        try:
            return super().operate(operation, segments, request)
        except Problem:
            if operation.id == "delete_entry" and "&x=1" in request.query:
                self.delete_entry(namespace=segments[1], key="kept", fields={})
            raise


@breaks("REG-ERR-03", caught_by="core.a_body_that_is_not_declared_json_is_415")
class TakesAnyMediaType(Reference):
    """A body of whatever type is read as JSON."""

    def media_type(self, request: Request) -> None:
        """Nothing is refused."""


@breaks("REG-ERR-03", caught_by="core.a_body_that_is_not_strict_json_is_400")
class TakesLooseBodies(Reference):
    """A body is parsed as Python's own parser does."""

    def parsed(self, raw: bytes) -> Any:
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            raise Problem(400, "invalid_json") from None


@breaks("REG-ERR-03", caught_by="core.a_body_over_the_limit_is_413_unread")
class ReadsBeforeItRefuses(Reference):
    """A body is read whole before its size is looked at."""

    def body_of(self, operation: Operation, request: Request) -> Any:
        raw = request.read_body()
        request.read_body = lambda: raw
        return super().body_of(operation, request)


@breaks("REG-ERR-03", caught_by="core.a_body_that_does_not_fit_is_422")
class AnswersMisfitsWith400(Reference):
    """A body that does not fit its schema is 400."""

    def body_of(self, operation: Operation, request: Request) -> Any:
        try:
            return super().body_of(operation, request)
        except Problem as problem:
            raise Problem(400, "invalid_request") if problem.code == "invalid_body" else problem from None


@breaks("REG-ERR-04", caught_by="core.a_parameter_that_does_not_fit_is_422")
class IgnoresUnknownParameters(Reference):
    """An unknown query parameter is left out."""

    def unknown_parameter(self, name: str) -> None:
        """Nothing is refused."""


# ---- the service


@breaks("REG-SRV-01", caught_by="core.health_has_its_two_fields")
class TellsMoreHealth(Reference):
    """`/health` names another service."""

    def get_health(self, fields: Any) -> Response:
        return Response(200, {"status": "healthy", "service": "another"})


@breaks("REG-SRV-02", caught_by="core.a_server_that_serves_is_ready")
class NeverReady(Reference):
    """`/ready` is 503 while everything works."""

    def get_readiness(self, fields: Any) -> Response:
        raise Problem(503, "storage_unavailable")


@breaks("REG-SRV-03", caught_by="core.stats_count_what_there_is")
class CountsDeletedEntries(Reference):
    """`/stats` counts the sets, not the entries."""

    def size(self, space: Space) -> int:
        return space.head


@breaks("REG-SRV-04", caught_by="core.limits_are_those_published")
class PublishesOtherLimits(Reference):
    """A value may be no larger than half of what is published."""

    def envelope_of(self, wire: dict[str, Any]) -> Envelope:
        if len(str(wire.get("data", ""))) > self.limits["value_bytes"] // 2:
            raise Problem(413, "value_too_large")
        return super().envelope_of(wire)


@breaks("REG-SRV-04", caught_by="core.capabilities_name_profiles_and_limits")
class ClaimsNonsense(Reference):
    """A profile is offered that the protocol does not know."""

    profiles = (*Reference.profiles, "blockchain")


@breaks("REG-SRV-05", caught_by="core.metrics_are_in_the_form_of_prometheus")
class TellsMetricsFreely(Reference):
    """`/metrics` is prose."""

    def get_metrics(self, fields: Any) -> Response:
        return Response(200, "all is well\n", {"content-type": "text/plain; version=0.0.4"})


@breaks("REG-NSP-01", caught_by="core.namespaces_are_listed_by_name")
class ListsEmptyNamespaces(Reference):
    """A namespace that was cleared is still listed."""

    def listed_namespaces(self) -> list[str]:
        return sorted(name for name, space in self.spaces.items() if space.head)

    def summary(self, name: str) -> dict[str, Any]:
        summary = super().summary(name)
        return {**summary, "entries": max(summary["entries"], 1)}


@breaks("REG-NSP-01", caught_by="core.namespaces_are_listed_by_name")
class SortsLikeADictionary(Reference):
    """Namespaces are sorted without regard to case."""

    def listed_namespaces(self) -> list[str]:
        return sorted(super().listed_namespaces(), key=str.lower)


# ---- entries


@breaks("REG-SET-01", caught_by="core.what_is_set_is_there")
class AlwaysCreates(Reference):
    """Every set is answered `created`."""

    def store(self, space: Space, key: str, wire: dict[str, Any]) -> str:
        super().store(space, key, wire)
        return "created"


@breaks("REG-SET-02", caught_by="core.an_equal_value_changes_nothing")
class ReplacesEquals(Reference):
    """An equal value is a change."""

    def equal(self, one: dict[str, Any], other: dict[str, Any]) -> bool:
        return False


@breaks("REG-SET-02", caught_by="core.an_equal_value_changes_nothing")
class ComparesDataOnly(Reference):
    """A value with other `meta` counts as equal."""

    def equal(self, one: dict[str, Any], other: dict[str, Any]) -> bool:
        return bool(one["data"] == other["data"])


@breaks("REG-SET-03", caught_by="conditional.sequence_registration")
class HidesTheWinner(Reference):
    """A 412 does not tell the `meta` of the entry."""

    def current(self, entry: Entry) -> dict[str, Any]:
        return self.version(entry)


@breaks("REG-SET-04", caught_by="core.a_replaced_entry_keeps_its_place")
class MovesReplacedEntries(Reference):
    """A replaced entry goes to the end of listings."""

    def in_order(self, space: Space) -> list[Entry]:
        entries = super().in_order(space)
        for entry in entries:
            entry.created = entry.revision
        return super().in_order(space)


@breaks("REG-GET-01", caught_by="core.answers_carry_the_etag")
class HidesEtags(Reference):
    """No answer has an ETag field."""

    def etag(self, entry: Entry) -> dict[str, str]:
        return {}


@breaks("REG-GET-02", caught_by="core.a_missing_key_is_404_with_near_names")
class SuggestsUnasked(Reference):
    """Near names are looked for at every miss."""

    def missing(self, space: Space, key: str, namespace: str, suggest: int = 0) -> Problem:
        return super().missing(space, key, namespace, suggest or 3)


@breaks("REG-DEL-01", caught_by="core.delete_removes_in_one_change")
class DeletesTwice(Reference):
    """A delete uses two revisions."""

    def remove(self, space: Space, key: str) -> int:
        self.changed(space, "delete", key)
        return super().remove(space, key)


@breaks("REG-CON-01", caught_by="core.contains_answers_200_either_way")
class FoldsContains(Reference):
    """Contains does not look at case."""

    def contains_entry(self, namespace: str, key: str, fields: Any) -> Response:
        response = super().contains_entry(namespace, key, fields)
        folded = {name.lower() for name in self.space(namespace).entries}
        return Response(200, {**response.body, "contains": key.lower() in folded})


@breaks("REG-LEN-01", caught_by="core.length_counts_entries")
class CountsSets(Reference):
    """Length counts what was ever created."""

    def size(self, space: Space) -> int:
        return len({change.key for change in space.log})


@breaks("REG-LST-01", caught_by="core.keys_come_in_creation_order")
class SortsKeys(Reference):
    """Keys are listed in alphabetical order."""

    def page(self, entries: list[Entry], limit: int, *, values: bool) -> list[Entry]:
        return sorted(super().page(entries, limit, values=values), key=lambda entry: entry.key)

    def more(self, taken: list[Entry], rest: list[Entry], page: str | None) -> dict[str, str]:
        last = sorted(taken, key=lambda entry: entry.created)
        return super().more(last, rest, page)


@breaks("REG-LST-01", caught_by="core.keys_come_in_creation_order")
class AlwaysTellsOfMore(Reference):
    """A page that is full says that more follow, though none do."""

    def more(self, taken: list[Entry], rest: list[Entry], page: str | None) -> dict[str, str]:
        if len(taken) > 1 and len(taken) == len(rest):
            return {"next": f"{self.epoch}.{taken[-1].created}"}
        return super().more(taken, rest, page)


@breaks("REG-LST-01", caught_by="core.a_prefix_is_a_prefix")
class MatchesLikeSql(Reference):
    """In a prefix `_` stands for any character, as in SQL's LIKE."""

    def has_prefix(self, key: str, prefix: str) -> bool:
        return len(key) >= len(prefix) and all(p in ("_", k) for p, k in zip(prefix, key, strict=False))


@breaks("REG-LST-02", caught_by="core.pages_are_stable_under_writes")
class PagesByOffset(Reference):
    """A page token counts entries from the beginning."""

    def after(self, space: Space, prefix: str, page: str | None) -> list[Entry]:
        listed = [entry for entry in self.in_order(space) if self.has_prefix(entry.key, prefix)]
        return listed[self.position(page, space.head) :]

    def more(self, taken: list[Entry], rest: list[Entry], page: str | None) -> dict[str, str]:
        offset = self.position(page, 0) + len(taken)
        return {"next": f"{self.epoch}.{offset}"} if len(taken) < len(rest) else {}


@breaks("REG-LST-03", caught_by="core.a_page_token_outlives_or_is_gone")
class GoesOnOverEpochs(Reference):
    """After a restart with a new epoch a page token of the old one is taken."""

    def restart(self) -> None:
        super().restart()
        self.epoch = f"e{self.restarts + 1}"
        self.spaces.clear()

    def position(self, page: str | None, head: int) -> int:
        return super().position(page and f"{self.epoch}.{page.rpartition('.')[2]}", head)


@breaks("REG-LST-04", caught_by="core.a_page_ends_before_8_mib")
class FillsPages(Reference):
    """A page of items holds as many as were asked for, however large."""

    def page(self, entries: list[Entry], limit: int, *, values: bool) -> list[Entry]:
        return super().page(entries, limit, values=False)


@breaks("REG-LST-04", caught_by="core.items_are_whole_entries")
class ListsOtherEtags(Reference):
    """Items have the ETag of their creation."""

    def list_items(
        self, namespace: str, fields: Any, prefix: str = "", limit: int = 100, page: str | None = None
    ) -> Response:
        response = super().list_items(namespace, fields, prefix, limit, page)
        for item in response.body["items"]:
            item["etag"] = self.cursor(1)
        return response


@breaks("REG-CLR-01", caught_by="core.clear_is_one_change")
class ClearsStepByStep(Reference):
    """A clear is a change for each entry."""

    def clear(self, namespace: str, space: Space) -> None:
        for key in list(space.entries):
            self.remove(space, key)


@breaks("REG-CLR-01", caught_by="core.clear_leaves_other_namespaces")
class ClearsBelow(Reference):
    """A clear empties the namespaces below, too."""

    def clear(self, namespace: str, space: Space) -> None:
        for name, other in list(self.spaces.items()):
            if name.startswith(namespace) and other.entries:
                super().clear(name, other)


# ---- batches


@breaks("REG-BAT-01", caught_by="batch.a_batch_stores_in_order")
class SortsOutcomes(Reference):
    """The outcomes of a batch come in the order of the keys."""

    def by_index(self, keys: list[str], outcomes: list[Any]) -> list[Any]:
        return [outcome for _, outcome in sorted(zip(keys, outcomes, strict=True), key=lambda pair: pair[0])]


@breaks("REG-BAT-02", caught_by="batch.an_atomic_batch_is_all_or_nothing")
class IgnoresAtomic(Reference):
    """`atomic` makes no difference."""

    def all_or_nothing(self, space: Space, keys: list[str], body: Any) -> None:
        """Nothing is refused."""


@breaks("REG-BAT-02", caught_by="batch.a_refused_entry_leaves_the_others")
class EndsAtTheFirstRefusal(Reference):
    """What follows a refused entry is refused as well."""

    def batch_set(self, namespace: str, body: Any, fields: Any) -> Response:
        response = super().batch_set(namespace, body, fields)
        kinds = [outcome["outcome"] for outcome in response.body["outcomes"]]
        if "refused" in kinds and not body.get("atomic"):
            for entry in body["entries"][kinds.index("refused") :]:
                self.space(namespace).entries.pop(self.key_of(entry["key"]), None)
        return response


@breaks("REG-BAT-03", caught_by="batch.a_bad_batch_stores_nothing")
class StoresUntilTheBadEntry(Reference):
    """Of a batch with a malformed entry those before it are stored."""

    def check_part(self, part: dict[str, Any]) -> None:
        super().check_part(part)
        if part.get("key", {}).get("data") == '"b"' and "value" in part:
            with self.moved:
                for space in self.spaces.values():
                    self.store(space, "b", part["value"])


@breaks("REG-BAT-03", caught_by="batch.a_bad_batch_stores_nothing")
class TakesAKeyTwice(Reference):
    """A batch may have one key twice; the last one counts."""

    def keys_of(self, body: Any) -> list[str]:
        return [self.key_of(entry["key"]) for entry in body["entries"]]


@breaks("REG-BAT-04", caught_by="batch.a_batch_is_read_at_one_moment")
class ReadsOneByOne(Reference):
    """The lock is let go between the entries that a batch reads."""

    def looked_up(self, entry: Entry | None, unless: str | None) -> dict[str, Any]:
        self.moved.wait(0.0005)
        return super().looked_up(entry, unless)

    def batch_get(self, namespace: str, body: Any, fields: Any) -> Response:
        outcomes = []
        for asked in body["entries"]:
            response = super().batch_get(namespace, {"entries": [asked]}, fields)
            outcomes += response.body["outcomes"]
        return Response(200, {**response.body, "outcomes": outcomes})


@breaks("REG-BAT-04", caught_by="batch.a_batch_is_read_by_index")
class IgnoresUnless(Reference):
    """`unless` is not looked at."""

    def looked_up(self, entry: Entry | None, unless: str | None) -> dict[str, Any]:
        return super().looked_up(entry, None)


@breaks("REG-BAT-05", caught_by="batch.an_answer_carries_8_mib")
class OmitsNothing(Reference):
    """A batch's answer carries any number of bytes."""

    def no_room(self, size: int, room: int) -> bool:
        return False


@breaks("REG-BAT-05", caught_by="batch.an_answer_carries_8_mib")
class OmitsEverything(Reference):
    """A value that is large is always omitted."""

    def no_room(self, size: int, room: int) -> bool:
        return size > PAGE_BYTES // 4


@breaks("REG-BAT-06", caught_by="batch.a_batch_deletes_in_order")
class CountsMissing(Reference):
    """A key that is not there is a change."""

    def drop(self, space: Space, key: str, entry: Any) -> dict[str, Any]:
        if key not in space.entries and "expect" not in entry:
            self.changed(space, "delete", key)
        return super().drop(space, key, entry)


@breaks("REG-BAT-07", caught_by="batch.a_refused_delete_leaves_the_others")
class DeletesWhateverIsThere(Reference):
    """`expect` of a batch delete is not looked at."""

    def drop(self, space: Space, key: str, entry: Any) -> dict[str, Any]:
        return super().drop(space, key, {})


# ---- watch


@breaks("REG-WCH-01", caught_by="watch.a_waiting_poll_is_woken")
class NeverWakes(Reference):
    """A poll that waits is answered when its time is over, whatever happens."""

    def wait_for(self, has_moved: Callable[[], bool], wait: float) -> None:
        if not has_moved():
            super().wait_for(lambda: False, wait)


@breaks("REG-WCH-01", caught_by="watch.an_idle_poll_ends_with_none")
class NeverWaits(Reference):
    """A poll is answered at once, with nothing."""

    def wait_for(self, has_moved: Callable[[], bool], wait: float) -> None:
        """No waiting."""


@breaks("REG-WCH-02", caught_by="watch.no_change_is_skipped_or_repeated")
class SkipsToTheHead(Reference):
    """The cursor of an answer that `limit` cut short is the head."""

    def reached(self, space: Space, since: int, taken: list[Change]) -> dict[str, str]:
        return {"cursor": self.cursor(space.head), "head": self.cursor(space.head)}


@breaks("REG-WCH-02", caught_by="watch.any_cursor_or_etag_is_a_since")
class RepeatsTheLast(Reference):
    """The change at the cursor comes again."""

    def changes_after(self, space: Space, since: int, limit: int) -> list[Change]:
        return super().changes_after(space, max(since - 1, 0), limit)


@breaks("REG-WCH-03", caught_by="watch.a_since_that_cannot_be_gone_on_from_is_410")
class WaitsForTheFuture(Reference):
    """A cursor ahead of the namespace is taken for its head."""

    def since_of(self, since: str, space: Space) -> int:
        epoch, _, revision = since.rpartition(".")
        if epoch == self.epoch and revision.isdecimal() and int(revision) > space.head:
            return space.head
        return super().since_of(since, space)


@breaks("REG-WCH-04", caught_by="watch.an_answer_holds_limit_changes")
class IgnoresLimit(Reference):
    """`limit` of a watch is not looked at."""

    def changes_after(self, space: Space, since: int, limit: int) -> list[Change]:
        return super().changes_after(space, since, 1_000)


@breaks("REG-WCH-05", caught_by="watch.a_server_that_stops_answers_its_polls")
class LetsPollsWait(Reference):
    """A server that stops lets its polls wait."""

    def end_polls(self) -> None:
        """Nobody is told."""


@breaks("REG-WCH-06", caught_by="watch.one_poll_watches_many_namespaces")
class ListsEveryNamespace(Reference):
    """A poll of many lists those that have not moved, too."""

    def watch_namespaces(self, body: Any, fields: Any, may_read: Callable[[str], bool]) -> Response:
        super().watch_namespaces(body, fields, may_read)
        return Response(200, {"namespaces": [self.watched(*one) for one in body["cursors"].items()]})


@breaks("REG-WCH-06", caught_by="watch.a_gone_cursor_hides_no_other")
class OneGoneIsAllGone(Reference):
    """A cursor that is gone is the only one that is told."""

    def watch_namespaces(self, body: Any, fields: Any, may_read: Callable[[str], bool]) -> Response:
        response = super().watch_namespaces(body, fields, may_read)
        gone = [one for one in response.body["namespaces"] if "gone" in one]
        return Response(200, {"namespaces": gone or response.body["namespaces"]})


# ---- what only a long script, a large number or a generated request meets


@breaks("REG-SET-01", caught_by="core.any_script_agrees_with_the_model")
class LosesTheThirdReplacement(Reference):
    """The third value of a key is answered as stored, and is not."""

    def __init__(self) -> None:
        super().__init__()
        self.stores: dict[tuple[int, str], int] = {}

    def place(self, space: Space, entry: Entry) -> None:
        count = self.stores[id(space), entry.key] = self.stores.get((id(space), entry.key), 0) + 1
        old = space.entries.get(entry.key)
        super().place(space, entry if old is None or count != 3 else replace(entry, wire=old.wire))


@breaks("REG-ERR-01", caught_by="core.any_request_is_answered_as_documented")
class FailsOnOtherAlphabets(Reference):
    """A prefix beyond ASCII is a fault of the server."""

    def after(self, space: Space, prefix: str, page: str | None) -> list[Entry]:
        if not prefix.isascii():
            raise Problem(500, "server_fault")
        return super().after(space, prefix, page)


@breaks("REG-NAME-01", caught_by="core.a_fresh_namespace_reads_as_empty")
class MissesFreshNamespaces(Reference):
    """A namespace that nobody has written to begins at revision 1."""

    def space(self, namespace: str) -> Space:
        return self.spaces.setdefault(namespace, Space(head=1))


@breaks("REG-LST-01", caught_by="core.a_thousand_entries_are_listed")
class ListsFiveHundred(Reference):
    """Listings end after 500 entries."""

    def in_order(self, space: Space) -> list[Entry]:
        return super().in_order(space)[:500]


@breaks("REG-ERR-03", caught_by="core.json_in_utf8_is_declared_json")
class RefusesCharset(Reference):
    """`application/json; charset=utf-8` is 415."""

    def media_type(self, request: Request) -> None:
        if "charset" in request.fields.get("content-type", ""):
            raise Problem(415, "unsupported_media_type")
        super().media_type(request)


@breaks("REG-COND-03", caught_by="conditional.conditions_that_cannot_be_read_are_errors")
class OverlooksOddConditions(Reference):
    """`If-Match` without quotation marks is left out."""

    def operate(self, operation: Operation, segments: list[str], request: Request) -> Response:
        match = request.fields.get("if-match", '"')
        if not match.startswith(('"', "W/", ",", "*")):
            request = replace(
                request, fields={name: request.fields[name] for name in request.fields if name != "if-match"}
            )
        return super().operate(operation, segments, request)


@breaks("REG-CLR-02", caught_by="conditional.clear_is_of_one_cursor")
class ClearsAnyCursor(Reference):
    """A clear takes no notice of `If-Match`."""

    def clear_namespace(self, namespace: str, fields: Any) -> Response:
        return super().clear_namespace(namespace, {})


@breaks("REG-COND-05", caught_by="conditional.each_operation_honours_what_it_declares")
class DeletesOnIfNoneMatch(Reference):
    """A delete takes no notice of `If-None-Match`."""

    def delete_entry(self, namespace: str, key: str, fields: Mapping[str, str]) -> Response:
        return super().delete_entry(
            namespace, key, {name: fields[name] for name in fields if name != "if-none-match"}
        )


@breaks("REG-COND-05", caught_by="conditional.each_operation_honours_what_it_declares")
class LeavesConditionsOfBatchesOut(Reference):
    """A batch is stored whatever condition is in its header."""

    def check_fields(self, operation: Operation, fields: Mapping[str, str]) -> None:
        if operation.conditions != "body":
            super().check_fields(operation, fields)


@breaks("REG-COND-04", caught_by="conditional.a_false_if_match_on_a_read_is_412")
class ReadsWhateverIfMatchSays(Reference):
    """A read takes no notice of `If-Match`."""

    def get_entry(self, namespace: str, key: str, fields: Mapping[str, str], suggest: int = 0) -> Response:
        return super().get_entry(
            namespace, key, {name: fields[name] for name in fields if name != "if-match"}, suggest
        )


@breaks("REG-COND-06", caught_by="conditional.empty_elements_of_a_list_are_ignored")
class RefusesEmptyElements(Reference):
    """A list with an empty element cannot be read."""

    def tags(self, text: str) -> list[tuple[bool, str]] | None:
        return [] if re.search(r"(^|,)\s*(,|$)", text) else super().tags(text)


@breaks("REG-COND-06", caught_by="conditional.conditions_that_cannot_be_read_are_errors")
class TakesEmptyLists(Reference):
    """A list of no ETag matches anything."""

    def tags(self, text: str) -> list[tuple[bool, str]] | None:
        return super().tags(text) if text.strip(" ,") else None


@breaks("REG-COND-07", caught_by="conditional.dates_are_no_conditions")
class IgnoresDatesOnWrites(Reference):
    """A write takes no notice of `If-Unmodified-Since`."""

    def check_fields(self, operation: Operation, fields: Mapping[str, str]) -> None:
        super().check_fields(
            operation, {name: fields[name] for name in fields if name != "if-unmodified-since"}
        )


@breaks("REG-COND-08", caught_by="core.conditions_that_are_not_offered_are_refused")
class IgnoresWhatItDoesNotOffer(Reference):
    """A server of the profile `core` alone takes no notice of conditions."""

    profiles = ("core",)

    def check_fields(self, operation: Operation, fields: Mapping[str, str]) -> None:
        pass


@breaks("REG-ERR-05", caught_by="core.a_mistake_has_one_status")
class HasTwoStatuses(Reference):
    """A page token that cannot be read is 422."""

    def position(self, page: str | None, head: int) -> int:
        try:
            return super().position(page, head)
        except Problem as problem:
            raise (Problem(422, "invalid_parameter") if problem.status == 400 else problem) from None


@breaks("REG-ERR-06", caught_by="core.the_first_mistake_is_answered")
class ReadsTheBodyFirst(Reference):
    """The body is judged before the query."""

    def operate(self, operation: Operation, segments: list[str], request: Request) -> Response:
        if operation.body:
            body = request.read_body()
            request = replace(request, read_body=lambda: body)
            self.body_of(operation, request)
        return super().operate(operation, segments, request)


@breaks("REG-ERR-07", caught_by="core.an_empty_segment_makes_another_path")
class FoldsSlashes(Reference):
    """Several slashes are as one."""

    def answer(self, request: Request) -> Response:
        return super().answer(replace(request, path=re.sub("/+", "/", request.path)))


@breaks("REG-ERR-07", caught_by="core.an_empty_segment_makes_another_path")
class DropsSlashesAtTheEnd(Reference):
    """A path with a slash at its end is the path without it."""

    def answer(self, request: Request) -> Response:
        return super().answer(replace(request, path=request.path.rstrip("/")))


@breaks("REG-LST-01", caught_by="core.a_page_token_is_of_its_listing")
class TakesAnyPageToken(Reference):
    """A page token may be used for another listing."""

    def sealed(self, token: str, *listing: str) -> str:
        return token

    def opened(self, page: str, *listing: str) -> str:
        return page


@breaks("REG-BAT-03", caught_by="batch.a_batch_as_large_as_published_is_taken")
class TakesSmallerBatches(Reference):
    """A batch may have one entry less than is published."""

    def keys_of(self, body: Any) -> list[str]:
        if len(body["entries"]) >= self.limits["batch_entries"]:
            raise Problem(422, "invalid_body")
        return super().keys_of(body)


@breaks("REG-WCH-01", caught_by="watch.changes_come_at_once_and_in_order")
class TellsTheNewestFirst(Reference):
    """Changes are told from the latest to the earliest."""

    def seen(self, space: Space, since: int, limit: int) -> dict[str, Any]:
        seen = super().seen(space, since, limit)
        return {**seen, "changes": seen["changes"][::-1]}


@breaks("REG-WCH-06", caught_by="watch.a_poll_of_many_is_woken_by_any")
class WatchesTheFirstOnly(Reference):
    """A poll of many namespaces is woken by the first of them alone."""

    def watch_namespaces(self, body: Any, fields: Any, may_read: Callable[[str], bool]) -> Response:
        first = dict(list(body["cursors"].items())[:1])
        super().watch_namespaces({**body, "cursors": first}, fields, may_read)
        return super().watch_namespaces({**body, "wait": 0}, fields, may_read)


@breaks("REG-WCH-02", caught_by="durable.history_outlives_a_restart")
class ForgetsChanges(Reference):
    """A restart forgets the changes, though the epoch goes on."""

    def restart(self) -> None:
        for space in self.spaces.values():
            space.log.clear()
        super().restart()


# ---- tokens


class Guarded(Reference):
    """The reference with tokens."""

    profiles = (*Reference.profiles, "auth")
    tokens: Mapping[str, tuple[str, str]] = {"good": ("*", "admin"), "reader": ("conformance", "read")}


@breaks("REG-AUTH-01", caught_by="auth.every_operation_asks_for_a_token")
class LeavesABackDoor(Guarded):
    """One operation asks for no token."""

    def authorize(self, operation: Operation, request: Request) -> tuple[str, str] | None:
        return None if operation.id == "list_items" else super().authorize(operation, request)


@breaks("REG-AUTH-02", caught_by="auth.a_scope_ends_at_its_namespace")
class CoversByPrefix(Guarded):
    """A scope of `research` covers `research2`."""

    def covers(self, held: str, namespace: str) -> bool:
        return held == "*" or namespace.startswith(held)


@breaks("REG-AUTH-03", caught_by="auth.an_operation_needs_its_scope")
class LetsReadersWrite(Guarded):
    """Whoever may read may write."""

    def check_scope(self, scope: tuple[str, str], namespace: str, needed: str) -> None:
        super().check_scope(scope, namespace, "read" if needed == "write" else needed)


@breaks("REG-AUTH-03", caught_by="auth.an_operation_needs_its_scope")
class HidesTheScope(Guarded):
    """A 403 does not say which scope is needed."""

    def check_scope(self, scope: tuple[str, str], namespace: str, needed: str) -> None:
        if not self.reaches(scope, namespace, needed):
            raise Problem(403, "forbidden")


@breaks("REG-AUTH-04", caught_by="auth.listings_leave_out_what_is_not_allowed")
class ListsAllNamespaces(Guarded):
    """Namespaces are listed for whoever has a token."""

    def list_namespaces(self, fields: Any, may_read: Callable[[str], bool], **query: Any) -> Response:
        return super().list_namespaces(fields, lambda name: True, **query)


@breaks("REG-AUTH-04", caught_by="auth.a_poll_of_what_is_not_allowed_is_403")
class LetsAnybodyWatch(Guarded):
    """A poll of many is allowed whatever it names."""

    def watch_namespaces(self, body: Any, fields: Any, may_read: Callable[[str], bool]) -> Response:
        return super().watch_namespaces(body, fields, lambda name: True)


@breaks("REG-AUTH-05", caught_by="auth.a_revoked_token_is_none")
class ForgetsRevocations(Guarded):
    """A token that was revoked is taken."""

    tokens: Mapping[str, tuple[str, str]] = {**Guarded.tokens, "revoked": ("*", "admin")}


def restart_command(url: str) -> str:
    """A shell command that has a reference do what a restart does."""
    import sys

    code = f"import urllib.request as u; u.urlopen(u.Request('{url}/-restart', b'')).read()"
    return f'{sys.executable} -c "{code}"'


SOUND = (Reference, Guarded)
"""The servers that keep every promise."""
