"""The checker of histories, by histories that have an order and by such that have none."""

from registry.conformance.linearizability import Call, explain


def wrote(revision, value, begun, ended, key="k"):
    return Call(key, begun, ended, wrote=revision, value=value)


def read(value, begun, ended, saw=None, key="k"):
    return Call(key, begun, ended, wrote=None, value=value, saw=saw)


def test_reads_of_what_was_there_at_some_moment_have_an_order():
    history = [
        read(None, 0, 1),
        wrote(1, "a", 2, 6),
        read(None, 3, 4),
        read("a", 3, 5, saw=1),
        wrote(2, None, 7, 8),
        read(None, 9, 10),
        wrote(3, "c", 0, 20, key="other"),
    ]

    assert explain(history) == ""


def test_a_stale_read_has_none():
    assert "which was the state at no moment" in explain(
        [wrote(1, "a", 0, 1), wrote(2, "b", 2, 3), read("a", 4, 5, saw=1)]
    )


def test_a_read_that_goes_back_has_none():
    history = [wrote(1, "a", 0, 1), wrote(2, "b", 2, 20), read("b", 3, 4, saw=2), read("a", 5, 6, saw=1)]

    assert explain(history)


def test_a_read_of_the_future_has_none():
    assert explain([read("a", 0, 1, saw=1), wrote(1, "a", 2, 3)])


def test_a_value_with_the_revision_of_another_has_none():
    assert explain([wrote(1, "a", 0, 1), wrote(2, "b", 2, 3), read("b", 4, 5, saw=1)])


def test_revisions_against_time_have_none():
    assert "answered before" in explain([wrote(2, "a", 0, 1), wrote(1, "b", 2, 3)])


def test_one_revision_twice_has_none():
    assert "two changes" in explain([wrote(1, "a", 0, 1), wrote(1, "b", 2, 3)])
