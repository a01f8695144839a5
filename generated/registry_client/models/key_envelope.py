from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define

from ..models.key_envelope_encoding import KeyEnvelopeEncoding, check_key_envelope_encoding
from ..models.key_envelope_type import KeyEnvelopeType, check_key_envelope_type

T = TypeVar("T", bound="KeyEnvelope")


@_attrs_define
class KeyEnvelope:
    """A key as it travels in a body; its data spells a JSON string. See REG-NAME-03.

    Example:
        {'type': 'json', 'data': '"my_key"', 'encoding': 'json'}

    Attributes:
        type_ (KeyEnvelopeType):
        data (str):
        encoding (KeyEnvelopeEncoding):
    """

    type_: KeyEnvelopeType
    data: str
    encoding: KeyEnvelopeEncoding

    def to_dict(self) -> dict[str, Any]:
        type_: str = self.type_

        data = self.data

        encoding: str = self.encoding

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "type": type_,
                "data": data,
                "encoding": encoding,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        type_ = check_key_envelope_type(d.pop("type"))

        data = d.pop("data")

        encoding = check_key_envelope_encoding(d.pop("encoding"))

        key_envelope = cls(
            type_=type_,
            data=data,
            encoding=encoding,
        )

        return key_envelope
