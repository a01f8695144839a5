"""Runs a server from the command line: opens the storage, binds, says where, and stops cleanly."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import re
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_network
from types import FrameType
from typing import Any, cast

import uvicorn

from registry_server.access.guard import Guard
from registry_server.access.token_file import TokenFileError
from registry_server.app import create_app, guard_of
from registry_server.chaos.options import parse_chaos
from registry_server.chaos.stage import ChaosProtocol, ChaosStage
from registry_server.descriptors import raise_descriptor_limit
from registry_server.pipeline import PipelinedProtocol
from registry_server.settings import ServerSettings
from registry_server.storage.base import StorageBackend, StorageSetupError
from registry_server.storage.select import allowing_volatile, backend_from_url, default_url
from registry_server.watch import WatchHub
from registry_server.workers import Supervisor, Tell, WorkersFailedError

GRACE_SECONDS = 5
"""How long requests under way may take to finish once the server was told to stop."""

_HOST_NAME = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
"""What the Host of a request can be, without its port."""

_STOPPING = (signal.SIGINT, signal.SIGTERM)


class SetupError(Exception):
    """The server cannot start as configured; the text says what to do next."""


def settings_from(
    *, storage: str | None, allow_volatile: bool = False, chaos: str | None = None, **options: Any
) -> ServerSettings:
    """`ServerSettings` of command-line options; without ``storage``, SQLite in the user's data directory.

    Raises:
        SetupError: the data directory cannot be made, or an option is not what it has to be.
        ChaosError: ``chaos`` is not understood.
    """
    faults = None if chaos is None else parse_chaos(chaos)
    try:
        storage = storage or default_url()
        storage = allowing_volatile(storage) if allow_volatile else storage
    except StorageSetupError as error:
        raise SetupError(str(error)) from None
    settings = ServerSettings(storage=storage, chaos=faults, **options)
    _check_names(settings)
    return settings


def _check_names(settings: ServerSettings) -> None:
    """Nobody would ever hear of a name that matches nothing."""
    for name in settings.allowed_hosts:
        if not _HOST_NAME.fullmatch(name):
            raise SetupError(
                f"{name!r} is no host name. Give --allowed-host a name without scheme and port, such as "
                "registry.example.org, or an IPv6 address in brackets"
            )
    for proxy in settings.trusted_proxies:
        if proxy == "*":
            continue
        try:
            ip_network(proxy)
        except ValueError as error:
            raise SetupError(
                f"{proxy!r} is no address or network ({error}). Give --trusted-proxy one such as 10.0.0.7 or "
                "10.0.0.0/8"
            ) from None


def serve(settings: ServerSettings, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM.

    Args:
        settings: where to listen and where the data lies.
        say: takes each line for the person who started it.

    Raises:
        SetupError: the storage, the token file, the audit log or the certificate cannot be used, or the port
            not be bound.
    """
    logging.basicConfig(level=logging.DEBUG if settings.debug else logging.WARNING, stream=sys.stderr)
    raise_descriptor_limit()
    logging.getLogger("connexion").setLevel(logging.ERROR)  # it warns of a security scheme that we compile
    if settings.workers > 1:
        _serve_by_workers(settings, say)
        return
    sockets = _bind(settings.host, settings.port)

    def greet(lines: list[str]) -> None:
        for line in lines:
            say(line)

    try:
        _run(settings, sockets, greet, say)
    finally:
        for bound in sockets:
            bound.close()


def _run(
    settings: ServerSettings,
    sockets: list[socket.socket],
    greet: Callable[[list[str]], object],
    say: Callable[[str], None],
    life: int | None = None,
) -> None:
    """Serve in this process; stop at SIGINT or SIGTERM, and when there is something to read at ``life``."""
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_serve(settings, sockets, greet, say, life))
    except (StorageSetupError, TokenFileError) as error:
        raise SetupError(str(error)) from None


