"""Several processes of one server, over one storage that they share: started, watched, replaced, stopped.

The supervisor serves nothing and starts no thread, so that it can fork. Each worker listens on sockets of its
own for the same address (SO_REUSEPORT: the system spreads connections evenly); the supervisor holds them too,
so that what arrives while a worker is replaced at once waits for the next one. A worker whose supervisor is
gone ends.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, NoReturn

log = logging.getLogger(__name__)

STABLE_SECONDS: Final = 10.0
"""A worker that served for so long has not failed at starting: the next one is started at once."""

LONGEST_PAUSE: Final = 30.0
STOP_SECONDS: Final = 10.0
"""What workers may take to stop; they give requests under way five."""

_STOPPING = (signal.SIGINT, signal.SIGTERM)


class WorkersFailedError(Exception):
    """A worker could not start, when none ever had; the text is the worker's."""


Tell = Callable[..., None]
"""What a worker tells its supervisor: ``ready=[lines]``, ``stopped=line`` or ``failed=text``."""

Work = Callable[[list[socket.socket], int, Tell], None]
"""Serves on the sockets until told to stop, or until the file descriptor says that the supervisor is gone."""


class _Worker:
    """A place for a worker, and the process that has it now, if there is one."""

    def __init__(self) -> None:
        self.process = 0
        self.said = -1
        self.rest = b""
        self.sockets: list[socket.socket] = []
        self.ready_at: float | None = None
        self.failures = 0
        self.due = 0.0

    def lost(self, now: float) -> None:
        """Its process ended unasked: when the next one is due."""
        served = self.ready_at is not None and now - self.ready_at >= STABLE_SECONDS
        self.failures = 0 if served else self.failures + 1
        pause = 0.0 if self.failures < 2 else min(LONGEST_PAUSE, 0.25 * 2.0**self.failures)
        self.due, self.ready_at = now + pause, None
        if pause:  # nobody is to wait for a worker that may not come
            self.let_go()

    def let_go(self) -> None:
        for one in self.sockets:
            one.close()
        self.sockets = []


class Supervisor:
    """Keeps ``number`` workers running until SIGINT or SIGTERM.

    Args:
        number: of workers, 2 or more.
        bind: makes the listening sockets of a worker; the first call says whether the address can be had.
        work: what a worker does, in a process of its own.
        say: takes each line for the person who started the server.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        number: int,
        bind: Callable[[], list[socket.socket]],
        work: Work,
        say: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._workers = [_Worker() for _ in range(number)]
        self._bind, self._work, self._say, self._clock = bind, work, say, clock
        self._life, self._held = os.pipe()  # workers read the first end, which ends with this process
        self._signalled, self._signal = os.pipe()
        self._greeted = self._stopping = False
        self._farewell = ""

    def run(self) -> None:
        """Serve until told to stop.

        Raises:
            WorkersFailedError: none could start.
        """
        try:
            with self._signals():
                while not self._stopping:
                    self._start_those_due()
                    self._hear(self._seconds_to_next())
        finally:
            self._stop_all()
        self._say(self._farewell or "stopped")

    # ---- starting

    def _start_those_due(self) -> None:
        for worker in self._workers:
            if not worker.process and worker.due <= self._clock():
                worker.sockets = worker.sockets or self._bind()
                self._start(worker)

    def _start(self, worker: _Worker) -> None:
        worker.said, says = os.pipe()
        worker.rest = b""
        worker.process = os.fork()
        if worker.process == 0:
            self._be(worker, says)
        os.close(says)

    def _be(self, worker: _Worker, says: int) -> NoReturn:
        """Be the worker, in the process that was just forked."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in _STOPPING:
                signal.signal(number, signal.SIG_DFL)
            for fd in (self._held, self._signalled, self._signal, worker.said):
                os.close(fd)
            for other in self._workers:
                if other is not worker:
                    other.let_go()

            def tell(**message: object) -> None:
                with suppress(OSError):  # the supervisor is gone
                    os.write(says, json.dumps(message).encode() + b"\n")

            self._work(worker.sockets, self._life, tell)
            code = 0
        except BaseException:
            log.exception("A worker failed")
        finally:
            os._exit(code)

    # ---- watching

    def _seconds_to_next(self) -> float | None:
        due = [worker.due for worker in self._workers if not worker.process]
        return max(0.0, min(due) - self._clock()) if due else None

    def _hear(self, seconds: float | None) -> None:
        """Take what workers say, note those that ended, and heed signals; wait for it so long."""
        said = {worker.said: worker for worker in self._workers if worker.process}
        ready, _, _ = select.select([self._signalled, *said], [], [], seconds)
        if self._signalled in ready:
            os.read(self._signalled, 4_096)
            self._stopping = True
        for fd in ready:
            if fd in said:
                self._hear_one(said[fd])

    def _hear_one(self, worker: _Worker) -> None:
        part = os.read(worker.said, 65_536)
        if not part:
            self._ended(worker)
            return
        *lines, worker.rest = (worker.rest + part).split(b"\n")
        for line in lines:
            self._told(worker, json.loads(line))

    def _told(self, worker: _Worker, message: dict[str, Any]) -> None:
        self._farewell = message.get("stopped", self._farewell)
        if "failed" in message:
            if not self._greeted:
                raise WorkersFailedError(message["failed"])
            log.error("A worker cannot start: %s", message["failed"])
        if "ready" in message:
            worker.ready_at = self._clock()
            if not self._greeted:
                self._greeted = True
                for line in message["ready"]:
                    self._say(line)
                self._say(f"{len(self._workers)} workers")

    def _ended(self, worker: _Worker) -> None:
        _, status = os.waitpid(worker.process, 0)
        os.close(worker.said)
        process, worker.process = worker.process, 0
        if not self._stopping:
            worker.lost(self._clock())
            how = os.waitstatus_to_exitcode(status)
            log.warning("Worker %d ended with %d; it is replaced", process, how)

    # ---- stopping

    @contextmanager
    def _signals(self) -> Iterator[None]:
        os.set_blocking(self._signal, False)
        before = {number: signal.signal(number, lambda *_: None) for number in _STOPPING}
        waking = signal.set_wakeup_fd(self._signal)
        try:
            yield
        finally:
            signal.set_wakeup_fd(waking)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop_all(self) -> None:
        self._stopping = True
        for worker in self._workers:
            worker.let_go()  # so that nobody connects to what is not served any more
            if worker.process:
                os.kill(worker.process, signal.SIGTERM)
        end = self._clock() + STOP_SECONDS
        while any(worker.process for worker in self._workers) and (left := end - self._clock()) > 0:
            with suppress(WorkersFailedError):
                self._hear(left)
        for worker in self._workers:
            if worker.process:
                os.kill(worker.process, signal.SIGKILL)
                self._ended(worker)
        for fd in (self._life, self._held, self._signalled, self._signal):
            os.close(fd)
