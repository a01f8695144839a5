"""Different artifacts called the same is a bug, the same called different a nuisance: both are tested."""

from __future__ import annotations

import importlib.util
import itertools
import json
import linecache
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from registry.identity import MAX_NODES, identity_of, same_artifact

ROOT = Path(__file__).parents[2]

Load = Callable[[str], ModuleType]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Imports a source text as a new module, each time from another directory."""
    numbers = itertools.count()

    def load_module(source: str) -> ModuleType:
        path = tmp_path / str(next(numbers)) / "artifacts.py"
        path.parent.mkdir()
        path.write_text(source, encoding="utf-8")
        spec = importlib.util.spec_from_file_location("artifacts", path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "artifacts", module)
        spec.loader.exec_module(module)
        return module

    return load_module


@pytest.fixture
def identity(load: Load) -> Callable[[str], str | None]:
    """The identity of what a source text calls ``it``."""
    return lambda source: identity_of(load(source).it)


def sources(text: str) -> dict[str, str]:
    """The sources of a table: each stands below a line ``### name``."""
    return dict(re.findall(r"^### (.*)\n((?:(?!### ).*\n)+)", text, re.MULTILINE))


def pairs(text: str) -> dict[str, tuple[str, str]]:
    """Sources before and after a change, set apart by ``---``."""
    halves = {name: source.split("---\n") for name, source in sources(text).items()}
    return {name: (before, after) for name, (before, after) in halves.items()}


