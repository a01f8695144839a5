"""What is to fail and how often: the text behind ``--chaos``, and the fate of each request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Final, NamedTuple

from registry.errors import ValidationError
from registry.suggest import near_names

MOST_SECONDS: Final = 60.0
_EXAMPLE: Final = "--chaos latency=0.2,errors=0.1,drop-watch=0.2,compact=0.1,truncate=0.05,seed=7"


class ChaosError(ValidationError):
    """The text behind ``--chaos`` is not understood."""


class Fate(NamedTuple):
    """What happens to one request; at most one of the claims holds.

    Attributes:
        delay: seconds that it waits before anything else.
        refused: answered 503 with Retry-After, and nothing is done.
        lost: done, and the connection dropped without an answer.
        dropped: a watch whose connection is dropped after ``pause`` seconds.
        compacted: a watch that is told to list again.
        cut: answered with the first ``share`` of the body only.
    """

    delay: float
    refused: bool
    lost: bool
    dropped: bool
    compacted: bool
    cut: bool
    pause: float
    share: float


class Chaos(NamedTuple):
    """How often what fails; 0 is never and 1 always.

    Attributes:
        latency: each request waits for up to so many seconds.
        errors: probability that a request fails: refused with 503 before, or its connection dropped after it
            was done, one as often as the other.
        drop_watch: probability that a watch's connection is dropped.
        compact: probability that a watch is told that its changes are no longer kept.
        truncate: probability that an answer ends within its body.
        seed: with the number of the request it decides everything.
    """

    latency: float = 0.0
    errors: float = 0.0
    drop_watch: float = 0.0
    compact: float = 0.0
    truncate: float = 0.0
    seed: int = 0

    def fate(self, number: int, *, watch: bool) -> Fate:
        """What happens to the request with this number, counted from 1.

        The same dice are thrown for each, whatever the options: to raise one leaves the others' victims.
        """
        dice = Random(f"{self.seed}/{number}")  # to be repeated, not to be secret
        delay, error, when, drop, compact, cut, pause, share = (dice.random() for _ in range(8))
        dropped = watch and drop < self.drop_watch
        compacted = watch and not dropped and compact < self.compact
        failed = not (dropped or compacted) and error < self.errors
        return Fate(
            delay=delay * self.latency,
            refused=failed and when < 0.5,
            lost=failed and when >= 0.5,
            dropped=dropped,
            compacted=compacted,
            cut=not (dropped or compacted or failed) and cut < self.truncate,
            pause=pause,
            share=share,
        )

    def __str__(self) -> str:
        return ",".join(f"{name.replace('_', '-')}={value:g}" for name, value in self._asdict().items())


def parse_chaos(text: str) -> Chaos:
    """The options that ``text`` spells: ``name=number`` and commas; what is left out never happens.

    Raises:
        ChaosError: a name is not known or comes twice, or a number is out of its range.
    """
    given: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = part.strip().partition("=")
        field = name.strip().replace("-", "_")
        if field not in _OF:
            raise _unknown(name.strip())
        if field in given:
            raise ChaosError(f"--chaos has {name.strip()} twice", [_EXAMPLE])
        given[field] = _OF[field](name.strip(), value.strip() if equals else "")
    return Chaos(**given)  # type: ignore[arg-type]  # `_OF` gives each its type


def _unknown(name: str) -> ChaosError:
    known = [field.replace("_", "-") for field in Chaos._fields]
    near = near_names(name, known)
    return ChaosError(
        f"--chaos knows no {name[:40]!r}; it knows {', '.join(known)}",
        [f"{option}=..." for option in near] or [_EXAMPLE],
    )


def _number(name: str, text: str, most: float, meaning: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number <= most:
        raise ChaosError(f"--chaos {name}={text[:40]}: it is {meaning}", [_EXAMPLE])
    return number


def _probability(name: str, text: str) -> float:
    return _number(name, text, 1.0, "a probability, from 0 (never) to 1 (always)")


def _seconds(name: str, text: str) -> float:
    return _number(name, text, MOST_SECONDS, f"a number of seconds, from 0 to {MOST_SECONDS:g}")


def _seed(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise ChaosError(f"--chaos {name}={text[:40]}: it is a whole number from 0 on", [_EXAMPLE])
    return int(text)


_OF: Final[Mapping[str, Callable[[str, str], float]]] = {
    "latency": _seconds,
    "errors": _probability,
    "drop_watch": _probability,
    "compact": _probability,
    "truncate": _probability,
    "seed": _seed,
}
