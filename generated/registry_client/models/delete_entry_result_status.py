from typing import Literal

DeleteEntryResultStatus = Literal["deleted"]

DELETE_ENTRY_RESULT_STATUS_VALUES: set[DeleteEntryResultStatus] = {
    "deleted",
}


def check_delete_entry_result_status(value: str) -> DeleteEntryResultStatus:
    if value in DELETE_ENTRY_RESULT_STATUS_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {DELETE_ENTRY_RESULT_STATUS_VALUES!r}")