def _serve_by_workers(settings: ServerSettings, say: Callable[[str], None]) -> None:
    _check_can_have_workers(settings)
    for bound in _bind(settings.host, settings.port):  # that nobody else listens: workers share the port
        bound.close()
    port = settings.port

    def bind() -> list[socket.socket]:
        nonlocal port
        sockets = _bind(settings.host, port, shared=True)
        port = sockets[0].getsockname()[1]
        return sockets

    def work(sockets: list[socket.socket], life: int, tell: Tell) -> None:
        try:
            _run(
                settings,
                sockets,
                lambda lines: tell(ready=lines),
                lambda line: tell(stopped=line),
                life,
            )
        except SetupError as error:
            tell(failed=str(error))

    try:
        Supervisor(settings.workers, bind, work, say).run()
    except WorkersFailedError as error:
        raise SetupError(str(error)) from None


def _check_can_have_workers(settings: ServerSettings) -> None:
    scheme = settings.storage.partition(":")[0].lower()
    if scheme in ("sqlite", "memory"):
        whose = "memory is of one process" if scheme == "memory" else "one process owns a SQLite file"
        raise SetupError(
            f"--workers {settings.workers} needs a storage that processes share, and {whose}. "
            "Use --storage postgresql://host/database or redis://host, or --workers 1"
        )
    if not (hasattr(os, "fork") and hasattr(socket, "SO_REUSEPORT")):
        raise SetupError(
            "This system has no --workers. Start several servers over one storage, each with a --port"
        )


async def _serve(
    settings: ServerSettings,
    sockets: list[socket.socket],
    greet: Callable[[list[str]], object],
    say: Callable[[str], None],
    life: int | None,
) -> None:
    backend = backend_from_url(settings.storage)
    guard = guard_of(settings)
    hub = WatchHub(backend)
    server = _Server(_uvicorn_config(_application(settings, backend, hub, guard), settings), hub)
    with server.stopped_by_signals():
        await backend.open()
        try:
            greet(_greeting(settings, sockets, backend, guard))
            if life is not None:
                asyncio.get_running_loop().add_reader(life, server.supervisor_is_gone, life)
            await server.serve(sockets=sockets)
        finally:
            await backend.close()
    say(f"stopped; {_kept(backend)}")


def _kept(backend: StorageBackend) -> str:
    if backend.durable:
        return "everything acknowledged is stored"
    return (
        "its memory is gone"
        if backend.location == "memory:"
        else "its storage may still lose the last writes"
    )


