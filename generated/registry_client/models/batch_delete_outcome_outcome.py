from typing import Literal

BatchDeleteOutcomeOutcome = Literal["deleted", "missing", "refused"]

BATCH_DELETE_OUTCOME_OUTCOME_VALUES: set[BatchDeleteOutcomeOutcome] = {
    "deleted",
    "missing",
    "refused",
}


def check_batch_delete_outcome_outcome(value: str) -> BatchDeleteOutcomeOutcome:
    if value in BATCH_DELETE_OUTCOME_OUTCOME_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {BATCH_DELETE_OUTCOME_OUTCOME_VALUES!r}")
