from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.stats_namespace_sizes import StatsNamespaceSizes


T = TypeVar("T", bound="Stats")


@_attrs_define
class Stats:
    """
    Attributes:
        namespaces (int):
        total_entries (int):
        total_requests (int):
        get_requests (int):
        set_requests (int):
        delete_requests (int):
        namespace_sizes (StatsNamespaceSizes):
        created_at (datetime.datetime): RFC 3339 in UTC, with milliseconds.
        uptime_seconds (float):
        storage (str):
        version (str):
    """

    namespaces: int
    total_entries: int
    total_requests: int
    get_requests: int
    set_requests: int
    delete_requests: int
    namespace_sizes: StatsNamespaceSizes
    created_at: datetime.datetime
    uptime_seconds: float
    storage: str
    version: str
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        namespaces = self.namespaces

        total_entries = self.total_entries

        total_requests = self.total_requests

        get_requests = self.get_requests

        set_requests = self.set_requests

        delete_requests = self.delete_requests

        namespace_sizes = self.namespace_sizes.to_dict()

        created_at = self.created_at.isoformat()

        uptime_seconds = self.uptime_seconds

        storage = self.storage

        version = self.version

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "namespaces": namespaces,
                "total_entries": total_entries,
                "total_requests": total_requests,
                "get_requests": get_requests,
                "set_requests": set_requests,
                "delete_requests": delete_requests,
                "namespace_sizes": namespace_sizes,
                "created_at": created_at,
                "uptime_seconds": uptime_seconds,
                "storage": storage,
                "version": version,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.stats_namespace_sizes import StatsNamespaceSizes  # noqa: PLC0415

        d = dict(src_dict)
        namespaces = d.pop("namespaces")

        total_entries = d.pop("total_entries")

        total_requests = d.pop("total_requests")

        get_requests = d.pop("get_requests")

        set_requests = d.pop("set_requests")

        delete_requests = d.pop("delete_requests")

        namespace_sizes = StatsNamespaceSizes.from_dict(d.pop("namespace_sizes"))

        created_at = datetime.datetime.fromisoformat(d.pop("created_at"))

        uptime_seconds = d.pop("uptime_seconds")

        storage = d.pop("storage")

        version = d.pop("version")

        stats = cls(
            namespaces=namespaces,
            total_entries=total_entries,
            total_requests=total_requests,
            get_requests=get_requests,
            set_requests=set_requests,
            delete_requests=delete_requests,
            namespace_sizes=namespace_sizes,
            created_at=created_at,
            uptime_seconds=uptime_seconds,
            storage=storage,
            version=version,
        )

        stats.additional_properties = d
        return stats

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
