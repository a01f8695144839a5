from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.delete_entry_result_status import DeleteEntryResultStatus, check_delete_entry_result_status

T = TypeVar("T", bound="DeleteEntryResult")


@_attrs_define
class DeleteEntryResult:
    """
    Attributes:
        status (DeleteEntryResultStatus):
        revision (int): The number of a change in its namespace.
        cursor (str): How far a namespace has come, `<epoch>.<revision>`; opaque. Example: 5f0c8e2b.7.
    """

    status: DeleteEntryResultStatus
    revision: int
    cursor: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status: str = self.status

        revision = self.revision

        cursor = self.cursor

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "revision": revision,
                "cursor": cursor,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        status = check_delete_entry_result_status(d.pop("status"))

        revision = d.pop("revision")

        cursor = d.pop("cursor")

        delete_entry_result = cls(
            status=status,
            revision=revision,
            cursor=cursor,
        )

        delete_entry_result.additional_properties = d
        return delete_entry_result

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
