"""A server that is not written to, held against entries that it is known to hold."""

from __future__ import annotations

from collections.abc import Iterator

from registry.conformance.check import check, require
from registry.conformance.context import Context
from registry.conformance.read_only_data import GivenEntry
from registry.envelope.form import digest_of


def _by_namespace(ctx: Context) -> Iterator[tuple[str, list[GivenEntry]]]:
    for namespace in dict.fromkeys(entry.namespace for entry in ctx.options.data):
        yield namespace, [entry for entry in ctx.options.data if entry.namespace == namespace]


@check("REG-GET-01", "REG-ENV-04", "REG-ENV-05", profile="read-only", needs=("data",))
def known_entries_are_read(ctx: Context) -> None:
    """Every known entry is read with every field as it is known, and has the digest of its texts."""
    for entry in ctx.options.data:
        read = ctx.get(entry.namespace, entry.key).json
        require(read["value"] == entry.value, f"{entry.key!r} is read as {read['value']!r:.200}")
        digest = digest_of(entry.value["type"], entry.value["encoding"], entry.value["data"])
        require(read["digest"] == digest, f"{entry.key!r} has the digest {read['digest']}, not {digest}")


@check("REG-LST-01", "REG-LST-04", "REG-LEN-01", "REG-CON-01", profile="read-only", needs=("data",))
def known_entries_are_listed(ctx: Context) -> None:
    """Known entries are contained, counted, and listed in their order by keys and items, page by page."""
    for namespace, entries in _by_namespace(ctx):
        known = [entry.key for entry in entries]
        for limit in (2, 1_000):
            listed = [key for key in ctx.keys(namespace, limit=limit) if key in known]
            require(listed == known, f"known keys are listed as {listed}, not {known}")
        pages = ctx.pages("list_items", namespace, "items", limit=2)
        values = {item["key"]: item["value"] for page in pages for item in page}
        require(all(values.get(entry.key) == entry.value for entry in entries), "an item is other than known")
        require(all(ctx.contains(namespace, key) for key in known), "a known key is not contained")
        require(ctx.length(namespace) >= len(known), "fewer entries are counted than known")


@check("REG-GET-02", "REG-REV-03", profile="read-only", needs=("data",))
def an_unknown_key_is_missing(ctx: Context) -> None:
    """A key that cannot be there is 404 `key_not_found` with the namespace's cursor."""
    for namespace, _ in _by_namespace(ctx):
        missing = ctx.get(namespace, f"no such key {ctx.random.random()}", status=404).json
        require(missing["code"] == "key_not_found", f"the code is {missing['code']!r}")
        require("cursor" in missing, "a 404 without the namespace's cursor")


@check("REG-ERR-04", "REG-NAME-01", profile="read-only", needs=("data",))
def bad_reads_are_refused(ctx: Context) -> None:
    """A parameter or namespace that does not fit is 422."""
    namespace = ctx.options.data[0].namespace
    ctx.expect(422, "list_keys", namespace, query={"limit": 0})
    ctx.expect(422, "get_entry", namespace, query="key=a&key=b")
    ctx.expect(422, "count_entries", "a..b")
