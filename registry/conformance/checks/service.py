"""The server itself: health, readiness, numbers, capabilities, and the listing of namespaces."""

from __future__ import annotations

import re
from datetime import datetime

from registry.conformance.check import PROFILES, check, require
from registry.conformance.context import Context

_SAMPLE = re.compile(r'[a-zA-Z_:][a-zA-Z0-9_:]*(\{([a-zA-Z_]\w*="(\\.|[^"\\])*",?)*\})? (\S+)( -?\d+)?')


@check("REG-SRV-01", profile="core")
def health_has_its_two_fields(ctx: Context) -> None:
    """`/health` answers its two fields and no other, without a token."""
    answer = ctx.expect(200, "get_health", token=None)

    require(
        answer.json == {"status": "healthy", "service": "registry-server"},
        f"/health answered {answer.json!r}",
    )


@check("REG-SRV-02", profile="core")
def a_server_that_serves_is_ready(ctx: Context) -> None:
    """`/ready` answers 200 while the storage can be reached."""
    ctx.expect(200, "get_readiness")


@check("REG-SRV-03", profile="core")
def stats_count_what_there_is(ctx: Context) -> None:
    """`/stats` counts entries as they are now, and requests as they come."""
    namespace = ctx.namespace()
    before = ctx.expect(200, "get_stats").json
    for key in ("a", "b", "c"):
        ctx.set(namespace, key, 1)
    ctx.get(namespace, "a")
    ctx.delete(namespace, "c")
    after = ctx.expect(200, "get_stats").json

    sizes = after["namespace_sizes"]
    require(len(sizes) <= 1_000, f"namespace_sizes holds {len(sizes)} namespaces")
    if after["namespaces"] <= 1_000:
        require(sizes.get(namespace) == 2, f"namespace_sizes has {sizes.get(namespace)} for 2 entries")
    require(
        after["total_entries"] >= sum(sizes.values()), "total_entries is less than namespace_sizes sum to"
    )
    for name, least in (("get", 1), ("set", 3), ("delete", 1), ("total", 6)):
        field = f"{name}_requests"
        grown = after[field] - before[field]
        require(grown >= least, f"{field} grew by {grown} over {least} such requests")
    _is_timestamp(after["created_at"])


def _is_timestamp(text: str) -> None:
    """RFC 3339 in UTC, with milliseconds."""
    require(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text), f"{text!r} is no timestamp in UTC")
    datetime.fromisoformat(text)


@check("REG-SRV-04", profile="core")
def capabilities_name_profiles_and_limits(ctx: Context) -> None:
    """`/capabilities` names the protocol's version, known profiles, and limits that allow something."""
    found = ctx.expect(200, "get_capabilities").json

    require(re.fullmatch(r"1\.\d+\.\d+", found["protocol"]), f"protocol {found['protocol']!r} is not 1.x.y")
    unknown = set(found["profiles"]) - set(PROFILES)
    require(not unknown, f"profiles that the protocol does not know: {sorted(unknown)}")
    require("core" in found["profiles"], "the profile core is not offered")
    require(
        {"json"} <= set(found["envelope_types"]) <= {"json", "pickle"}, f"types {found['envelope_types']}"
    )
    small = {name: limit for name, limit in found["limits"].items() if limit < 1}
    require(not small, f"limits that allow nothing: {small}")


@check("REG-SRV-04", profile="core")
def limits_are_those_published(ctx: Context) -> None:
    """A key, a value and a page as large as published are taken, and larger ones refused."""
    namespace, limits = ctx.namespace(), ctx.limits
    ctx.set(namespace, "k" * limits["key_bytes"], 1)
    ctx.set(namespace, "k" * (limits["key_bytes"] + 1), 1, status=422)
    ctx.expect(200, "list_keys", namespace, query={"limit": limits["page_entries"]})
    ctx.expect(422, "list_keys", namespace, query={"limit": limits["page_entries"] + 1})
    data = '"' + "x" * (limits["value_bytes"] - 2) + '"'
    ctx.set(namespace, "large", {"type": "json", "data": data, "encoding": "json"})
    refused = ctx.set(
        namespace, "larger", {"type": "json", "data": f'"x{data[1:]}', "encoding": "json"}, status=413
    )
    require(
        refused.json["code"] == "value_too_large", f"a larger value is refused as {refused.json['code']!r}"
    )
    require(not ctx.contains(namespace, "larger"), "a value that was refused is stored")


@check("REG-SRV-05", profile="core")
def metrics_are_in_the_form_of_prometheus(ctx: Context) -> None:
    """`/metrics` answers the text form of Prometheus, version 0.0.4."""
    answer = ctx.expect(200, "get_metrics")

    require("version=0.0.4" in answer.field("content-type"), f"the type is {answer.field('content-type')!r}")
    lines = [line for line in answer.json.splitlines() if line and not line.startswith("#")]
    require(lines, "/metrics has no sample")
    odd = next((line for line in lines if not _SAMPLE.fullmatch(line)), None)
    require(odd is None, f"/metrics has a line that is no sample: {odd!r}")


@check("REG-NSP-01", profile="core")
def namespaces_are_listed_by_name(ctx: Context) -> None:
    """`/namespaces` lists those that hold entries, by name in code point order, each once over its pages."""
    root = ctx.namespace()
    names = [f"{root}.{segment}" for segment in ("b", "a", "B", "a.x", "c9", "c10")]
    try:
        for name in names:
            ctx.set(name, "key", 1)
        ctx.clear(names[0])
        for limit in (1, 2, 1_000):
            pages = ctx.pages("list_namespaces", None, "namespaces", prefix=f"{root}.", limit=limit)
            require(
                all(len(page) <= limit for page in pages), f"a page holds more than the {limit} asked for"
            )
            found = [summary["namespace"] for page in pages for summary in page]
            require(found == sorted(names[1:]), f"listed {found}, not {sorted(names[1:])}")
        summary = ctx.pages("list_namespaces", None, "namespaces", prefix=f"{root}.")[0][0]
        require(summary["entries"] == 1, f"one entry is counted as {summary['entries']}")
        require(
            summary["cursor"] == ctx.cursor(summary["namespace"]), "the cursor listed is not the namespace's"
        )
    finally:
        for name in names:
            ctx.wire.send("DELETE", f"/registry/{name}/clear")
