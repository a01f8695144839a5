"""Conditional writes and reads (RFC 9110 section 13)."""

import asyncio

import pytest

from tests.server.wire import envelope, get, head_of, problem, put, raw, setting


async def set_if(client, field: str, value: str, new: object = 2, key: str = "k", **meta: str):
    """A set with one condition."""
    return await client.post("/registry/a/set", json=setting(key, new, **meta), headers={field: value})


class TestCreateOnly:
    async def test_creates_where_the_key_is_free(self, client):
        """REG-COND-01."""
        answer = await set_if(client, "If-None-Match", "*")

        assert answer.json()["outcome"] == "created"

    async def test_a_taken_key_is_412_that_tells_whose_it_is(self, client):
        """REG-COND-03, REG-SET-03, REG-REV-03."""
        stored = await put(client, "k", 1, identity="sha256:1", origin="losses.py:3")
        head = await put(client, "other")

        lost = problem(await set_if(client, "If-None-Match", "*"), 412, "precondition_failed")

        assert lost["current"] == {
            "revision": 1,
            "etag": stored["etag"],
            "digest": stored["digest"],
            "meta": {"identity": "sha256:1", "origin": "losses.py:3"},
        }
        assert lost["cursor"] == head["cursor"]
        assert lost["context"] == {"key": "k", "namespace": "a"}

    async def test_an_equal_value_is_412_too(self, client):
        """REG-COND-01."""
        await put(client, "k", 1)

        lost = problem(await set_if(client, "If-None-Match", "*", new=1), 412, "precondition_failed")

        assert "meta" not in lost["current"]

    async def test_of_racing_writers_exactly_one_succeeds(self, client):
        """REG-COND-01."""
        answers = await asyncio.gather(
            *(set_if(client, "If-None-Match", "*", new=number, writer=str(number)) for number in range(32))
        )

        [winner] = [number for number, answer in enumerate(answers) if answer.status_code == 200]
        losers = [answer.json() for answer in answers if answer.status_code == 412]
        assert len(losers) == 31
        assert {loser["current"]["meta"]["writer"] for loser in losers} == {str(winner)}
        assert (await get(client, "k")).json()["value"]["data"] == str(winner)

    async def test_a_list_refuses_the_versions_in_it_only(self, client):
        """REG-COND-02: and a missing entry is none of them."""
        stored = await put(client, "k", 1)
        named = f'"x.1", W/"{stored["etag"]}"'

        problem(await set_if(client, "If-None-Match", named), 412, "precondition_failed")
        assert (await set_if(client, "If-None-Match", '"x.1"')).json()["outcome"] == "replaced"
        assert (await set_if(client, "If-None-Match", named)).json()["outcome"] == "unchanged"
        assert (await set_if(client, "If-None-Match", named, key="free")).json()["outcome"] == "created"


