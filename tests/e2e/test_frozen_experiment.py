"""An experiment is run again, by its lock file alone."""

from __future__ import annotations

EXPERIMENT = """
from registry import FunctionalRegistry

class Losses(FunctionalRegistry, logic_namespace="research.losses"): ...

@Losses.register_artifact
def scaled(x):
    return x * {factor}

"""

FIRST = (
    EXPERIMENT
    + """
Losses.move_alias("champion", Losses.publish_version("loss", lambda x: x + 1))
Losses.freeze("registry.lock")
print(Losses["champion"](1), scaled(1), list(Losses))
Losses.move_alias("champion", Losses.publish_version("loss", lambda x: x + 2))
"""
)

AGAIN = (
    EXPERIMENT
    + """
print(Losses["champion"](1), scaled(1), list(Losses))
"""
)

CHANGED = """
from registry import FrozenError
try:
    exec(compile({source!r}, __file__, "exec"))
except FrozenError as error:
    print(error.context["key"])
"""


def test_it_finds_what_it_found_without_the_server_and_says_where_its_code_has_changed(
    run_script, live_server
):
    first = run_script(FIRST.format(factor=3))
    now = run_script(AGAIN.format(factor=3))
    live_server.stop()

    again = run_script(AGAIN.format(factor=3), REGISTRY_FROZEN="registry.lock")
    changed = run_script(CHANGED.format(source=AGAIN.format(factor=4)), REGISTRY_FROZEN="registry.lock")

    assert first == again == ["2 3 ['scaled', 'loss@1', 'champion']"]
    assert now == ["3 3 ['scaled', 'loss@1', 'champion', 'loss@2']"]
    assert changed == ["scaled"]
