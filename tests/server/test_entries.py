"""Single entries over HTTP: set, get, delete, contains, length, clear; what names and envelopes may be."""

import asyncio
import hashlib

import pytest

from tests.server.wire import envelope, get, head_of, problem, put, raw, setting

PICKLE = {"type": "pickle", "data": "gASVEgAAAAAAAACMBGpzb26UjAVkdW1wc5STlC4=", "encoding": "base64"}


class TestTheUsersDocument:
    """The HTTP examples of the document that ordered this server, answered as it prints them."""

    REQUEST = """{
      "key": {
        "type": "json",
        "data": "\\"my_key\\"",
        "encoding": "json"
      },
      "value": {
        "type": "json",
        "data": "{\\"result\\": 42}",
        "encoding": "json"
      }
    }"""

    async def test_set_is_answered_with_success(self, client):
        answer = await client.post(
            "/registry/my.namespace/set", content=self.REQUEST, headers={"Content-Type": "application/json"}
        )

        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["status"] == "success"
        stored = await get(client, "my_key", "my.namespace")
        assert stored.json()["value"] == {"type": "json", "data": '{"result": 42}', "encoding": "json"}

    async def test_clear_is_one_request_without_a_body(self, client):
        await put(client, "k", space="my.namespace")

        answer = await client.delete("/registry/my.namespace/clear")

        assert answer.json()["status"] == "cleared"
        assert (await client.get("/registry/my.namespace/length")).json()["length"] == 0

    async def test_the_statistics_have_what_its_monitor_prints(self, client):
        await put(client, "k")

        stats = (await client.get("/stats")).json()

        assert (stats["namespaces"], stats["total_entries"]) == (1, 1)
        assert isinstance(stats["total_requests"], int)

    async def test_health_is_answered_with_these_bytes(self, client):
        answer = await client.get("/health")

        assert answer.content == b'{"status": "healthy", "service": "registry-server"}'


class TestSet:
    async def test_a_new_key_is_created(self, client):
        """REG-SET-01."""
        answer = await put(client, "k", 1)

        epoch = answer["cursor"].rpartition(".")[0]
        assert answer == {
            "status": "success",
            "outcome": "created",
            "key": "k",
            "revision": 1,
            "etag": f"{epoch}.1",
            "digest": answer["digest"],
            "cursor": f"{epoch}.1",
        }

    async def test_another_value_replaces(self, client):
        """REG-SET-01."""
        await put(client, "k", 1)

        answer = await put(client, "k", 2)

        assert (answer["outcome"], answer["revision"]) == ("replaced", 2)
        assert (await get(client, "k")).json()["value"] == envelope(2)

    async def test_an_equal_value_changes_nothing(self, client):
        """REG-SET-02."""
        await put(client, "k", 1)
        await put(client, "other")

        answer = await put(client, "k", 1)

        assert (answer["outcome"], answer["revision"]) == ("unchanged", 1)
        assert await head_of(client) == 2

    async def test_fields_and_meta_in_another_order_are_an_equal_value(self, client):
        """REG-SET-02."""
        first = {"key": envelope("k"), "value": envelope(1, kind="function", origin="a.py")}
        again = {"value": dict(reversed(first["value"].items())), "key": envelope("k")}
        again["value"]["meta"] = {"origin": "a.py", "kind": "function"}
        await client.post("/registry/a/set", json=first)

        answer = await client.post("/registry/a/set", json=again)

        assert answer.json()["outcome"] == "unchanged"

    @pytest.mark.parametrize(
        "other",
        [raw("1.0"), raw("1 "), raw("1", signature="key:mac"), raw("1", meta={}), raw("1", meta={"a": "b"})],
    )
    async def test_a_difference_in_any_field_replaces(self, other, client):
        """REG-SET-02."""
        await put(client, "k", 1)

        answer = await client.post("/registry/a/set", json={"key": envelope("k"), "value": other})

        assert answer.json()["outcome"] == "replaced"

    async def test_the_etag_header_is_the_bodys_etag_in_quotes(self, client):
        """REG-REV-03."""
        answer = await client.post("/registry/a/set", json=setting("k"))

        assert answer.headers["etag"] == f'"{answer.json()["etag"]}"'