class TestIfMatch:
    async def test_replaces_that_version(self, client):
        """REG-COND-02."""
        stored = await put(client, "k", 1)

        answer = await set_if(client, "If-Match", f'"{stored["etag"]}"')

        assert (answer.json()["outcome"], answer.json()["revision"]) == ("replaced", 2)

    async def test_another_version_is_412_and_changes_nothing(self, client):
        """REG-COND-02, REG-COND-03."""
        old = await put(client, "k", 1)
        new = await put(client, "k", 2)

        lost = problem(
            await set_if(client, "If-Match", f'"{old["etag"]}"', new=3), 412, "precondition_failed"
        )

        assert lost["current"]["etag"] == new["etag"]
        assert (await get(client, "k")).json()["value"] == envelope(2)
        assert await head_of(client) == 2

    async def test_a_missing_entry_is_412_without_a_current_one(self, client):
        """REG-COND-03."""
        stored = await put(client, "other")

        lost = problem(await set_if(client, "If-Match", f'"{stored["etag"]}"'), 412, "precondition_failed")

        assert "current" not in lost
        assert lost["cursor"] == stored["cursor"]

    async def test_a_star_matches_any_version_but_not_a_missing_entry(self, client):
        """REG-COND-02."""
        problem(await set_if(client, "If-Match", "*"), 412, "precondition_failed")
        await put(client, "k", 1)

        assert (await set_if(client, "If-Match", "*")).json()["outcome"] == "replaced"

    async def test_a_version_that_came_back_is_another_version(self, client):
        """REG-COND-02."""
        first = await put(client, "k", 1)
        await client.delete("/registry/a/delete?key=k")
        await put(client, "k", 1)

        lost = await set_if(client, "If-Match", f'"{first["etag"]}"')

        assert problem(lost, 412, "precondition_failed")["current"]["revision"] == 3

    async def test_an_equal_value_is_unchanged_if_the_version_matches(self, client):
        """REG-SET-02."""
        stored = await put(client, "k", 1)

        answer = await set_if(client, "If-Match", f'"{stored["etag"]}"', new=1)

        assert (answer.json()["outcome"], answer.json()["revision"]) == ("unchanged", 1)

    async def test_deletes_that_version_only(self, client):
        """REG-COND-02, REG-DEL-01."""
        old = await put(client, "k", 1)
        new = await put(client, "k", 2)
        path = "/registry/a/delete?key=k"

        lost = await client.delete(path, headers={"If-Match": f'"{old["etag"]}"'})
        done = await client.delete(path, headers={"If-Match": f'"{new["etag"]}"'})
        again = await client.delete(path, headers={"If-Match": f'"{new["etag"]}"'})

        assert problem(lost, 412, "precondition_failed")["current"]["etag"] == new["etag"]
        assert done.json()["revision"] == 3
        assert "current" not in problem(again, 412, "precondition_failed")

    @pytest.mark.parametrize(
        "field",
        [
            "",
            "a.1",
            '"a.1',
            '"a.1" "a.2"',
            ",",
            '* , "a.1"',
            '"a b"',
            "'a.1'",
        ],
    )
    async def test_malformed_fields_are_400(self, field, client):
        await put(client, "k", 1)

        for answer in (
            await set_if(client, "If-Match", field),
            await client.delete("/registry/a/delete?key=k", headers={"If-Match": field}),
        ):
            problem(answer, 400, "invalid_request")
        assert await head_of(client) == 1

    @pytest.mark.parametrize(
        "tag", ["1", ".1", "x.1", "{epoch}.0", "{epoch}.01", "{epoch}.²", "{epoch}." + "9" * 40]
    )
    async def test_an_etag_that_no_entry_has_never_matches(self, tag, client, backend):
        """REG-REV-02."""
        await put(client, "k", 1)
        field = '"' + tag.format(epoch=backend.epoch) + '"'

        answer = await client.post(
            "/registry/a/set", json=setting("k", 2), headers=[("If-Match", field.encode("latin-1"))]
        )

        problem(answer, 412, "precondition_failed")

    async def test_a_list_names_several_versions(self, client):
        """REG-COND-02: one of them must be the entry's, by the strong comparison."""
        first = await put(client, "k", 1)
        second = await put(client, "k", 2)
        both = f'"{first["etag"]}", "{second["etag"]}"'

        assert (await set_if(client, "If-Match", both, new=3)).json()["outcome"] == "replaced"
        problem(await set_if(client, "If-Match", both, new=4), 412, "precondition_failed")

    async def test_of_racing_writers_with_lists_exactly_one_succeeds(self, client):
        """REG-COND-02: a condition that the storage cannot check itself is atomic too."""
        stored = await put(client, "k", 1)
        other = await put(client, "other")
        both = f'"{stored["etag"]}", "{other["etag"]}"'

        answers = await asyncio.gather(
            *(set_if(client, "If-Match", both, new=number, writer=str(number)) for number in range(2, 34))
        )

        assert sorted(answer.status_code for answer in answers) == [200] + [412] * 31

    async def test_both_conditions_must_hold(self, client):
        """REG-COND-02."""
        stored = await put(client, "k", 1)
        own, star, other = f'"{stored["etag"]}"', "*", '"x.1"'
        for match, none_match, holds in (
            (own, star, False),
            (own, own, False),
            (star, own, False),
            (star, star, False),
            (other, other, False),
            (own, other, True),
            (star, other, True),
        ):
            fields = {"If-Match": match, "If-None-Match": none_match}
            answer = await client.post("/registry/a/set", json=setting("k", 1), headers=fields)
            assert answer.status_code == (200 if holds else 412), fields

    @pytest.mark.parametrize("value", ['"' + "a" * 1_024 + '"', '"a",' * 300, "," * 1_025])
    async def test_a_condition_of_more_than_1024_characters_is_refused(self, value, client):
        """REG-COND-06."""
        problem(await set_if(client, "If-Match", value), 400, "invalid_request")


