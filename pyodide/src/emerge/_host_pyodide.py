"""Pyodide: the client as WebAssembly, which lies beside this file, on the page or in a worker."""

from __future__ import annotations

import asyncio
from collections import deque
from importlib import resources
from typing import Any
from weakref import WeakSet

import js
from pyodide.ffi import can_run_sync, create_proxy, run_sync, to_js

from . import _wire
from ._host import Connection, Host, Items, failure
from .errors import UnsupportedError

CREDIT = 64


def _instantiate() -> Any:
    """Compiles the module at once, with no turn of the event loop, so that ``import emerge`` is enough."""
    here = resources.files("emerge")
    source = (here / "_core.js").read_text("utf-8")
    binary = (here / "_core.wasm").read_bytes()
    core = js.Function.new(f"{source}\nreturn wasm_bindgen")()
    core.initSync(to_js({"module": binary}, dict_converter=js.Object.fromEntries))
    return core


def _bridge() -> Any:
    """Gives what makes a bridge; a failure to do so is thrown as the bytes of its pickle."""
    source = (resources.files("emerge") / "_bridge.js").read_text("utf-8")
    return js.Function.new("...args", f"{source}\nreturn new Bridge(...args)")


_CANNOT_WAIT = (
    "a plain call cannot wait here: this browser, or the way this code was started, has no JavaScript Promise "
    "Integration (runPythonAsync and notebook cells in a current Chromium have it); "
    "use the asynchronous form: await fs.aio.call(…), await emerge.connect.aio(…)"
)


def _wait(coroutine: Any) -> Any:
    """Waits in place by JavaScript Promise Integration."""
    if not can_run_sync():
        coroutine.close()
        raise UnsupportedError(_CANNOT_WAIT)
    return run_sync(coroutine)


class PyodideHost(Host):
    """Pyodide, on a page, in a worker or in Node."""

    def __init__(self) -> None:
        self.core = _instantiate()
        self.bridge = _bridge()

    def connect(self, url: str, token: str, agent: str) -> Connection:
        connection: Connection = _wait(self.connect_soon(url, token, agent))
        return connection

    async def connect_soon(self, url: str, token: str, agent: str) -> Connection:
        if not hasattr(js, "WebSocket"):
            raise UnsupportedError(
                "this host has no WebSocket, and a connection needs one; Node has it from version 22"
            )
        connection = PyodideConnection(self, url, token, agent)
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


class _Reply(asyncio.Future[Any]):
    """A reply on its way. When it comes, whoever waits for it goes on at once and not in a later turn of the page's loop, which takes longer than
    the node does."""

    def __init__(self) -> None:
        super().__init__(loop=asyncio.get_event_loop())
        self._then: list[tuple[Any, Any]] = []

    def add_done_callback(self, fn: Any, *, context: Any = None) -> None:
        """See ``asyncio.Future``."""
        if self.done():
            super().add_done_callback(fn, context=context)
        else:
            self._then.append((fn, context))

    def remove_done_callback(self, fn: Any) -> int:
        """See ``asyncio.Future``."""
        kept = [each for each in self._then if each[0] != fn]
        removed, self._then = len(self._then) - len(kept), kept
        return removed + super().remove_done_callback(fn)

    def cancel(self, msg: Any = None) -> bool:
        """See ``asyncio.Future``."""
        cancelled = super().cancel(msg)
        if cancelled:
            then, self._then = self._then, []
            for fn, context in then:
                super().add_done_callback(fn, context=context)
        return cancelled

    def arrive(self, value: Any) -> None:
        """Gives the reply to whoever waits."""
        if self.done():
            return
        super().set_result(value)
        then, self._then = self._then, []
        for fn, context in then:
            if context is None:
                fn(self)
            else:
                context.run(fn, self)


def _opened(reply: Any) -> tuple[bool, bytes]:
    """A reply as the bridge gives it: after a byte that says whether it is good."""
    data = reply.to_bytes()
    return data[0] == 1, data[1:]


_connections: WeakSet[PyodideConnection] = WeakSet()


