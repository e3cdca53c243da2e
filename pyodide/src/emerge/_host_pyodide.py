"""Pyodide: the client as WebAssembly, which lies beside this file, on the page or in a worker."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from functools import partial
from importlib import resources
from typing import Any
from weakref import WeakSet

import js
from pyodide.ffi import JsException, can_run_sync, create_proxy, run_sync, to_js

from ._arguments import seconds
from ._host import CREDIT, Connection, Host, Items, failure
from ._module import Runner, check_imports, failed
from ._wakers import Soon, Waited, Wakers
from .errors import ClassInvalidError, UnsupportedError

# Bytes of the memory that Python and JavaScript share for requests, and for replies.
_SHARED = 64 * 1024


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
    outcome: list[Any] = []
    run_sync(_into(outcome, coroutine))
    value, error = outcome
    if error is not None:
        raise error
    return value


async def _into(outcome: list[Any], coroutine: Any) -> None:
    """Keeps what a coroutine gives or raises: of a task that fails Pyodide may print a traceback, though its error is about to be handled."""
    try:
        outcome += [await coroutine, None]
    except Exception as error:
        outcome += [None, error]


class PyodideHost(Host):
    """Pyodide, on a page, in a worker or in Node."""

    def __init__(self) -> None:
        self.core = _instantiate()
        self.bridge = _bridge()

    def at_once(
        self, soon: Callable[[], Coroutine[Any, Any, Any]], waiting: Callable[[], Coroutine[Any, Any, Any]]
    ) -> Any:
        return _wait(soon())

    def connect(self, url: str, token: str, agent: str, ca: str | None) -> Connection:
        connection: Connection = _wait(self.connect_soon(url, token, agent, ca))
        return connection

    async def connect_soon(self, url: str, token: str, agent: str, ca: str | None) -> Connection:
        if ca is not None:
            raise UnsupportedError(
                "which certificates are trusted here, the browser or Node.js decides: connect without ca"
            )
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

    def module(self, what: str, *parts: bytes) -> tuple[bool, bytes]:
        functions = {"about": self.core.moduleAbout, "request": self.core.moduleRequest, "reply": self.core.moduleReply}
        return _called(functions[what], *map(to_js, parts))

    def module_runner(self, module: bytes) -> Runner:
        return _Runner(module)


# As in ``www/src/module.ts``: a new instance for each call, in which nothing of another is there.
_run_module = js.Function.new(
    "module",
    "request",
    "refusal",
    """
    let exports;
    const lines = [], text = (at, size) => new TextDecoder().decode(view(at, size));
    const view = (at, size) => new Uint8Array(exports.memory.buffer, at >>> 0, size >>> 0);
    const put = (bytes) => {
      const at = exports.emerge_alloc(bytes.length);
      view(at, bytes.length).set(bytes);
      return at;
    };
    const emerge = {
      request: () => (BigInt(put(refusal) >>> 0) << 32n) | BigInt(refusal.length),
      log: (at, size) => lines.push(text(at, size)),
      fail: (at, size) => { throw new Error(text(at, size)); },
    };
    try {
      exports = new WebAssembly.Instance(module, { emerge }).exports;
      const packed = BigInt.asUintN(64, exports.emerge_call(put(request), request.length));
      return [true, view(Number(packed >> 32n), Number(packed & 0xffffffffn)).slice(), lines.join("\\n")];
    } catch (error) {
      return [false, String(error?.message ?? error), lines.join("\\n")];
    }
    """,
)


class _Runner(Runner):
    """A module in the page's own WebAssembly."""

    def __init__(self, module: bytes) -> None:
        try:
            self._module = js.WebAssembly.Module.new(to_js(module))
        except JsException as error:
            raise ClassInvalidError(f"this is no WebAssembly module: {error}", field="module") from None
        check_imports([(each.module, each.name) for each in js.WebAssembly.Module.imports(self._module)])

    def run(self, request: bytes, what: str, refusal: bytes) -> bytes:
        good, payload, log = _run_module(self._module, to_js(request), to_js(refusal))
        if log:
            print(log)
        if not good:
            raise failed(what, payload)
        reply: bytes = payload.to_bytes()
        return reply


# What the module throws is bytes, which no Python exception can be; so a call is wrapped in JavaScript.
_guarded = js.Function.new(
    "f",
    "...args",
    "try { return [true, f(...args)] } catch (e) { if (e instanceof Uint8Array) return [false, e]; throw e }",
)


def _called(function: Any, *args: Any) -> tuple[bool, bytes]:
    good, payload = _guarded(function, *args)
    return bool(good), payload.to_bytes()


