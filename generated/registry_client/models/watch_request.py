from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.watch_request_cursors import WatchRequestCursors


T = TypeVar("T", bound="WatchRequest")


@_attrs_define
class WatchRequest:
    """
    Attributes:
        cursors (WatchRequestCursors): The cursor that the caller has come to, by namespace.
        wait (int | Unset):  Default: 25.
    """

    cursors: WatchRequestCursors
    wait: int | Unset = 25

    def to_dict(self) -> dict[str, Any]:
        cursors = self.cursors.to_dict()

        wait = self.wait

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "cursors": cursors,
            }
        )
        if wait is not UNSET:
            field_dict["wait"] = wait

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.watch_request_cursors import WatchRequestCursors  # noqa: PLC0415

        d = dict(src_dict)
        cursors = WatchRequestCursors.from_dict(d.pop("cursors"))

        wait = d.pop("wait", UNSET)

        watch_request = cls(
            cursors=cursors,
            wait=wait,
        )

        return watch_request
