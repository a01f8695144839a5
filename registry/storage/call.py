"""One call of a server: when it is sent again, to which server, when it is over, and what its failures are.

Nothing here sends or sleeps: `Call.run` does so for threads, `registry.storage.aremote` for event loops.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import Final, NoReturn

import httpx

from registry import settings
from registry.errors import OutcomeUnknownError, RemoteError, ServerTimeoutError, ServerUnreachableError
from registry.storage.deadline import set_deadline
from registry.storage.problems import outside_contract, refused
from registry.storage.servers import CONNECT_SECONDS, Servers

CONNECT_RETRY_SECONDS: Final = 0.5
"""How long refused connections are tried again, for writes too: nothing was sent.

A server that has answered this process before is waited for: see `registry.settings.server_restart_wait`.
"""

LONGEST_PAUSE: Final = 0.5
"""Seconds between two attempts at most, so that the end of a restart is noticed soon."""

MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
"""The largest answer that is read; a full page of the largest values is far below."""

REPEATED: Final = "registry-client-repeated"
"""Header field of an answer to a request that was sent again after its first answer was lost."""

_READS_BY_POST: Final = "/batch/get", "/watch"
"""The last segments of the operations that read although they are POST: their question is in the body."""

_ATTEMPTS = 3
_BY_GATEWAY = 502, 504
"""A proxy's answer in the place of a server that broke off or was silent, maybe after it had done it."""


_SPEAKS_NO_TLS = (
    "wrong_version_number",
    "wrong version number",
    "record_layer_failure",
    "record layer failure",
)
"""What OpenSSL says of an answer that is no TLS, in its versions."""


def is_read(method: str, path: str) -> bool:
    """Whether an operation of the contract only reads, so that it may be sent again wherever it fails.

    Args:
        method: of the request, in capitals.
        path: of the request; a query may follow.
    """
    return method == "GET" or (method == "POST" and path.partition("?")[0].endswith(_READS_BY_POST))


