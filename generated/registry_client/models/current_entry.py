from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.meta import Meta


T = TypeVar("T", bound="CurrentEntry")


@_attrs_define
class CurrentEntry:
    """The entry as it is, for the writer whose condition failed.

    Attributes:
        revision (int): The number of a change in its namespace.
        etag (str): How far a namespace has come, `<epoch>.<revision>`; opaque. Example: 5f0c8e2b.7.
        digest (str): See REG-ENV-05.
        meta (Meta | Unset): What a reader may know of an artifact without decoding it.
        signature (str | Unset): The envelope's, so that a writer can tell whether its readers would accept what is
            there.
    """

    revision: int
    etag: str
    digest: str
    meta: Meta | Unset = UNSET
    signature: str | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        revision = self.revision

        etag = self.etag

        digest = self.digest

        meta: dict[str, Any] | Unset = UNSET
        if not isinstance(self.meta, Unset):
            meta = self.meta.to_dict()

        signature = self.signature

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "revision": revision,
                "etag": etag,
                "digest": digest,
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
        revision = d.pop("revision")

        etag = d.pop("etag")

        digest = d.pop("digest")

        _meta = d.pop("meta", UNSET)
        meta: Meta | Unset
        if isinstance(_meta, Unset):
            meta = UNSET
        else:
            meta = Meta.from_dict(_meta)

        signature = d.pop("signature", UNSET)

        current_entry = cls(
            revision=revision,
            etag=etag,
            digest=digest,
            meta=meta,
            signature=signature,
        )

        current_entry.additional_properties = d
        return current_entry

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
