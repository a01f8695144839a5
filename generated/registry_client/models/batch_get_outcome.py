from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.batch_get_outcome_outcome import BatchGetOutcomeOutcome, check_batch_get_outcome_outcome
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.envelope import Envelope


T = TypeVar("T", bound="BatchGetOutcome")


@_attrs_define
class BatchGetOutcome:
    """`found` has the rest; the others have nothing more.

    Attributes:
        outcome (BatchGetOutcomeOutcome):
        value (Envelope | Unset): A value as it travels. See REG-ENV-01 to REG-ENV-05. Example: {'type': 'json', 'data':
            '{"result": 42}', 'encoding': 'json'}.
        revision (int | Unset): The number of a change in its namespace.
        etag (str | Unset): How far a namespace has come, `<epoch>.<revision>`; opaque. Example: 5f0c8e2b.7.
        digest (str | Unset): See REG-ENV-05.
        updated_at (datetime.datetime | Unset): RFC 3339 in UTC, with milliseconds.
    """

    outcome: BatchGetOutcomeOutcome
    value: Envelope | Unset = UNSET
    revision: int | Unset = UNSET
    etag: str | Unset = UNSET
    digest: str | Unset = UNSET
    updated_at: datetime.datetime | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        outcome: str = self.outcome

        value: dict[str, Any] | Unset = UNSET
        if not isinstance(self.value, Unset):
            value = self.value.to_dict()

        revision = self.revision

        etag = self.etag

        digest = self.digest

        updated_at: str | Unset = UNSET
        if not isinstance(self.updated_at, Unset):
            updated_at = self.updated_at.isoformat()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "outcome": outcome,
            }
        )
        if value is not UNSET:
            field_dict["value"] = value
        if revision is not UNSET:
            field_dict["revision"] = revision
        if etag is not UNSET:
            field_dict["etag"] = etag
        if digest is not UNSET:
            field_dict["digest"] = digest
        if updated_at is not UNSET:
            field_dict["updated_at"] = updated_at

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.envelope import Envelope  # noqa: PLC0415

        d = dict(src_dict)
        outcome = check_batch_get_outcome_outcome(d.pop("outcome"))

        _value = d.pop("value", UNSET)
        value: Envelope | Unset
        if isinstance(_value, Unset):
            value = UNSET
        else:
            value = Envelope.from_dict(_value)

        revision = d.pop("revision", UNSET)

        etag = d.pop("etag", UNSET)

        digest = d.pop("digest", UNSET)

        _updated_at = d.pop("updated_at", UNSET)
        updated_at: datetime.datetime | Unset
        if isinstance(_updated_at, Unset):
            updated_at = UNSET
        else:
            updated_at = datetime.datetime.fromisoformat(_updated_at)

        batch_get_outcome = cls(
            outcome=outcome,
            value=value,
            revision=revision,
            etag=etag,
            digest=digest,
            updated_at=updated_at,
        )

        batch_get_outcome.additional_properties = d
        return batch_get_outcome

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
