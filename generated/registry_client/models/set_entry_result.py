from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.outcome import Outcome, check_outcome
from ..models.set_entry_result_status import SetEntryResultStatus, check_set_entry_result_status

T = TypeVar("T", bound="SetEntryResult")


@_attrs_define
class SetEntryResult:
    """
    Attributes:
        status (SetEntryResultStatus):
        outcome (Outcome): What a write did.
        key (str):
        revision (int): The number of a change in its namespace.
        etag (str): How far a namespace has come, `<epoch>.<revision>`; opaque. Example: 5f0c8e2b.7.
        digest (str): See REG-ENV-05.
        cursor (str): How far a namespace has come, `<epoch>.<revision>`; opaque. Example: 5f0c8e2b.7.
    """

    status: SetEntryResultStatus
    outcome: Outcome
    key: str
    revision: int
    etag: str
    digest: str
    cursor: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status: str = self.status

        outcome: str = self.outcome

        key = self.key

        revision = self.revision

        etag = self.etag

        digest = self.digest

        cursor = self.cursor

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "outcome": outcome,
                "key": key,
                "revision": revision,
                "etag": etag,
                "digest": digest,
                "cursor": cursor,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        status = check_set_entry_result_status(d.pop("status"))

        outcome = check_outcome(d.pop("outcome"))

        key = d.pop("key")

        revision = d.pop("revision")

        etag = d.pop("etag")

        digest = d.pop("digest")

        cursor = d.pop("cursor")

        set_entry_result = cls(
            status=status,
            outcome=outcome,
            key=key,
            revision=revision,
            etag=etag,
            digest=digest,
            cursor=cursor,
        )

        set_entry_result.additional_properties = d
        return set_entry_result

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