# Each row: a text, and the same text with one change that changes what the artifact does.
CHANGES = pairs(r"""
### body
def it(x): return x + 1
---
def it(x): return x + 2
### name
def f(x): return x
it = f
---
def g(x): return x
it = g
### type of a constant
def it(): return 1
---
def it(): return 1.0
### bool for a constant
def it(): return 1
---
def it(): return True
### sign of zero
def it(): return 0.0
---
def it(): return -0.0
### global
K = 3
def it(x): return x * K
---
K = 4
def it(x): return x * K
### type of a global
K = 1
def it(): return K
---
K = True
def it(): return K
### nan for a global
K = float('nan')
def it(): return K
---
K = float('inf')
def it(): return K
### order of a dict
K = {'a': 1, 'b': 2}
def it(): return K
---
K = {'b': 2, 'a': 1}
def it(): return K
### list for a tuple
K = [1, 2]
def it(): return K
---
K = (1, 2)
def it(): return K
### one list twice
A = []
B = A
def it(): return A, B
---
A = []
B = []
def it(): return A, B
### surrogate pair for a character
K = '\U0001f600'
def it(): return K
---
K = '\ud83d\ude00'
def it(): return K
### global of a nested function
K = 3
def it():
 def inner(): return K
 return inner
---
K = 4
def it():
 def inner(): return K
 return inner
### global of a class in a function
K = 3
def it():
 class C:
  k = K
 return C
---
K = 4
def it():
 class C:
  k = K
 return C
### helper
def helper(x): return x
def it(x): return helper(x)
---
def helper(x): return -x
def it(x): return helper(x)
### global of a helper
K = 3
def helper(x): return K
def it(x): return helper(x)
---
K = 4
def helper(x): return K
def it(x): return helper(x)
### shadowed builtin
def it(x): return len(x)
---
def len(x): return 0
def it(x): return len(x)
### default
def it(x=1): return x
---
def it(x=2): return x
### computed default
K = 1
def it(x=K): return x
---
K = 2
def it(x=K): return x
### keyword default
K = 1
def it(*, x=K): return x
---
K = 2
def it(*, x=K): return x
### closure
def make(k): return lambda x: x * k
it = make(3)
---
def make(k): return lambda x: x * k
it = make(4)
### decorator's argument
def scaled(k):
 def wrap(f): return lambda x: f(x) * k
 return wrap
@scaled(3)
def it(x): return x
---
def scaled(k):
 def wrap(f): return lambda x: f(x) * k
 return wrap
@scaled(4)
def it(x): return x
### attribute
def it(): pass
it.k = 3
---
def it(): pass
it.k = 4
### assigned docstring
def it(): pass
it.__doc__ = 'a'
---
def it(): pass
it.__doc__ = 'b'
### annotation by name
N = int
def it(x: N): return x
---
N = float
def it(x: N): return x
### annotation by name as text
from __future__ import annotations
N = int
def it(x: N): return x
---
from __future__ import annotations
N = float
def it(x: N): return x
### lambda of a line
it, _ = lambda: 1, lambda: 2
---
_, it = lambda: 1, lambda: 2
### nested lambda
it = lambda: (lambda: 1)
---
it = (lambda: (lambda: 1))()
### async
def it(): return 1
---
async def it(): return 1
### partial's argument
import functools
def f(x): return x
it = functools.partial(f, 1)
---
import functools
def f(x): return x
it = functools.partial(f, 2)
### partial's keyword
import functools
def f(x): return x
it = functools.partial(f, x=1)
---
import functools
def f(x): return x
it = functools.partial(f, x=1.0)
### cache's size
import functools
@functools.lru_cache(1)
def it(x): return x
---
import functools
@functools.lru_cache(2)
def it(x): return x
### sentinel
A = object()
B = A
def it(): return A is B
---
A, B = object(), object()
def it(): return A is B
### pattern's flags
import re
P = re.compile('a')
def it(x): return P.match(x)
---
import re
P = re.compile('a', re.I)
def it(x): return P.match(x)
### element of a set
S = {1, 2}
def it(x): return x in S
---
S = {1, 3}
def it(x): return x in S
### pattern of a method
import re
match = re.compile('a').match
def it(x): return match(x)
---
import re
match = re.compile('b').match
def it(x): return match(x)
### function in a set
def f(): return 1
S = {f}
def it(x): return x in S
---
def f(): return 2
S = {f}
def it(x): return x in S
### function in a dict
T = {'a': lambda x: x}
def it(x): return T['a'](x)
---
T = {'a': lambda x: -x}
def it(x): return T['a'](x)
### another module's function
from math import sin as f
def it(x): return f(x)
---
from math import cos as f
def it(x): return f(x)
### another module
import json as m
def it(x): return m.dumps(x)
---
import marshal as m
def it(x): return m.dumps(x)
### method
class it:
 def m(self): return 1
---
class it:
 def m(self): return 2
### kind of method
class it:
 @staticmethod
 def m(x): return x
---
class it:
 @classmethod
 def m(x): return x
### property
class it:
 @property
 def m(self): return 1
---
class it:
 @property
 def m(self): return 2
### setter
class it:
 @property
 def m(self): return 1
 @m.setter
 def m(self, v): self.v = v
---
class it:
 @property
 def m(self): return 1
 @m.setter
 def m(self, v): self.v = -v
### class attribute
class it:
 k = 1
---
class it:
 k = True
### class annotation by name as text
from __future__ import annotations
N = int
class it:
 x: N
---
from __future__ import annotations
N = float
class it:
 x: N
### class annotation
class it:
 k: int
---
class it:
 k: str
### order of annotations
class it:
 a: int
 b: int
---
class it:
 b: int
 a: int
### base
class A: pass
class B: pass
class it(A): pass
---
class A: pass
class B: pass
class it(B): pass
### method of a base
class A:
 def m(self): return 1
class it(A): pass
---
class A:
 def m(self): return 2
class it(A): pass
### metaclass
class M(type):
 def k(cls): return 1
class it(metaclass=M): pass
---
class M(type):
 def k(cls): return 2
class it(metaclass=M): pass
### nested class
class it:
 class In:
  k = 1
---
class it:
 class In:
  k = 2
### global of a method
K = 1
class it:
 def m(self): return K
---
K = 2
class it:
 def m(self): return K
### slots
class it:
 __slots__ = ('a',)
---
class it:
 __slots__ = ('b',)
### abstract
import abc
class it(abc.ABC):
 @abc.abstractmethod
 def m(self): ...
---
import abc
class it(abc.ABC):
 def m(self): ...
### dataclass default
from dataclasses import dataclass
@dataclass
class it:
 a: int = 1
---
from dataclasses import dataclass
@dataclass
class it:
 a: int = 2
### dataclass option
from dataclasses import dataclass
@dataclass
class it:
 a: int = 1
---
from dataclasses import dataclass
@dataclass(frozen=True)
class it:
 a: int = 1
### dataclass field
from dataclasses import dataclass, field
@dataclass
class it:
 a: int = field(default=1)
---
from dataclasses import dataclass, field
@dataclass
class it:
 a: int = field(default=1, repr=False)
### dataclass factory
from dataclasses import dataclass, field
@dataclass
class it:
 a: list = field(default_factory=list)
---
from dataclasses import dataclass, field
@dataclass
class it:
 a: list = field(default_factory=set)
### replaced dataclass method
from dataclasses import dataclass
@dataclass
class it:
 a: int = 1
---
from dataclasses import dataclass
@dataclass
class it:
 a: int = 1
space = {}
exec('def __init__(self, a=1): self.a = -a', space)
it.__init__ = space['__init__']
### generated-looking method
space = {}
exec('def m(self): return 1', space)
class it: m = space['m']
---
space = {}
exec('def m(self): return 2', space)
class it: m = space['m']
### enum value
import enum
class it(enum.Enum):
 A = 1
---
import enum
class it(enum.Enum):
 A = True
### enum alias
import enum
class it(enum.Enum):
 A = 1
 B = 1
---
import enum
class it(enum.Enum):
 A = 1
 B = 2
### enum method
import enum
class it(enum.Enum):
 A = 1
 def m(self): return 1
---
import enum
class it(enum.Enum):
 A = 1
 def m(self): return 2
### enum constructor
import enum
class it(enum.Enum):
 A = 1
 def __new__(cls, v):
  o = object.__new__(cls); o._value_ = v; return o
---
import enum
class it(enum.Enum):
 A = 1
 def __new__(cls, v):
  o = object.__new__(cls); o._value_ = v; o.k = 1; return o
### enum kind
import enum
class it(enum.Enum):
 A = 1
---
import enum
class it(enum.IntEnum):
 A = 1
### member of an enum
import enum
class E(enum.Enum):
 A = 1
 B = 2
K = E.A
def it(): return K
---
import enum
class E(enum.Enum):
 A = 1
 B = 2
K = E.B
def it(): return K
### named tuple field
from typing import NamedTuple
class it(NamedTuple):
 a: int
---
from typing import NamedTuple
class it(NamedTuple):
 b: int
### named tuple default
from typing import NamedTuple
class it(NamedTuple):
 a: int = 1
---
from typing import NamedTuple
class it(NamedTuple):
 a: int = 2
### named tuple method
from typing import NamedTuple
class it(NamedTuple):
 a: int
 def m(self): return 1
---
from typing import NamedTuple
class it(NamedTuple):
 a: int
 def m(self): return 2
### named tuple default on the constructor
import collections
it = collections.namedtuple('it', 'a b')
it.__new__.__defaults__ = (1,)
---
import collections
it = collections.namedtuple('it', 'a b')
it.__new__.__defaults__ = (2,)
### flag boundary
import enum
class it(enum.Flag, boundary=enum.STRICT):
 A = 1
---
import enum
class it(enum.Flag, boundary=enum.KEEP):
 A = 1
### attrs default
import attrs
@attrs.define
class it:
 a: int = 1
---
import attrs
@attrs.define
class it:
 a: int = 2
### attrs frozen
import attrs
@attrs.define
class it:
 a: int = 1
---
import attrs
@attrs.frozen
class it:
 a: int = 1
### attrs validator
import attrs
@attrs.define
class it:
 a: int = attrs.field(validator=attrs.validators.ge(1))
---
import attrs
@attrs.define
class it:
 a: int = attrs.field(validator=attrs.validators.ge(2))
### pydantic default
import pydantic
class it(pydantic.BaseModel):
 a: int = 1
---
import pydantic
class it(pydantic.BaseModel):
 a: int = 2
### pydantic bound
import pydantic
class it(pydantic.BaseModel):
 a: int = pydantic.Field(1, gt=0)
---
import pydantic
class it(pydantic.BaseModel):
 a: int = pydantic.Field(1, gt=1)
### pydantic constraint in an annotation
import pydantic, typing
class it(pydantic.BaseModel):
 a: typing.Annotated[int, pydantic.Field(gt=0)]
---
import pydantic, typing
class it(pydantic.BaseModel):
 a: typing.Annotated[int, pydantic.Field(gt=1)]
### pydantic validator
import pydantic
class it(pydantic.BaseModel):
 a: int
 @pydantic.field_validator('a')
 def v(cls, x): return x
---
import pydantic
class it(pydantic.BaseModel):
 a: int
 @pydantic.field_validator('a')
 def v(cls, x): return -x
### pydantic validator's mode
import pydantic
class it(pydantic.BaseModel):
 a: int
 @pydantic.field_validator('a')
 def v(cls, x): return x
---
import pydantic
class it(pydantic.BaseModel):
 a: int
 @pydantic.field_validator('a', mode='before')
 def v(cls, x): return x
### pydantic setting
import pydantic
class it(pydantic.BaseModel):
 a: int
---
import pydantic
class it(pydantic.BaseModel):
 model_config = {'frozen': True}
 a: int
### namespace of a registry
from registry import FunctionalRegistry
class R(FunctionalRegistry, logic_namespace='a.b'): pass
def it(x): return R['f'](x)
---
from registry import FunctionalRegistry
class R(FunctionalRegistry, logic_namespace='a.c'): pass
def it(x): return R['f'](x)
### what stands below a decorator
def keep(f):
 from registry.identity import identity_of
 f.found = identity_of(f); return f
@keep
def f(x): return helper(x)
def helper(x): return K
K = 3
it = {'found': f.found}
---
def keep(f):
 from registry.identity import identity_of
 f.found = identity_of(f); return f
@keep
def f(x): return helper(x)
def helper(x): return K
K = 4
it = {'found': f.found}
""")