class TestGet:
    async def test_answers_the_envelope_with_revision_etag_and_digest(self, client):
        """REG-GET-01."""
        stored = await put(client, "k", {"result": 42})

        answer = await get(client, "k")

        body = answer.json()
        assert body["value"] == envelope({"result": 42})
        assert {name: body[name] for name in ("revision", "etag", "digest", "cursor")} == {
            name: stored[name] for name in ("revision", "etag", "digest", "cursor")
        }
        assert answer.headers["etag"] == f'"{body["etag"]}"'
        assert body["updated_at"].endswith("Z")

    async def test_a_missing_key_is_404_with_the_cursor(self, client):
        """REG-GET-02, REG-REV-03."""
        stored = await put(client, "mse")

        missing = problem(await get(client, "mes"), 404, "key_not_found")

        assert missing["cursor"] == stored["cursor"]
        assert missing["context"] == {"key": "mes", "namespace": "a"}
        assert "suggestions" not in missing

    async def test_near_names_come_when_asked_for(self, client):
        """REG-GET-02."""
        for name in ("mse", "mae", "huber"):
            await put(client, name)

        answer = await client.get("/registry/a/get?key=mes&suggest=1")

        missing = problem(answer, 404, "key_not_found")
        assert missing["suggestions"] == ["mse"]
        assert missing["detail"].endswith("Did you mean 'mse'?")

    async def test_near_names_are_looked_for_among_2000_candidates(self, client):
        """REG-GET-02."""
        far = [{"key": envelope(f"{number:06}"), "value": envelope(1)} for number in range(2_000)]
        for half in (far[:1_000], far[1_000:]):
            await client.post("/registry/a/batch/set", json={"entries": half})
        await put(client, "gradient")

        answer = await client.get("/registry/a/get?key=gradien&suggest=3")

        assert "suggestions" not in problem(answer, 404, "key_not_found")

    async def test_a_namespace_that_nobody_wrote_to_reads_as_empty(self, client):
        """REG-NAME-01."""
        for path in ("contains?key=k", "length", "keys", "items"):
            answer = await client.get(f"/registry/never.written/{path}")
            assert answer.status_code == 200
            assert answer.json()["cursor"].endswith(".0")
        missing = problem(await get(client, "k", "never.written"), 404, "key_not_found")
        assert missing["cursor"].endswith(".0")
        assert (await client.get("/namespaces")).json() == {"namespaces": []}

    async def test_head_answers_the_fields_without_the_body(self, client):
        await put(client, "k")

        answer = await client.head("/registry/a/get?key=k")

        assert (answer.status_code, answer.content) == (200, b"")
        assert answer.headers["etag"]
        assert answer.headers["content-length"] == (await get(client, "k")).headers["content-length"]


class TestDelete:
    async def test_removes_in_one_change(self, client):
        """REG-DEL-01."""
        await put(client, "k")

        answer = await client.delete("/registry/a/delete?key=k")

        body = answer.json()
        assert (body["status"], body["revision"]) == ("deleted", 2)
        assert body["cursor"].endswith(".2")
        problem(await get(client, "k"), 404, "key_not_found")

    async def test_a_missing_key_is_404_and_no_change(self, client):
        """REG-DEL-01."""
        await put(client, "other")

        missing = problem(await client.delete("/registry/a/delete?key=k"), 404, "key_not_found")

        assert missing["cursor"].endswith(".1")
        assert await head_of(client) == 1


class TestContainsAndLength:
    async def test_contains_tells_whether_the_key_is_taken(self, client):
        """REG-CON-01."""
        stored = await put(client, "k")

        taken = await client.get("/registry/a/contains?key=k")
        free = await client.get("/registry/a/contains?key=K")

        assert taken.json() == {"contains": True, "cursor": stored["cursor"]}
        assert free.json() == {"contains": False, "cursor": stored["cursor"]}

    async def test_length_counts_entries(self, client):
        """REG-LEN-01."""
        await put(client, "a")
        stored = await put(client, "b")

        answer = await client.get("/registry/a/length")

        assert answer.json() == {"length": 2, "cursor": stored["cursor"]}


