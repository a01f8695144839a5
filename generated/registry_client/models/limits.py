from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="Limits")


@_attrs_define
class Limits:
    """
    Attributes:
        body_bytes (int):
        value_bytes (int):
        key_bytes (int):
        batch_entries (int):
        page_entries (int):
        json_depth (int):
        header_bytes (int):
    """

    body_bytes: int
    value_bytes: int
    key_bytes: int
    batch_entries: int
    page_entries: int
    json_depth: int
    header_bytes: int
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        body_bytes = self.body_bytes

        value_bytes = self.value_bytes

        key_bytes = self.key_bytes

        batch_entries = self.batch_entries

        page_entries = self.page_entries

        json_depth = self.json_depth

        header_bytes = self.header_bytes

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "body_bytes": body_bytes,
                "value_bytes": value_bytes,
                "key_bytes": key_bytes,
                "batch_entries": batch_entries,
                "page_entries": page_entries,
                "json_depth": json_depth,
                "header_bytes": header_bytes,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        body_bytes = d.pop("body_bytes")

        value_bytes = d.pop("value_bytes")

        key_bytes = d.pop("key_bytes")

        batch_entries = d.pop("batch_entries")

        page_entries = d.pop("page_entries")

        json_depth = d.pop("json_depth")

        header_bytes = d.pop("header_bytes")

        limits = cls(
            body_bytes=body_bytes,
            value_bytes=value_bytes,
            key_bytes=key_bytes,
            batch_entries=batch_entries,
            page_entries=page_entries,
            json_depth=json_depth,
            header_bytes=header_bytes,
        )

        limits.additional_properties = d
        return limits

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
