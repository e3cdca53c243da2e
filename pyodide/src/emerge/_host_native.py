"""CPython: the extension module that holds the native client."""

from __future__ import annotations

import asyncio
from typing import Any
from weakref import WeakKeyDictionary

from ._host import Connection, Host, Items, failure

try:
    from . import _native
except ImportError as error:
    raise ImportError(
        "this installation of emerge has no extension module for this Python: install the wheel for CPython 3.10 or "
        "later (pip install emerge); the wheel for Pyodide works in Pyodide only"
    ) from error


class NativeHost(Host):
    """CPython 3.10 and later."""

    def connect(self, url: str, token: str, agent: str) -> Connection:
        good, payload, connection = _native.connect(url, token, agent)
        if not good or connection is None:
            raise failure(payload)
        return NativeConnection(connection)

    async def connect_soon(self, url: str, token: str, agent: str) -> Connection:
        return await asyncio.to_thread(self.connect, url, token, agent)

    def class_hash_reply(self, source: bytes) -> tuple[bool, bytes]:
        return _native.class_hash(source)

    def check_reply(self, value: bytes) -> tuple[bool, bytes]:
        return _native.check(value)

    def changes_reply(self, old: bytes, new: bytes) -> tuple[bool, bytes]:
        return _native.changes(old, new)


async def _result(asked: _native.Asked, future: asyncio.Future[Any]) -> Any:
    """What the future gets. When nobody waits for it any more, the node is told."""
    try:
        return await future
    except asyncio.CancelledError:
        asked.cancel()
        raise


class NativeConnection(Connection):
    """A connection of the native client, for threads and for asyncio."""

    def __init__(self, inner: _native.Connection) -> None:
        self._inner = inner
        # Completions of one turn of a loop come in one call of it.
        self._mailboxes: WeakKeyDictionary[asyncio.AbstractEventLoop, _native.Mailbox] = WeakKeyDictionary()

    def ask(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        return self._inner.ask(request, timeout)

    def _soon(self) -> tuple[_native.Mailbox, asyncio.Future[Any]]:
        loop = asyncio.get_running_loop()
        mailbox = self._mailboxes.get(loop)
        if mailbox is None:
            mailbox = self._mailboxes[loop] = _native.Mailbox(loop.call_soon_threadsafe)
        return mailbox, loop.create_future()

    async def ask_soon(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        mailbox, future = self._soon()
        answered: tuple[bool, bytes] = await _result(self._inner.ask_soon(request, timeout, mailbox, future), future)
        return answered

    def stream(self, request: bytes, timeout: float | None) -> Items:
        return NativeItems(self, self._inner.stream(request, timeout))

    def close(self) -> None:
        self._inner.close()

    async def close_soon(self) -> None:
        await asyncio.to_thread(self._inner.close)

    @property
    def state(self) -> str:
        return self._inner.state


class NativeItems(Items):
    """A streamed reply of the native client."""

    def __init__(self, connection: NativeConnection, inner: _native.Items) -> None:
        self._connection = connection
        self._inner = inner

    def take(self) -> tuple[bool, bytes] | None:
        return self._inner.take()

    async def take_soon(self) -> tuple[bool, bytes] | None:
        mailbox, future = self._connection._soon()
        taken: tuple[bool, bytes] | None = await _result(self._inner.take_soon(mailbox, future), future)
        return taken