@pytest.mark.parametrize("change", CHANGES)
def test_what_does_something_else_is_another_artifact(
    identity: Callable[[str], str | None], change: str
) -> None:
    before, after = CHANGES[change]

    assert identity(before) == identity(before) is not None
    assert identity(after) == identity(after) is not None
    assert identity(before) != identity(after)


SAME = pairs(r"""
### comment
def it(x): return x
---
def it(x): return x  # the same
### layout
def it(x): return f(x)
def f(x): return x
---
def it( x ) :

  return f( x )
def f(x): return x
### lines above
def it(x): return x
---
import json


def it(x): return x
### unused global
K = 1
def it(x): return x
---
K = 2
def it(x): return x
### written global
def it():
 global N
 N = 1
---
N = 3
def it():
 global N
 N = 1
### attribute named as a global
K = 1
def it(x): return x.K
---
K = 2
def it(x): return x.K
### local named as a global
K = 1
def it(K): return K
---
K = 2
def it(K): return K
### registering decorator
def register(f): return f
def it(x): return x
---
def register(f): return f
@register
def it(x): return x
### order of functions
def f(): return 1
def g(): return 2
def it(): return f(), g()
---
def g(): return 2
def f(): return 1
def it(): return f(), g()
### order of functions in a set that share a value
A = []
def f(): return A
def g(): return A, 1
def h(): return A, 2
S = {f, g, h}
def it(x): return x in S
---
A = []
def h(): return A, 2
def g(): return A, 1
def f(): return A
S = {f, g, h}
def it(x): return x in S
### content of a registry
from registry import FunctionalRegistry
class R(FunctionalRegistry): pass
def it(x): return R['f'](x)
---
from registry import FunctionalRegistry
class R(FunctionalRegistry): pass
@R.register_artifact
def f(x): return x
def it(x): return R['f'](x)
### spelling of a constant
def it(): return 'a', 255
---
def it(): return "a", 0xff
""")


