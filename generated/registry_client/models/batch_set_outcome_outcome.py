from typing import Literal

BatchSetOutcomeOutcome = Literal["created", "refused", "replaced", "unchanged"]

BATCH_SET_OUTCOME_OUTCOME_VALUES: set[BatchSetOutcomeOutcome] = {
    "created",
    "refused",
    "replaced",
    "unchanged",
}


def check_batch_set_outcome_outcome(value: str) -> BatchSetOutcomeOutcome:
    if value in BATCH_SET_OUTCOME_OUTCOME_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {BATCH_SET_OUTCOME_OUTCOME_VALUES!r}")
