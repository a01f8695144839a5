"""The one thread of this process that asks a server what changed, for all namespaces that are followed here.

It is started when the first cached registry is read, and ends with the process or the last such registry. It
never runs a callback and decodes no value, so nothing of the user's can hold it up.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, Final, Protocol

from registry.errors import PermissionDeniedError, RemoteError, ServerFaultError, ValidationError
from registry.storage.bulk import is_page
from registry.storage.informer import Informer, Ticket
from registry.storage.line import Line
from registry.storage.problems import outside_contract
from registry.storage.window import Window
from registry.watching.pace import Pace

log = logging.getLogger("registry.cache")

MOST_NAMESPACES: Final = 1_000
"""Namespaces of one server that a process follows at most; further ones are read from the server."""

LONGEST_WAIT: Final = 25
LONGEST_PAUSE: Final = 5.0
CALL_SECONDS: Final = 5.0
EXIT_SECONDS: Final = 0.5


class Asks(Protocol):
    """What a poller asks a server through: a `Line`, or a test in its place."""

    seconds: float

    def page(self, namespace: str, page: str | None) -> dict[str, Any]: ...

    def watch_many(self, cursors: Mapping[str, str], wait: int) -> dict[str, Any]: ...

    def arm(self) -> None: ...

    def interrupt(self) -> None: ...

    def close(self) -> None: ...


class Poller:
    """Keeps informers up with one server.

    Args:
        line: asks the server.
        clock: seconds that only go forward.
    """

    def __init__(self, line: Asks, clock: Callable[[], float] = time.monotonic) -> None:
        self._line = line
        self._clock = clock
        self._informers: dict[str, Informer] = {}
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._waiting = self._closed = False
        self._pace = Pace(clock)
        self._refused: dict[str, float] = {}
        self._thread: threading.Thread | None = None

    # ---- who is kept up

    def follow(self, namespace: str, window: Window, known: Informer | None = None) -> Informer:
        """Show the namespace through ``window`` from now on, for as long as somebody holds that.

        ``known`` is what the process knew of the namespace before a fork: how far it has seen is kept.
        """
        with self._lock:
            informer = self._informers.get(namespace) or known or Informer(namespace)
            if known is not None and known is not informer:
                informer.adopt(known)
            self._informers[namespace] = informer
            with informer.lock:
                informer.windows.add(window)
            self._start()
        informer.wanted = self.nudge
        self.nudge()
        return informer

    def nudge(self) -> None:
        """There is something to ask that the request under way does not ask."""
        with self._lock:
            self._news.set()
            if self._waiting:
                self._line.interrupt()

    def close(self) -> None:
        """End the thread; what it waits for is interrupted."""
        with self._lock:
            self._closed = True
            self._news.set()
            self._line.interrupt()
            thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(EXIT_SECONDS)

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="registry-poll", daemon=True)
            self._thread.start()

    # ---- the thread

    def _run(self) -> None:
        try:
            self._keep_up()
        finally:
            self._line.close()

    def _keep_up(self) -> None:
        while not self._closed:
            with self._lock:
                if not self._still_looked_at():
                    self._thread = None  # the next `follow` starts another
                    return
            try:
                pause = self.turn()
            except Exception:  # whatever it is, a reader must not be served what nobody keeps up
                log.exception("The cache of %s lost its way and lists anew", ", ".join(self._informers))
                self.forget_all()
                pause = LONGEST_PAUSE
            if pause:
                self._news.wait(pause)

    def _still_looked_at(self) -> bool:
        self._informers = {name: known for name, known in self._informers.items() if len(known.windows)}
        return bool(self._informers)

    def turn(self) -> float:
        """Ask once, apply what is answered; returns the seconds to wait before the next turn."""
        self._news.clear()
        with self._lock:
            informers = list(self._informers.values())[:MOST_NAMESPACES]
        try:
            unfinished = self._list(informers)
            self._publish(informers)  # a poll may wait for long
            pause = self._poll([informer for informer in informers if informer.at is not None], unfinished)
        except ValidationError as error:
            return self._failed(informers, error)
        finally:
            self._publish(informers)
        return min(pause, self._seconds_left(pause)) if pause else 0.0

    def _publish(self, informers: Iterable[Informer]) -> None:
        for informer in informers:
            informer.publish(self._clock())

    def _list(self, informers: Iterable[Informer]) -> bool:
        """A page of each namespace that is not known yet; whether more pages follow."""
        unfinished = False
        for informer in informers:
            if informer.at is None and self._refused.get(informer.namespace, 0.0) <= self._clock():
                try:
                    self._next_page(informer)
                except PermissionDeniedError as error:
                    log.warning("%s is not cached: %s", informer.namespace, error.message)
                    self._refused[informer.namespace] = self._clock() + LONGEST_WAIT
                unfinished |= informer.at is None and informer.namespace not in self._refused
        return unfinished

    def _next_page(self, informer: Informer) -> None:
        ticket = informer.ticket(self._clock())
        self._line.seconds = self._seconds_left(CALL_SECONDS)
        try:
            page = self._line.page(informer.namespace, informer.page)
            if not is_page(page):
                raise _nonsense("a listing")
            if informer.page is not None and page.get("next") == informer.page:
                raise _nonsense("a page that is followed by itself")
            informer.listed(ticket, page)
            if informer.at is None and informer.page is None:
                raise _nonsense("pages of two stores")
        except ValidationError:
            informer.forget()  # a listing that broke off begins anew
            raise
        except ValueError as error:
            informer.forget()
            raise _nonsense("a listing") from error
        self._refused.pop(informer.namespace, None)

    def _poll(self, informers: list[Informer], unfinished: bool) -> float:
        """Ask what has changed, and apply it; returns the seconds to pause."""
        if not informers:  # all refused, or a page of a listing follows
            return 0.0 if unfinished else LONGEST_PAUSE
        tickets = {informer.namespace: informer.ticket(self._clock()) for informer in informers}
        cursors = {name: str(ticket.at) for name, ticket in tickets.items() if ticket.at is not None}
        answer = self._wait_for(cursors, 0 if unfinished else self._longest_wait(informers))
        if answer is None or not cursors:
            return 0.0
        told = {one["namespace"]: one for one in _namespaces(answer)}
        moved = [_apply(one, tickets[one.namespace], told.get(one.namespace)) for one in informers]
        lost = any(informer.at is None for informer in informers)
        return self._pace.answered(news=any(moved) and not lost, restarted=lost)

    def _wait_for(self, cursors: Mapping[str, str], wait: int) -> Mapping[str, Any] | None:
        """The answer of a poll; None where it was interrupted, because there is something else to ask."""
        with self._lock:
            if self._news.is_set():
                wait = 0
            self._waiting = wait > 0
            if not self._closed:
                self._line.arm()
        self._line.seconds = self._seconds_left(wait + CALL_SECONDS)
        self._pace.sends(wait)
        try:
            return self._line.watch_many(cursors, wait)
        except RemoteError:
            if self._news.is_set():
                return None
            raise
        finally:
            with self._lock:
                self._waiting = False
                if not self._closed:
                    self._line.arm()

    def _longest_wait(self, informers: Iterable[Informer]) -> int:
        """So short that a poll that was sent when the last one was answered vouches in time."""
        bounds = [window.max_staleness for informer in informers for window in list(informer.windows)]
        return max(1, min(LONGEST_WAIT, int(min(bounds, default=LONGEST_WAIT) / 3)))

    def _seconds_left(self, at_most: float) -> float:
        """``at_most``, or less where something stops being servable sooner: it has to be shut then."""
        now = self._clock()
        ends = [
            informer.expires(window) - now
            for informer in list(self._informers.values())
            for window in list(informer.windows)
            if window.is_open
        ]
        return max(0.05, min([at_most, *ends]))

    def _failed(self, informers: Iterable[Informer], error: ValidationError) -> float:
        if self._news.is_set() or self._closed:
            return 0.0
        pause = self._pace.failed()
        away = isinstance(error, RemoteError) and not isinstance(error, PermissionDeniedError)
        for informer in informers:
            informer.counters.reconnects += 1
            informer.away = away
            if not away:
                informer.forget()
        if self._pace.setbacks in (1, 10):
            log.info("Polling failed, trying again: %s", error.message)
        return min(pause, self._seconds_left(LONGEST_PAUSE))

    def forked(self) -> None:
        """In a forked child: nobody keeps up what is shown."""
        for informer in list(self._informers.values()):
            informer.forked()

    def forget_all(self) -> None:
        for informer in list(self._informers.values()):
            informer.forget()


def _apply(informer: Informer, ticket: Ticket, told: Mapping[str, Any] | None) -> bool:
    """Apply what a poll told of a namespace; whether that has come forward."""
    informer.counters.polls += 1
    if told is None:
        informer.unmoved(ticket)
        return False
    try:
        informer.moved(ticket, told)
    except (ValueError, KeyError, TypeError):
        informer.forget()
        log.warning("The server told nonsense about %s; it is listed anew", informer.namespace)
    at = informer.at
    return at is not None and ticket.at is not None and at.revision > ticket.at.revision


def _namespaces(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found = answer.get("namespaces")
    if type(found) is list and all(type(one) is dict and "namespace" in one for one in found):
        return found
    raise _nonsense("an answer to a poll")


def _nonsense(what: str) -> ServerFaultError:
    return outside_contract("The server", f"{what} that is not as specified")


class _Pollers:
    """The pollers of this process, one for each server and token; none of its parent's in a forked child."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pollers: dict[tuple[str, str | None], Poller] = {}
        self.generation = 0
        """Changes with a fork: what was followed before is followed no longer."""
        atexit.register(self.close)
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forked)

    def of(self, connection: Any) -> Poller:
        """The poller of the server of ``connection``."""
        line = Line(connection.address, connection._token)
        with self._lock:
            key = line.servers.text, connection._token
            poller = self._pollers.get(key)
            if poller is None:
                poller = self._pollers[key] = Poller(line)
            return poller

    def close(self) -> None:
        """End all polling, within half a second."""
        pollers, self._pollers = list(self._pollers.values()), {}
        for poller in pollers:
            with suppress(Exception):
                poller.close()

    def _forked(self) -> None:
        # Kept referenced: collecting their sockets would end the parent's connections.
        self._inherited = self._pollers, getattr(self, "_inherited", None)
        self._lock = threading.Lock()
        for poller in self._pollers.values():
            poller.forked()
        self._pollers = {}
        self.generation += 1


pollers = _Pollers()
