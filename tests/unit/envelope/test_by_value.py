"""What has no importable name: functions of a script, lambdas, instances, and what cannot be pickled."""

import json
import os
import pickle
import subprocess
import sys
import threading
import types
from pathlib import Path
from typing import Any

import cloudpickle
import pytest

from registry.envelope import by_value
from registry.envelope.codec import OWN_META, may_be_shared
from registry.envelope.form import MAX_VALUE_BYTES
from registry.errors import EnvelopeTooLargeError, MalformedEnvelopeError, SerializationError

NAME: dict[str, Any] = {"namespace": "a.b", "key": "c"}
CHECKOUT = Path(__file__).parents[3]


def run(program, *, check=True, **environment):
    return subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=check,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(CHECKOUT), **environment},
    )


WRITER = """
import json
from registry.envelope.codec import EnvelopeCodec
codec = EnvelopeCodec()
K = 3
def scale(x): return helper(x) * K
def helper(x): return x + 1
class Model:
    def __init__(self, w): self.w = w
    def predict(self, x): return scale(x) + self.w
bound = (lambda n: lambda x: x * n)(5)
values = {"scale": scale, "Model": Model, "lambda": bound, "config": {"a": [1]}, "dumps": json.dumps}
values["m"] = Model(2)
print(json.dumps({k: codec.encode(v, namespace="a.b", key=k).to_dict() for k, v in values.items()}))
"""
READER = """
import json, sys
from registry.envelope.codec import EnvelopeCodec
from registry.envelope.form import Envelope
codec, envelopes = EnvelopeCodec(), json.load(open(sys.argv[1]))
got = {k: codec.decode(Envelope.from_dict(e), namespace="a.b", key=k) for k, e in envelopes.items()}
assert got["dumps"] is json.dumps
print(got["scale"](1), got["Model"](1).predict(1), got["lambda"](2), got["config"], got["m"].predict(1))
"""


def test_what_a_script_defines_is_used_in_a_process_that_has_never_seen_it(tmp_path):
    path = tmp_path / "envelopes.json"
    path.write_text(run(WRITER).stdout)
    read = run(READER.replace("sys.argv[1]", repr(str(path))))

    assert read.stdout == "6 7 10 {'a': [1]} 8\n"


def test_another_users_process_decodes_only_what_is_json(tmp_path):
    path, other = tmp_path / "envelopes.json", tmp_path / "another home"
    path.write_text(run(WRITER).stdout)
    program = READER.replace("sys.argv[1]", repr(str(path))).partition("got =")[0] + (
        "for k, e in envelopes.items():\n"
        "    try: print(k, codec.decode(Envelope.from_dict(e), namespace='a.b', key=k))\n"
        "    except Exception as error: print(k, type(error).__name__)\n"
        "print('cloudpickle' in sys.modules, 'pickle' in sys.modules)\n"
    )
    read = run(program, XDG_CONFIG_HOME=str(other))

    assert read.stdout.splitlines() == [
        *(f"{key} UnknownSigningKeyError" for key in ("scale", "Model", "lambda")),
        "config {'a': [1]}",
        *(f"{key} UnknownSigningKeyError" for key in ("dumps", "m")),
        "False False",
    ]


def test_a_spawned_childs_main_goes_by_value(tmp_path):
    """multiprocessing calls the script ``__mp_main__`` in its children; nobody can import that."""
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing, pickle\n"
        "def helper(x): return x + 1\n"
        "def f(x): return helper(x)\n"
        "def work(_):\n"
        "    from registry.envelope import by_value\n"
        "    assert f.__module__ == '__mp_main__'\n"
        "    return by_value.encode(f)\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(work, [0])[0].hex())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    written = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=True, timeout=60, env=environment
    )

    assert by_value.decode(bytes.fromhex(written.stdout))(1) == 2


def test_a_forged_python_tag_never_crashes_the_reader():
    """The byte code is overwritten, as another Python's looks here: running it may end the process."""
    result = run(
        "from registry.envelope import by_value, form\n"
        "from registry.envelope.codec import EnvelopeCodec\n"
        "codec, name = EnvelopeCodec(), {'namespace': 'a.b', 'key': 'c'}\n"
        "def f(x): return [x, x, x]\n"
        "envelope = codec.encode(f, **name)\n"
        "code, raw = f.__code__.co_code, form.decode_base64(envelope.data)\n"
        "assert code in raw\n"
        "raw = raw.replace(code, bytes([124, 200] * (len(code) // 2)))\n"
        "meta = {**envelope.meta, 'python': 'cpython-3.99'}\n"
        "written = envelope._replace(data=form.encode_base64(raw), meta=meta)\n"
        "signed = codec.policy.keyring().sign(written, **name)\n"
        "for forged in (signed, signed._replace(meta=envelope.meta)):\n"
        "    try: codec.decode(forged, **name)(1)\n"
        "    except Exception as error: print(type(error).__name__)\n"
    )

    assert result.returncode == 0
    assert result.stdout.split() == ["PythonVersionMismatchError", "SignatureInvalidError"]


@pytest.mark.parametrize("tag", [None, "", "cpython-3.10", "pypy-3.11", "x" * 10_000, "\n"])
def test_another_python_is_refused_and_named_briefly(tag):
    with pytest.raises(SerializationError, match="cannot be decoded under") as caught:
        by_value.check_python(tag)
    assert len(str(caught.value)) < 600


def test_this_python_is_not_refused():
    by_value.check_python(f"cpython-{sys.version_info.major}.{sys.version_info.minor}")


