from typing import Literal

BatchSetResultStatus = Literal["partial", "success"]

BATCH_SET_RESULT_STATUS_VALUES: set[BatchSetResultStatus] = {
    "partial",
    "success",
}


def check_batch_set_result_status(value: str) -> BatchSetResultStatus:
    if value in BATCH_SET_RESULT_STATUS_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {BATCH_SET_RESULT_STATUS_VALUES!r}")
