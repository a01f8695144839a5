"""Near names for a wrong one."""

from __future__ import annotations

import pytest

from registry.suggest import MAX_CANDIDATES, MAX_NAME_LENGTH, did_you_mean, near_names


def test_the_nearest_name_comes_first():
    assert near_names("mes", ["mae", "huber", "mse"])[0] == "mse"


def test_at_most_limit_names_are_offered():
    names = [f"loss{index}" for index in range(10)]

    assert len(near_names("loss", names)) == 3
    assert len(near_names("loss", names, limit=1)) == 1
    assert near_names("loss", names, limit=0) == []


def test_letter_case_does_not_count_and_names_come_as_they_are_spelled():
    assert near_names("MSE", ["mse"]) == ["mse"]
    assert near_names("crossentropy", ["CrossEntropy"]) == ["CrossEntropy"]


def test_nothing_near_offers_nothing():
    assert near_names("mse", ["transformer", "zzz"]) == []
    assert near_names("mse", []) == []


@pytest.mark.parametrize("name", ["", "x" * (MAX_NAME_LENGTH + 1)])
def test_an_empty_or_huge_name_is_not_matched(name):
    assert near_names(name, [name, "x"]) == []


def test_huge_candidates_are_passed_over():
    assert near_names("x" * 90, ["x" * (MAX_NAME_LENGTH + 1)]) == []


def test_candidates_that_are_no_text_are_passed_over():
    assert near_names("mse", [1, None, ("mse",), "mse2"]) == ["mse2"]


def test_only_so_many_candidates_are_looked_at():
    taken = iter([*(f"{index}" for index in range(MAX_CANDIDATES)), "mse"])

    assert near_names("mse", taken) == []
    assert next(taken) == "mse"


@pytest.mark.parametrize(
    ("names", "sentence"),
    [([], ""), (["a"], " Did you mean 'a'?"), (["a", "b"], " Did you mean 'a' or 'b'?")],
)
def test_the_sentence_offers_the_names(names, sentence):
    assert did_you_mean(names) == sentence
