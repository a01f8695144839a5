import subprocess
import sys
from pathlib import Path

import pytest
from packaging.metadata import Metadata

from tests.packaging.conftest import ROOT

PACKAGES = {
    "registry": ROOT / "registry",
    "registry_server": ROOT / "server" / "registry_server",
    "registry_client": ROOT / "generated" / "registry_client",
}


def files_below(folder: Path) -> set[Path]:
    return {
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_wheel_brings_three_top_level_names_and_no_other(unpacked: Path) -> None:
    names = {path.name for path in unpacked.iterdir()}

    assert names == {*PACKAGES, "namestead-0.1.0.dist-info"}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_file_of_a_package_is_in_the_wheel(unpacked: Path, package: str) -> None:
    added = {Path("openapi.yaml")} if package == "registry" else set()

    assert files_below(unpacked / package) == files_below(PACKAGES[package]) | added


@pytest.mark.parametrize("package", PACKAGES)
def test_type_checkers_are_told_that_a_package_is_typed(unpacked: Path, package: str) -> None:
    assert (unpacked / package / "py.typed").is_file()


def test_wheel_carries_the_contract_unchanged(unpacked: Path) -> None:
    assert (unpacked / "registry" / "openapi.yaml").read_bytes() == (ROOT / "openapi.yaml").read_bytes()


def test_metadata_names_licence_python_and_extras(unpacked: Path) -> None:
    metadata = Metadata.from_email(next(unpacked.glob("*.dist-info/METADATA")).read_bytes(), validate=True)

    assert metadata.license_expression == "Apache-2.0"
    assert str(metadata.requires_python) == ">=3.11"
    assert {"all", "cli", "conformance", "postgresql", "redis", "server"} <= set(
        metadata.provides_extra or []
    )


NEVER_LOADED_BY_IMPORT_REGISTRY = {
    *("attrs", "cloudpickle", "httpx", "pydantic"),
    *("rich", "typer"),
    *(
        "a2wsgi",
        "connexion",
        "flask",
        "jsonschema_rs",
        "orjson",
        "platformdirs",
        "starlette",
        "uvicorn",
        "yaml",
    ),
    *("psycopg", "redis", "requests", "schemathesis"),
    *("registry_client", "registry_server"),
    "asyncio",  # alone it takes longer than all of `import registry` should
}


def run_isolated(code: str, folder: Path, *options: str) -> str:
    """Run ``code`` with ``folder`` first on the path, without the working directory and ``PYTHONPATH``."""
    start = f"import sys; sys.path.insert(0, {str(folder)!r}); "
    command = [sys.executable, "-I", *options, "-c", start + code]
    return subprocess.check_output(command, text=True)


def test_import_registry_loads_nothing_heavy_and_no_extra(unpacked: Path) -> None:
    origin, *loaded = run_isolated(
        "import registry; print(registry.__file__, *sys.modules)", unpacked
    ).split()

    assert Path(origin).is_relative_to(unpacked)
    assert NEVER_LOADED_BY_IMPORT_REGISTRY.intersection(loaded) == set()


def test_import_registry_needs_no_installed_package(unpacked: Path) -> None:
    """``-S`` leaves the standard library and the wheel: not even a core dependency can be found."""
    run_isolated("import registry", unpacked, "-S")
