from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.clear_result_status import ClearResultStatus, check_clear_result_status

T = TypeVar("T", bound="ClearResult")


@_attrs_define
class ClearResult:
    """
    Attributes:
        status (ClearResultStatus):
        count (int):
        revision (int): The number of a change in its namespace.
        cursor (str): How far a namespace has come, `<epoch>.<revision>`; opaque. Example: 5f0c8e2b.7.
    """

    status: ClearResultStatus
    count: int
    revision: int
    cursor: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status: str = self.status

        count = self.count

        revision = self.revision

        cursor = self.cursor

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "count": count,
                "revision": revision,
                "cursor": cursor,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        status = check_clear_result_status(d.pop("status"))

        count = d.pop("count")

        revision = d.pop("revision")

        cursor = d.pop("cursor")

        clear_result = cls(
            status=status,
            count=count,
            revision=revision,
            cursor=cursor,
        )

        clear_result.additional_properties = d
        return clear_result

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
