from typing import Literal

SetEntryIfNoneMatch = Literal["*"]

SET_ENTRY_IF_NONE_MATCH_VALUES: set[SetEntryIfNoneMatch] = {
    "*",
}


def check_set_entry_if_none_match(value: str) -> SetEntryIfNoneMatch:
    if value in SET_ENTRY_IF_NONE_MATCH_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {SET_ENTRY_IF_NONE_MATCH_VALUES!r}")