# --- what cannot be pickled --------------------------------------------------------------------------------


class Pool:
    def __init__(self):
        self.size = 3
        self.lock = threading.Lock()


class Model:
    def __init__(self):
        self.name = "m"
        self.pool = Pool()


def closure():
    guard = threading.Lock()
    return lambda: guard


@pytest.mark.parametrize(
    ("value", "part"),
    [
        (threading.Lock(), None),
        (Pool(), ".lock"),
        (Model(), ".pool.lock"),
        ({"a": [1, (threading.Lock(),)]}, "['a'][1][0]"),
        (closure(), "guard"),
    ],
)
def test_what_cannot_be_pickled_names_its_part(value, part, codec):
    with pytest.raises(SerializationError, match="cannot be sent by value") as caught:
        codec.encode(value, **NAME)

    assert caught.value.context.get("part") == part
    assert isinstance(caught.value.__cause__, TypeError)
    assert caught.value.suggestions


def test_what_cloudpickle_would_change_is_refused(codec, tmp_path):
    """An open file would arrive as a StringIO, a memoryview as bytes."""
    path = tmp_path / "file"
    path.write_text("content")
    with path.open() as file, pytest.raises(SerializationError, match="without changing it"):
        codec.encode(file, **NAME)
    with pytest.raises(SerializationError, match="without changing it"):
        codec.encode({"view": memoryview(b"x")}, **NAME)


def test_endless_nesting_is_refused(codec):
    value: tuple = ()
    for _ in range(100_000):
        value = (value,)

    with pytest.raises(SerializationError):
        codec.encode(value, **NAME)


def test_too_large_a_value_is_refused(codec):
    with pytest.raises(EnvelopeTooLargeError):
        codec.encode(bytes(MAX_VALUE_BYTES), **NAME)


def test_a_failure_to_load_is_chained(codec):
    class Broken:
        def __reduce__(self):
            return int, ("no number",)

    with pytest.raises(SerializationError, match="cannot be loaded here: ValueError") as caught:
        codec.decode(codec.encode(Broken(), **NAME), **NAME)
    assert isinstance(caught.value.__cause__, ValueError)


# --- what stands beside the value --------------------------------------------------------------------------


def importable():
    return 1


@pytest.mark.parametrize(
    ("value", "meta", "shared"),
    [
        (importable, {"codec": "reference", "kind": "function"}, True),
        (Pool, {"codec": "reference", "kind": "class"}, True),
        (lambda: 1, {"codec": "cloudpickle", "kind": "function", "python": by_value.PYTHON_TAG}, True),
        ((1,), {"codec": "cloudpickle", "kind": "instance", "python": by_value.PYTHON_TAG}, False),
    ],
)
def test_meta_says_what_a_pickle_is(value, meta, shared, codec):
    envelope = codec.encode(value, **NAME, meta={"identity": "sha256:00", "kind": "the caller's"})
    about = value if callable(value) else type(value)

    expected = {"identity": "sha256:00", "module": about.__module__, "qualname": about.__qualname__, **meta}
    assert envelope.meta == expected
    assert envelope.meta.keys() - {"identity"} <= OWN_META
    assert may_be_shared(envelope) is shared


def test_json_has_the_callers_meta_only(codec):
    assert codec.encode([1], **NAME).meta is None
    assert codec.encode([1], **NAME, meta={"identity": "x"}).meta == {"identity": "x"}
    assert not may_be_shared(codec.encode([1], **NAME))


def test_meta_beyond_its_limits_is_refused(codec):
    for value in ([1], importable):
        with pytest.raises(MalformedEnvelopeError):
            codec.encode(value, **NAME, meta={"x" * 65: ""})


def test_a_module_that_cloudpickle_was_told_to_send_goes_by_value(codec):
    module = types.ModuleType("told_by_user")
    sys.modules["told_by_user"] = module
    exec("def f(): return 1", module.__dict__)
    try:
        assert codec.encode(module.f, **NAME).meta["codec"] == "reference"
        cloudpickle.register_pickle_by_value(module)
        assert codec.encode(module.f, **NAME).meta["codec"] == "cloudpickle"
    finally:
        cloudpickle.unregister_pickle_by_value(module)
        del sys.modules["told_by_user"]


def test_importing_the_codec_loads_nothing_heavy():
    heavy = [
        "cloudpickle",
        "pickle",
        "pydantic",
        "httpx",
        "rich",
        "dataclasses",
        "inspect",
        "logging",
        "asyncio",
    ]
    loaded = run(
        f"import sys, registry.envelope.codec; print(*[m for m in {heavy} if m in sys.modules])"
    ).stdout

    assert loaded.split() == []


def test_without_cloudpickle_everything_else_works_and_the_rest_says_what_to_install():
    result = run(
        "import json, sys\n"
        "sys.modules['cloudpickle'] = None\n"
        "from registry.envelope.codec import EnvelopeCodec\n"
        "codec, name = EnvelopeCodec(), {'namespace': 'a.b', 'key': 'c'}\n"
        "for value in ({'a': 1}, json.dumps, lambda: 1):\n"
        "    try: print(codec.encode(value, **name).type)\n"
        "    except Exception as error: print(error.suggestions)\n"
    )

    assert result.stdout.splitlines() == ["json", "pickle", "['pip install cloudpickle']"]


def test_every_pickle_is_written_in_one_protocol(codec):
    assert pickle.DEFAULT_PROTOCOL >= by_value.PROTOCOL == 4
    assert json.loads(json.dumps(codec.encode((1,), **NAME).to_dict()))["data"].startswith("gASV")
