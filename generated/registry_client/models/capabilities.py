from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.limits import Limits


T = TypeVar("T", bound="Capabilities")


@_attrs_define
class Capabilities:
    """
    Attributes:
        protocol (str):
        profiles (list[str]): Of core, conditional, batch, watch, auth, durable.
        envelope_types (list[str]):
        limits (Limits):
    """

    protocol: str
    profiles: list[str]
    envelope_types: list[str]
    limits: Limits
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        protocol = self.protocol

        profiles = self.profiles

        envelope_types = self.envelope_types

        limits = self.limits.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "protocol": protocol,
                "profiles": profiles,
                "envelope_types": envelope_types,
                "limits": limits,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.limits import Limits  # noqa: PLC0415

        d = dict(src_dict)
        protocol = d.pop("protocol")

        profiles = cast(list[str], d.pop("profiles"))

        envelope_types = cast(list[str], d.pop("envelope_types"))

        limits = Limits.from_dict(d.pop("limits"))

        capabilities = cls(
            protocol=protocol,
            profiles=profiles,
            envelope_types=envelope_types,
            limits=limits,
        )

        capabilities.additional_properties = d
        return capabilities

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
