"""Keys and items: order, pages, prefixes, and what happens to a listing while others write."""

from __future__ import annotations

from typing import Any

from registry.conformance.check import check, require
from registry.conformance.context import Context, envelope

PAGE_BYTES = 8 * 1024 * 1024
KEYS = ("b", "a", "é", "ab", "A", "B", "a/b", "ab%", "_", "zz", "a_b", "🙂")


def _filled(ctx: Context) -> str:
    namespace = ctx.namespace()
    for index, key in enumerate(KEYS):
        ctx.set(namespace, key, index)
    return namespace


@check("REG-LST-01", profile="core")
def keys_come_in_creation_order(ctx: Context) -> None:
    """Keys come in creation order, in pages of the size asked for, with `next` exactly if more follow."""
    namespace = _filled(ctx)
    for limit in (1, 5, 6, len(KEYS), len(KEYS) + 1, 1_000):
        pages = ctx.pages("list_keys", namespace, "keys", limit=limit)
        require([key for page in pages for key in page] == list(KEYS), f"in pages of {limit}: {pages}")
        require(all(len(page) <= limit for page in pages), f"a page of {limit} holds more")
        full = -(-len(KEYS) // limit)
        require(
            len(pages) == full, f"{len(KEYS)} keys in pages of {limit} came in {len(pages)} pages, not {full}"
        )


@check("REG-LST-01", profile="core")
def a_prefix_is_a_prefix(ctx: Context) -> None:
    """`prefix` keeps the keys that begin with it, literally, on every page."""
    namespace = _filled(ctx)
    for prefix in ("a", "a_", "ab%", "%", "A", "é", "z", "nothing", "", "🙂"):
        wanted = [key for key in KEYS if key.startswith(prefix)]
        for limit in (2, 1_000):
            found = ctx.keys(namespace, prefix=prefix, limit=limit)
            require(found == wanted, f"prefix {prefix!r} lists {found}, not {wanted}")


@check("REG-LST-02", profile="core")
def pages_are_stable_under_writes(ctx: Context) -> None:
    """An entry that is there from the first page to the last comes once, whatever is written meanwhile."""
    namespace, members = _filled(ctx), {"list_keys": "keys", "list_items": "items"}
    for operation, member in members.items():
        for key in KEYS:
            ctx.set(namespace, key, operation)
        stays = [key for key in ctx.keys(namespace) if key not in ("b", "A")]
        first = ctx.expect(200, operation, namespace, query={"limit": 4}).json
        ctx.delete(namespace, "b")
        ctx.set(namespace, "a", "replaced")
        ctx.set(namespace, "new", 1)
        second = ctx.expect(200, operation, namespace, query={"limit": 4, "page": first["next"]}).json
        ctx.delete(namespace, "A")
        rest = ctx.pages(operation, namespace, member, limit=4, page=second["next"])
        found = [entry for page in (first[member], second[member], *rest) for entry in page]
        names = [entry if isinstance(entry, str) else entry["key"] for entry in found]
        require(len(names) == len(set(names)), f"{operation}: keys come twice: {names}")
        lost = [key for key in stays if key not in names]
        require(not lost, f"{operation}: {lost} were there all the time and were not listed")
        ctx.delete(namespace, "new")


@check("REG-LST-02", profile="core", also=("watch",))
def nothing_is_missed_between_listing_and_watch(ctx: Context) -> None:
    """A listing's pages and a watch from the first page's cursor together are the namespace as it is."""
    namespace = _filled(ctx)
    first = ctx.expect(200, "list_keys", namespace, query={"limit": 3}).json
    ctx.delete(namespace, "a")
    ctx.set(namespace, "late", 1)
    rest = ctx.pages("list_keys", namespace, "keys", limit=3, page=first["next"])
    known = {*first["keys"], *(key for page in rest for key in page)}
    watched = ctx.expect(200, "watch_namespace", namespace, query={"since": first["cursor"], "wait": 0}).json
    for change in watched["changes"]:
        known.discard(change["key"]) if change["op"] == "delete" else known.add(change["key"])
    require(known == set(ctx.keys(namespace)), f"listing and watch make {sorted(known)}")


@check("REG-LST-04", profile="core")
def items_are_whole_entries(ctx: Context) -> None:
    """Items are as `/keys`, each with its value, revision, ETag and digest as get answers them."""
    namespace = _filled(ctx)
    for query in ({}, {"prefix": "a"}, {"limit": 5}):
        pages = ctx.pages("list_items", namespace, "items", **query)
        keys = ctx.keys(namespace, **query)
        items: list[dict[str, Any]] = [item for page in pages for item in page]
        require([item["key"] for item in items] == keys, f"items {query}: other keys than /keys has")
        for item in items:
            read = ctx.get(namespace, item["key"]).json
            differs = [name for name in ("value", "revision", "etag", "digest") if item[name] != read[name]]
            require(not differs, f"the item {item['key']!r} and what get answers differ in {differs}")


@check("REG-LST-04", profile="core")
def a_page_ends_before_8_mib(ctx: Context) -> None:
    """A page of items ends early rather than pass 8 MiB of values, but holds one entry at least."""
    namespace = ctx.namespace()
    half = min(ctx.limits["value_bytes"], PAGE_BYTES) // 2
    for size in (half, half, 2 * half - 2, 1):
        ctx.set(namespace, f"k{ctx.length(namespace)}", "x" * (max(size, 3) - 2))
    pages = ctx.pages("list_items", namespace, "items")
    sizes = [[len(item["value"]["data"]) for item in page] for page in pages]
    require([item["key"] for page in pages for item in page] == ["k0", "k1", "k2", "k3"], f"pages of {sizes}")
    wide = [page for page in sizes if len(page) > 1 and sum(page) > PAGE_BYTES]
    require(not wide, f"a page of several entries holds {wide} bytes of values")


@check("REG-LST-01", "REG-REV-04", profile="core")
def a_thousand_entries_are_listed(ctx: Context) -> None:
    """A namespace of a thousand entries is listed whole, in one page of its size and in pages of seven."""
    namespace = ctx.namespace()
    names = [f"key{number:04}" for number in range(1_000)]
    ctx.random.shuffle(names)
    if "batch" in ctx.profiles:
        size = ctx.limits["batch_entries"]
        for start in range(0, len(names), size):
            entries = [{"key": _key(name), "value": envelope(1)} for name in names[start : start + size]]
            ctx.expect(200, "batch_set", namespace, body={"entries": entries})
    else:
        for name in names:
            ctx.set(namespace, name, 1)
    for limit in (7, ctx.limits["page_entries"]):
        require(ctx.keys(namespace, limit=limit) == names, f"in pages of {limit} the listing is another")


def _key(name: str) -> dict[str, str]:
    return {"type": "json", "data": f'"{name}"', "encoding": "json"}


@check("REG-LST-01", "REG-NSP-01", profile="core")
def a_page_token_is_of_its_listing(ctx: Context) -> None:
    """A page token of another operation, namespace or prefix is 400 `invalid_page`."""
    one, other = ctx.namespace(), ctx.namespace()
    for namespace in (one, other):
        for key in ("a1", "a2", "b1"):
            ctx.set(namespace, key, 1)
    token = ctx.expect(200, "list_keys", one, query={"limit": 1}).json["next"]
    of_all = ctx.expect(200, "list_namespaces", query={"limit": 1}).json["next"]
    cases: tuple[tuple[str, str | None, dict[str, str]], ...] = (
        ("list_keys", other, {"page": token}),
        ("list_items", one, {"page": token}),
        ("list_keys", one, {"page": token, "prefix": "a"}),
        ("list_keys", one, {"page": of_all}),
        ("list_namespaces", None, {"page": token}),
        ("list_namespaces", None, {"page": of_all, "prefix": one}),
    )
    for operation, where, query in cases:
        answer = ctx.expect(400, operation, where, query=query)
        require(answer.json["code"] == "invalid_page", f"{answer.asked} is {answer.json['code']!r}")
    ctx.expect(200, "list_keys", one, query={"page": token, "limit": 5})
