"""What registries show of themselves."""

from __future__ import annotations

import functools
import io
import subprocess
import sys

import pytest

from registry import FunctionalRegistry, SchemeRegistry, TypeRegistry, UntrustedError
from registry.describe import MAX_TEXT, Description
from tests.unit.registries import artifacts
from tests.unit.registries.artifacts import Callee, Linear, mae, mse

ARTIFACTS = "tests.unit.registries.artifacts"
LINE = mse.__code__.co_firstlineno


def described(registry):
    return {each.name: each for each in registry.describe()}


def test_a_function_is_described_by_what_it_says_of_itself(define_local):
    losses = define_local()
    losses.register_artifact(mse)

    assert losses.describe() == [
        Description(
            name="mse",
            kind="function",
            signature="(y_true, y_pred)",
            summary="Mean squared error.",
            origin=f"{ARTIFACTS}.mse ({artifacts.__file__}:{LINE})",
            stored="this process",
            state="loaded",
            alias_of=None,
        )
    ]


@pytest.mark.parametrize(
    ("artifact", "kind", "signature"),
    [
        (Linear, "class", "()"),
        (Callee(), "instance", "(x)"),
        (functools.partial(pow, 2), "instance", "(exp, mod=None)"),
        (dict, "class", ""),
        ({"lr": 0.1}, "json", '{"lr": 0.1}'),
        (None, "json", "null"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_kinds_are_told_apart(define_local, artifact, kind, signature):
    configs = define_local(SchemeRegistry)
    configs.register_artifact("name", artifact)

    (found,) = configs.describe()

    assert (found.kind, found.signature) == (kind, signature)


def test_what_is_stored_elsewhere_says_where(define, memory_server):
    losses = define()
    losses.register_artifact(mse)

    (found,) = losses.describe()

    assert found.kind == "function"
    assert found.origin == f"{ARTIFACTS}.mse ({artifacts.__file__}:{LINE})"
    assert found.stored in ("this process", "dict") or found.stored == losses._repository.location


def test_names_are_listed_in_the_order_of_look_ups_and_each_once(define_local):
    losses = define_local()
    losses.register_artifact("mae", mae, aliases=["l1"])
    losses.register_lazy("mse", f"{ARTIFACTS}:mse")

    found = described(losses)
    assert list(found) == ["mae", "mse", "l1"]
    assert found["mse"] == Description("mse", origin=f"{ARTIFACTS}:mse", state="lazy")
    assert found["l1"] == Description("l1", "alias", alias_of="mae")

    losses["mse"]
    assert described(losses)["mse"].state == "loaded"


def test_stand_ins_are_described_in_the_place_of_what_they_stand_for(define):
    losses = define()
    losses.register_artifact("loss", mse)

    with losses.overriding(loss=mae), losses.overriding(other=mse):
        found = described(losses)
    assert found["loss"].summary == "Mean absolute error."
    assert {found[name].stored for name in ("loss", "other")} == {"put in place for a test"}
    assert list(described(losses)) == ["loss"]


def test_describing_a_shared_registry_decodes_nothing(define_shared, tmp_path, monkeypatch):
    configs = define_shared(SchemeRegistry)
    configs.safe_register_batch({"code": lambda: 1, "config": {"lr": 0.1}, "mse": mse})
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another"))
    stranger = define_shared(SchemeRegistry, logic_namespace=configs._repository.namespace)
    with pytest.raises(UntrustedError):
        stranger["code"]

    found = described(stranger)

    assert [each.kind for each in found.values()] == ["function", "json", "function"]
    assert found["config"].signature == '{"lr": 0.1}'
    assert {each.state for each in found.values()} == {"lazy"}


def test_a_plugin_is_described_by_its_distribution(define, folder):
    group = folder.unused("group")
    folder.distribution("good", f"[{group}]\nmse = {ARTIFACTS}:mse\n", "1.2")
    losses = define(entry_points=group)

    assert losses.describe() == [
        Description("mse", origin=f"{ARTIFACTS}:mse", stored="good 1.2", state="lazy")
    ]
    losses["mse"]
    assert described(losses)["mse"].state == "loaded"
    assert described(losses)["mse"].summary == "Mean squared error."


def test_what_is_hard_to_describe_hides_nothing(define_local):
    class Odd:
        __doc__ = 7  # type: ignore[assignment]

        @property
        def __signature__(self):
            raise RuntimeError("no signature")

        def __call__(self): ...

    def long(parameter_number_one=1, parameter_number_two=2, parameter_number_three=3, four=4, five=5): ...

    losses = define_local()
    losses.register_artifact("odd", Odd())
    losses.register_artifact(long)

    found = described(losses)
    assert (found["odd"].signature, found["odd"].summary) == ("", "")
    assert len(found["long"].signature) == MAX_TEXT
    assert found["long"].signature.endswith("…")


# ---- tables


def printed(table) -> str:
    from rich.console import Console

    text = io.StringIO()
    Console(file=text, width=400).print(table)
    return text.getvalue()


def test_the_table_shows_every_name_and_no_markup_of_theirs(define_local):
    def risky():
        """[red]Danger[/red] <b>"""

    losses = define_local()
    losses.register_artifact(risky, aliases=["r"])
    losses.register_lazy("later", "json:dumps")

    text = printed(losses.table())

    for part in ("Losses", "risky", "[red]Danger[/red] <b>", "alias of risky", "later", "lazy", "json:dumps"):
        assert part in text


def test_without_rich_the_table_says_what_to_install_and_describe_works():
    program = """
import sys
sys.modules["rich"] = sys.modules["rich.table"] = None
from registry import FunctionalRegistry, ValidationError
class Losses(FunctionalRegistry): pass
Losses.register_artifact("f", lambda: 1)
assert Losses.describe()[0].name == "f"
assert "<td>f</td>" in Losses._repr_html_()
try:
    Losses.table()
except ValidationError as error:
    assert "Losses.table() needs rich" in error.message
    assert "pip install '.[cli]'" in error.suggestions[0]
else:
    raise AssertionError
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_a_notebook_shows_a_table_in_which_everything_is_escaped(define_local):
    def risky(x="<script>"):
        """<img src=x onerror=alert(1)> & "more" """

    losses = define_local()
    losses.register_artifact("<b>name</b>", risky)

    html = losses._repr_html_()

    assert "&lt;b&gt;name&lt;/b&gt;" in html
    assert "&lt;img src=x onerror=alert(1)&gt; &amp; &quot;more&quot;" in html
    for tag in ("<script", "<img", "<b>"):
        assert tag not in html


def test_a_notebook_shows_why_a_shared_registry_cannot_be_shown(define_shared):
    losses = define_shared(server="http://127.0.0.1:9")

    assert "Cannot connect" in losses._repr_html_()


@pytest.mark.parametrize("base", [FunctionalRegistry, TypeRegistry, SchemeRegistry])
def test_a_notebook_shows_a_base_class_as_any_class(base):
    assert base._repr_html_() is None