@pytest.mark.parametrize("change", SAME)
def test_what_does_the_same_is_the_same_artifact(identity: Callable[[str], str | None], change: str) -> None:
    before, after = SAME[change]

    assert identity(before) == identity(after) is not None


# Each defines ``it``; every Python must find the same identity, in every process and directory.
PORTABLE = sources(r"""
### function
K = {'a': (1, 2.5, None)}
def it(x, *y, z=1, **k) -> int: return helper(x) + K['a'][0]
def helper(x): return [i for i in x if i]
### recursion
def it(n): return n and other(n - 1)
def other(n): return it(n)
### lambda
a, it = (lambda x: x + 1), (lambda x: x + 2)
### callables of collections.abc
from collections.abc import Callable, Iterable
def it(f: Callable[[int], str], *g: Callable[..., Iterable[int]]) -> Callable: return f
### methods of constants
import random, re, struct
match, join, pack, shuffle = re.compile('a+').fullmatch, ', '.join, struct.Struct('<I').pack, random.shuffle
def it(x): return match(x) or join(x) or pack(x) or shuffle(x)
### annotations as text
from __future__ import annotations
import typing
if typing.TYPE_CHECKING: from nowhere import Missing
def it(x: Missing, y: Here | None, z: 'list[Here]' = ()) -> it: return x
class Here:
 def m(self, other: Here) -> typing.Self: return self
### f-string
def it(x): return f'{x!r:>{x}} {x=} {{}}' f'{x + 1:.2f}' 'z'
### docstring
def it(x):
    '''First.

        Indented.
    '''
    return x
### try and match
def it(x):
 try:
  match x:
   case {'a': [1, *r], **k} if r: return k
   case int() | None: return 1
 finally: pass
### generator
async def it(x):
 async with x as y:
  async for z in y: yield (await z)
### loops
def it(x):
 for i in range(3):
  while x: x -= 1
  else: continue
 return {i: j for i in x for j in i}
### class in a function
K = 1
def it():
 class C:
  a = K
  b = a
 return C
### own file
import pathlib
def it(): return pathlib.Path(__file__), __name__
### parameters
import typing as t
P = t.ParamSpec('P')
def it(f: t.Callable[P, int], *a: P.args, **k: P.kwargs) -> t.Self: ...
### sets
S = {'a', 'b', 'c', 'd', (1, 2), frozenset({'x', 'y'})}
def it(x): return x in S
### constant sets
def it(x): return x in {'a', 'b', 'c', 'd'}
### functions in a set
def f(): pass
def g(): pass
def h(): pass
S = {f, g, h}
def it(x): return x in S
### enum members in a set
import enum
class E(enum.Enum):
 A = 1
 B = 2
S = {E.A, E.B}
def it(x): return x in S, E
### partial
import functools
def f(x, y): return x
it = functools.partial(functools.partial(f, 1), y=[2])
### wrapped
import functools
def d(f):
 @functools.wraps(f)
 def w(*a): return f(*a)
 return w
@d
def it(x):
 'Doc.'
 return x
### cached
import functools
@functools.lru_cache
def it(x): return x
### context manager
import contextlib
@contextlib.contextmanager
def it(x): yield x
### logger and lock
import logging, threading
log = logging.getLogger('a')
lock = threading.Lock()
def it(x):
 with lock: log.info(x)
### typing
import typing as t
T = t.TypeVar('T')
def it(x: t.Optional[t.List[T]], y: 'Missing', z: t.Callable[[int], t.Any]) -> t.Literal['a', 1]: return x
### class
import functools
class Base:
 def b(self): return 1
class it(Base):
 'Doc.'
 k: int = 1
 def __init__(self, x): super().__init__(); self.x = x
 @property
 def p(self): return self.x
 @staticmethod
 def s(): return it
 @classmethod
 def c(cls): return __class__
 @functools.cached_property
 def q(self): return 1
 class In: pass
 def __eq__(self, o): return True
### slotted class
class it:
 __slots__ = ('a', '__dict__')
 def m(self): return self.a
### abstract class
import abc
class it(abc.ABC):
 @abc.abstractmethod
 def m(self): ...
 @property
 @abc.abstractmethod
 def p(self): ...
### protocol
import typing
@typing.runtime_checkable
class it(typing.Protocol):
 a: int
 def m(self) -> int: ...
### generic class
import typing
T = typing.TypeVar('T')
class it(typing.Generic[T]):
 def m(self, x: T) -> list[T]: return [x]
### dataclass
from dataclasses import dataclass, field
@dataclass
class it:
 a: int
 b: list = field(default_factory=list)
 def m(self): return self.a
### frozen dataclass
from dataclasses import dataclass
@dataclass(frozen=True, order=True, slots=True, kw_only=True)
class it:
 a: int
 b: 'str' = ''
### dataclass with extras
from dataclasses import dataclass, InitVar, KW_ONLY
from typing import ClassVar
@dataclass
class Base:
 z: int
@dataclass(unsafe_hash=True)
class it(Base):
 a: InitVar[int]
 c: ClassVar[int] = 3
 _: KW_ONLY
 d: object = object()
 def __post_init__(self, a): pass
 def __repr__(self): return ''
### instance of a frozen dataclass
from dataclasses import dataclass
@dataclass(frozen=True)
class P:
 a: int
K = P(1)
def it(): return K
### enum
import enum
class it(enum.Enum):
 A = 1
 B = 'b'
 C = 1
 def m(self): return self.A
 @classmethod
 def _missing_(cls, v): return cls.A
### int enum
import enum
class it(enum.IntEnum):
 A = enum.auto()
 B = enum.auto()
### str enum
import enum
class it(enum.StrEnum):
 A = enum.auto()
### flag
import enum
class it(enum.Flag):
 A = 1
 B = 2
 C = A | B
### named tuple
from typing import NamedTuple
class it(NamedTuple):
 a: int
 b: str = 'b'
 def m(self): return self.a
### collections.namedtuple
import collections
class it(collections.namedtuple('Point', 'x y', defaults=[1])):
 def m(self): return self.x
### typed dict
from typing import TypedDict
class it(TypedDict, total=False):
 a: int
### exception
class it(ValueError):
 def __str__(self): return 'x'
### builtin subclass
class it(dict):
 def __missing__(self, k): return k
### json
it = {'lr': 0.1, 'layers': [1, 2], 'on': True, 'none': None}
### builtin function
from math import sin as it
### method of a class
class C:
 @classmethod
 def make(cls): return cls()
it = C.make
### later helper
def keep(f):
 from registry.identity import identity_of
 return {'found': identity_of(f) or 1 / 0}
@keep
def it(x): return helper(x) + it(x)
def helper(x):
 return K and other(x)
def other(x): return helper(x)
K = [1, 2]
### decorated class
def keep(c):
 from registry.identity import identity_of
 return {'found': identity_of(c) or 1 / 0}
@keep
class it:
 def m(self): return it(), super()
### values
import collections, datetime, decimal, fractions, operator, pathlib, re, uuid
K = [collections.OrderedDict(a=1), collections.defaultdict(list), collections.deque([1], 2),
 collections.Counter('aab'), datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc),
 decimal.Decimal('1.10'), fractions.Fraction(1, 3),
 operator.itemgetter(1), pathlib.PurePosixPath('a'),
 re.compile(b'a', re.S), uuid.UUID(int=1), range(3), 1j, b'x', bytearray(b'y'),
 slice(1), ..., NotImplemented, 10 ** 5000, -1, float('inf'), object(), int, list[int]]
def it(): return K
""")
INSTALLED_HERE = sources(r"""
### registries
from registry import FunctionalRegistry, TypeRegistry
class Base(FunctionalRegistry[[int], int], base=True): pass
class Losses(Base, strict=True, logic_namespace='research.losses', server='http://localhost:9'): pass
class Models(TypeRegistry, storage={}): pass
def it(x: Losses) -> 'Models': return Losses['mse'](x), Models['m'], Base
### attrs
import attrs
@attrs.define(order=True)
class it:
 a: int
 b: list = attrs.Factory(list)
 def m(self): return 1
### frozen attrs
import attrs
@attrs.frozen
class it:
 a: int = attrs.field(converter=int, validator=attrs.validators.in_([1, 2]))
### pydantic
import pydantic, typing
class Part(pydantic.BaseModel):
 x: int = 1
class it(pydantic.BaseModel):
 model_config = {'extra': 'forbid'}
 a: typing.Annotated[int, pydantic.Field(gt=1)] = 2
 b: typing.Optional[Part] = None
 c: list[int] = pydantic.Field(default_factory=list, description='C')
 _p: int = 3
 @pydantic.field_validator('a', mode='before')
 @classmethod
 def v(cls, x): return x
 @pydantic.model_validator(mode='after')
 def w(self): return self
 @pydantic.computed_field
 @property
 def d(self) -> int: return 1
 def m(self): return self.a
""")

