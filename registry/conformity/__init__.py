"""Whether a callable or a class is what a registry declares: the checks of ``strict=`` and ``abstract=``."""

from registry.conformity.inheritance import check_subclass, missing_members
from registry.conformity.signatures import check_signature
from registry.conformity.types import accepts

__all__ = ["accepts", "check_signature", "check_subclass", "missing_members"]
