"""Finds ``openapi.yaml``: in the installed package, or at the root of a checkout."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any

from registry.errors import ValidationError


def spec_text() -> str:
    """The text of ``openapi.yaml``, the contract between clients and servers."""
    installed = resources.files("registry") / "openapi.yaml"
    if installed.is_file():
        return installed.read_text(encoding="utf-8")
    beside_checkout = Path(__file__).resolve().parent.parent / "openapi.yaml"
    if beside_checkout.is_file():
        return beside_checkout.read_text(encoding="utf-8")
    raise ValidationError(
        "openapi.yaml is neither in the installed package nor beside it",
        suggestions=["reinstall the distribution: its wheel carries registry/openapi.yaml"],
    )


def load_spec() -> dict[str, Any]:
    """The parsed specification. Needs PyYAML, which the extra ``server`` brings."""
    import yaml

    spec: dict[str, Any] = yaml.load(spec_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return spec
