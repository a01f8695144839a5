"""The operations of the profiles core, conditional and batch, by method and path."""

import difflib
import hashlib
import itertools
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from batches import BATCH_ENTRIES, batch_expect, batch_of, check_all, delete_outcome, set_outcome, status_of
from forms import JSON_DEPTH, KEY_BYTES, VALUE_BYTES, envelope, fields, key_of, size_of
from problems import Problem
from request import Request
from store import ANSWER_BYTES, Entry, Namespace, within_bounds

BODY_BYTES: Final = 16 * 1024 * 1024
HEADER_BYTES: Final = 32 * 1024
CANDIDATES: Final = 2000
BOTH: Final = ("If-Match", "If-None-Match")

Answer = tuple[int, Any, dict[str, str]]
"""Status, body (a text is sent as it is, None is no body), header fields."""


@dataclass(frozen=True, slots=True)
class Operation:
    """What a path and method lead to."""

    name: str
    method: str
    query: tuple[str, ...] = ()
    body: bool = False
    conditions: tuple[str, ...] = ()
    writes: bool = False


OPERATIONS: Final = {
    "/health": Operation("health", "GET"),
    "/ready": Operation("ready", "GET"),
    "/stats": Operation("stats", "GET"),
    "/capabilities": Operation("capabilities", "GET"),
    "/metrics": Operation("metrics", "GET"),
    "/namespaces": Operation("namespaces", "GET", ("prefix", "limit", "page")),
    "set": Operation("set", "POST", body=True, conditions=BOTH, writes=True),
    "get": Operation("get", "GET", ("key", "suggest"), conditions=BOTH),
    "delete": Operation("delete", "DELETE", ("key",), conditions=BOTH, writes=True),
    "contains": Operation("contains", "GET", ("key",)),
    "length": Operation("length", "GET"),
    "keys": Operation("keys", "GET", ("prefix", "limit", "page")),
    "items": Operation("items", "GET", ("prefix", "limit", "page")),
    "clear": Operation("clear", "DELETE", conditions=("If-Match",), writes=True),
    "batch/set": Operation("batch_set", "POST", body=True, writes=True),
    "batch/get": Operation("batch_get", "POST", body=True),
    "batch/delete": Operation("batch_delete", "POST", body=True, writes=True),
}
"""By path, or by what follows ``/registry/{namespace}/``."""