class Call:
    """One request with its retries, within one deadline; whoever runs it sends, and sleeps where told to.

    Args:
        carries_over: wait for a server that has answered before and now refuses connections.

    Attributes:
        server: base URL of the one that the next request goes to.
        ends: when the attempt under way has to be over, of `time.monotonic`.
    """

    def __init__(
        self,
        method: str,
        servers: Servers,
        path: str,
        headers: Mapping[str, str],
        content: bytes | None,
        *,
        started: float,
        seconds: float,
        carries_over: bool = True,
    ) -> None:
        self.method = method
        self.server = servers.current
        self.ends = self._deadline = started + seconds
        self._servers = servers
        self._path = path
        self._headers = headers
        self._content = content
        self._reads = is_read(method, path)
        self._repeatable = self._reads or "If-Match" in headers or "If-None-Match" in headers
        self._carries_over = carries_over
        self._started = started
        self._attempt = self._unconnected = 0
        self._moves = 0
        self._broke_off = self._lost_an_answer = False

    def share_the_time(self) -> None:
        """Have the first attempt of a read end so early that another server can answer in its place.

        Not of a write: a server that hangs may still do it when it goes on, after what others wrote since.
        """
        if not self._reads:
            return
        half = (self._deadline - self._started) / 2
        if self._servers.may_return():
            self.server = self._servers.urls[0]
            half = min(half, CONNECT_SECONDS)
        self.ends = self._started + half

    def run(
        self, transport: Callable[[str], httpx.BaseTransport], sleep: Callable[[float], object] = time.sleep
    ) -> httpx.Response:
        """Send it, again where that is right, and return the answer."""
        while True:
            request = self.next_request()
            try:
                response = self._answer(transport(self.server), request)
            except httpx.HTTPError as error:
                sleep(self.pause_after_failure(error))
                continue
            pause = self.pause_after_answer(response)
            if pause is None:
                return self.recognised(response)
            sleep(pause)

    def next_request(self) -> httpx.Request:
        """The request for the next attempt; each of its steps may take the time that is left."""
        self._attempt += 1
        target = self.server + self._path
        request = httpx.Request(self.method, target, headers=self._headers, content=self._content)
        timeout = dict.fromkeys(("connect", "read", "write", "pool"), self._left())
        if self._another_is_left() or (self._unconnected and self._servers.several):
            timeout["connect"] = min(timeout["connect"], CONNECT_SECONDS)
        request.extensions["timeout"] = timeout
        return request

    def _answer(self, pool: httpx.BaseTransport, request: httpx.Request) -> httpx.Response:
        set_deadline(self.ends)
        response = pool.handle_request(request)
        try:
            body = self.body_of(response)
            assert isinstance(response.stream, httpx.SyncByteStream)
            for part in response.stream:
                body.add(part)
        finally:
            response.close()
        return body.whole(request)

    def body_of(self, response: httpx.Response) -> Body:
        """What collects the parts of an answer.

        Raises:
            ServerFaultError: the answer is compressed, which was not asked for.
        """
        if "content-encoding" in response.headers:
            raise outside_contract(self.server, "a compressed answer, which was not asked for")
        return Body(response, self.server)

    # ---- from server to server

    def _another_is_left(self) -> bool:
        """Whether there is a server that was not asked yet."""
        return self._moves + 1 < len(self._servers.urls)

    def _move(self) -> bool:
        """Go on to the next server, if there is one; whether it is one that was not asked yet."""
        left = self._another_is_left()
        if self._servers.several:
            self.server = self._servers.after(self.server)
            self.ends = self._deadline
            self._moves += 1
            self._broke_off = False
        return left

    def _go_on(self, *, at_most: float = float("inf")) -> float:
        """Move, and the seconds to sleep before the next attempt: 0 where that server was not asked yet."""
        return 0.0 if self._move() else self._pause(at_most=at_most)

    def _may_try_again(self) -> bool:
        sent = self._attempt - self._unconnected
        return sent < _ATTEMPTS * len(self._servers.urls) and self._deadline - time.monotonic() > 0.1

    # ---- what came of an attempt

    def pause_after_answer(self, response: httpx.Response) -> float | None:
        """Seconds to sleep before this is sent again; None where ``response`` is the answer."""
        status = response.status_code
        if status != 503 and status not in _BY_GATEWAY:
            if not self._servers.is_expected(self.server):
                self._servers.answered(self.server)
            return None
        self._lost_an_answer |= status in _BY_GATEWAY  # also by the last attempt
        # The protocol says of one code that nothing was done; a server that has its storage may do it.
        undone = self._another_is_left() and b'"storage_unavailable"' in response.content
        if not ((self._repeatable or undone) and self._may_try_again()):
            self._move()
            return None
        # Its storage went away while it wrote: the next answer may be about what this one did.
        self._lost_an_answer |= b'"outcome_unknown"' in response.content
        return self._go_on()

    def recognised(self, response: httpx.Response) -> httpx.Response:
        """``response``, marked if it may be about what this call did before its first answer was lost."""
        status = response.status_code
        if status in (401, 403) and "json" not in response.headers.get("content-type", ""):
            raise refused(self.server, status)  # by something in front of the server
        if status in _BY_GATEWAY and not self._repeatable:
            self._unknown(httpx.ReadError(f"a proxy answered {status}"))
        if self._lost_an_answer:
            response.headers[REPEATED] = "1"
            if status >= 500:
                self._doubt_the_first()
            if self.method == "DELETE" and status in (404, 412):
                self._unknown(httpx.ReadError("the first answer was lost"))  # gone: by us or by others
        return response

    def _left(self) -> float:
        return max(self.ends - time.monotonic(), 0.001)

    def _pause(self, *, at_most: float = float("inf")) -> float:
        rounds = min(-(-self._attempt // len(self._servers.urls)), 10)
        backed_off = min(0.05 * 2.0**rounds, LONGEST_PAUSE)
        return min(random.uniform(0.5, 1.0) * backed_off, self._left(), at_most)

    def pause_after_failure(self, failure: httpx.HTTPError) -> float:
        """Seconds to sleep before this may be sent again, else raise what happened."""
        error = _unchained(failure)
        if isinstance(error, httpx.ConnectError):
            return self._pause_unconnected(error)
        if isinstance(error, httpx.PoolTimeout):
            self._doubt_the_first()
            raise self._timeout(error) from error
        if isinstance(error, httpx.ConnectTimeout):  # nothing was sent
            if self._unconnected and not self._another_is_left():
                return self._pause_unconnected(error)
            if self._move() and self._may_try_again():
                return 0.0
            self._doubt_the_first()
            raise self._timeout(error) from error
        if isinstance(error, httpx.TimeoutException):
            return self._pause_unanswered(error)
        if not self._repeatable:
            self._unknown(error)
        self._lost_an_answer = True
        if self._may_try_again():
            # A connection that was kept may have ended for no fault of the server's; a second one does not.
            again, self._broke_off = self._broke_off, True
            return self._go_on() if again and self._servers.several else self._pause()
        if not self._reads:
            self._unknown(error)
        raise ServerUnreachableError(
            f"Lost the connection to registry server {self.server}: {_reason(error)}",
            suggestions=["see whether the server is running", "try again", *self._with_tls()],
        ) from error

    def _pause_unconnected(self, error: httpx.ConnectError | httpx.ConnectTimeout) -> float:
        self._unconnected += 1
        if "certificate verify failed" in str(error).lower():
            raise self._untrusted(error) from error
        if self._another_is_left():
            return self._go_on()
        if (left := self._connecting_ends(error) - time.monotonic()) > 0:
            return self._go_on(at_most=left)
        self._doubt_the_first()
        raise self._unreachable(error) from error

    def _connecting_ends(self, error: Exception) -> float:
        """Until when connections are tried: for longer if a known server may be restarting."""
        seconds = CONNECT_RETRY_SECONDS
        if self._carries_over and self._servers.any_has_answered() and not _speaks_no_tls(error):
            seconds = max(seconds, settings.server_restart_wait())
        return min(self._started + seconds, self._deadline)

    def _pause_unanswered(self, error: httpx.TimeoutException) -> float:
        shared = self.ends < self._deadline
        self._move()
        if shared and self._may_try_again():
            return 0.0
        if self._repeatable:
            raise self._timeout(error) from error
        self._unknown(error)

    def _unreachable(self, error: Exception) -> RemoteError:
        if _speaks_no_tls(error):
            return ServerUnreachableError(
                f"Registry server {self.server} does not speak TLS: {_reason(error)}",
                suggestions=[f"ask it without TLS: http{self.server.removeprefix('https')}"],
                context={"server": self.server},
            )
        several = f"any of the registry servers {self._servers}"
        where = several if self._servers.several else f"registry server {self.server}"
        return ServerUnreachableError(
            f"Cannot connect to {where}: {_reason(error)}",
            suggestions=["start a server: python -m registry", "set REGISTRY_SERVER_URL to where one runs"],
            context={"server": self._servers.text},
        )

    def _with_tls(self) -> list[str]:
        """What a connection that breaks off may mean; a server that waits for TLS says nothing else."""
        if not self.server.startswith("http:"):
            return []
        return [f"if it serves https, ask it so: https{self.server.removeprefix('http')}"]

    def _untrusted(self, error: Exception) -> RemoteError:
        return ServerUnreachableError(
            f"Registry server {self.server} has a certificate that is not trusted here: {_reason(error)}",
            suggestions=["set REGISTRY_SERVER_CA to the file of the authority that signed it"],
            context={"server": self.server},
        )

    def _timeout(self, error: Exception) -> RemoteError:
        seconds = self._deadline - self._started
        return ServerTimeoutError(
            f"Request timeout: registry server {self.server} did not answer within {seconds:.3g} s",
            suggestions=[
                f"wait longer: REGISTRY_SERVER_TIMEOUT={max(30, 2 * seconds):.0f}",
                "see how loaded the server is: /stats",
            ],
            context={"server": self.server, "timeout": seconds},
        )

    def _doubt_the_first(self) -> None:
        """Raise that a write's outcome is unknown where an answer was lost: the last tells nothing of it."""
        if self._lost_an_answer and not self._reads:
            self._unknown(httpx.ReadError("the first answer was lost"))

    def _unknown(self, error: Exception) -> NoReturn:
        timed_out = isinstance(error, httpx.TimeoutException)
        how = "the timeout passed" if timed_out else "the connection died"
        raise OutcomeUnknownError(
            f"Outcome unknown: {how} while registry server {self.server} had a write under way",
            suggestions=[
                "read the entry before writing again",
                "write conditionally: such writes are retried safely",
            ],
            context={"server": self.server, "method": self.method},
        ) from error


class Body:
    """The body of an answer, put together from its parts and no larger than `MAX_ANSWER_BYTES`."""

    def __init__(self, response: httpx.Response, server: str) -> None:
        self._response = response
        self._server = server
        self._parts: list[bytes] = []
        self._size = 0

    def add(self, part: bytes) -> None:
        """Take the next part.

        Raises:
            ServerFaultError: the answer is too large.
        """
        self._parts.append(part)
        self._size += len(part)
        if self._size > MAX_ANSWER_BYTES:
            raise outside_contract(self._server, f"an answer of more than {MAX_ANSWER_BYTES:,} bytes")

    def whole(self, request: httpx.Request) -> httpx.Response:
        """The answer with all of its body."""
        status, headers = self._response.status_code, self._response.headers
        return httpx.Response(status, headers=headers, content=b"".join(self._parts), request=request)


def _speaks_no_tls(error: Exception) -> bool:
    return any(sign in str(error).lower() for sign in _SPEAKS_NO_TLS)


def _unchained(error: httpx.HTTPError) -> httpx.HTTPError:
    """``error`` without the three tracebacks of httpx and httpcore that led to it."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)


def _reason(error: Exception) -> str:
    return str(error).strip().lower() or type(error).__name__