class TestClear:
    async def test_is_one_change_however_many_entries(self, client):
        """REG-CLR-01."""
        for name in "abc":
            await put(client, name)

        body = (await client.delete("/registry/a/clear")).json()

        assert (body["status"], body["count"], body["revision"]) == ("cleared", 3, 4)

    async def test_revisions_go_on_from_where_they_were(self, client):
        """REG-CLR-01, REG-REV-01."""
        await put(client, "k")
        await client.delete("/registry/a/clear")

        assert (await put(client, "k"))["revision"] == 3

    async def test_an_empty_namespace_stays_as_it_is(self, client):
        """REG-CLR-01."""
        body = (await client.delete("/registry/a/clear")).json()

        assert (body["count"], body["revision"]) == (0, 0)

    async def test_other_namespaces_keep_their_entries(self, client):
        await put(client, "k", space="a.b")
        await put(client, "k", space="a")

        await client.delete("/registry/a/clear")

        assert (await get(client, "k", "a.b")).status_code == 200


class TestRevisions:
    async def test_every_change_is_the_one_before_plus_one(self, client):
        """REG-REV-01."""
        seen = [(await put(client, "k", 1))["revision"], (await put(client, "l", 1))["revision"]]
        seen.append((await put(client, "k", 2))["revision"])
        seen.append((await client.delete("/registry/a/delete?key=l")).json()["revision"])
        seen.append((await client.delete("/registry/a/clear")).json()["revision"])
        seen.append((await put(client, "k", 2))["revision"])

        assert seen == [1, 2, 3, 4, 5, 6]

    async def test_namespaces_count_by_themselves(self, client):
        """REG-REV-01."""
        await put(client, "k", space="a")

        assert (await put(client, "k", space="b"))["revision"] == 1

    async def test_racing_writers_get_all_revisions_once(self, client):
        """REG-REV-01."""
        answers = await asyncio.gather(*(put(client, f"k{number % 5}", number) for number in range(50)))

        assert sorted(answer["revision"] for answer in answers) == list(range(1, 51))

    async def test_nothing_of_an_earlier_epoch_matches(self, client, backend):
        """REG-REV-02."""
        old = (await put(client, "k"))["etag"]
        await backend.open()
        new = (await put(client, "k"))["etag"]

        assert old != new
        assert (await get(client, "k", **{"If-None-Match": f'"{old}"'})).status_code == 200
        answer = await client.post("/registry/a/set", json=setting("k", 2), headers={"If-Match": f'"{old}"'})
        assert problem(answer, 412, "precondition_failed")["current"]["etag"] == new


