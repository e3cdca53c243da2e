"""Pyodide: the client as WebAssembly, which lies beside this file, on the page or in a worker."""

from __future__ import annotations

import asyncio
from collections import deque
from importlib import resources
from typing import Any

import js
from pyodide.ffi import can_run_sync, create_proxy, run_sync, to_js

from . import _wire
from ._host import Connection, Host, Items, failure
from .errors import UnsupportedError

VALUE, ERROR, ITEM, PUSH, END = range(5)
CREDIT = 64


def _instantiate() -> Any:
    """Compiles the module at once, with no turn of the event loop, so that ``import emerge`` is enough."""
    here = resources.files("emerge")
    source = (here / "_core.js").read_text("utf-8")
    binary = (here / "_core.wasm").read_bytes()
    core = js.Function.new(f"{source}\nreturn wasm_bindgen")()
    core.initSync(to_js({"module": binary}, dict_converter=js.Object.fromEntries))
    return core


def _wait(coroutine: Any) -> Any:
    """Waits in place by JavaScript Promise Integration."""
    if not can_run_sync():
        coroutine.close()
        raise UnsupportedError(
            "a plain call cannot wait here: this browser, or the way this code was started, has no JavaScript Promise "
            "Integration (runPythonAsync and notebook cells in a current Chromium have it); "
            "use the asynchronous form: await fs.aio.call(…), await emerge.connect.aio(…)"
        )
    return run_sync(coroutine)


class PyodideHost(Host):
    """Pyodide, on a page, in a worker or in Node."""

    def __init__(self) -> None:
        self.core = _instantiate()

    def connect(self, url: str, token: str, agent: str) -> Connection:
        connection: Connection = _wait(self.connect_soon(url, token, agent))
        return connection

    async def connect_soon(self, url: str, token: str, agent: str) -> Connection:
        if not hasattr(js, "WebSocket"):
            raise UnsupportedError(
                "this host has no WebSocket, and a connection needs one; Node has it from version 22"
            )
        connection = PyodideConnection(self.core, url, token, agent)
        await connection.opened()
        return connection

    def class_hash_reply(self, source: bytes) -> tuple[bool, bytes]:
        return _called(self.core.pickledClassHash, to_js(source))

    def check_reply(self, value: bytes) -> tuple[bool, bytes]:
        return _called(self.core.checkPickle, to_js(value))

    def changes_reply(self, old: bytes, new: bytes) -> tuple[bool, bytes]:
        return _called(self.core.pickledChanges, to_js(old), to_js(new))


# What the module throws is bytes, which no Python exception can be; so a call is wrapped in JavaScript.
_guarded = js.Function.new(
    "f",
    "...args",
    "try { return [true, f(...args)] } catch (e) { if (e instanceof Uint8Array) return [false, e]; throw e }",
)


def _called(function: Any, *args: Any) -> tuple[bool, bytes]:
    good, payload = _guarded(function, *args)
    return bool(good), payload.to_bytes()


