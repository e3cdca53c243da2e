"""CPython: the extension module that holds the native client."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, WeakSet

from ._arguments import seconds
from ._host import CREDIT, Connection, Host, Items, answer, failure
from .errors import DisconnectedError

if TYPE_CHECKING:
    from ._module import Runner

try:
    from . import _native
except ImportError as error:
    raise ImportError(
        "this installation of emerge has no extension module for this Python: install Emerge's own wheel for CPython 3.10 or "
        "later, which cargo xtask dist leaves in dist/, or build it with pip install ./pyodide in a checkout of Emerge; the wheel "
        "for Pyodide works in Pyodide only"
    ) from error


class NativeHost(Host):
    """CPython 3.10 and later."""

    def connect(self, url: str, token: str, agent: str, ca: str | None) -> Connection:
        link = url, token, agent, ca
        return NativeConnection(link, _made(_native.connect(*link)))

    async def connect_soon(self, url: str, token: str, agent: str, ca: str | None) -> Connection:
        link = url, token, agent, ca
        connection = NativeConnection(link, _made(_native.begin(*link)))
        await connection._opened()
        return connection

    def class_hash_reply(self, source: bytes) -> tuple[bool, bytes]:
        return _native.class_hash(source)

    def check_reply(self, value: bytes) -> tuple[bool, bytes]:
        return _native.check(value)

    def changes_reply(self, old: bytes, new: bytes) -> tuple[bool, bytes]:
        return _native.changes(old, new)

    def module(self, what: str, *parts: bytes) -> tuple[bool, bytes]:
        if what == "about":
            return _native.module_about(*parts)
        return _native.module_request(*parts) if what == "request" else _native.module_reply(*parts)

    def module_runner(self, module: bytes) -> Runner:
        from ._wasmtime import WasmtimeRunner

        return WasmtimeRunner(module)

    def at_once(
        self, soon: Callable[[], Coroutine[Any, Any, Any]], waiting: Callable[[], Coroutine[Any, Any, Any]]
    ) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            is_running = False
        else:
            is_running = True
        if not is_running:
            return asyncio.run(soon())
        # This thread's loop is busy with whoever asks; another thread has one of its own.
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, soon()).result()


def _made(connected: tuple[bool, bytes, _native.Connection | None]) -> _native.Connection:
    _, payload, connection = connected
    if connection is None:
        raise failure(payload)
    return connection


async def _result(asked: _native.Asked, future: asyncio.Future[Any]) -> Any:
    """What the future gets. When nobody waits for it any more, the node is told."""
    try:
        return await future
    except asyncio.CancelledError:
        asked.cancel()
        raise


class NativeConnection(Connection):
    """A connection of the native client, for threads and for asyncio. In a forked child it connects anew when it is first used: session and socket are its
    parent's."""

    def __init__(self, link: tuple[str, str, str, str | None], inner: _native.Connection) -> None:
        self._link = link
        self._inner: _native.Connection | None = inner
        self._closed = False
        self._begin()
        _connections.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        # Completions of one turn of a loop come in one call of it.
        self._mailboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, _native.Mailbox] = WeakKeyDictionary()
        self._turns: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Lock] = WeakKeyDictionary()

    def _forget(self) -> None:
        """In a child that has just been forked."""
        self._inner = None
        self._begin()

    def _again(self) -> _native.Connection:
        """A connection of this process's own, in place of its parent's."""
        with self._lock:
            return self._inner or self._take(_made(_native.connect(*self._begun())))

    async def _again_soon(self) -> _native.Connection:
        turn = self._turns.setdefault(asyncio.get_running_loop(), asyncio.Lock())
        async with turn:
            if self._inner is not None:
                return self._inner
            inner = _made(_native.begin(*self._begun()))
            await self._opened(inner)
            # A thread may have been faster.
            return self._inner or self._take(inner)

    def _begun(self) -> tuple[str, str, str, str | None]:
        if self._closed:
            raise DisconnectedError("the session was closed")
        return self._link

    def _take(self, inner: _native.Connection) -> _native.Connection:
        self._inner = inner
        return inner

    async def _opened(self, inner: _native.Connection | None = None) -> None:
        """Waits for the node's welcome. Who gives up waiting leaves nothing behind."""
        opening = inner or self._inner
        if opening is not None:
            mailbox, future = self._soon()
            answer(await _result(opening.opened_soon(mailbox, future), future))

    def ask(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        return (self._inner or self._again()).ask(request, timeout if type(timeout) is float else seconds(timeout))

    def _soon(self) -> tuple[_native.Mailbox, asyncio.Future[Any]]:
        loop = asyncio.get_running_loop()
        mailbox = self._mailboxes.get(loop)
        if mailbox is None:
            mailbox = self._mailboxes[loop] = _native.Mailbox(loop.call_soon_threadsafe)
        return mailbox, loop.create_future()

    async def ask_soon(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        if type(timeout) is not float:
            timeout = seconds(timeout)
        inner = self._inner or await self._again_soon()
        mailbox, future = self._soon()
        answered: tuple[bool, bytes] = await _result(inner.ask_soon(request, timeout, mailbox, future), future)
        return answered

    def stream(self, request: bytes, timeout: float | None, credit: int = CREDIT) -> Items:
        # The extension module knows by itself how many items of which operation may be on the way.
        return NativeItems(self, (self._inner or self._again()).stream(request, seconds(timeout)))

    def close(self) -> None:
        self._closed = True
        if self._inner is not None:
            self._inner.close()

    async def close_soon(self) -> None:
        self._closed = True
        if self._inner is not None:
            mailbox, future = self._soon()
            await _result(self._inner.close_soon(mailbox, future), future)

    @property
    def state(self) -> str:
        if self._inner is not None:
            return self._inner.state
        return "closed" if self._closed else "offline"


_connections: WeakSet[NativeConnection] = WeakSet()


def _forked() -> None:
    _native.forked()
    for connection in list(_connections):
        connection._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


class NativeItems(Items):
    """A streamed reply of the native client."""

    def __init__(self, connection: NativeConnection, inner: _native.Items) -> None:
        self._connection = connection
        self._inner: _native.Items | None = inner

    def take(self) -> tuple[bool, bytes] | None:
        return None if self._inner is None else self._inner.take()

    async def take_soon(self) -> tuple[bool, bytes] | None:
        if self._inner is None:
            return None
        mailbox, future = self._connection._soon()
        taken: tuple[bool, bytes] | None = await _result(self._inner.take_soon(mailbox, future), future)
        return taken

    def abandon(self) -> None:
        # It ends with the last who holds it; an error's traceback may hold this object.
        inner, self._inner = self._inner, None
        if inner is not None:
            inner.abandon()