def interrupt() -> bool:
    """Ends plain calls that wait for a node, by ``KeyboardInterrupt``; says whether any did. For those who run cells: Python hears no signal meanwhile."""
    return any([connection.interrupt() for connection in _connections])


class PyodideConnection(Connection):
    """A connection over the host's WebSocket."""

    def __init__(self, host: PyodideHost, url: str, token: str, agent: str) -> None:
        self._receivers: dict[int, Any] = {}
        self._state = "connecting"
        self._loop: Any = asyncio.get_event_loop()
        self._opening: asyncio.Future[None] | None = self._loop.create_future()
        # Plain calls that have not come back, and whether the next of them is to raise KeyboardInterrupt.
        self._asking, self._interrupted = 0, False
        self._proxies: tuple[Any, ...] = (create_proxy(self._on_reply), create_proxy(self._on_state))
        options = to_js({"token": token, "agent": agent}, dict_converter=js.Object.fromEntries)
        good, made = _guarded(host.bridge, host.core, url, options, *self._proxies)
        if not good:
            raise failure(made.to_bytes())
        self._bridge = made
        _connections.add(self)
        # Looked up once: each is a crossing.
        self._ask, self._ask_here = made.ask, made.askHere

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
            opening.set_exception(failure(error.to_bytes()))

    def _on_reply(self, number: int, reply: Any, is_last: bool) -> None:
        receiver = self._receivers.pop(number, None) if is_last else self._receivers.get(number)
        if receiver is None:
            return
        # A call from JavaScript that can wait in place has a thread state of its own, on which no loop runs yet.
        asyncio._set_running_loop(self._loop)
        receiver(None if reply is None else _opened(reply))

    def _send(
        self, request: bytes, timeout: float | None, credit: int | None, receiver: Any
    ) -> int | tuple[bool, bytes]:
        """Asks; the number of the request, or the reply that says why not."""
        sent = self._ask(_name_of(request), to_js(request), _millis(timeout), credit)
        if type(sent) is not int:
            return _opened(sent)
        self._receivers[sent] = receiver
        return sent

    def ask(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        if not can_run_sync():
            raise UnsupportedError(_CANNOT_WAIT)
        asked = self._ask_here(_name_of(request), to_js(request), _millis(timeout))
        self._asking += 1
        try:
            reply = run_sync(asked)
        finally:
            # However it ended: the interruption is for this call and no later one.
            interrupted, self._interrupted = self._interrupted, False
            self._asking -= 1
        if reply is None or interrupted:
            raise KeyboardInterrupt
        return _opened(reply)

    def interrupt(self) -> bool:
        """Ends plain calls that wait; says whether any did."""
        if self._bridge.interrupt():
            return True
        # The reply may be there and its caller not yet: the page's loop turns in between.
        self._interrupted = self._asking > 0
        return self._interrupted

    async def ask_soon(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        reply = _Reply()
        sent = self._send(request, timeout, None, reply.arrive)
        if not isinstance(sent, int):
            return sent
        try:
            answered: tuple[bool, bytes] = await reply
            return answered
        except asyncio.CancelledError:
            if self._receivers.pop(sent, None) is not None:
                self._bridge.cancel(sent)
            raise

    def stream(self, request: bytes, timeout: float | None) -> Items:
        return PyodideItems(self, request, timeout)

    def close(self) -> None:
        _wait(self.close_soon())

    async def close_soon(self) -> None:
        await self._bridge.close()
        for proxy in self._proxies:
            proxy.destroy()
        self._proxies = ()

    @property
    def state(self) -> str:
        return self._state


def _millis(timeout: float | None) -> float | None:
    return None if timeout is None else timeout * 1000


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
        sent = connection._send(request, timeout, CREDIT, self._receive)
        self._number = sent if isinstance(sent, int) else None
        if not isinstance(sent, int):
            self._items.append(sent)

    def _receive(self, item: tuple[bool, bytes] | None) -> None:
        self._items.append(item)
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
        if not self._over and self._number is not None and self._taken * 2 > CREDIT:
            self._connection._bridge.credit(self._number, self._taken)
            self._taken = 0
        return item
