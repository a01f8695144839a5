from typing import Literal

SetEntryResultStatus = Literal["success"]

SET_ENTRY_RESULT_STATUS_VALUES: set[SetEntryResultStatus] = {
    "success",
}


def check_set_entry_result_status(value: str) -> SetEntryResultStatus:
    if value in SET_ENTRY_RESULT_STATUS_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {SET_ENTRY_RESULT_STATUS_VALUES!r}")
