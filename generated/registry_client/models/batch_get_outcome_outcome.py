from typing import Literal

BatchGetOutcomeOutcome = Literal["found", "missing", "omitted", "unchanged"]

BATCH_GET_OUTCOME_OUTCOME_VALUES: set[BatchGetOutcomeOutcome] = {
    "found",
    "missing",
    "omitted",
    "unchanged",
}


def check_batch_get_outcome_outcome(value: str) -> BatchGetOutcomeOutcome:
    if value in BATCH_GET_OUTCOME_OUTCOME_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {BATCH_GET_OUTCOME_OUTCOME_VALUES!r}")
