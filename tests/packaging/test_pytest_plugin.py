"""The pytest plugin as its users have it: from the wheel, found by pytest itself, in a suite of theirs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

LOSSES = """
    from registry import FunctionalRegistry

    class Losses(FunctionalRegistry, logic_namespace="research.losses"):
        pass
"""

OTHERS = ("schemathesis", "hypothesispytest", "timeout", "asyncio", "pytest_cov", "xdist", "xdist.looponfail")
"""Plugins that happen to be installed beside ours: not loaded, they cost seconds."""


@pytest.fixture
def suite(pytester: pytest.Pytester, unpacked: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A folder for a user's tests, where the wheel is what `registry` is."""
    for name in [name for name in os.environ if name.startswith(("REGISTRY_", "COV_", "COVERAGE_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PYTHONPATH", str(unpacked))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(pytester.path / "config"))
    monkeypatch.setenv("COLUMNS", "200")
    pytester.makeini("[pytest]\n")
    return pytester


def run(suite: pytest.Pytester, *options: str) -> pytest.RunResult:
    blocked = [option for name in OTHERS for option in ("-p", f"no:{name}")]
    # Whatever warns fails: a plugin is no reason for a user to relax that.
    return suite.runpytest_subprocess(
        "-p", "no:cacheprovider", "-W", "error", *blocked, *options, timeout=100
    )


class TestFound:
    def test_by_its_entry_point(self, suite):
        ended = run(suite, "--trace-config", "--fixtures", "-v")

        ended.stdout.fnmatch_lines(["*registry_server*", "*A throw-away registry server*"])
        ended.stdout.fnmatch_lines(["*clean_registries*", "*Local registries hold after the test*"])

    def test_from_the_wheel(self, suite, unpacked):
        suite.makepyfile(f"""
            def test_where(pytestconfig):
                plugin = pytestconfig.pluginmanager.get_plugin("namestead")
                assert plugin.__file__.startswith({str(unpacked)!r})
        """)

        run(suite).assert_outcomes(passed=1)

    def test_costs_a_session_that_does_not_use_it_no_import(self, suite):
        suite.makepyfile("""
            import sys

            def test_loaded():
                assert {"registry", "registry.pytest_plugin"} <= sys.modules.keys()
                heavy = {"httpx", "pydantic", "cloudpickle", "registry_client", "registry.testing"}
                assert heavy.isdisjoint(sys.modules)
        """)

        run(suite).assert_outcomes(passed=1)

    def test_can_be_turned_off(self, suite):
        suite.makepyfile("def test_fixture(registry_server): ...")

        ended = run(suite, "-p", "no:namestead")

        ended.assert_outcomes(errors=1)
        ended.stdout.fnmatch_lines(["*fixture 'registry_server' not found"])


class TestServer:
    def test_shared_registries_find_it(self, suite):
        suite.makepyfile(
            losses=LOSSES,
            test_it="""
                import urllib.request

                from losses import Losses

                def mse(a, b):
                    return (a - b) ** 2

                def test_registers_and_finds(registry_server):
                    Losses.register_artifact(mse)
                    assert list(Losses) == ["mse"]
                    assert Losses["mse"](1, 3) == 4

                def test_says_where_it_is(registry_server):
                    with urllib.request.urlopen(registry_server.url + "/health") as answer:
                        assert answer.status == 200
            """,
        )

        run(suite).assert_outcomes(passed=2)

    def test_is_empty_for_each_test_and_one_process_for_all(self, suite):
        suite.makepyfile(
            losses=LOSSES,
            test_it="""
                import pytest
                from losses import Losses

                from registry import SchemeRegistry

                class Configs(SchemeRegistry, logic_namespace="research.configs"):
                    pass

                pids = set()

                @pytest.mark.parametrize("number", range(3))
                def test_empty(registry_server, number):
                    assert len(Losses) == len(Configs) == 0
                    Losses.register_artifact("mse", len)
                    Configs.register_artifact("lr", {"lr": number})
                    assert Configs["lr"] == {"lr": number}
                    pids.add(registry_server.pid)

                def test_one_process():
                    assert len(pids) == 1
            """,
        )

        run(suite).assert_outcomes(passed=4)

    def test_that_a_test_has_ended_is_there_again_for_the_next(self, suite):
        suite.makepyfile(
            losses=LOSSES,
            test_it="""
                import pytest
                from losses import Losses

                from registry import ServerUnreachableError

                def test_kills(registry_server):
                    Losses.register_artifact("mse", len)
                    registry_server.kill()
                    with pytest.raises(ServerUnreachableError):
                        Losses["mse"]

                def test_stops(registry_server):
                    assert len(Losses) == 0
                    assert registry_server.stop() == 0

                def test_restarts(registry_server):
                    url = registry_server.url
                    Losses.register_artifact("mse", len)
                    registry_server.restart()
                    assert registry_server.url == url
                    assert len(Losses) == 0

                def test_works(registry_server):
                    assert registry_server.running
                    assert len(Losses) == 0
            """,
        )

        run(suite).assert_outcomes(passed=4)

    def test_is_found_whatever_the_users_environment_says(self, suite, monkeypatch):
        monkeypatch.setenv("REGISTRY_SERVER_HOST", "production.invalid")
        monkeypatch.setenv("REGISTRY_SERVER_PORT", "1")
        monkeypatch.setenv("REGISTRY_SERVER_TOKEN", "secret")
        suite.makepyfile(
            losses=LOSSES,
            test_it="""
                import os

                from losses import Losses

                def test_ours(registry_server):
                    assert len(Losses) == 0
                    assert "REGISTRY_SERVER_TOKEN" not in os.environ

                def test_afterwards_it_says_so_again():
                    assert os.environ["REGISTRY_SERVER_HOST"] == "production.invalid"
                    assert "REGISTRY_SERVER_URL" not in os.environ
            """,
        )

        run(suite).assert_outcomes(passed=2)

    def test_is_gone_after_the_session(self, suite):
        suite.makepyfile("""
            def test_it(registry_server):
                print("pid", registry_server.pid, "end")
        """)

        ended = run(suite, "-s")

        pid = int(str(ended.stdout).split("pid ")[1].split()[0])
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)

    @pytest.mark.parametrize(
        ("missing", "said"), [("typer", ".[[]server[]]"), ("connexion", ".[[]server[]]")]
    )
    def test_without_the_extra_says_which_one_and_is_not_a_traceback(self, suite, missing, said):
        (suite.path / f"{missing}.py").write_text(
            "raise ModuleNotFoundError('not installed', name=__name__)\n"
        )
        suite.makepyfile("""
            def test_one(registry_server): ...
            def test_two(registry_server): ...
        """)

        ended = run(suite)

        ended.assert_outcomes(errors=2)
        ended.stdout.fnmatch_lines([f"*The registry server did not start: *pip install '{said}'*"])
        ended.stdout.no_fnmatch_line("*Traceback*")
        ended.stdout.no_fnmatch_line("*pytest_plugin.py:*")

    def test_each_worker_of_xdist_has_its_own(self, suite):
        suite.makepyfile(
            losses=LOSSES,
            test_it="""
                import pytest
                from losses import Losses

                @pytest.mark.parametrize("number", range(6))
                def test_alone(registry_server, number):
                    assert len(Losses) == 0
                    Losses.register_artifact("mse", len)
                    assert list(Losses) == ["mse"]
            """,
        )
        blocked = [option for name in OTHERS if "xdist" not in name for option in ("-p", f"no:{name}")]

        ended = suite.runpytest_subprocess("-n", "2", *blocked, timeout=100)

        ended.assert_outcomes(passed=6)


