from typing import Literal

ClearResultStatus = Literal["cleared"]

CLEAR_RESULT_STATUS_VALUES: set[ClearResultStatus] = {
    "cleared",
}


def check_clear_result_status(value: str) -> ClearResultStatus:
    if value in CLEAR_RESULT_STATUS_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {CLEAR_RESULT_STATUS_VALUES!r}")
