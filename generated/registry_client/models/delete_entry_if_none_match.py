from typing import Literal

DeleteEntryIfNoneMatch = Literal["*"]

DELETE_ENTRY_IF_NONE_MATCH_VALUES: set[DeleteEntryIfNoneMatch] = {
    "*",
}


def check_delete_entry_if_none_match(value: str) -> DeleteEntryIfNoneMatch:
    if value in DELETE_ENTRY_IF_NONE_MATCH_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {DELETE_ENTRY_IF_NONE_MATCH_VALUES!r}")
