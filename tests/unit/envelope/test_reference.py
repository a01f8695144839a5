import collections
import functools
import io
import json
import os
import pickle
import pickletools
import random
import sys
import tracemalloc
from types import FunctionType

import pytest

from registry.envelope import reference
from registry.envelope.reference import MAX_REFERENCE_BYTES, Reference, reference_to
from registry.errors import ReferenceNotAllowedError

MUTANTS = int(os.environ.get("REGISTRY_TEST_MUTANTS", "30000"))
"""How many mutants `test_mutants` tries; the nightly run sets a million."""


class Outer:
    class Inner:
        pass

    @staticmethod
    def static():
        return 1

    @classmethod
    def of_class(cls):
        return cls

    def method(self):
        return self


def plain():
    return 1


def undecorated():
    return 1


same_name_other_object = functools.wraps(undecorated)(lambda: 2)


@pytest.mark.parametrize(
    "value",
    [plain, Outer, Outer.Inner, Outer.static, Outer.method, json.dumps, os.getcwd, collections.OrderedDict],
)
def test_an_importable_object_is_its_name_as_pickle_writes_it(value):
    name = reference_to(value)

    assert name is not None
    assert reference.write(name) == pickle.dumps(value, 4)
    assert reference.read(pickle.dumps(value, 4)) == name
    assert reference.resolve(name) is value


@pytest.mark.parametrize(
    "value",
    [
        lambda: 1,
        same_name_other_object,
        Outer.of_class,
        Outer().method,
        Outer(),
        functools.partial(plain),
        dict.fromkeys,
        Outer.__init_subclass__,
        type(None),
        "text",
        list[int],
    ],
    ids=lambda value: type(value).__name__,  # not repr: an address would differ between workers
)
def test_what_its_module_does_not_hold_under_its_name_has_no_reference(value):
    assert reference_to(value) is None


@pytest.mark.parametrize("main", ["__main__", "__mp_main__", "json.__main__"])
def test_main_is_refused_on_both_sides(main, monkeypatch):
    function = FunctionType(plain.__code__, {}, "plain")
    function.__module__ = main
    monkeypatch.setitem(sys.modules, main, sys.modules[__name__])

    assert reference_to(function) is None
    with pytest.raises(ReferenceNotAllowedError, match="plain name"):
        reference.resolve(Reference(main, "plain"))


def test_a_proxy_whose_attributes_raise_has_no_reference():
    class Proxy:
        def __getattr__(self, name):
            raise RuntimeError("outside of its context")

        def __call__(self):
            pass

    assert reference_to(Proxy()) is None


def test_a_decorator_sees_a_reference_while_its_module_is_imported(module):
    module(
        "pkg.early",
        "from registry.envelope.reference import reference_to\n"
        "seen = []\n"
        "def note(value):\n    seen.append(reference_to(value))\n    return value\n"
        "@note\ndef f():\n    return later()\n"
        "@note\nclass C:\n    pass\n"
        "def later():\n    return 1\n",
    )
    import pkg.early  # type: ignore[import-not-found]

    assert pkg.early.seen == [Reference("pkg.early", "f"), Reference("pkg.early", "C")]
    assert reference.resolve(pkg.early.seen[0])() == 1


def test_a_missing_module_is_named():
    with pytest.raises(ReferenceNotAllowedError, match="no module 'nowhere_to_be_found'") as caught:
        reference.resolve(Reference("nowhere_to_be_found.sub", "f"))

    assert caught.value.context["missing"] == "nowhere_to_be_found"
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_dependency_that_a_module_lacks_is_named(module):
    module("pkg.needy", "import nowhere_to_be_found\ndef f(): ...\n")

    with pytest.raises(ReferenceNotAllowedError, match="no module 'nowhere_to_be_found'"):
        reference.resolve(Reference("pkg.needy", "f"))


def test_a_module_that_fails_is_the_cause(module):
    module("pkg.broken", "1 / 0\n")

    with pytest.raises(ReferenceNotAllowedError, match="ZeroDivisionError") as caught:
        reference.resolve(Reference("pkg.broken", "f"))

    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_a_missing_name_is_refused():
    with pytest.raises(ReferenceNotAllowedError, match="does not exist here"):
        reference.resolve(Reference("json", "no_such_name"))


