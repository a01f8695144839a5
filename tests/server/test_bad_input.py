"""Bad input: each gets its documented problem document, changes nothing and is not repeated in the answer."""

import gzip
import json

import httpx
import pytest

from registry_server.app import create_app
from registry_server.limits import Limits
from registry_server.settings import ServerSettings
from registry_server.storage.memory import MemoryBackend
from tests.server.wire import envelope, head_of, operations, problem, put, raw, setting

JSON = {"Content-Type": "application/json"}
SECRET = "hunter2"
"""Stands in values where an answer that repeats values would show it."""

GOOD = json.dumps(setting("k", SECRET)).encode()


async def post(client, body, **fields):
    return await client.post("/registry/a/set", content=body, headers={**JSON, **fields})


class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b" ",
            b"{",
            GOOD[:-1],
            GOOD + b"x",
            GOOD + GOOD,
            b"\xef\xbb\xbf" + GOOD,
            GOOD.decode().encode("utf-16"),
            GOOD.replace(b"hunter2", b"\xff"),
            GOOD.replace(b"hunter2", b"\xed\xa0\x80"),
            GOOD.replace(b"hunter2", b"\\ud800"),
            GOOD.replace(b"hunter2", b"a\nb"),
            GOOD.replace(b'"json"', b"NaN", 1),
            GOOD.replace(b'"json"', b"-Infinity", 1),
            GOOD.replace(b'"json"', b"1e999", 1),
            GOOD.replace(b'"json"', b"1" * 5_000, 1),
            GOOD.replace(b'"value"', b'"key": null, "value"'),
            GOOD.replace(b'"value"', b'"\\u006bey": null, "value"'),
            b'{"key":' + b"[" * 1_000 + b"]" * 1_000 + b',"value":1}',
            b'{"key":' + b"[" * 65 + b"]" * 65 + b',"value":1}',
            b'{"key": ' + b"[" * 65 + b"]" * 65 + b', "value": 1}',
            b"[" * 1_000_000,
            b'{"a":' * 1_000_000,
        ],
        ids=lambda body: f"{len(body)} bytes {body[:24]!r}",
    )
    async def test_what_is_not_strict_json_is_400(self, body, client):
        """REG-ERR-03."""
        answer = await post(client, body)

        problem(answer, 400, "invalid_json")
        assert SECRET not in answer.text
        assert len(answer.content) < 1_000
        assert await head_of(client) == 0

    @pytest.mark.parametrize(
        "body",
        [
            b"null",
            b"[]",
            b"1",
            b'"text"',
            b"{}",
            b'{"key": {"type": "json", "data": "\\"k\\"", "encoding": "json"}}',
            b'{"keys": 1, "value": 2}',
            b'{"key":' + b"[" * 60 + b"]" * 60 + b',"value":1}',
            GOOD.replace(b'"value"', b'"value": 1, "values"'),
            b'{"entries": []}',
        ],
    )
    async def test_what_does_not_fit_its_schema_is_422(self, body, client):
        """REG-ERR-03."""
        answer = await post(client, body)

        assert answer.json()["code"] in ("invalid_body", "invalid_key", "malformed_envelope")
        problem(answer, 422, answer.json()["code"])
        assert await head_of(client) == 0

    @pytest.mark.parametrize(
        "content_type",
        [
            None,
            "",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=latin-1",
            "application/json-patch+json",
            "application/jsonx",
            "text/json",
            "application/json, text/plain",
            "*/*",
        ],
    )
    async def test_a_body_that_is_not_declared_as_json_is_415(self, content_type, client):
        """REG-ERR-03: a browser may send such a one to anybody's server, without asking first."""
        fields = {} if content_type is None else {"Content-Type": content_type}

        answer = await client.post("/registry/a/set", content=GOOD, headers=fields)

        problem(answer, 415, "unsupported_media_type")
        assert await head_of(client) == 0

    @pytest.mark.parametrize(
        "content_type",
        [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            'application/json;charset="UTF-8"',
        ],
    )
    async def test_json_may_be_declared_with_its_charset(self, content_type, client):
        answer = await client.post("/registry/a/set", content=GOOD, headers={"Content-Type": content_type})

        assert answer.status_code == 200

    @pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity", "gzip, gzip", "x"])
    async def test_a_compressed_body_is_415(self, coding, client):
        """REG-ERR-03."""
        answer = await post(client, gzip.compress(GOOD), **{"Content-Encoding": coding})

        problem(answer, 415, "unsupported_media_type")
        assert await head_of(client) == 0

    async def test_gzip_that_is_not_declared_is_400(self, client):
        problem(await post(client, gzip.compress(GOOD)), 400, "invalid_json")

    async def test_a_value_may_have_8_mib_and_no_byte_more(self, client):
        """REG-ERR-03."""
        most = "x" * (8 * 1024 * 1024 - 2)
        await put(client, "k", most)

        for larger in (most + "x", most[:-1] + "é"):
            answer = await client.post("/registry/a/set", json=setting("k", larger))
            large = problem(answer, 413, "value_too_large")
            assert large["context"]["limit"] == 8 * 1024 * 1024
            assert len(answer.content) < 1_000
        assert await head_of(client) == 1

    async def test_a_body_over_the_limit_is_413_before_it_is_read(self, client):
        """REG-ERR-03."""
        read = 0

        async def body():
            nonlocal read
            for _ in range(1_000):
                read += 1
                yield b" " * 1024 * 1024

        declared = await client.post(
            "/registry/a/set", content=body(), headers={**JSON, "Content-Length": str(1000 * 1024 * 1024)}
        )
        assert read == 0
        chunked = await client.post("/registry/a/set", content=body(), headers=JSON)
        assert read == 17

        for answer in (declared, chunked):
            large = problem(answer, 413, "limit_exceeded")
            assert large["context"]["limit"] == 16 * 1024 * 1024
            assert answer.headers["connection"] == "close"

    async def test_a_body_of_the_limit_is_read(self, client):
        body = GOOD + b" " * (16 * 1024 * 1024 - len(GOOD))

        assert (await post(client, body)).status_code == 200
        problem(await post(client, body + b" "), 413, "limit_exceeded")

    async def test_a_length_that_lies_does_not_pass_the_limit(self, client):
        async def body():
            while True:
                yield b" " * 1024 * 1024

        answer = await client.post(
            "/registry/a/set", content=body(), headers={**JSON, "Content-Length": "10"}
        )

        problem(answer, 413, "limit_exceeded")

    @pytest.mark.parametrize("method", ["GET", "DELETE"])
    async def test_a_body_that_nobody_asked_for_is_not_read(self, method, client):
        await put(client, "k")
        path = "/registry/a/get?key=k" if method == "GET" else "/registry/a/delete?key=k"

        answer = await client.request(method, path, content=b"\xff" * 100)

        assert answer.status_code == 200