class TestCleanRegistries:
    def test_puts_local_registries_back(self, suite):
        suite.makepyfile(
            losses="""
                from registry import FunctionalRegistry, SchemeRegistry, TypeRegistry

                class Losses(FunctionalRegistry):
                    pass

                class Models(TypeRegistry):
                    pass

                mapping = {}

                class Configs(SchemeRegistry, storage=mapping):
                    pass

                class Derived(Losses):
                    pass

                @Losses.register_artifact
                def mse(a, b):
                    return (a - b) ** 2

                Models.register_artifact("int", int)
                Configs.register_artifact("lr", {"lr": 0.1})
            """,
            test_it="""
                import losses
                import pytest

                def as_imported():
                    assert dict(losses.Losses.items()) == {"mse": losses.mse}
                    assert dict(losses.Models.items()) == {"int": int}
                    assert dict(losses.Configs.items()) == losses.mapping == {"lr": {"lr": 0.1}}
                    assert len(losses.Derived) == 0
                    assert "mse" in losses.Losses and losses.Losses["mse"] is losses.mse

                def test_adds_and_removes(clean_registries):
                    losses.Losses.register_artifact("other", len)
                    losses.Losses.unregister_identifier("mse")
                    losses.Models.update_artifact("int", float)
                    losses.Configs.clear_artifacts()
                    losses.Derived.register_artifact("x", len)

                def test_as_imported():
                    as_imported()

                @pytest.mark.xfail(strict=True)
                def test_fails(clean_registries):
                    losses.Losses.clear_artifacts()
                    assert False

                def test_still_as_imported():
                    as_imported()

                def test_redefinition_still_knows_its_own(clean_registries):
                    def mse(a, b):
                        return 0
                    mse.__module__, mse.__qualname__ = losses.mse.__module__, "mse"
                    losses.Losses.register_artifact(mse)
                    assert losses.Losses["mse"] is mse

                def test_and_is_undone():
                    as_imported()
            """,
        )

        run(suite).assert_outcomes(passed=5, xfailed=1)

    def test_needs_no_server_and_asks_none(self, suite, monkeypatch):
        monkeypatch.setenv("REGISTRY_SERVER_URL", "http://127.0.0.1:1")
        suite.makepyfile(
            losses=LOSSES,
            test_it="""
                import losses

                def test_shared_registries_are_left_alone(clean_registries): ...
            """,
        )

        run(suite).assert_outcomes(passed=1)

    def test_leaves_alone_what_may_be_a_database(self, suite):
        suite.makepyfile("""
            from collections import UserDict
            from registry import SchemeRegistry

            class Database(UserDict):
                def clear(self):
                    raise AssertionError("emptied")

            class Configs(SchemeRegistry, storage=Database()):
                pass

            def test_writes(clean_registries):
                Configs.register_artifact("lr", 1)

            def test_finds():
                assert dict(Configs.items()) == {"lr": 1}
        """)

        run(suite).assert_outcomes(passed=2)

    def test_registry_that_a_test_defines_goes_with_it(self, suite):
        suite.makepyfile("""
            from registry import FunctionalRegistry

            kept = []

            def test_defines(clean_registries):
                class Losses(FunctionalRegistry):
                    pass
                Losses.register_artifact(len)
                kept.append(Losses)

            def test_is_empty():
                assert len(kept[0]) == 0
        """)

        run(suite).assert_outcomes(passed=2)

    def test_for_a_whole_module(self, suite):
        suite.makepyfile("""
            import pytest
            from registry import FunctionalRegistry

            pytestmark = pytest.mark.usefixtures("clean_registries")

            class Losses(FunctionalRegistry):
                pass

            @pytest.mark.parametrize("number", range(2))
            def test_alone(number):
                assert len(Losses) == 0
                Losses.register_artifact(len)
        """)

        run(suite).assert_outcomes(passed=2)