class TestNames:
    @pytest.mark.parametrize("space", ["a", "A.b.0", "a" * 255, ".".join("ab" * 64)])
    async def test_a_namespace_is_segments_of_letters_and_digits(self, space, client):
        """REG-NAME-01."""
        assert (await put(client, "k", space=space))["revision"] == 1

    @pytest.mark.parametrize(
        "space",
        [
            "a..b",
            ".a",
            "a.",
            "a_b",
            "a-b",
            "a%20b",
            "%C3%A4",
            "a" * 256,
            "a%0A",
            "a%00",
            "a%2Fb",
            "%2E%2E",
            "a:b",
        ],
    )
    async def test_anything_else_is_refused_everywhere(self, space, client, backend):
        """REG-NAME-01."""
        root = f"/registry/{space}"
        answers = [
            await client.post(f"{root}/set", json=setting("k")),
            await client.post(f"{root}/batch/set", json={"entries": [setting("k")]}),
            await client.get(f"{root}/get?key=k"),
            await client.get(f"{root}/contains?key=k"),
            await client.get(f"{root}/length"),
            await client.get(f"{root}/keys"),
            await client.get(f"{root}/items"),
            await client.delete(f"{root}/delete?key=k"),
            await client.delete(f"{root}/clear"),
        ]

        for answer in answers:
            assert problem(answer, 422, "invalid_namespace")["suggestions"]
        assert (await backend.totals(largest=1)).namespaces == 0

    async def test_case_counts(self, client):
        """REG-NAME-01."""
        await put(client, "k", space="a")

        problem(await get(client, "k", "A"), 404, "key_not_found")

    @pytest.mark.parametrize(
        "key",
        [
            "\0",
            "/",
            "..",
            "%",
            "%2F",
            "+",
            " ",
            "a b",
            "\u00e9",
            "e\u0301",
            "🦜",
            "\n",
            '"',
            "\\",
            "&=#?",
            "x" * 1_024,
            "é" * 512,
            "🦜" * 256,
        ],
        ids=ascii,
    )
    async def test_any_text_of_1024_bytes_is_a_key(self, key, client):
        """REG-NAME-02, REG-NAME-03."""
        stored = await put(client, key)

        assert stored["key"] == key
        assert (await get(client, key)).json()["revision"] == 1
        listed = (await client.get("/registry/a/keys", params={"prefix": key})).json()["keys"]
        assert listed == [key]
        removed = await client.request("DELETE", "/registry/a/delete", params={"key": key})
        assert removed.json()["status"] == "deleted"

    async def test_a_key_is_compared_by_code_point(self, client):
        """REG-NAME-02."""
        for key in ("\u00e9", "e\u0301", "E\u0301", " k", "k", "k "):
            assert (await put(client, key))["outcome"] == "created"

    async def test_a_key_may_be_spelled_with_escapes_in_a_body(self, client):
        """REG-NAME-03."""
        body = {"key": raw(r'"\u006d\ud83e\udd9c"'), "value": envelope(1)}

        assert (await client.post("/registry/a/set", json=body)).json()["key"] == "m🦜"

    async def test_a_plus_in_a_query_is_a_space(self, client):
        """REG-NAME-03."""
        await put(client, "a b")
        await put(client, "a+b")

        spaced = await client.get("/registry/a/get?key=a+b")
        plus = await client.get("/registry/a/get?key=a%2Bb")

        assert (spaced.json()["revision"], plus.json()["revision"]) == (1, 2)

    @pytest.mark.parametrize("key", ["", "x" * 1_025, "é" * 513], ids=["empty", "1,025 bytes", "1,026 bytes"])
    async def test_a_key_of_no_or_too_many_bytes_is_refused(self, key, client):
        """REG-NAME-02."""
        for answer in (
            await client.post("/registry/a/set", json=setting(key)),
            await client.get("/registry/a/get", params={"key": key}),
            await client.get("/registry/a/contains", params={"key": key}),
            await client.delete("/registry/a/delete", params={"key": key}),
        ):
            problem(answer, 422, "invalid_key")
        assert await head_of(client) == 0

    @pytest.mark.parametrize(
        "key",
        [
            raw("1"),
            raw("null"),
            raw("true"),
            raw('["k"]'),
            raw("k"),
            raw('"k'),
            raw(r'"\ud800"'),
            raw('"a" "b"'),
            {"type": "pickle", "data": "gAROLg==", "encoding": "base64"},
            raw('"k"', meta={}),
            "k",
            None,
            7,
        ],
        ids=repr,
    )
    async def test_a_key_that_is_no_text_is_refused(self, key, client):
        """REG-NAME-03."""
        answer = await client.post("/registry/a/set", json={"key": key, "value": envelope(1)})

        problem(answer, 422, "invalid_key")
        assert await head_of(client) == 0


