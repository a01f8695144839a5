from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.envelope import Envelope


T = TypeVar("T", bound="EntryAnswer")


@_attrs_define
class EntryAnswer:
    """
    Attributes:
        value (Envelope): A value as it travels. See REG-ENV-01 to REG-ENV-05. Example: {'type': 'json', 'data':
            '{"result": 42}', 'encoding': 'json'}.
        revision (int): The number of a change in its namespace.
        etag (str): How far a namespace has come, `<epoch>.<revision>`; opaque. Example: 5f0c8e2b.7.
        digest (str): See REG-ENV-05.
        updated_at (datetime.datetime): RFC 3339 in UTC, with milliseconds.
        cursor (str): How far a namespace has come, `<epoch>.<revision>`; opaque. Example: 5f0c8e2b.7.
    """

    value: Envelope
    revision: int
    etag: str
    digest: str
    updated_at: datetime.datetime
    cursor: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        value = self.value.to_dict()

        revision = self.revision

        etag = self.etag

        digest = self.digest

        updated_at = self.updated_at.isoformat()

        cursor = self.cursor

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "value": value,
                "revision": revision,
                "etag": etag,
                "digest": digest,
                "updated_at": updated_at,
                "cursor": cursor,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.envelope import Envelope  # noqa: PLC0415

        d = dict(src_dict)
        value = Envelope.from_dict(d.pop("value"))

        revision = d.pop("revision")

        etag = d.pop("etag")

        digest = d.pop("digest")

        updated_at = datetime.datetime.fromisoformat(d.pop("updated_at"))

        cursor = d.pop("cursor")

        entry_answer = cls(
            value=value,
            revision=revision,
            etag=etag,
            digest=digest,
            updated_at=updated_at,
            cursor=cursor,
        )

        entry_answer.additional_properties = d
        return entry_answer

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
