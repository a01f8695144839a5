from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.envelope import Envelope
    from ..models.key_envelope import KeyEnvelope


T = TypeVar("T", bound="BatchSetEntry")


@_attrs_define
class BatchSetEntry:
    """
    Attributes:
        key (KeyEnvelope): A key as it travels in a body; its data spells a JSON string. See REG-NAME-03. Example:
            {'type': 'json', 'data': '"my_key"', 'encoding': 'json'}.
        value (Envelope): A value as it travels. See REG-ENV-01 to REG-ENV-05. Example: {'type': 'json', 'data':
            '{"result": 42}', 'encoding': 'json'}.
        expect (str | Unset): `absent`, or the ETag of the version to replace; nothing where it is left out.
    """

    key: KeyEnvelope
    value: Envelope
    expect: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        key = self.key.to_dict()

        value = self.value.to_dict()

        expect = self.expect

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "key": key,
                "value": value,
            }
        )
        if expect is not UNSET:
            field_dict["expect"] = expect

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.envelope import Envelope  # noqa: PLC0415
        from ..models.key_envelope import KeyEnvelope  # noqa: PLC0415

        d = dict(src_dict)
        key = KeyEnvelope.from_dict(d.pop("key"))

        value = Envelope.from_dict(d.pop("value"))

        expect = d.pop("expect", UNSET)

        batch_set_entry = cls(
            key=key,
            value=value,
            expect=expect,
        )

        return batch_set_entry