class TestEnvelopes:
    @pytest.mark.parametrize(
        "value",
        [
            raw('{"b": 1, "a": [1, 1.0, 1e0, -0, "\\u00e9", "é", "🦜", "\\ud83e\\udd9c", null]}'),
            raw(' "blank around" \n'),
            raw("1" * 4_300),
            raw('""', meta={}, signature="key:bWFj"),
            raw("1", meta={"kind": "function", "name": "\u2028 \0 🦜"}),
            PICKLE,
            {**PICKLE, "meta": {"codec": "reference"}, "signature": "k:m"},
            {"type": "pickle", "data": "", "encoding": "base64"},
        ],
        ids=["json", "blanks", "integer", "signature", "meta", "pickle", "signed pickle", "no bytes"],
    )
    async def test_comes_back_with_every_field_as_it_was(self, value, client):
        """REG-ENV-04, REG-ENV-01, REG-GET-01."""
        answer = await client.post("/registry/a/set", json={"key": envelope("k"), "value": value})
        assert answer.status_code == 200, answer.text

        assert (await get(client, "k")).json()["value"] == value
        [listed] = (await client.get("/registry/a/items")).json()["items"]
        assert listed["value"] == value

    async def test_the_digest_is_over_the_length_prefixed_texts(self, client):
        """REG-ENV-05."""
        stored = await put(client, "k", "é🦜", kind="not part of it")

        texts = [text.encode() for text in ("json", "json", '"é🦜"')]
        framed = b"".join(len(text).to_bytes(8, "big") + text for text in texts)
        assert stored["digest"] == "sha256:" + hashlib.sha256(framed).hexdigest()

    @pytest.mark.parametrize(
        "value",
        [
            {"type": "json", "data": "1", "encoding": "base64"},
            {"type": "pickle", "data": "gAROLg==", "encoding": "json"},
            {"type": "yaml", "data": "1", "encoding": "json"},
            {"type": "json", "data": "1"},
            {"type": "json", "encoding": "json"},
            {"data": "1", "encoding": "json"},
            raw("1", extra=1),
            raw("1", signature=""),
            raw("1", signature="é"),
            raw("1", signature="k" * 513),
            raw("1", meta=[]),
            raw("1", meta={"a": 1}),
            raw("1", meta={"": "a"}),
            raw("1", meta={"a" * 65: "b"}),
            raw("1", meta={"a": "b" * 16_385}),
            raw("1", meta={str(number): "" for number in range(33)}),
            {"type": "json", "data": 1, "encoding": "json"},
            None,
            [],
            "1",
        ],
        ids=lambda value: repr(value)[:60],
    )
    async def test_a_field_without_its_form_is_refused(self, value, client):
        """REG-ENV-01."""
        answer = await client.post("/registry/a/set", json={"key": envelope("k"), "value": value})

        problem(answer, 422, "malformed_envelope")
        assert await head_of(client) == 0

    @pytest.mark.parametrize(
        "data",
        [
            "",
            " ",
            "nul",
            "NaN",
            "-Infinity",
            "1e999",
            "[1,]",
            "{1:2}",
            '{"a":1,"a":1}',
            '{"a":{"b":1,"b":2}}',
            r'"\ud800"',
            r'{"\udc00":1}',
            "01",
            "'a'",
            '"\t"',
            "1 2",
            "1" * 4_301,
            "[" * 65 + "]" * 65,
            "\ufeff1",
            "/**/1",
        ],
        ids=lambda data: ascii(data)[:30],
    )
    async def test_json_data_that_is_not_strict_is_refused(self, data, client):
        """REG-ENV-02."""
        answer = await client.post("/registry/a/set", json={"key": envelope("k"), "value": raw(data)})

        problem(answer, 422, "malformed_envelope")
        assert await head_of(client) == 0

    async def test_json_data_may_nest_64_deep(self, client):
        """REG-ENV-02."""
        deep = raw("[" * 64 + "]" * 64)

        answer = await client.post("/registry/a/set", json={"key": envelope("k"), "value": deep})

        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "data", ["QQ", "QR==", "QQ=\n=", "QQ==\n", " QQ==", "QQ-_", "Q===", "é", "QQ==QQ=="]
    )
    async def test_base64_that_is_not_canonical_is_refused(self, data, client):
        """REG-ENV-03."""
        value = {"type": "pickle", "data": data, "encoding": "base64"}

        answer = await client.post("/registry/a/set", json={"key": envelope("k"), "value": value})

        problem(answer, 422, "malformed_envelope")
        assert await head_of(client) == 0

    async def test_what_a_pickle_spells_is_never_looked_at(self, client):
        """REG-ENV-03."""
        value = {"type": "pickle", "data": "AAAA", "encoding": "base64"}

        answer = await client.post("/registry/a/set", json={"key": envelope("k"), "value": value})

        assert answer.status_code == 200
