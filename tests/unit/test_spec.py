"""Where ``openapi.yaml`` is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from registry import spec
from registry.errors import ValidationError


def test_in_a_checkout_the_specification_beside_it_is_read():
    assert spec.spec_text() == (Path(spec.__file__).parents[1] / "openapi.yaml").read_text(encoding="utf-8")


def test_the_specification_is_parsed_each_time_anew():
    spec.load_spec()["info"]["title"] = "changed"

    assert spec.load_spec()["info"]["title"] != "changed"


def test_an_installed_specification_comes_first(tmp_path, monkeypatch):
    (tmp_path / "openapi.yaml").write_text("installed: true\n")
    monkeypatch.setattr(spec.resources, "files", lambda package: tmp_path)

    assert spec.load_spec() == {"installed": True}


def test_without_a_specification_the_error_says_what_to_reinstall(tmp_path, monkeypatch):
    monkeypatch.setattr(spec.resources, "files", lambda package: tmp_path)
    monkeypatch.setattr(spec, "__file__", str(tmp_path / "registry" / "spec.py"))

    with pytest.raises(ValidationError, match=r"openapi\.yaml is neither") as caught:
        spec.spec_text()

    assert "reinstall" in caught.value.suggestions[0]
