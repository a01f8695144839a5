from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.current_entry import CurrentEntry
    from ..models.problem_context import ProblemContext


T = TypeVar("T", bound="Problem")


@_attrs_define
class Problem:
    """A problem document (RFC 9457). See REG-ERR-01.

    Attributes:
        type_ (str): A relative reference; the server answers it with a page about the problem.
        title (str):
        status (int):
        detail (str):
        code (str):
        suggestions (list[str] | Unset):
        context (ProblemContext | Unset):
        cursor (str | Unset): How far a namespace has come, `<epoch>.<revision>`; opaque. Example: 5f0c8e2b.7.
        current (CurrentEntry | Unset): The entry as it is, for the writer whose condition failed.
    """

    type_: str
    title: str
    status: int
    detail: str
    code: str
    suggestions: list[str] | Unset = UNSET
    context: ProblemContext | Unset = UNSET
    cursor: str | Unset = UNSET
    current: CurrentEntry | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        type_ = self.type_

        title = self.title

        status = self.status

        detail = self.detail

        code = self.code

        suggestions: list[str] | Unset = UNSET
        if not isinstance(self.suggestions, Unset):
            suggestions = self.suggestions

        context: dict[str, Any] | Unset = UNSET
        if not isinstance(self.context, Unset):
            context = self.context.to_dict()

        cursor = self.cursor

        current: dict[str, Any] | Unset = UNSET
        if not isinstance(self.current, Unset):
            current = self.current.to_dict()

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "type": type_,
                "title": title,
                "status": status,
                "detail": detail,
                "code": code,
            }
        )
        if suggestions is not UNSET:
            field_dict["suggestions"] = suggestions
        if context is not UNSET:
            field_dict["context"] = context
        if cursor is not UNSET:
            field_dict["cursor"] = cursor
        if current is not UNSET:
            field_dict["current"] = current

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.current_entry import CurrentEntry  # noqa: PLC0415
        from ..models.problem_context import ProblemContext  # noqa: PLC0415

        d = dict(src_dict)
        type_ = d.pop("type")

        title = d.pop("title")

        status = d.pop("status")

        detail = d.pop("detail")

        code = d.pop("code")

        suggestions = cast(list[str], d.pop("suggestions", UNSET))

        _context = d.pop("context", UNSET)
        context: ProblemContext | Unset
        if isinstance(_context, Unset):
            context = UNSET
        else:
            context = ProblemContext.from_dict(_context)

        cursor = d.pop("cursor", UNSET)

        _current = d.pop("current", UNSET)
        current: CurrentEntry | Unset
        if isinstance(_current, Unset):
            current = UNSET
        else:
            current = CurrentEntry.from_dict(_current)

        problem = cls(
            type_=type_,
            title=title,
            status=status,
            detail=detail,
            code=code,
            suggestions=suggestions,
            context=context,
            cursor=cursor,
            current=current,
        )

        problem.additional_properties = d
        return problem

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
