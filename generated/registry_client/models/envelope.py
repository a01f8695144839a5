from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define

from ..models.envelope_encoding import EnvelopeEncoding, check_envelope_encoding
from ..models.envelope_type import EnvelopeType, check_envelope_type
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.meta import Meta


T = TypeVar("T", bound="Envelope")


@_attrs_define
class Envelope:
    """A value as it travels. See REG-ENV-01 to REG-ENV-05.

    Example:
        {'type': 'json', 'data': '{"result": 42}', 'encoding': 'json'}

    Attributes:
        type_ (EnvelopeType):
        data (str): Strict JSON text, or canonical base64.
        encoding (EnvelopeEncoding):
        meta (Meta | Unset): What a reader may know of an artifact without decoding it.
        signature (str | Unset): The writer's signature, checked by readers only.
    """

    type_: EnvelopeType
    data: str
    encoding: EnvelopeEncoding
    meta: Meta | Unset = UNSET
    signature: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        type_: str = self.type_

        data = self.data

        encoding: str = self.encoding

        meta: dict[str, Any] | Unset = UNSET
        if not isinstance(self.meta, Unset):
            meta = self.meta.to_dict()

        signature = self.signature

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "type": type_,
                "data": data,
                "encoding": encoding,
            }
        )
        if meta is not UNSET:
            field_dict["meta"] = meta
        if signature is not UNSET:
            field_dict["signature"] = signature

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.meta import Meta  # noqa: PLC0415

        d = dict(src_dict)
        type_ = check_envelope_type(d.pop("type"))

        data = d.pop("data")

        encoding = check_envelope_encoding(d.pop("encoding"))

        _meta = d.pop("meta", UNSET)
        meta: Meta | Unset
        if isinstance(_meta, Unset):
            meta = UNSET
        else:
            meta = Meta.from_dict(_meta)

        signature = d.pop("signature", UNSET)

        envelope = cls(
            type_=type_,
            data=data,
            encoding=encoding,
            meta=meta,
            signature=signature,
        )

        return envelope
