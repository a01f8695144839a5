from typing import Literal

BatchDeleteResultStatus = Literal["partial", "success"]

BATCH_DELETE_RESULT_STATUS_VALUES: set[BatchDeleteResultStatus] = {
    "partial",
    "success",
}


def check_batch_delete_result_status(value: str) -> BatchDeleteResultStatus:
    if value in BATCH_DELETE_RESULT_STATUS_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {BATCH_DELETE_RESULT_STATUS_VALUES!r}")