class PyodideConnection(Connection):
    """A connection over the host's WebSocket."""

    def __init__(self, core: Any, url: str, token: str, agent: str) -> None:
        self._core = core
        self._waiting: dict[int, tuple[str, Any]] = {}
        self._state = "connecting"
        self._opening: asyncio.Future[None] | None = asyncio.get_event_loop().create_future()
        self._proxies: tuple[Any, ...] = (create_proxy(self._on_events), create_proxy(self._on_state))
        options = to_js({"token": token, "agent": agent}, dict_converter=js.Object.fromEntries)
        construct = js.Function.new("C", "...args", "return new C(...args)")
        good, made = _guarded(construct, core.Core, url, options, *self._proxies)
        if not good:
            raise failure(core.errorToPickle(made).to_bytes())
        self._session = made
        self._request = self._session.request.bind(self._session)

    async def opened(self) -> None:
        """Waits for the node's welcome, or the first failure."""
        if self._opening is not None:
            await self._opening

    def _on_state(self, state: str, error: Any = None) -> None:
        self._state = state
        opening = self._opening
        if opening is None or opening.done():
            return
        if state == "open":
            self._opening = None
            opening.set_result(None)
        elif error is not None:
            self._opening = None
            opening.set_exception(failure(self._core.errorToPickle(error).to_bytes()))

    def _on_events(self, message: Any, index: Any) -> None:
        # One crossing for the bytes and one for the index, however many replies a message holds.
        numbers = memoryview(index.to_bytes()).cast("I")
        for at in range(0, len(numbers), 4):
            seq, kind, offset, length = numbers[at : at + 4]
            waiting = self._waiting.get(seq)
            if waiting is None:
                continue
            op, receiver = waiting
            piece = message.subarray(offset, offset + length)
            if kind == ERROR:
                answer = (False, self._core.errorToPickle(piece).to_bytes())
            elif kind == END:
                answer = None
            elif kind == ITEM:
                answer = _called(self._core.itemToPickle, op, piece)
            else:
                answer = _called(self._core.replyToPickle, op, piece)
            if kind != ITEM:
                del self._waiting[seq]
            receiver(answer, kind != ITEM)

    def _send(self, request: bytes, timeout: float | None, credit: int | None, receiver: Any) -> tuple[bool, Any]:
        good, op = _guarded(self._core.opFromPickle, to_js(request))
        if not good:
            return False, op.to_bytes()
        millis = None if timeout is None else timeout * 1000
        good, seq = _guarded(self._request, op, millis, credit)
        if not good:
            return False, self._core.errorToPickle(seq).to_bytes()
        self._waiting[seq] = (_wire.loads(request)[0] if credit is not None else _name_of(request), receiver)
        return True, seq

    def ask(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        answered: tuple[bool, bytes] = _wait(self.ask_soon(request, timeout))
        return answered

    async def ask_soon(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        future: asyncio.Future[tuple[bool, bytes]] = asyncio.get_event_loop().create_future()

        def receive(answer: tuple[bool, bytes], _: bool) -> None:
            if not future.done():
                future.set_result(answer)

        good, sent = self._send(request, timeout, None, receive)
        if not good:
            return False, sent
        try:
            return await future
        except asyncio.CancelledError:
            if self._waiting.pop(sent, None) is not None:
                self._session.cancel(sent)
            raise

    def stream(self, request: bytes, timeout: float | None) -> Items:
        return PyodideItems(self, request, timeout)

    def close(self) -> None:
        _wait(self.close_soon())

    async def close_soon(self) -> None:
        await self._session.close()
        for proxy in self._proxies:
            proxy.destroy()
        self._proxies = ()

    @property
    def state(self) -> str:
        return self._state


def _name_of(request: bytes) -> str:
    """The operation's name: the first text of the pickle, after its header and frame."""
    at = 2 + (9 if request[2] == 0x95 else 0)
    at += request[at : at + 1] == b"("
    return request[at + 2 : at + 2 + request[at + 1]].decode()


class PyodideItems(Items):
    """A streamed reply."""

    def __init__(self, connection: PyodideConnection, request: bytes, timeout: float | None) -> None:
        self._connection = connection
        self._items: deque[tuple[bool, bytes] | None] = deque()
        self._arrived = asyncio.Event()
        self._taken = 0
        self._over = False
        good, sent = connection._send(request, timeout, CREDIT, self._receive)
        self._seq = sent if good else None
        if not good:
            self._items.append((False, sent))

    def _receive(self, answer: tuple[bool, bytes] | None, is_last: bool) -> None:
        self._items.append(answer)
        if is_last:
            self._seq = None
        self._arrived.set()

    def take(self) -> tuple[bool, bytes] | None:
        taken: tuple[bool, bytes] | None = _wait(self.take_soon())
        return taken

    async def take_soon(self) -> tuple[bool, bytes] | None:
        if self._over:
            return None
        while not self._items:
            self._arrived.clear()
            await self._arrived.wait()
        item = self._items.popleft()
        self._over = item is None or not item[0]
        self._taken += 1
        # Credit is given back by halves.
        if self._seq is not None and self._taken * 2 > CREDIT:
            self._connection._session.credit(self._seq, self._taken)
            self._taken = 0
        return item
