"""Classes whose children, in another module, do not know the names that these annotations use."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple, TypedDict

import attrs


@dataclass
class Priced:
    value: Decimal


@attrs.define
class Weighed:
    _weight: Decimal


class Spot(NamedTuple):
    at: Decimal
    label: str = "here"


class Amounts(TypedDict, total=False):
    paid: Decimal


class Metered:
    def __init__(self, length: Decimal) -> None:
        self.length = length