PROBE = """
import importlib.util, json, pathlib, sys
from registry.identity import identity_of
found = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*/artifacts.py")):
    spec = importlib.util.spec_from_file_location("artifacts", path)
    sys.modules["artifacts"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    early = isinstance(module.it, dict) and module.it.get("found")
    found[path.parent.name] = early or identity_of(module.it)
print(json.dumps(found))
"""


def interpreters() -> list[str]:
    """Every Python >= 3.11 of this machine, this one first."""
    names = [f"python3.{minor}" for minor in range(11, 16)]
    found = [shutil.which(name) for name in names]
    found += [str(path) for path in sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"))]
    versions = {sys.version_info[:2]: sys.executable}
    for path in filter(None, found):
        asked = subprocess.run(
            [path, "-c", "import sys; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=False,
        )
        if asked.returncode == 0:
            major, minor = map(int, asked.stdout.split())
            if (major, minor) >= (3, 11):
                versions.setdefault((major, minor), path)
    return list(versions.values())


def write_all(directory: Path, sources: dict[str, str]) -> None:
    for name, source in sources.items():
        (directory / name).mkdir(parents=True)
        (directory / name / "artifacts.py").write_text(source, encoding="utf-8")


def probe(python: str, directory: Path, *options: str, seed: str = "0") -> dict[str, str | None]:
    """The identities of all artifacts of a directory, found by another process."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "PYTHONHASHSEED": seed,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    answer = subprocess.run(
        [python, *options, "-c", PROBE, str(directory)],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
    )
    return json.loads(answer.stdout)  # type: ignore[no-any-return]


def test_processes_with_other_hash_seeds_and_directories_find_the_same_identity(tmp_path: Path) -> None:
    sources = PORTABLE | INSTALLED_HERE
    write_all(tmp_path / "one", sources)
    write_all(tmp_path / "two", sources)

    found = probe(sys.executable, tmp_path / "one", seed="1")

    assert {name for name in found if found[name] is None} == set()
    assert found == probe(sys.executable, tmp_path / "two", seed="2")


@pytest.mark.parametrize("python", interpreters())
def test_every_version_of_python_finds_the_same_identity(tmp_path: Path, python: str) -> None:
    write_all(tmp_path, PORTABLE)

    assert probe(python, tmp_path) == probe(sys.executable, tmp_path)


def test_assertions_and_docstrings_left_out_do_not_change_the_identity(tmp_path: Path) -> None:
    write_all(tmp_path, {**PORTABLE, "assertion": "def it(x):\n 'Doc.'\n assert x > 0\n return x"})
    found = probe(sys.executable, tmp_path)

    assert found == probe(sys.executable, tmp_path, "-O")
    assert found["assertion"] == probe(sys.executable, tmp_path, "-OO")["assertion"]


NO_IDENTITY = sources(r"""
### instance
class C: pass
it = C()
### callable instance
class C:
 def __call__(self): pass
it = C()
### method of an instance
class C:
 def m(self): pass
it = C().m
### method of a list
it = [].append
### method of a text
it = ', '.join
### method of a list in a global
push = [].append
def it(x): push(x)
### global instance
class C: pass
K = C()
def it(): return K
### global file
import sys
K = sys.stdout.buffer
def it(): return K
### instance in a list
class C: pass
K = [C()]
def it(): return K
### instance in a closure
class C: pass
def make(k): return lambda: k
it = make(C())
### instance as a default
class C: pass
def it(k=C()): pass
### instance as a class attribute
class C: pass
class it:
 k = C()
### subclass of int
class N(int): pass
K = N(1)
def it(): return K
### subclass of dict
class D(dict): pass
K = D()
def it(): return K
### weak reference
import weakref
class C: pass
K = weakref.ref(C)
def it(): return K
### metadata of an annotation
import typing
class C: pass
T = typing.Annotated[int, C()]
def it(x: T): pass
### functions in a list
def f(): pass
it = [f]
### generator
it = (i for i in range(3))
### module
import json as it
### local helper below its decorator
def keep(f):
 from registry.identity import identity_of
 return [identity_of(f)]
def outer():
 @keep
 def f(): return helper()
 def helper(): pass
 return f
it = outer
assert outer() == [None]
it = object()
### class that raises
class M(type):
 def __getattribute__(cls, name): raise RuntimeError(name)
class it(metaclass=M): pass
### deep list
K = []
for _ in range(100_000): K = [K]
def it(): return K
""")


@pytest.mark.parametrize("case", NO_IDENTITY)
def test_what_cannot_be_written_down_has_no_identity(
    identity: Callable[[str], str | None], case: str
) -> None:
    assert identity(NO_IDENTITY[case]) is None


def test_too_many_values_have_no_identity(identity: Callable[[str], str | None]) -> None:
    assert identity(f"K = list(range({MAX_NODES // 2}))\ndef it(): return K") is not None
    assert identity(f"K = list(range({MAX_NODES}))\ndef it(): return K") is None


def test_a_list_that_holds_itself_has_an_identity(identity: Callable[[str], str | None]) -> None:
    loop = "K = []\nK.append(K)\ndef it(): return K"

    assert identity(loop) == identity(loop) is not None
    assert identity(loop) != identity("K = []\nK.append([])\ndef it(): return K")


# --- source ---------------------------------------------------------------------------------------


def test_an_edited_file_does_not_change_what_runs(load: Load) -> None:
    """The text on disk is no longer what the function was compiled from."""
    module = load("def it(x):\n    return x + 1\n")
    path = Path(str(module.__file__))
    path.write_text("def it(x):\n    return x + 2\n", encoding="utf-8")

    edited = load("def it(x):\n    return x + 2\n").it

    assert identity_of(module.it) is not None
    assert identity_of(module.it) != identity_of(edited)


def test_lines_added_above_a_loaded_function_do_not_change_it(load: Load) -> None:
    module = load("def it(x):\n    return x + 1\n")
    before = identity_of(module.it)
    Path(str(module.__file__)).write_text("import json\n\n\ndef it(x):\n    return x + 1\n", encoding="utf-8")

    assert identity_of(module.it) == before


def test_a_file_read_before_it_was_edited_is_read_again(load: Load) -> None:
    stale = load("def it(x):\n    return x + 1\n")
    identity_of(stale.it)
    path = Path(str(stale.__file__))
    path.write_text("def it(x):\n    return x + 22\n", encoding="utf-8")
    spec = importlib.util.spec_from_file_location("artifacts", path)
    assert spec is not None and spec.loader is not None
    reloaded = importlib.util.module_from_spec(spec)
    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), reloaded.__dict__)

    assert identity_of(reloaded.it) == identity_of(load("def it(x):\n    return x + 22\n").it) is not None


def test_a_deleted_file_leaves_bytecode_to_tell_functions_apart(load: Load) -> None:
    one, two = load("def it(): return 1"), load("def it(): return 2")
    for module in (one, two):
        Path(str(module.__file__)).unlink()

    assert None not in (identity_of(one.it), identity_of(two.it))
    assert identity_of(one.it) != identity_of(two.it)


def executed(source: str, filename: str = "<string>") -> Any:
    space: dict[str, Any] = {"__name__": "artifacts"}
    exec(compile(source, filename, "exec"), space)
    return space["it"]


def test_functions_without_source_are_told_apart_by_bytecode() -> None:
    assert (
        identity_of(executed("def it(): return 1")) == identity_of(executed("def it(): return 1")) is not None
    )
    assert identity_of(executed("def it(): return 1")) != identity_of(executed("def it(): return 1.0"))
    assert identity_of(executed("def it(): return a")) is None, "what will a be?"


def cell(source: str, number: int) -> Any:
    """What a notebook does with a cell: the text is in linecache, under a name that is no file."""
    name = f"<ipython-input-{number}-0123456789ab>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    return executed(source, name)


def test_a_cell_that_runs_again_defines_the_same_function() -> None:
    assert (
        identity_of(cell("def it(x): return x\n", 1))
        == identity_of(cell("\ndef it(x):  return x\n", 2))
        is not None
    )
    assert identity_of(cell("def it(x): return x\n", 3)) != identity_of(cell("def it(x): return -x\n", 4))


def test_what_a_later_cell_may_define_is_unknown() -> None:
    assert identity_of(cell("def it(x): return helper(x)\n", 5)) is None


def test_lambdas_that_run_alike_are_one_artifact_wherever_they_stand(load: Load) -> None:
    one, two, three = load("it = (lambda x: x), (lambda x: x), (lambda x:\n x)").it

    assert identity_of(one) == identity_of(two) == identity_of(three) is not None


@pytest.mark.parametrize("text", ["lambda: 1, lambda: 1.0", "lambda: lambda: 1, lambda: lambda: 2"])
def test_lambdas_of_one_line_are_told_apart(load: Load, text: str) -> None:
    one, two = load(f"it = [{text}]").it

    assert None not in (identity_of(one), identity_of(two))
    assert identity_of(one) != identity_of(two)


# --- processes ------------------------------------------------------------------------------------


def test_a_script_run_twice_and_its_spawned_workers_find_one_identity(tmp_path: Path) -> None:
    """A spawned worker knows the script as ``__mp_main__``."""
    script = tmp_path / "script.py"
    script.write_text(
        "import multiprocessing\nfrom registry.identity import identity_of\nK = 3\n"
        "class C:\n    def m(self): return K, f, E\n"
        "class E(Exception): pass\n"
        "def f(x): return x * K, C, E\n"
        "def find(_): return [identity_of(f), identity_of(C)]\n"
        "if __name__ == '__main__':\n"
        "    found = [find(0)]\n"
        "    for method in ('fork', 'spawn'):\n"
        "        with multiprocessing.get_context(method).Pool(1) as pool: found += pool.map(find, [0])\n"
        "    print(sorted({str(one) for one in found}))\n",
        encoding="utf-8",
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(script)]
    runs = [
        subprocess.run(command, capture_output=True, text=True, env=environment, check=True) for _ in "12"
    ]

    assert runs[0].stdout == runs[1].stdout
    assert runs[0].stdout.count("sha256:") == 2, runs[0].stdout
    assert "None" not in runs[0].stdout


def test_threads_find_the_same_identity(load: Load) -> None:
    artifact = load(PORTABLE["class"]).it
    found: list[str | None] = []
    threads = [threading.Thread(target=lambda: found.append(identity_of(artifact))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8 and len(set(found)) == 1 and found[0] is not None


def test_using_a_class_does_not_change_its_identity(load: Load) -> None:
    """Python writes into a class that is used: annotations, copyreg's slot names, abstract caches."""
    module = load(
        "import abc, copy, typing\nclass A(abc.ABC):\n __slots__ = ('x',)\n def m(self): return 1\n"
        "def use():\n copy.copy(A()); isinstance(1, A); A.__annotations__; typing.get_type_hints(A)\n"
        "@typing.runtime_checkable\nclass P(typing.Protocol):\n def m(self): ...\n"
        "def use_p(): isinstance(A(), P)\nit = A"
    )
    before = identity_of(module.A), identity_of(module.P)
    module.use()
    module.use_p()

    assert (identity_of(module.A), identity_of(module.P)) == before
    assert None not in before


# --- values ---------------------------------------------------------------------------------------

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters(codec=None))
    | st.binary()
)
hashables = st.recursive(scalars, lambda inner: st.tuples(inner, inner) | st.frozensets(inner), max_leaves=5)
values = st.recursive(
    hashables,
    lambda inner: st.lists(inner) | st.dictionaries(hashables, inner) | st.sets(hashables) | st.tuples(inner),
    max_leaves=10,
)


