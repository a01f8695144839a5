from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.change_op import ChangeOp, check_change_op
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.envelope import Envelope


T = TypeVar("T", bound="Change")


@_attrs_define
class Change:
    """See REG-CHG-01. `key` and `digest` are there where they mean something.

    Attributes:
        revision (int): The number of a change in its namespace.
        op (ChangeOp):
        updated_at (datetime.datetime): RFC 3339 in UTC, with milliseconds.
        key (str | Unset):
        digest (str | Unset): See REG-ENV-05.
        value (Envelope | Unset): A value as it travels. See REG-ENV-01 to REG-ENV-05. Example: {'type': 'json', 'data':
            '{"result": 42}', 'encoding': 'json'}.
    """

    revision: int
    op: ChangeOp
    updated_at: datetime.datetime
    key: str | Unset = UNSET
    digest: str | Unset = UNSET
    value: Envelope | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        revision = self.revision

        op: str = self.op

        updated_at = self.updated_at.isoformat()

        key = self.key

        digest = self.digest

        value: dict[str, Any] | Unset = UNSET
        if not isinstance(self.value, Unset):
            value = self.value.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "revision": revision,
                "op": op,
                "updated_at": updated_at,
            }
        )
        if key is not UNSET:
            field_dict["key"] = key
        if digest is not UNSET:
            field_dict["digest"] = digest
        if value is not UNSET:
            field_dict["value"] = value

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.envelope import Envelope  # noqa: PLC0415

        d = dict(src_dict)
        revision = d.pop("revision")

        op = check_change_op(d.pop("op"))

        updated_at = datetime.datetime.fromisoformat(d.pop("updated_at"))

        key = d.pop("key", UNSET)

        digest = d.pop("digest", UNSET)

        _value = d.pop("value", UNSET)
        value: Envelope | Unset
        if isinstance(_value, Unset):
            value = UNSET
        else:
            value = Envelope.from_dict(_value)

        change = cls(
            revision=revision,
            op=op,
            updated_at=updated_at,
            key=key,
            digest=digest,
            value=value,
        )

        change.additional_properties = d
        return change

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