@pytest.mark.parametrize(
    "qualname",
    ["plain.f", "Outer.Inner.x", "Outer.static.code", "sys.modules.get", "MUTANTS.real", "Outer.mro"],
)
def test_a_walk_leads_through_classes_only(qualname):
    with pytest.raises(ReferenceNotAllowedError, match="does not exist here"):
        reference.resolve(Reference(__name__, qualname))


# --- mutants: what is accepted is what an oracle accepts ---------------------------------------------------


TEXTS = {"SHORT_BINUNICODE": (0, 255), "BINUNICODE": (256, MAX_REFERENCE_BYTES)}


def oracle(raw):
    """The reference that Python's own disassembler finds, written without a look at ours."""
    try:
        operations = list(pickletools.genops(raw))
        names = [operation.name for operation, _, _ in operations]
        texts = [
            argument
            for operation, argument, _ in operations
            if operation.name in TEXTS and argument is not None
        ]
        lengths = [len(text.encode()) for text in texts]
    except (ValueError, UnicodeError, OverflowError, AttributeError):
        return None
    kinds = [name for name in names if name in TEXTS]
    expected = [
        "PROTO",
        "FRAME",
        *kinds[:1],
        "MEMOIZE",
        *kinds[1:2],
        "MEMOIZE",
        "STACK_GLOBAL",
        "MEMOIZE",
        "STOP",
    ]
    well_formed = (
        len(kinds) == 2
        and names == expected
        and operations[0][1] == 4
        and operations[1][1] == len(raw) - 11
        and operations[-1][2] == len(raw) - 1
        and len(raw) <= MAX_REFERENCE_BYTES
        and all(
            TEXTS[kind][0] <= length <= TEXTS[kind][1] for kind, length in zip(kinds, lengths, strict=True)
        )
    )
    return tuple(texts) if well_formed else None


class Recorder(pickle.Unpickler):
    """CPython's own machine, asked only about what was accepted."""

    def find_class(self, module, name):
        return (module, name)


GADGETS = [
    pickle.dumps(json.dumps, 4),
    pickle.dumps(Outer.Inner, 4),
    pickle.dumps(functools.partial(print), 4),
    pickle.dumps(collections.OrderedDict(a=1), 4),
    reference.write(Reference("m" * 255, "q")),
    reference.write(Reference("m", "q" * 256)),
    reference.write(Reference("mödel", "Größe")),
    bytes.fromhex("80044e72ffffff032e"),
]
OPCODES = [ord(operation.code) for operation in pickletools.opcodes]


def mutant(source):
    raw = bytearray(source.choice(GADGETS))
    for _ in range(source.choice((1, 1, 1, 2, 3, 8))):
        at = source.randrange(len(raw) + 1)
        match source.randrange(6):
            case 0:
                raw[at : at + 1] = bytes([source.randrange(256)])
            case 1:
                raw[at : at + 1] = bytes([source.choice(OPCODES)])
            case 2:
                raw[at:at] = bytes([source.choice(OPCODES)])
            case 3:
                del raw[at : at + source.randrange(1, 4)]
            case 4:
                raw[at:at] = source.choice(GADGETS)[: source.randrange(1, 40)]
            case _ if raw:
                raw[at % len(raw)] ^= 1 << source.randrange(8)
        if not raw:
            break
    if source.random() < 0.5 and len(raw) > 11:  # keep the frame right, or nothing behind it is ever tried
        raw[3:11] = (len(raw) - 11).to_bytes(8, "little")
    return bytes(raw)


def test_mutants_are_accepted_exactly_where_the_oracle_accepts_them():
    source = random.Random(20)
    accepted = 0
    for _ in range(MUTANTS):
        raw = mutant(source)
        modules = len(sys.modules)
        found = reference.read(raw)
        assert len(sys.modules) == modules, raw
        assert found == oracle(raw), raw
        if found is not None:
            accepted += 1
            assert Recorder(io.BytesIO(raw)).load() == found

    assert accepted > MUTANTS // 100  # else the mutants say little


def test_reading_takes_no_memory_whatever_a_length_says():
    claims = [b"\x80\x04\x95" + b"\x7f" * 8 + b"X\xff\xff\xff\x7fm", bytes.fromhex("80044e72ffffff032e")]
    source = random.Random(3)
    mutants = [mutant(source) for _ in range(2000)] + claims
    tracemalloc.start()
    try:
        for raw in mutants:
            reference.read(raw)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 100_000


def test_a_long_pickle_is_not_looked_into():
    assert reference.read(reference.write(Reference("m", "q" * MAX_REFERENCE_BYTES))) is None
