from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.key_envelope import KeyEnvelope


T = TypeVar("T", bound="BatchDeleteEntry")


@_attrs_define
class BatchDeleteEntry:
    """
    Attributes:
        key (KeyEnvelope): A key as it travels in a body; its data spells a JSON string. See REG-NAME-03. Example:
            {'type': 'json', 'data': '"my_key"', 'encoding': 'json'}.
        expect (str | Unset): The ETag of the version to remove; any where it is left out.
    """

    key: KeyEnvelope
    expect: str | Unset = UNSET

    def to_dict(self) -> dict[str, Any]:
        key = self.key.to_dict()

        expect = self.expect

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "key": key,
            }
        )
        if expect is not UNSET:
            field_dict["expect"] = expect

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.key_envelope import KeyEnvelope  # noqa: PLC0415

        d = dict(src_dict)
        key = KeyEnvelope.from_dict(d.pop("key"))

        expect = d.pop("expect", UNSET)

        batch_delete_entry = cls(
            key=key,
            expect=expect,
        )

        return batch_delete_entry