class TestNothingIsRepeated:
    """A problem document never holds a value, and no name longer than what may be one."""

    @pytest.mark.parametrize(
        "value",
        [
            raw('{"a": "hunter2",}'),
            raw('"hunter2'),
            raw('{"hunter2": 1, "hunter2": 1}'),
            raw("1", signature="hunter2 "),
            raw("1", meta={"hunter2": 1}),
            raw("1", meta={"a" * 64: "hunter2" * 3_000}),
            raw("1", hunter2=1),
            {"type": "hunter2", "data": "1", "encoding": "json"},
            {"type": "pickle", "data": "hunter2!", "encoding": "base64"},
            "hunter2",
            ["hunter2"],
        ],
        ids=lambda value: repr(value)[:50],
    )
    async def test_of_a_value(self, value, client):
        for path, body in (
            ("set", {"key": envelope("k"), "value": value}),
            ("batch/set", {"entries": [{"key": envelope("k"), "value": value}]}),
        ):
            answer = await client.post(f"/registry/a/{path}", json=body)

            problem(answer, 422, answer.json()["code"])
            assert "hunter2" not in answer.text.replace("/value/meta/hunter2", "")
            assert len(answer.content) < 1_000

    @pytest.mark.parametrize(
        "place", ["meta", "top", "query", "query twice", "parameter", "header", "path", "key"]
    )
    async def test_of_a_long_name_but_its_beginning(self, place, client):
        long = "n" * 20_000
        answers = {
            "meta": ("POST", "/registry/a/set", {"key": envelope("k"), "value": raw("1", meta={long: 1})}),
            "top": ("POST", "/registry/a/set", {**setting("k"), long: 1}),
            "query": ("GET", f"/registry/a/length?{long}=1", None),
            "query twice": ("GET", f"/registry/a/length?{long}=1&{long}=1", None),
            "parameter": ("GET", f"/registry/a/keys?limit={long}", None),
            "header": ("GET", "/registry/a/get?key=k", None),
            "path": ("GET", f"/registry/{long}-/length", None),
            "key": ("GET", f"/registry/a/get?key={long}", None),
        }
        method, path, body = answers[place]
        fields = {"If-None-Match": long} if place == "header" else {}

        answer = await client.request(method, path, json=body, headers=fields)

        problem(answer, 400 if place == "header" else 422, answer.json()["code"])
        assert len(answer.content) < 1_000

    async def test_a_pointer_is_escaped(self, client):
        """RFC 6901."""
        value = raw("1", meta={"a/b~c": 1})

        answer = await client.post("/registry/a/set", json={"key": envelope("k"), "value": value})

        place = problem(answer, 422, "malformed_envelope")["context"]["pointer"]
        assert place == "/value/meta/a~1b~0c"