def returning(value: Any) -> Any:
    """A function that refers to a global ``value``."""
    space: dict[str, Any] = {"__name__": "artifacts", "VALUE": value}
    exec("def it(): return VALUE", space)
    return space["it"]


def exactly(value: Any) -> Any:
    """A form that is equal only for values that cannot be told apart."""
    if isinstance(value, dict):
        return [[exactly(key), exactly(member)] for key, member in value.items()]
    if isinstance(value, set | frozenset):
        return type(value).__name__, sorted((exactly(member) for member in value), key=repr)
    if isinstance(value, list | tuple):
        return type(value).__name__, [exactly(member) for member in value]
    return type(value).__name__, repr(value)


@settings(deadline=None, max_examples=50)  # a busy machine is slow
@given(values)
def test_a_copy_of_a_value_gives_the_same_identity(value: Any) -> None:
    import copy

    assert identity_of(returning(value)) == identity_of(returning(copy.deepcopy(value))) is not None


@settings(deadline=None, max_examples=50)  # a busy machine is slow
@given(values, values)
def test_values_that_can_be_told_apart_give_different_identities(one: Any, other: Any) -> None:
    assume(exactly(one) != exactly(other))

    assert identity_of(returning(one)) != identity_of(returning(other))


LOOKALIKES = [
    0, 0.0, -0.0, False, 0j, "", b"", (), [], {}, set(), frozenset(), bytearray(), None, "0", b"0",
    "None", "null", 1, 1.0, True, "1", [1], (1,), {1}, frozenset({1}), {1: 1}, {"1": 1}, {1.0: 1}, {True: 1},
    [["int", "0x1"]], ["int", "0x1"], ["list"], [[]], [()], ([],), range(0), range(0, 0, 2), "\ud800",
    "\\ud800", ..., NotImplemented,
    ["again", 0], [["again", 0]], ["tuple"], int, "int", "builtins.int", float("nan"), float("inf"), "nan",
]  # fmt: skip


