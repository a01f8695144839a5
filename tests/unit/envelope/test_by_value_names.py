"""A function or class that travels by value finds, in another process, every name its code looks up.

A decorator runs before the name it decorates is bound, and before anything below it in the file is. Each test
runs a script as ``__main__`` that writes an envelope, and a second process that reads it.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from registry.envelope import by_value
from registry.errors import SerializationError

CHECKOUT = Path(__file__).parents[3]
FIRST_LINES = """\
from __future__ import annotations
import json, sys
from registry.envelope.codec import EnvelopeCodec
from registry.errors import SerializationError
def register(artifact):
    try:
        envelope = EnvelopeCodec().encode(artifact, namespace="a.b", key="c")
    except SerializationError as error:
        print(json.dumps([error.message, error.suggestions, error.context]))
        return artifact
    with open(sys.argv[1], "w") as file: json.dump(envelope.to_dict(), file)
    return artifact
"""
READER = """\
import json, sys
from registry.envelope.codec import EnvelopeCodec
from registry.envelope.form import Envelope
with open(sys.argv[1]) as file: envelope = Envelope.from_dict(json.load(file))
it = EnvelopeCodec().decode(envelope, namespace="a.b", key="c")
print({expression})
"""


@pytest.fixture
def run(tmp_path):
    """``run(source, expression)``: what another process prints of ``it``, which ``source`` registers."""

    def start(program: str, source: str) -> subprocess.CompletedProcess:
        script = tmp_path / program
        script.write_text(source)
        return subprocess.run(
            [sys.executable, str(script), str(tmp_path / "envelope.json")],
            capture_output=True,
            text=True,
            timeout=60,
            env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        )

    def write_and_read(source: str, expression: str) -> str:
        written = start("writer.py", FIRST_LINES + source)
        assert (written.returncode, written.stdout) == (0, ""), written
        read = start("reader.py", READER.replace("{expression}", expression))
        return read.stdout.strip() or read.stderr

    write_and_read.start = start
    return write_and_read


OWN_NAME = {
    "recursion": (
        "@register\ndef fact(n): return n * fact(n - 1) if n else 1",
        "it(5)",
        "120",
    ),
    "recursion in a nested function": (
        "@register\ndef fact(n):\n    def inner(n): return n * fact(n - 1) if n else 1\n    return inner(n)",
        "it(5)",
        "120",
    ),
    "recursion through a decorator of the script": (
        "import functools\n"
        "def twice(f):\n    @functools.wraps(f)\n    def wrapper(n): return 2 * f(n)\n    return wrapper\n"
        "@register\n@twice\ndef fact(n): return n * fact(n - 1) if n else 1",
        "it(3)",
        "96",
    ),
    "recursion of a cached function": (
        "import functools\n@register\n@functools.lru_cache(7)\n"
        "def fib(n): return fib(n - 1) + fib(n - 2) if n > 1 else n",
        "it(50), it.cache_info().misses, it.cache_parameters()",
        "12586269025 51 {'maxsize': 7, 'typed': False}",
    ),
    "recursion of a local function": (
        "def outer():\n    @register\n    def fact(n): return n * fact(n - 1) if n else 1\nouter()",
        "it(5)",
        "120",
    ),
    "a class that names itself": (
        "@register\nclass Tree:\n"
        "    kinds = []\n"
        "    def __init__(self): super(Tree, self).__init__(); Tree.kinds.append(1)\n"
        "    @classmethod\n    def make(cls): return Tree()\n"
        "    @staticmethod\n    def count(): return len(Tree.kinds)\n"
        "    @property\n    def same(self): return Tree is type(self)",
        "it.make().same, it().count()",
        "True 2",
    ),
    "a dataclass that names itself": (
        "from dataclasses import dataclass\n@register\n@dataclass(frozen=True, slots=True)\nclass P:\n"
        "    x: int\n    def double(self): return P(2 * self.x)",
        "it(2).double()",
        "P(x=4)",
    ),
    "a local class that names itself": (
        "def outer():\n    @register\n    class Tree:\n        def make(self): return Tree()\nouter()",
        "type(it().make()) is it",
        "True",
    ),
    "a class that names itself in a method of a nested class": (
        "@register\nclass Out:\n    class In:\n        def out(self): return Out",
        "it.In().out() is it",
        "True",
    ),
}


@pytest.mark.parametrize("case", OWN_NAME)
def test_its_own_name_is_bound_where_it_is_read(run, case):
    source, expression, printed = OWN_NAME[case]

    assert run(source, expression) == printed


def test_a_global_read_by_the_body_of_a_local_class_comes_along(run):
    """cloudpickle brings what functions load, and overlooks what class bodies do."""
    source = "K = 3\n@register\ndef make():\n    class C:\n        k = K\n        l = k\n    return C"

    assert run(source, "it().k + it().l") == "6"


def test_an_importable_cached_function_goes_as_its_name(module, codec):
    module("tools", "import functools\n@functools.lru_cache\ndef cached(x): return x")
    from tools import cached

    name = {"namespace": "a.b", "key": "c"}
    assert codec.decode(codec.encode(lambda: cached, **name), **name)() is cached


def test_the_writers_module_stays_as_it_was(run):
    source = (
        "import threading\n"
        "def keep(f):\n"
        "    before = dict(globals())\n"
        "    register(f)\n"
        "    assert globals() == before and 'fact' not in globals()\n"
        "    return f\n"
        "@keep\ndef fact(n): return n * fact(n - 1) if n else 1\n"
        "def refused(f):\n"
        "    before = dict(globals())\n"
        "    try: EnvelopeCodec().encode(f, namespace='a.b', key='c')\n"
        "    except Exception: pass\n"
        "    else: raise AssertionError\n"
        "    assert globals() == before\n"
        "@refused\ndef locked(x, lock=threading.Lock()): return locked(later)\n"
    )

    assert run(source, "it(5)") == "120"


MISSING = {
    "a helper": ("@register\ndef mse(x):\n    y = x\n    return helper(y) + helper(x)", "mse", {"helper": 4}),
    "two on one line": ("@register\ndef mse(x): return helper(x) * EPS", "mse", {"helper": 2, "EPS": 2}),
    "of a helper": (
        "def scale(x): return norm(x)\n@register\ndef mse(x): return scale(x)",
        "mse",
        {"norm": 1},
    ),
    "of a default": (
        "def scale(x): return norm(x)\n@register\ndef mse(x, by=scale): return by(x)",
        "mse",
        {"norm": 1},
    ),
    "in a nested function": ("@register\ndef mse(x): return [helper(y) for y in x]", "mse", {"helper": 2}),
    "in a lambda": ("register(lambda x: helper(x))", "<lambda>", {"helper": 1}),
    "in a method": ("@register\nclass Model:\n    def fit(self): return Part()", "Model", {"Part": 3}),
    "in a property": (
        "@register\nclass Model:\n    @property\n    def part(self): return Part",
        "Model",
        {"Part": 4},
    ),
    "in the body of a local class": (
        "@register\ndef make():\n    class C(Base):\n        k = K\n    return C",
        "make",
        {"Base": 3, "K": 4},
    ),
    "guarded against another error": (
        "@register\ndef mse(x):\n    try: return helper(x)\n    except KeyError: return 0",
        "mse",
        {"helper": 3},
    ),
    "in the handler of a guard": (
        "@register\ndef mse(x):\n    try: return x\n    except NameError: return helper(x)",
        "mse",
        {"helper": 4},
    ),
    "after a guard": (
        "@register\ndef mse(x):\n    try: helper\n    except NameError: pass\n    return helper(x)",
        "mse",
        {"helper": 5},
    ),
    "of the class around it": (
        "class Model:\n    @register\n    def fit(self): return Model()",
        "Model.fit",
        {"Model": 3},
    ),
}


@pytest.mark.parametrize("case", MISSING)
def test_a_name_that_is_not_bound_yet_is_an_error_where_it_is_written(run, case):
    source, name, missing = MISSING[case]
    written = run.start("writer.py", FIRST_LINES + source)
    assert written.stdout, written.stderr
    message, suggestions, context = json.loads(written.stdout)

    lines = {missed: line + FIRST_LINES.count("\n") for missed, line in missing.items()}
    assert message.startswith(f"{name} cannot be sent by value: ")
    assert context["missing"] == lines
    assert all(f"{missed} (line {line}" in message for missed, line in lines.items())
    assert suggestions == [
        f"define {' and '.join(lines)} above {name}",
        f"or register it at the end of the file: register_artifact({name})",
    ]


BOUND_ENOUGH = {
    "an annotation": (
        "@register\ndef it(x: 'Missing') -> 'list[Missing]':\n    y: Missing = x\n    return y",
        "it(1)",
        "1",
    ),
    "annotations left as text": (
        "@register\ndef it(x):\n    def inner(y: Missing) -> Missing: return y\n    return inner(x)",
        "it(1)",
        "1",
    ),
    "an annotation in the body of a local class": (
        "@register\ndef it(x):\n    class C:\n        y: Missing = x\n    return C.y",
        "it(1)",
        "1",
    ),
    "an import for type checkers": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING: from nowhere import Missing\n"
        "@register\ndef it(x: Missing) -> Missing:\n    y: Missing = x\n    return y",
        "it(1)",
        "1",
    ),
    "a global that it binds": (
        "@register\ndef it():\n    global cache\n    cache = 1\n    return cache",
        "it()",
        "1",
    ),
    "a global that it deletes": (
        "@register\ndef it(x):\n    global cache\n    if not x: del cache\n    return x",
        "it(1)",
        "1",
    ),
    "a global that another method binds": (
        "@register\nclass it:\n"
        "    def set(self):\n        global cache\n        cache = 1\n        return self\n"
        "    def get(self): return cache",
        "it().set().get()",
        "1",
    ),
    "locals of comprehensions and class bodies": (
        "@register\ndef it(x):\n    class C:\n        __k = 2\n        l = __k\n"
        "        def __m(self): return self.__k\n"
        "        def n(self): return self.__m()\n"
        "    return [y for y in x], {z: w for z, w in enumerate(x)}, C.l, C().n(), (lambda v: v)(x)",
        "it([1])",
        "([1], {0: 1}, 2, 2, [1])",
    ),
    "a guard": (
        "@register\ndef it():\n    try: return missing\n    except NameError: return 0",
        "it()",
        "0",
    ),
    "a guard against several errors": (
        "@register\ndef it():\n    try:\n        with open('/') as f: return missing\n"
        "    except KeyError: return 1\n    except (OSError, NameError): return 0",
        "it()",
        "0",
    ),
    "a guard around other blocks": (
        "import contextlib\n@register\ndef it():\n    try:\n        with contextlib.nullcontext():\n"
        "            try: return [missing for _ in '1']\n            finally: pass\n"
        "    except NameError: return 0",
        "it()",
        "0",
    ),
    "a guard that asks globals": (
        "@register\ndef it(): return missing if 'missing' in globals() else 0",
        "it()",
        "0",
    ),
    "attributes and builtins": (
        "@register\ndef it(x): return len(x), __name__, x.__class__, __debug__",
        "it('')",
        "(0, '__main__', <class 'str'>, True)",
    ),
    "what is bound when it is registered at the end": (
        "def it(x): return helper(x)\ndef helper(x): return x + K\nK = 1\nregister(it)",
        "it(1)",
        "2",
    ),
}


@pytest.mark.parametrize("case", BOUND_ENOUGH)
def test_a_name_that_need_not_be_bound_is_no_error(run, case):
    source, expression, printed = BOUND_ENOUGH[case]

    assert run(source, expression) == printed


def test_a_module_that_is_imported_to_its_end_will_bind_no_more_names(module, codec):
    """What it does not define is for its own platform or Python: missing here as it is there."""
    module("told", "def make():\n    def f(x): return unicode(x) if x else x\n    return f")
    import told

    name = {"namespace": "a.b", "key": "c"}
    assert codec.decode(codec.encode(told.make(), **name), **name)(0) == 0


def test_a_module_that_is_being_imported_may_yet_bind_them(module):
    module(
        "halfway",
        "from registry.envelope import by_value\n"
        "def make():\n    def f(x): return helper(x)\n    return f\n"
        "by_value.encode(make())\ndef helper(x): return x",
    )

    with pytest.raises(SerializationError, match=r"helper \(line 3"):
        import halfway  # noqa: F401


def test_many_threads_encode_at_once_and_see_no_binding_of_each_other():
    from concurrent.futures import ThreadPoolExecutor

    space = {"__name__": "__main__"}
    sources = [f"def f{n}(x): return x and f{n}(x - 1) + {n}" for n in range(8)]
    functions = []
    for n, source in enumerate(sources):
        exec(source, space)
        functions.append(space.pop(f"f{n}"))
    before = dict(space)
    with ThreadPoolExecutor(8) as threads:
        encoded = list(threads.map(by_value.encode, functions * 8))

    assert [by_value.decode(raw)(2) for raw in encoded] == [2 * n for n in range(8)] * 8
    assert space == before