@dataclass(slots=True)
class Registry:
    """The namespaces, and the operations on them; each is one step under one lock."""

    spaces: dict[str, Namespace] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)
    started: datetime = field(default_factory=lambda: datetime.now(UTC))
    lock: threading.RLock = field(default_factory=threading.RLock)
    fresh: Namespace = field(default_factory=Namespace)
    """Stands for every namespace that nobody has written to; its epoch is that of all."""

    def answer(self, operation: Operation, request: Request) -> Answer:
        handle: Callable[[Request], Answer] = getattr(self, operation.name)
        with self.lock:
            self.counts[operation.name] += 1
            return handle(request)

    def space(self, request: Request) -> Namespace:
        return self.spaces.get(request.namespace) or Namespace(epoch=self.fresh.epoch)

    @contextmanager
    def writing(self, request: Request) -> Iterator[Namespace]:
        """The namespace, which is there from now on if anything was written to it."""
        space = self.space(request)
        yield space
        if space.head:
            self.spaces[request.namespace] = space

    # The server itself.

    def health(self, _: Request) -> Answer:
        return 200, {"status": "healthy", "service": "registry-server"}, {}

    def ready(self, _: Request) -> Answer:
        return 200, {"status": "ready"}, {}

    def stats(self, _: Request) -> Answer:
        sizes = {name: len(space.entries) for name, space in self.spaces.items() if space.entries}
        largest = sorted(sizes.items(), key=lambda item: -item[1])[:1000]
        return (
            200,
            {
                "namespaces": len(sizes),
                "total_entries": sum(sizes.values()),
                "total_requests": self.counts.total(),
                "get_requests": self.counts["get"],
                "set_requests": self.counts["set"],
                "delete_requests": self.counts["delete"],
                "namespace_sizes": dict(largest),
                "created_at": self.started.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "uptime_seconds": max(0.0, (datetime.now(UTC) - self.started).total_seconds()),
                "storage": "a dict",
                "version": "1",
            },
            {},
        )

    def capabilities(self, _: Request) -> Answer:
        limits = {
            "body_bytes": BODY_BYTES,
            "value_bytes": VALUE_BYTES,
            "key_bytes": KEY_BYTES,
            "batch_entries": BATCH_ENTRIES,
            "page_entries": 1000,
            "json_depth": JSON_DEPTH,
            "header_bytes": HEADER_BYTES,
        }
        profiles = ["core", "conditional", "batch"]
        answer = {
            "protocol": "1.0.0",
            "profiles": profiles,
            "envelope_types": ["json", "pickle"],
            "limits": limits,
        }
        return 200, answer, {}

    def metrics(self, _: Request) -> Answer:
        lines = ["# HELP registry_requests_total Requests taken.", "# TYPE registry_requests_total counter"]
        lines += [f'registry_requests_total{{operation="{name}"}} {n}' for name, n in self.counts.items()]
        return 200, "\n".join(lines) + "\n", {"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}

    def namespaces(self, request: Request) -> Answer:
        listing = listing_of("namespaces", "", request)
        last = name_of_token(request.query["page"], listing)
        names = sorted(name for name, space in self.spaces.items() if space.entries and name > last)
        names = [name for name in names if name.startswith(request.query["prefix"] or "")]
        limit = request.query["limit"]
        page = [
            {"namespace": name, "entries": len(self.spaces[name].entries), "cursor": self.spaces[name].cursor}
            for name in names[:limit]
        ]
        more = {"next": f"{names[limit - 1].encode().hex()}.{listing}"} if len(names) > limit else {}
        return 200, {"namespaces": page, **more}, {}

    # One entry.

    def set(self, request: Request) -> Answer:
        body = fields(request.body, "", "invalid_body", ("key", "value"))
        key, value = key_of(body["key"], "/key"), envelope(body["value"], "/value")
        with self.writing(request) as space:
            check(space, key, request)
            outcome, entry = space.put(key, value)
        answer = {"status": "success", "outcome": outcome, "key": key, "revision": entry.revision}
        answer |= {"etag": entry.etag, "digest": entry.digest, "cursor": space.cursor}
        return 200, answer, {"ETag": f'"{entry.etag}"'}

    def get(self, request: Request) -> Answer:
        space = self.space(request)
        entry = space.entries.get(request.key)
        if entry is None:
            raise missing(space, request, request.query["suggest"])
        etag = {"ETag": f'"{entry.etag}"'}
        if not request.matches(entry.etag):
            check(space, request.key, request)
        if request.names(entry.etag):
            return 304, None, {**etag, "Registry-Cursor": space.cursor}
        return 200, {**entry.answer(), "cursor": space.cursor}, etag

    def delete(self, request: Request) -> Answer:
        with self.writing(request) as space:
            check(space, request.key, request)
            if request.key not in space.entries:
                raise missing(space, request)
            revision = space.remove(request.key)
        return 200, {"status": "deleted", "revision": revision, "cursor": space.cursor}, {}

    def contains(self, request: Request) -> Answer:
        space = self.space(request)
        return 200, {"contains": request.key in space.entries, "cursor": space.cursor}, {}

    # Listings.

    def length(self, request: Request) -> Answer:
        space = self.space(request)
        return 200, {"length": len(space.entries), "cursor": space.cursor}, {}

    def keys(self, request: Request) -> Answer:
        page, space, more = self._page(request, whole=False)
        return 200, {"keys": [entry.key for entry in page], "cursor": space.cursor, **more}, {}

    def items(self, request: Request) -> Answer:
        page, space, more = self._page(request, whole=True)
        items = [{"key": entry.key, **entry.answer()} for entry in page]
        return 200, {"items": items, "cursor": space.cursor, **more}, {}

    def _page(self, request: Request, *, whole: bool) -> tuple[list[Entry], Namespace, dict[str, str]]:
        space = self.space(request)
        listing = listing_of("items" if whole else "keys", request.namespace, request)
        place = place_of_token(request.query["page"], listing, space)
        entries = space.after(place, request.query["prefix"] or "")
        page, more = within_bounds(entries, request.query["limit"], whole=whole)
        return page, space, {"next": f"{space.epoch}.{page[-1].place}.{listing}"} if more else {}

    def clear(self, request: Request) -> Answer:
        with self.writing(request) as space:
            if not request.matches(space.cursor):
                detail = f"The namespace is at {space.cursor}"
                raise Problem(412, "precondition_failed", detail, cursor=space.cursor)
            count = space.clear()
        return 200, {"status": "cleared", "count": count, "revision": space.head, "cursor": space.cursor}, {}

    # Batches.

    def batch_set(self, request: Request) -> Answer:
        entries, atomic = batch_of(request.body, ("key", "value"), ("expect",), atomic=True)
        wanted = [
            (key, envelope(entry["value"], f"/entries/{i}/value"), entry.get("expect"))
            for i, (key, entry) in enumerate(entries)
        ]
        with self.writing(request) as space:
            check_all(space, [(key, expect) for key, _, expect in wanted], atomic=atomic)
            outcomes = [set_outcome(space, key, value, batch_expect(expect)) for key, value, expect in wanted]
        return 200, {"status": status_of(outcomes), "outcomes": outcomes, "cursor": space.cursor}, {}

    def batch_get(self, request: Request) -> Answer:
        entries, _ = batch_of(request.body, ("key",), ("unless",), atomic=False)
        space, outcomes, size = self.space(request), [], 0
        for key, asked in entries:
            entry = space.entries.get(key)
            if entry is None or asked.get("unless") == entry.etag:
                outcomes.append({"outcome": "unchanged" if entry else "missing"})
            elif size and size + size_of(entry.value) > ANSWER_BYTES:
                outcomes.append({"outcome": "omitted"})
            else:
                size += size_of(entry.value)
                outcomes.append({"outcome": "found", **entry.answer()})
        return 200, {"outcomes": outcomes, "cursor": space.cursor}, {}

    def batch_delete(self, request: Request) -> Answer:
        entries, atomic = batch_of(request.body, ("key",), ("expect",), atomic=True)
        wanted = [(key, entry.get("expect")) for key, entry in entries]
        with self.writing(request) as space:
            check_all(space, wanted, atomic=atomic)
            outcomes = [delete_outcome(space, key, batch_expect(expect)) for key, expect in wanted]
        return 200, {"status": status_of(outcomes), "outcomes": outcomes, "cursor": space.cursor}, {}


def missing(space: Namespace, request: Request, suggest: int = 0) -> Problem:
    key = request.key
    names = list(itertools.islice(space.entries, CANDIDATES)) if suggest else []
    near = difflib.get_close_matches(key, names, n=suggest, cutoff=0.5) if suggest else None
    return Problem(
        404,
        "key_not_found",
        f"Key not found: {key!r}",
        cursor=space.cursor,
        suggestions=near,
        context={"key": key, "namespace": request.namespace},
    )


def check(space: Namespace, key: str, request: Request) -> None:
    entry = space.entries.get(key)
    if not request.holds(entry.etag if entry else None):
        detail = f"The key {key!r} is {'taken' if entry else 'not there'}, or at another version"
        current = entry.current() if entry else None
        raise Problem(412, "precondition_failed", detail, cursor=space.cursor, current=current)


def listing_of(operation: str, namespace: str, request: Request) -> str:
    """What a page token ends with: it is of no other listing."""
    parts = repr((operation, namespace, request.query["prefix"] or ""))
    return hashlib.sha256(parts.encode()).hexdigest()[:12]


def place_of_token(token: str | None, listing: str, space: Namespace) -> int:
    if token is None:
        return 0
    found = re.fullmatch(r"([0-9a-f]{16})\.([0-9]{1,15})\.([0-9a-f]{12})", token)
    if not found or found[3] != listing:
        raise Problem(400, "invalid_page", "Not a page token of this listing; give back `next` as it came")
    if found[1] != space.epoch:
        raise Problem(
            410, "epoch_changed", "The listing began in an earlier epoch: list again", cursor=space.cursor
        )
    return int(found[2])


def name_of_token(token: str | None, listing: str) -> str:
    """The namespace that the page before ended with."""
    if token is None:
        return ""
    try:
        name, _, end = token.partition(".")
        if end != listing:
            raise ValueError
        return bytes.fromhex(name).decode("ascii")
    except ValueError:
        raise Problem(
            400, "invalid_page", "Not a page token of this listing; give back `next` as it came"
        ) from None
