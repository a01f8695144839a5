from typing import Literal

WatchedNamespaceGone = Literal["compacted", "epoch_changed", "future_cursor"]

WATCHED_NAMESPACE_GONE_VALUES: set[WatchedNamespaceGone] = {
    "compacted",
    "epoch_changed",
    "future_cursor",
}


def check_watched_namespace_gone(value: str) -> WatchedNamespaceGone:
    if value in WATCHED_NAMESPACE_GONE_VALUES:
        return value
    raise TypeError(f"Unexpected value {value!r}. Expected one of {WATCHED_NAMESPACE_GONE_VALUES!r}")
