from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.batch_delete_result_status import BatchDeleteResultStatus, check_batch_delete_result_status

if TYPE_CHECKING:
    from ..models.batch_delete_outcome import BatchDeleteOutcome


T = TypeVar("T", bound="BatchDeleteResult")


@_attrs_define
class BatchDeleteResult:
    """
    Attributes:
        status (BatchDeleteResultStatus): `partial` where an entry was refused.
        outcomes (list[BatchDeleteOutcome]):
        cursor (str): How far a namespace has come, `<epoch>.<revision>`; opaque. Example: 5f0c8e2b.7.
    """

    status: BatchDeleteResultStatus
    outcomes: list[BatchDeleteOutcome]
    cursor: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        status: str = self.status

        outcomes = []
        for outcomes_item_data in self.outcomes:
            outcomes_item = outcomes_item_data.to_dict()
            outcomes.append(outcomes_item)

        cursor = self.cursor

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "outcomes": outcomes,
                "cursor": cursor,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.batch_delete_outcome import BatchDeleteOutcome  # noqa: PLC0415

        d = dict(src_dict)
        status = check_batch_delete_result_status(d.pop("status"))

        outcomes = []
        _outcomes = d.pop("outcomes")
        for outcomes_item_data in _outcomes:
            outcomes_item = BatchDeleteOutcome.from_dict(outcomes_item_data)

            outcomes.append(outcomes_item)

        cursor = d.pop("cursor")

        batch_delete_result = cls(
            status=status,
            outcomes=outcomes,
            cursor=cursor,
        )

        batch_delete_result.additional_properties = d
        return batch_delete_result

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
