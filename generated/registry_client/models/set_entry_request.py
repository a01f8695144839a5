from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define

if TYPE_CHECKING:
    from ..models.envelope import Envelope
    from ..models.key_envelope import KeyEnvelope


T = TypeVar("T", bound="SetEntryRequest")


@_attrs_define
class SetEntryRequest:
    """
    Attributes:
        key (KeyEnvelope): A key as it travels in a body; its data spells a JSON string. See REG-NAME-03. Example:
            {'type': 'json', 'data': '"my_key"', 'encoding': 'json'}.
        value (Envelope): A value as it travels. See REG-ENV-01 to REG-ENV-05. Example: {'type': 'json', 'data':
            '{"result": 42}', 'encoding': 'json'}.
    """

    key: KeyEnvelope
    value: Envelope

    def to_dict(self) -> dict[str, Any]:
        key = self.key.to_dict()

        value = self.value.to_dict()

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "key": key,
                "value": value,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.envelope import Envelope  # noqa: PLC0415
        from ..models.key_envelope import KeyEnvelope  # noqa: PLC0415

        d = dict(src_dict)
        key = KeyEnvelope.from_dict(d.pop("key"))

        value = Envelope.from_dict(d.pop("value"))

        set_entry_request = cls(
            key=key,
            value=value,
        )

        return set_entry_request