class TestConditionalClears:
    async def test_clears_the_namespace_at_that_cursor_only(self, client):
        """REG-CLR-02."""
        await put(client, "k", 1)
        later = await put(client, "other", 1)
        path = "/registry/a/clear"

        lost = problem(await client.delete(path, headers={"If-Match": '"x.1"'}), 412, "precondition_failed")
        assert lost["cursor"] == later["cursor"]
        assert await head_of(client) == 2

        done = await client.delete(path, headers={"If-Match": f'"x.1", "{later["cursor"]}"'})
        assert (done.status_code, done.json()["count"]) == (200, 2)

    async def test_a_racing_write_keeps_its_entry(self, client, backend, monkeypatch):
        """REG-CLR-02: the cursor is compared in the transaction that clears."""
        stored = await put(client, "k", 1)
        clear = backend.clear

        async def beaten(namespace, *, head=None):
            monkeypatch.undo()
            await put(client, "late", 1)
            return await clear(namespace, head=head)

        monkeypatch.setattr(backend, "clear", beaten)
        lost = await client.delete("/registry/a/clear", headers={"If-Match": f'"{stored["cursor"]}"'})

        problem(lost, 412, "precondition_failed")
        assert (await get(client, "late")).status_code == 200

    async def test_an_unconditional_clear_clears_whatever_there_is(self, client):
        """REG-CLR-01."""
        await put(client, "k", 1)

        assert (await client.delete("/registry/a/clear")).json()["count"] == 1


class TestConditionalReads:
    async def test_the_current_version_is_304_without_a_body(self, client):
        """REG-COND-04."""
        stored = await put(client, "k")
        head = await put(client, "other")

        answer = await get(client, "k", **{"If-None-Match": f'"{stored["etag"]}"'})

        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == f'"{stored["etag"]}"'
        assert answer.headers["registry-cursor"] == head["cursor"]

    async def test_another_version_is_answered_whole(self, client):
        """REG-COND-04."""
        old = await put(client, "k", 1)
        await put(client, "k", 2)

        answer = await get(client, "k", **{"If-None-Match": f'"{old["etag"]}"'})

        assert answer.json()["value"] == envelope(2)

    @pytest.mark.parametrize(
        "field", ["*", " * ", 'W/"{tag}"', '"x.1", "{tag}"', 'W/"x.1","{tag}","x.2"', '"{tag}",']
    )
    async def test_a_star_a_weak_tag_and_a_list_match_too(self, field, client):
        """REG-COND-04: the comparison is weak (RFC 9110 section 13.1.2)."""
        stored = await put(client, "k")

        answer = await get(client, "k", **{"If-None-Match": field.format(tag=stored["etag"])})

        assert answer.status_code == 304

    async def test_fields_that_come_twice_are_one_list(self, client):
        """REG-COND-04."""
        stored = await put(client, "k")

        answer = await client.get(
            "/registry/a/get?key=k",
            headers=[("If-None-Match", '"x.1"'), ("If-None-Match", f'"{stored["etag"]}"')],
        )

        assert answer.status_code == 304

    async def test_a_missing_key_is_404_whatever_the_condition(self, client):
        for field in ("*", '"x.1"'):
            problem(await get(client, "k", **{"If-None-Match": field}), 404, "key_not_found")

    async def test_if_match_comes_before_if_none_match(self, client):
        """REG-COND-04 (RFC 9110 section 13.2.2)."""
        stored = await put(client, "k")
        own, other = f'"{stored["etag"]}"', '"x.1"'
        for match, none_match, status in (
            (own, own, 304),
            (own, other, 200),
            (other, own, 412),
            (other, other, 412),
            ("*", "*", 304),
        ):
            answer = await get(client, "k", **{"If-Match": match, "If-None-Match": none_match})
            assert answer.status_code == status, (match, none_match)
        missing = await get(client, "missing", **{"If-Match": own})
        problem(missing, 404, "key_not_found")

    @pytest.mark.parametrize("field", ["x.1", '"x.1', '"x" "y"', "W/x", '"x";'])
    async def test_what_is_no_list_of_etags_is_400(self, field, client):
        await put(client, "k")

        problem(await get(client, "k", **{"If-None-Match": field}), 400, "invalid_request")


async def test_an_error_changes_nothing_whatever_part_was_right(client):
    """REG-ERR-02."""
    stored = await put(client, "k", 1)
    wrong = [
        await client.post("/registry/a/set", json={"key": envelope("k"), "value": raw("{")}),
        await client.post("/registry/a/set?x=1", json=setting("k", 2)),
        await client.post("/registry/a/set", json={**setting("k", 2), "expect": "absent"}),
        await set_if(client, "If-None-Match", "*"),
        await client.delete("/registry/a/delete?key=k&x=1"),
        await client.delete("/registry/a/clear?key=k"),
    ]

    assert [answer.status_code for answer in wrong] == [422, 422, 422, 412, 422, 422]
    assert (await get(client, "k")).json()["cursor"] == stored["cursor"]
