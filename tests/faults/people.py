"""Programs that use the library while servers die: what each was told, and what of it cannot be."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import Counter
from contextlib import suppress
from typing import Any

from registry import RemoteStorageProxy
from registry.errors import (
    OutcomeUnknownError,
    RegistryError,
    RemoteError,
    ServerFaultError,
    ServerTimeoutError,
    ServerUnreachableError,
)
from registry.storage.cached import CachedStorage

DOCUMENTED = ServerUnreachableError, ServerTimeoutError, OutcomeUnknownError, ServerFaultError
"""What ``docs/operations.md`` says that a client meets; all else is a finding."""

SPACE = "faults.people"
COUNTER = "counter"


class Person(ABC):
    """A thread that does `step` over and over until it is told to stop.

    Attributes:
        errors: the documented errors that it met, by kind.
        wrong: what cannot be.
        done: steps that were answered well.
    """

    def __init__(self, url: str | list[str], name: str) -> None:
        self.name = name
        self.errors: Counter[str] = Counter()
        self.wrong: list[str] = []
        self.done = 0
        self.storage: RemoteStorageProxy[Any] = self.open(url)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def open(self, url: str | list[str]) -> RemoteStorageProxy[Any]:
        return RemoteStorageProxy(SPACE, url=url, timeout=10)

    @abstractmethod
    def step(self) -> None: ...

    def start(self) -> None:
        self._thread.start()

    def tell_to_stop(self) -> None:
        self._stopped.set()

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive(), f"{self.name} does not end"

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                self.step()
                self.done += 1
            except DOCUMENTED as error:
                self.errors[type(error).__name__] += 1
                self._stopped.wait(0.05)
            except Exception as error:
                self.wrong.append(f"{self.name} met {type(error).__name__}: {error}")


class Writer(Person):
    """Writes numbered keys, every other one on condition that it is not there, and reads each back.

    Attributes:
        acknowledged, refused, unknown: keys by what was said of their writes; of the refused ones, as what.
    """

    def __init__(self, url: str | list[str], name: str) -> None:
        super().__init__(url, name)
        self.acknowledged: set[str] = set()
        self.refused: dict[str, str] = {}
        self.unknown: set[str] = set()
        self._number = 0

    def step(self) -> None:
        key, self._number = f"{self.name}.{self._number}", self._number + 1
        try:
            if self._number % 2:
                self.storage[key] = key
            elif not self.storage.claim(key, key).won:
                self.wrong.append(f"{key} was somebody else's")
        except (OutcomeUnknownError, ServerTimeoutError):
            self.unknown.add(key)
            raise
        except RemoteError as error:
            self.refused[key] = repr(error)
            raise
        self.acknowledged.add(key)
        if self.storage[key] != key:
            self.wrong.append(f"{self.name} does not read what it wrote: {key}")


class CachingWriter(Writer):
    """The same, reading from a cache that follows the namespace."""

    def open(self, url: str | list[str]) -> RemoteStorageProxy[Any]:
        return CachedStorage(SPACE, url=url, timeout=10)


class Adder(Person):
    """Adds one to a number that others add to, on condition of what it read.

    Attributes:
        added: how often it was told that it has; `maybe`: how often it was not told.
    """

    def __init__(self, url: str | list[str], name: str) -> None:
        super().__init__(url, name)
        self.added = self.maybe = 0

    def step(self) -> None:
        try:
            found = self.storage.entry(COUNTER)
        except RegistryError:
            self.storage.claim(COUNTER, [0, "nobody"])
            return
        value = self.storage._value(COUNTER, found.envelope)[0]
        try:
            # The name makes each value one that only this step writes.
            won = self.storage.replace(COUNTER, [value + 1, f"{self.name} {self.done}"], found.etag).won
        except (OutcomeUnknownError, ServerTimeoutError):
            self.maybe += 1
            raise
        self.added += won


class Watcher(Person):
    """Follows the namespace from its beginning; each change once, in order, none left out.

    Attributes:
        log: the key of each revision.
    """

    def __init__(self, url: str | list[str], name: str, cursor: str) -> None:
        super().__init__(url, name)
        self.log: list[str] = []
        self._changes = self.storage.changes(cursor)

    def step(self) -> None:
        for change in self._changes:
            if change.revision != len(self.log) + 1:
                self.wrong.append(f"{self.name} was told of {change} after {len(self.log)} changes")
            self.log.append(str(change.key))

    def tell_to_stop(self) -> None:
        super().tell_to_stop()
        self._changes.close()


class People:
    """All of them, over one store."""

    def __init__(self, people: list[Person]) -> None:
        self.all = people
        self.writers = [person for person in people if isinstance(person, Writer)]
        self.adders = [person for person in people if isinstance(person, Adder)]
        self.watchers = [person for person in people if isinstance(person, Watcher)]

    @property
    def acknowledged(self) -> int:
        writes = sum(len(writer.acknowledged) for writer in self.writers)
        return writes + sum(adder.added for adder in self.adders)

    @property
    def errors(self) -> Counter[str]:
        return sum((person.errors for person in self.all), Counter())

    def start(self) -> None:
        for person in self.all:
            person.start()

    def stop_working(self) -> None:
        for person in (*self.writers, *self.adders):
            person.tell_to_stop()
        for person in (*self.writers, *self.adders):
            person.join()

    def end(self) -> None:
        """End all that still run."""
        for person in self.all:
            with suppress(Exception):
                person.tell_to_stop()
        for person in self.all:
            if person._thread.is_alive():
                person.join()

    def violations(self, content: dict[str, Any], head: int) -> list[str]:
        """What cannot be, once all watchers have come as far as ``head``, where ``content`` is."""
        wrong = [text for person in self.all for text in person.wrong]
        for writer in self.writers:
            wrong += [f"{key} was acknowledged and is lost" for key in writer.acknowledged - content.keys()]
            there = writer.refused.keys() & content.keys()
            wrong += [f"{key} was refused and is there: {writer.refused[key]}" for key in there]
        added = sum(adder.added for adder in self.adders)
        maybe = sum(adder.maybe for adder in self.adders)
        if not added <= content[COUNTER][0] <= added + maybe:
            wrong.append(f"{added} were added, {maybe} perhaps, and the counter says {content[COUNTER]}")
        first, *others = self.watchers
        wrong += [
            f"{one.name} saw {len(one.log)} of {head} changes"
            for one in self.watchers
            if len(one.log) != head
        ]
        wrong += [f"{one.name} was told another history" for one in others if one.log != first.log]
        changes = Counter(first.log)
        doubled = [key for key, times in changes.items() if times > 1 and key != COUNTER]
        wrong += [f"{key} was written more than once" for key in doubled]
        wrong += [f"{key} is there, and no watcher saw it" for key in content.keys() - changes.keys()]
        return wrong