_FREE, _GOOD = 0, 2

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
        # Plain calls that wait, by their numbers; how many have not come back, and whether the next to do so is to raise KeyboardInterrupt.
        self._waiting: dict[int, Waited] = {}
        self._asking, self._interrupted = 0, False
        self._wakers = Wakers(self._loop)
        # The first byte of the replies' memory says whether one lies there, and is given back as _FREE; so says the bridge.
        self._outgoing, self._incoming = bytearray(_SHARED), bytearray(_SHARED)
        self._arrived = memoryview(self._incoming)
        shared = (self._outgoing, self._incoming, self._on_reply, self._on_state)
        self._proxies: tuple[Any, ...] = tuple(create_proxy(each) for each in shared)
        options = to_js({"token": token, "agent": agent}, dict_converter=js.Object.fromEntries)
        good, made = _guarded(host.bridge, host.core, url, options, *self._proxies)
        if not good:
            self._release()
            raise failure(made.to_bytes())
        self._bridge = made
        _connections.add(self)
        # Looked up once: it is a crossing.
        self._ask = made.ask

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
        opened = None if reply is None else self._read(reply)
        if receiver is not None:
            receiver(opened)

    def _read(self, reply: Any) -> tuple[bool, bytes]:
        """A reply as the bridge gives it: after a byte that says whether it is good; in the shared memory when only its length came."""
        if type(reply) is not int:
            data = reply.to_bytes()
            return data[0] == _GOOD, data[1:]
        shared = self._incoming
        good, data = shared[0] == _GOOD, bytes(self._arrived[1:reply])
        shared[0] = _FREE
        return good, data

    def _send(
        self, request: bytes, timeout: float | None, credit: int | None, receiver: Any
    ) -> int | tuple[bool, bytes]:
        """Asks; the number of the request, or the reply that says why not. One that fits into the shared memory goes by its length."""
        length = len(request)
        shared: Any = length
        # Of a closed connection nothing is shared any more; the session says what it has to say.
        if length > _SHARED or not self._proxies:
            shared = to_js(request)
        else:
            self._outgoing[:length] = request
        limit = seconds(timeout)
        sent = self._ask(shared, None if limit is None else limit * 1000, credit)
        if type(sent) is not int:
            return self._read(sent)
        self._receivers[sent] = receiver
        return sent

    def ask(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        if not can_run_sync():
            raise UnsupportedError(_CANNOT_WAIT)
        reply = Waited(self._loop)
        sent = self._send(request, timeout, None, reply.arrive)
        if not isinstance(sent, int):
            return sent
        self._waiting[sent] = reply
        self._asking += 1
        try:
            run_sync(reply)
        finally:
            # However it ended: the interruption is for this call and no later one.
            interrupted, self._interrupted = self._interrupted, False
            self._asking -= 1
            del self._waiting[sent]
            self._give_up(sent)
        if interrupted or reply.value is None:
            raise KeyboardInterrupt
        opened: tuple[bool, bytes] = reply.value
        return opened

    def _give_up(self, number: int) -> None:
        """Cancels a request, unless its reply has come."""
        if self._receivers.pop(number, None) is not None:
            self._bridge.cancel(number)

    def interrupt(self) -> bool:
        """Ends plain calls that wait; says whether any did."""
        for number, reply in list(self._waiting.items()):
            self._give_up(number)
            reply.arrive()
        # The reply may be there and its caller not yet: the page's loop turns in between.
        self._interrupted = self._asking > 0
        return self._interrupted

    async def ask_soon(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        reply = Soon(self._loop)
        sent = self._send(request, timeout, None, partial(self._wakers.wake, reply))
        if not isinstance(sent, int):
            return sent
        try:
            opened: tuple[bool, bytes] = await reply
        except asyncio.CancelledError:
            self._give_up(sent)
            raise
        return opened

    def stream(self, request: bytes, timeout: float | None, credit: int = CREDIT) -> Items:
        return PyodideItems(self, request, timeout, credit)

    def close(self) -> None:
        _wait(self.close_soon())

    async def close_soon(self) -> None:
        await self._bridge.close()
        self._release()

    def _release(self) -> None:
        """Gives back what JavaScript has of Python's. Two may close at once."""
        proxies, self._proxies = self._proxies, ()
        if not proxies:
            return
        self._wakers.close()
        for proxy in proxies:
            proxy.destroy()

    @property
    def state(self) -> str:
        return self._state


class PyodideItems(Items):
    """A streamed reply."""

    def __init__(self, connection: PyodideConnection, request: bytes, timeout: float | None, credit: int) -> None:
        self._connection = connection
        self._credit = credit
        self._items: deque[tuple[bool, bytes] | None] = deque()
        self._arrived = asyncio.Event()
        self._taken = 0
        self._over = False
        sent = connection._send(request, timeout, credit, self._receive)
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
            if self._over:
                return None
        item = self._items.popleft()
        self._over = item is None or not item[0]
        self._taken += 1
        # Credit is given back by halves.
        if not self._over and self._number is not None and self._taken * 2 > self._credit:
            self._connection._bridge.credit(self._number, self._taken)
            self._taken = 0
        return item

    def abandon(self) -> None:
        self._over = True
        self._items.clear()
        self._arrived.set()
        if self._number is not None:
            self._connection._give_up(self._number)