class _Server(uvicorn.Server):
    """Uvicorn's, with signals heeded from before the storage opens until it is closed.

    Uvicorn alone raises a signal again once it has stopped: SIGTERM would end the process and SIGINT cancel
    the task, either before the storage is closed.
    """

    def __init__(self, config: uvicorn.Config, hub: WatchHub) -> None:
        super().__init__(config)
        self._hub = hub

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._hub.close()  # uvicorn waits for requests under way, and these wait for changes
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: once a second, connections that are overdue are ended."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                cast(PipelinedProtocol, connection).end_if_overdue(now)
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # Uvicorn breaks off what is under way at a second Ctrl-C; ours takes `GRACE_SECONDS` at most anyway.
        self.should_exit = True

    def supervisor_is_gone(self, life: int) -> None:
        """Stop: nobody watches over this worker any more."""
        asyncio.get_running_loop().remove_reader(life)
        self.should_exit = True

    @contextmanager
    def stopped_by_signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM stop the server, however often they come."""
        before = {number: signal.signal(number, self.handle_exit) for number in _STOPPING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _application(settings: ServerSettings, backend: StorageBackend, hub: WatchHub, guard: Guard) -> Any:
    try:
        app: Any = create_app(settings, backend, hub, guard)
    except OSError as error:
        raise SetupError(
            f"The audit log {settings.audit_log} cannot be written: {error.strerror}. "
            "Use --audit-log with another file"
        ) from None
    return app if settings.chaos is None else ChaosStage(app, settings.chaos)


def _uvicorn_config(app: Any, settings: ServerSettings) -> uvicorn.Config:
    _check_tls(settings)
    return uvicorn.Config(
        app,
        lifespan="on",
        http=PipelinedProtocol if settings.chaos is None else ChaosProtocol,
        ws="none",
        timeout_keep_alive=75,  # longer than clients keep an idle connection, so that they close first
        access_log=settings.debug,
        log_config=None,
        log_level="info" if settings.debug else "warning",
        # Unless told whom to believe: uvicorn would believe X-Forwarded-For of anyone on loopback.
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
    )


def _check_tls(settings: ServerSettings) -> None:
    if settings.tls_cert is None:
        if settings.tls_key is not None:
            raise SetupError("A TLS key is of no use without its certificate: --tls-cert FILE")
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # With a password to try, OpenSSL does not ask a terminal that may not be there.
        context.load_cert_chain(settings.tls_cert, settings.tls_key, password="")
    except OSError as error:  # ssl.SSLError is one
        raise SetupError(
            f"The certificate {settings.tls_cert} with the key {settings.tls_key or 'in the same file'} "
            f"cannot be used: {error.strerror or error}. Both are PEM files, the certificate with its chain, "
            "the key without a passphrase: --tls-cert FILE --tls-key FILE"
        ) from None


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows has none
        return None
    return uvloop.new_event_loop


def _bind(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """Sockets on each address of ``host``: ``localhost`` is 127.0.0.1 and ::1 where the machine has both.

    With ``shared`` other sockets of this user may listen on the same addresses, and share the connections.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise SetupError(
            f"Cannot listen on {host!r}: {error.strerror}. Use --host with a name of this machine"
        ) from None
    sockets: list[socket.socket] = []
    failure: OSError | None = None
    for family, kind, protocol, _, address in dict.fromkeys(found):
        if sockets and port == 0:  # the port that the system chose for the first address
            address = (address[0], sockets[0].getsockname()[1], *address[2:])
        try:
            sockets.append(_listening(family, kind, protocol, address, shared))
        except OSError as error:
            failure = error
            if error.errno not in _NO_SUCH_ADDRESS:
                break
    if failure is not None and (not sockets or failure.errno not in _NO_SUCH_ADDRESS):
        for bound in sockets:
            bound.close()
        raise SetupError(
            f"Cannot listen on {host}:{port}: {failure.strerror}. "
            "Another server may run there: stop it, or choose a port with --port"
        )
    return sockets


# A machine without IPv6 may still name ::1. An address that is taken is another matter: whoever has it would
# be talked to by the half of the clients that try it first.
_NO_SUCH_ADDRESS = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


def _listening(
    family: int, kind: int, protocol: int, address: tuple[object, ...], shared: bool
) -> socket.socket:
    bound = socket.socket(family, kind, protocol)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
        bound.listen(2_048)
        bound.setblocking(False)
    except OSError:
        bound.close()
        raise
    return bound


def _greeting(
    settings: ServerSettings, sockets: list[socket.socket], backend: StorageBackend, guard: Guard
) -> list[str]:
    port = sockets[0].getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "http" if settings.tls_cert is None else "https"
    lines = [f"registry server on {scheme}://{host}:{port}  (API: /docs/)", f"data in {backend.location}"]
    if guard.ledger is not None:
        lines.append(f"tokens in {guard.path}: {len(guard.ledger.file.valid()):,} valid")
    if backend.location == "memory:":
        lines.append(
            "this storage forgets everything when the server stops; keep it with --storage sqlite:///registry.db"
        )
    elif not backend.durable:
        lines.append(
            "this storage may lose writes that were answered, as it is set up: when it or its machine fails"
        )
    if settings.chaos is not None:
        lines.append(f"CHAOS: this server fails on purpose, to test clients with: --chaos {settings.chaos}")
    if not settings.on_loopback and not guard.on:
        lines.append(
            "WARNING: this address can be reached from other machines, and without tokens everyone there can"
            " read and replace every artifact. Readers still run only code signed with a key they hold."
            " Make a token: registry token new"
        )
    if not settings.on_loopback and guard.on and settings.tls_cert is None and not settings.trusted_proxies:
        lines.append(
            "WARNING: tokens travel readable over http; use --tls-cert and --tls-key,"
            " or a proxy that speaks https"
        )
    return lines
