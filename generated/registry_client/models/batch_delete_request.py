from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.batch_delete_entry import BatchDeleteEntry


T = TypeVar("T", bound="BatchDeleteRequest")


@_attrs_define
class BatchDeleteRequest:
    """
    Attributes:
        entries (list[BatchDeleteEntry]):
        atomic (bool | Unset):  Default: False.
    """

    entries: list[BatchDeleteEntry]
    atomic: bool | Unset = False

    def to_dict(self) -> dict[str, Any]:
        entries = []
        for entries_item_data in self.entries:
            entries_item = entries_item_data.to_dict()
            entries.append(entries_item)

        atomic = self.atomic

        field_dict: dict[str, Any] = {}

        field_dict.update(
            {
                "entries": entries,
            }
        )
        if atomic is not UNSET:
            field_dict["atomic"] = atomic

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.batch_delete_entry import BatchDeleteEntry  # noqa: PLC0415

        d = dict(src_dict)
        entries = []
        _entries = d.pop("entries")
        for entries_item_data in _entries:
            entries_item = BatchDeleteEntry.from_dict(entries_item_data)

            entries.append(entries_item)

        atomic = d.pop("atomic", UNSET)

        batch_delete_request = cls(
            entries=entries,
            atomic=atomic,
        )

        return batch_delete_request