class TestHeads:
    @pytest.mark.parametrize(
        "host",
        [
            "evil.example",
            "evil.example:8001",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "evil.example:",
            "[::2]",
            "10.0.0.1",
        ],
    )
    @pytest.mark.parametrize("path", ["/health", "/registry/a/length", "/", "/docs/", "/nowhere"])
    async def test_a_host_that_is_not_loopback_is_421(self, path, host, client):
        """Else a web page, its name rebound to 127.0.0.1, would read this server (DNS rebinding)."""
        problem(await client.get(path, headers={"Host": host}), 421, "misdirected_request")

    @pytest.mark.parametrize(
        "host",
        [
            "",
            ":8001",
            "127.0.0.1:8001/path",
            "localhost/",
            "localhost?",
            "localhost#",
            "localhost:x",
            "localhost:80x",
            "localhost:-1",
            "localhost:65536",
            "localhost:999999999",
            "localhost:80:80",
            "localhost:8001@evil.example",
            "user@localhost",
            "localhost, evil.example",
            "localhost,localhost",
            "local host",
            "localhost;\tx",
            "http://localhost",
            "local%zzhost",
            "localhost%",
            "localhost\\evil",
            "localh\xf6st",
            "[::1",
            "::1",
            "[::1]evil",
            "[::1]:x",
            "[]",
            "[localhost]",
            "[1::2::3]",
            "[::1%25lo]",
            "a[::1]",
        ],
    )
    @pytest.mark.parametrize("path", ["/health", "/registry/a/length", "/", "/docs/", "/nowhere"])
    async def test_a_host_that_is_not_one_is_400(self, path, host, client):
        """RFC 9112 section 3.2."""
        for _ in range(2):
            answer = await client.get(path, headers=[("Host", host.encode("latin-1"))])
            problem(answer, 400, "invalid_request")

    @pytest.mark.parametrize(
        "host", ["localhost", "LOCALHOST:8001", "localhost:", "127.0.0.1:1", "[::1]", "[::1]:8001"]
    )
    async def test_every_name_of_loopback_is_answered(self, host, client):
        assert (await client.get("/health", headers={"Host": host})).status_code == 200

    @pytest.mark.parametrize(
        "origin",
        [
            "http://evil.example",
            "null",
            "",
            "http://localhost:8002",
            "http://127.0.0.1:8001",
            "localhost:8001",
            "file://localhost:8001",
            "http://localhost:8001.evil.example",
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
    async def test_a_page_of_another_origin_is_403(self, method, origin, client):
        path = {"GET": "/registry/a/length", "POST": "/registry/a/set", "DELETE": "/registry/a/clear"}[method]
        body = setting("k") if method == "POST" else None

        answer = await client.request(method, path, json=body, headers={"Origin": origin})

        problem(answer, 403, "forbidden")
        assert "access-control-allow-origin" not in answer.headers
        assert await head_of(client) == 0

    async def test_a_page_of_its_own_is_answered(self, client):
        answer = await client.get("/health", headers={"Origin": "http://localhost:8001"})

        assert answer.status_code == 200

    @pytest.mark.parametrize(
        "fields",
        [[("X", "a" * 33_000)], [(f"X-{number}", "a" * 100) for number in range(400)], [("X", "a")] * 20_000],
        ids=["long", "many", "the same"],
    )
    async def test_header_fields_of_more_than_32_kib_are_431(self, fields, client):
        for path in ("/health", "/registry/a/length", "/"):
            problem(await client.get(path, headers=fields), 431, "headers_too_large")

    async def test_header_fields_of_32_kib_are_read(self, client):
        assert (await client.get("/health", headers={"X": "a" * 32_000})).status_code == 200

    @pytest.mark.parametrize("name", ["Host", "Origin", "Content-Type", "Content-Encoding", "Authorization"])
    async def test_a_field_that_may_come_once_and_comes_twice_is_400(self, name, client):
        fields = [("Host", "localhost"), *[(name, "localhost")] * 2]

        problem(await client.get("/health", headers=fields), 400, "invalid_request")


class TestAddresses:
    @pytest.mark.parametrize(
        ("query", "status", "code"),
        [
            ("key=k&x=1", 422, "invalid_parameter"),
            ("key=k&KEY=k", 422, "invalid_parameter"),
            ("key=k&key=k", 422, "invalid_parameter"),
            ("key=k&k%65y=k", 422, "invalid_parameter"),
            ("key=k&", 200, None),
            ("", 422, "invalid_key"),
            ("key", 422, "invalid_key"),
            ("suggest=1", 422, "invalid_key"),
            ("key=k&suggest=11", 422, "invalid_parameter"),
            ("key=k&suggest=", 422, "invalid_parameter"),
            ("key=%FF", 400, "invalid_request"),
            ("key=%ED%A0%80", 400, "invalid_request"),
            ("key=k&%FF=1", 400, "invalid_request"),
            ("key=%", 400, "invalid_request"),
            ("key=%zz", 400, "invalid_request"),
            ("key=k%2", 400, "invalid_request"),
            ("key=%2gk", 400, "invalid_request"),
            ("key=%%6B", 400, "invalid_request"),
            ("key=%u006B", 400, "invalid_request"),
            ("key=k&%=1", 400, "invalid_request"),
            ("key=k&%", 400, "invalid_request"),
            ("key=%25", 404, "key_not_found"),
            ("key=%00", 404, "key_not_found"),
            ("key=+", 404, "key_not_found"),
            ("key=a=b", 404, "key_not_found"),
            ("key=a;b", 404, "key_not_found"),
        ],
    )
    async def test_a_query_is_read_strictly(self, query, status, code, client):
        """REG-ERR-04."""
        await put(client, "k")

        answer = await client.get(f"/registry/a/get?{query}")

        assert answer.status_code == status
        if code is not None:
            problem(answer, status, code)

    @pytest.mark.parametrize(
        "path",
        [
            "/health",
            "/ready",
            "/stats",
            "/capabilities",
            "/namespaces",
            "/registry/a/length",
            "/registry/a/keys",
        ],
    )
    async def test_an_unknown_parameter_is_refused_by_every_operation(self, path, client):
        """REG-ERR-04."""
        answer = await client.get(f"{path}?unknown=hunter2")

        assert "'unknown'" in problem(answer, 422, "invalid_parameter")["detail"]
        assert SECRET not in answer.text

    @pytest.mark.parametrize(
        "path",
        [
            "/registry/a%2Fb/length",
            "/registry/%2E%2E/length",
            "/registry//length",
            "/registry/a%00/length",
            "/registry/%252E/length",
        ],
    )
    async def test_a_path_never_leaves_its_namespace(self, path, client):
        answer = await send_raw(client, "GET", path)

        problem(answer, 422, "invalid_namespace")

    async def test_a_path_that_is_not_utf8_is_400(self, client):
        problem(await send_raw(client, "GET", "/registry/%FF/length"), 400, "invalid_request")

    @pytest.mark.parametrize(
        "path",
        [
            "/nowhere",
            "/registry",
            "/registry/a",
            "/registry/a/",
            "/registry/a/unknown",
            "/registry/a/get/more",
            "/registry/a/b/length",
            "/registry%2Fa%2Flength",
            "/registry%2Fa/length",
            "/registry/a%2Flength",
            "/REGISTRY/a/length",
            "/Health",
            "//health",
            "/registry/a/batch",
            "/favicon.ico",
        ],
    )
    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
    async def test_an_unknown_path_is_404(self, method, path, client):
        answer = await send_raw(client, method, path)

        problem(answer, 404, "not_found")

    @pytest.mark.parametrize(
        "path",
        [*[path for _, path, _ in operations()], "/browse/a", "/static/registry.css", "/docs/index.html"],
    )
    @pytest.mark.parametrize("form", ["{}/", "{}//", "/{}", "{}%2F", "{}/?key=k"])
    @pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
    async def test_no_slash_leads_anywhere_else(self, method, form, path, client):
        """Neither to the path without it, nor to a redirect: behind a TLS proxy that would lead to http."""
        answer = await send_raw(client, method, form.format(path.replace("{namespace}", "a")))

        problem(answer, 404, "not_found")
        assert await head_of(client) == 0

    @pytest.mark.parametrize(
        "path", ["/browse//a", "/static//registry.css", "//docs/", "/docs//", "/docs/x/"]
    )
    async def test_no_page_is_found_with_a_slash_too_many(self, path, client):
        problem(await send_raw(client, "GET", path), 404, "not_found")

    @pytest.mark.parametrize("escape", ["%", "%2", "%zz", "%u0061", "%ff"])
    @pytest.mark.parametrize(
        "path", ["/registry/{}/length", "/browse/{}", "/search?q={}", "/docs/?x={}", "/{}"]
    )
    async def test_what_is_not_percent_encoded_utf_8_is_400(self, path, escape, client):
        """REG-NAME-03, and the same of paths and pages."""
        problem(await send_raw(client, "GET", path.format(escape)), 400, "invalid_request")

    @pytest.mark.parametrize(
        "method", ["PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "get", "X" * 100]
    )
    async def test_an_unknown_method_is_405_and_says_which_there_are(self, method, client):
        answer = await client.request(method, "/registry/a/length")
        if method == "get":  # httpx knows better
            assert answer.status_code == 200
            return

        unknown = problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == "GET, HEAD"
        assert len(unknown["detail"]) < 200

    async def test_a_delete_by_get_does_nothing(self, client):
        await put(client, "k")

        for path in ("clear", "delete?key=k"):
            answer = await client.get(f"/registry/a/{path}")
            problem(answer, 405, "method_not_allowed")
            assert answer.headers["allow"] == "DELETE"
        assert await head_of(client) == 1


async def send_raw(client: httpx.AsyncClient, method: str, path: str) -> httpx.Response:
    """A request whose path is sent as it stands: httpx folds ``..`` and decodes ``%2E``."""
    request = client.build_request(method, "/")
    request.url = request.url.copy_with(raw_path=path.encode())
    return await client.send(request)


class TestOffLoopback:
    """A server that others can reach answers for any Host, unless it is told for which."""

    @pytest.fixture
    def host_client(self):
        def host_client(**settings):
            app = create_app(ServerSettings(**settings), MemoryBackend())
            return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://registry.example")

        return host_client

    async def test_any_host_is_answered(self, host_client):
        async with host_client(host="0.0.0.0") as client:
            assert (await client.get("/health")).status_code == 200

    async def test_of_allowed_hosts_only_those(self, host_client):
        async with host_client(host="0.0.0.0", allowed_hosts=("Registry.Example",)) as client:
            assert (await client.get("/health")).status_code == 200
            stranger = await client.get("/health", headers={"Host": "evil.example"})
            problem(stranger, 421, "misdirected_request")

    async def test_smaller_limits_are_enforced_and_published(self, host_client):
        limits = Limits(body_bytes=1_000, value_bytes=100, header_bytes=500)
        async with host_client(host="0.0.0.0", limits=limits) as client:
            published = (await client.get("/capabilities")).json()["limits"]
            assert (published["body_bytes"], published["value_bytes"]) == (1_000, 100)
            large = await client.post("/registry/a/set", json=setting("k", "x" * 99))
            assert problem(large, 413, "value_too_large")["context"]["limit"] == 100
            larger = await client.post("/registry/a/set", json=setting("k", "x" * 1_000))
            assert problem(larger, 413, "limit_exceeded")["context"]["limit"] == 1_000
            problem(await client.get("/health", headers={"X": "x" * 500}), 431, "headers_too_large")
