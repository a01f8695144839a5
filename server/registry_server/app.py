"""Wires a server together: spec, handlers, storage, pages. Nothing is decided here."""

from __future__ import annotations

import asyncio
import os
import warnings
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, cast

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # connexion 3.3 imports what Starlette deprecates
    from connexion.middleware import ConnexionMiddleware
from connexion.operations import AbstractOperation
from connexion.options import SwaggerUIOptions
from connexion.resolver import Resolution, Resolver

from registry.spec import load_spec
from registry_server.access.audit import AuditLog
from registry_server.access.audited import AuditedStorage
from registry_server.access.guard import Guard
from registry_server.access.place import token_file_beside
from registry_server.access.token_file import TokenFileError
from registry_server.dashboard import PagesMount
from registry_server.handlers.batch import Batch
from registry_server.handlers.entries import Entries
from registry_server.handlers.namespaces import Namespaces
from registry_server.handlers.service import Service
from registry_server.handlers.watch import Watch
from registry_server.metrics import Metrics
from registry_server.operations import OperationStage
from registry_server.requests import Gate
from registry_server.settings import ServerSettings
from registry_server.storage.base import StorageBackend
from registry_server.storage.select import backend_from_url
from registry_server.tallies import Tally
from registry_server.watch import WatchHub

DISTRIBUTION = "namestead"


class TagResolver(Resolver):
    """An operation's handler: the method named by its operationId on the object named by its first tag."""

    def __init__(self, handlers: dict[str, object]) -> None:
        super().__init__()
        self._handlers = handlers

    def resolve(self, operation: AbstractOperation) -> Resolution:
        """Resolve at start-up; an operation without a handler stops the server from starting."""
        tag = operation._operation["tags"][0]
        function: Callable[..., Any] = getattr(self._handlers[tag], operation.operation_id)
        return Resolution(function, operation.operation_id)


def create_app(
    settings: ServerSettings,
    backend: StorageBackend | None = None,
    hub: WatchHub | None = None,
    guard: Guard | None = None,
) -> ConnexionMiddleware:
    """The ASGI application of a registry server.

    Args:
        settings: see `ServerSettings`; host and port only tell it which Host fields to answer.
        backend: an open storage, which stays the caller's to close; otherwise one is made of
            ``settings.storage``, opened and closed with the application's lifespan.
        hub: where waiting requests gather, of ``backend``; whoever gives one closes it before the server
            waits for requests to end.
        guard: over the tokens that ``settings`` name; made here unless given.

    Raises:
        TokenFileError: a token file that cannot be used, or is not there and should be.
        StorageSetupError, OSError: the storage or the audit log cannot be opened.
    """
    owned = backend_from_url(settings.storage) if backend is None else None
    guard = guard_of(settings) if guard is None else guard
    audit = None if settings.audit_log is None else AuditLog(settings.audit_log)
    store = _audited(cast(StorageBackend, backend or owned), audit)
    hub = hub or WatchHub(store)
    gate = Gate(header_bytes=settings.limits.header_bytes, allowed_hosts=settings.hosts())
    stage_of: list[OperationStage] = []

    def first_stage(app: Any) -> OperationStage:
        limit = settings.limits.body_bytes
        stage_of.append(OperationStage(app, gate=gate, guard=guard, body_limit=limit, audit=audit))
        return stage_of[0]

    def tallies() -> Mapping[str, Tally]:
        return stage_of[0].tallies()

    handlers = {
        "service": Service(
            store,
            settings.limits,
            version=version(DISTRIBUTION),
            tallies=tallies,
            asks_for_tokens=lambda: guard.on,
            metrics=Metrics(store, hub, tallies, guard, audit),
        ),
        "namespaces": Namespaces(store),
        "entries": Entries(store, settings.limits),
        "batch": Batch(store, settings.limits),
        "watch": Watch(store, hub),
    }
    pages = PagesMount(store, guard)
    app = ConnexionMiddleware(
        pages,
        middlewares=[first_stage, *ConnexionMiddleware.default_middlewares],  # type: ignore[list-item]
        lifespan=partial(_lifespan, owned, pages, hub, guard, audit),
        swagger_ui_options=SwaggerUIOptions(swagger_ui_path="/docs"),
        resolver=TagResolver(handlers),
    )
    app.add_api(load_spec())
    return app


def guard_of(settings: ServerSettings) -> Guard:
    """The guard over the tokens that ``settings`` name, or those beside the data, if there are any.

    Raises:
        TokenFileError: the file cannot be used, is not there and should be, or has no token where one is
            required.
    """
    if settings.tokens is not None:
        guard = Guard(os.path.abspath(os.path.expanduser(settings.tokens)))
    else:
        guard = Guard(token_file_beside(settings.storage), must_exist=False)
    if settings.require_auth and not (guard.ledger and guard.ledger.file.valid()):
        raise TokenFileError(
            f"A token is required, and there is no valid one in {guard.path or 'any file'}",
            [
                "make one: registry token new NAME --scope '*:admin'",
                "name the file that has one: --tokens FILE",
            ],
        )
    return guard


def _audited(store: StorageBackend, audit: AuditLog | None) -> StorageBackend:
    return store if audit is None else cast(StorageBackend, AuditedStorage(store, audit))


@asynccontextmanager
async def _lifespan(
    owned: StorageBackend | None,
    pages: PagesMount,
    hub: WatchHub,
    guard: Guard,
    audit: AuditLog | None,
    _app: object,
) -> AsyncIterator[None]:
    if owned is not None:
        await owned.open()
    pages.start()
    if audit is not None:
        audit.start()
    watching = asyncio.create_task(guard.watch())
    try:
        yield
    finally:
        watching.cancel()
        hub.close()
        if owned is not None:
            await owned.close()
        if audit is not None:
            await audit.close()
