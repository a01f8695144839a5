from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.batch_delete_outcome_outcome import (
    BatchDeleteOutcomeOutcome,
    check_batch_delete_outcome_outcome,
)
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.current_entry import CurrentEntry


T = TypeVar("T", bound="BatchDeleteOutcome")


@_attrs_define
class BatchDeleteOutcome:
    """`deleted` has the revision of the change; `refused` has `current`, absent where there is no entry.

    Attributes:
        outcome (BatchDeleteOutcomeOutcome):
        revision (int | Unset): The number of a change in its namespace.
        current (CurrentEntry | Unset): The entry as it is, for the writer whose condition failed.
    """

    outcome: BatchDeleteOutcomeOutcome
    revision: int | Unset = UNSET
    current: CurrentEntry | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        outcome: str = self.outcome

        revision = self.revision

        current: dict[str, Any] | Unset = UNSET
        if not isinstance(self.current, Unset):
            current = self.current.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "outcome": outcome,
            }
        )
        if revision is not UNSET:
            field_dict["revision"] = revision
        if current is not UNSET:
            field_dict["current"] = current

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.current_entry import CurrentEntry  # noqa: PLC0415

        d = dict(src_dict)
        outcome = check_batch_delete_outcome_outcome(d.pop("outcome"))

        revision = d.pop("revision", UNSET)

        _current = d.pop("current", UNSET)
        current: CurrentEntry | Unset
        if isinstance(_current, Unset):
            current = UNSET
        else:
            current = CurrentEntry.from_dict(_current)

        batch_delete_outcome = cls(
            outcome=outcome,
            revision=revision,
            current=current,
        )

        batch_delete_outcome.additional_properties = d
        return batch_delete_outcome

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