def test_values_that_look_alike_give_different_identities() -> None:
    found = [identity_of(returning(value)) for value in LOOKALIKES]

    assert None not in found
    assert len(set(found)) == len(LOOKALIKES)


@settings(deadline=None, max_examples=50)  # a busy machine is slow
@given(st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))
def test_json_values_have_an_identity_and_others_have_none(value: Any) -> None:
    def is_json(value: Any) -> bool:
        members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        return not isinstance(value, complex | bytes) and all(map(is_json, members))

    assert (identity_of(value) is not None) == is_json(value)


# --- same_artifact --------------------------------------------------------------------------------


def test_an_artifact_is_the_same_as_itself_even_without_identity() -> None:
    thing = object()

    assert same_artifact(thing, thing)
    assert not same_artifact(thing, object())


def test_a_function_imported_again_is_the_same(load: Load) -> None:
    source = "K = 3\ndef it(x): return x * K"
    one, other = load(source).it, load(source).it

    assert one is not other
    assert same_artifact(one, other)
    assert not same_artifact(one, load("K = 4\ndef it(x): return x * K").it)
    assert not same_artifact(one, load("K = 3\ndef other(x): return x * K\nit = other").it)


def test_two_equal_mutable_values_are_not_the_same_though_their_identity_is() -> None:
    assert identity_of({"a": [1]}) == identity_of({"a": [1]})
    assert not same_artifact({"a": [1]}, {"a": [1]})
    assert same_artifact("text", "".join("text"))


def test_one_object_means_the_same_after_its_globals_changed(load: Load) -> None:
    module = load("K = 3\ndef it(): return K")
    before = identity_of(module.it)
    vars(module)["K"] = 4

    assert same_artifact(module.it, module.it)
    assert identity_of(module.it) != before
