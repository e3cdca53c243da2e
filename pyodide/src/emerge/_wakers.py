"""Pyodide: how tasks and plain calls that wait for a reply go on when it comes."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Generator
from typing import Any

import js
from pyodide.ffi import create_proxy, run_sync


class Soon:
    """A reply on its way to a task, which goes on at once when it comes and not in a later turn of the page's loop, which takes longer than the node does.

    As much of a future as ``asyncio.Task`` asks for, for this is made at each request and ``asyncio.Future`` does more.
    """

    __slots__ = ("_asyncio_future_blocking", "_context", "_fn", "_loop", "_over", "value")

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._fn: Any = None
        self._over = ""
        self._asyncio_future_blocking = False
        self.value: Any = None

    def __await__(self) -> Generator[Any, None, Any]:
        if not self._over:
            self._asyncio_future_blocking = True
            yield self
        if self._over == "cancelled":
            raise asyncio.CancelledError
        return self.value

    def get_loop(self) -> Any:
        return self._loop

    def done(self) -> bool:
        return bool(self._over)

    def cancelled(self) -> bool:
        return self._over == "cancelled"

    def result(self) -> Any:
        if self._over == "cancelled":
            raise asyncio.CancelledError
        return self.value

    def add_done_callback(self, fn: Any, *, context: Any = None) -> None:
        """Takes the one callback of the one task that waits."""
        self._fn, self._context = fn, context
        if self._over:
            self._tell_later()

    def remove_done_callback(self, fn: Any) -> int:
        removed = self._fn == fn
        if removed:
            self._fn = None
        return int(removed)

    def cancel(self, msg: Any = None) -> bool:
        if self._over:
            return False
        self._over = "cancelled"
        self._tell_later()
        return True

    def _tell_later(self) -> None:
        fn, self._fn = self._fn, None
        if fn is not None:
            self._loop.call_soon(fn, self, context=self._context)

    def arrive(self, value: Any) -> None:
        """Gives the reply to the task."""
        if self._over:
            return
        self._over = "arrived"
        self.value = value
        fn, self._fn = self._fn, None
        if fn is None:
            return
        if self._context is None:
            fn(self)
        else:
            self._context.run(fn, self)


class Waited(asyncio.Future[None]):
    """What ``run_sync`` waits for, which goes on at once as well; for a promise of JavaScript's it takes turns of the loop."""

    def __init__(self, loop: Any) -> None:
        super().__init__(loop=loop)
        self._fn: Any = None
        self.value: Any = None
        """The reply. As a result of the future it would be converted on its way through ``run_sync``."""

    def add_done_callback(self, fn: Any, *, context: Any = None) -> None:
        """See ``asyncio.Future``."""
        if self.done() or self._fn is not None:
            super().add_done_callback(fn, context=context)
        else:
            self._fn = fn

    def arrive(self, value: Any = None) -> None:
        """Gives the reply to the call that waits."""
        if self.done():
            return
        self.value = value
        self.set_result(None)
        fn, self._fn = self._fn, None
        if fn is not None:
            fn(self)


_CAN_WAIT = hasattr(js.WebAssembly, "Suspending")
# Gives nothing back: a promise would become a future.
_begins = js.Function.new("f", "return () => { f.callPromising(); }")


class Wakers:
    """Wakes the tasks that wait for replies, in calls from JavaScript that can wait in place: so a task may go on with plain calls.

    To begin such a call takes a turn of the page's loop. So one is kept between replies, itself waiting; when a task makes it wait for something
    else, another is begun for the replies that come meanwhile.
    """

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._work: deque[tuple[Soon, Any]] = deque()
        self._idle: Waited | None = None
        # Whether one will look at the work without being told again.
        self._coming = False
        self._closed = False
        self._proxy = create_proxy(self._run)
        self._begin: Any = _begins(self._proxy) if _CAN_WAIT else None

    def wake(self, reply: Soon, value: Any) -> None:
        """Gives a reply to the task that waits for it."""
        if self._begin is None or self._closed:
            reply.arrive(value)
            return
        self._work.append((reply, value))
        if not self._coming:
            self._call()

    def _call(self) -> None:
        self._coming = True
        idle, self._idle = self._idle, None
        if idle is None:
            self._begin()
        else:
            idle.arrive()

    def _run(self) -> None:
        # Each such call has a thread state of its own, on which no loop runs yet.
        asyncio._set_running_loop(self._loop)
        while True:
            self._coming = False
            while self._work:
                reply, value = self._work.popleft()
                # The task may wait in place, and what others wait for must not wait with it.
                if self._work and not self._coming:
                    self._call()
                reply.arrive(value)
            if self._closed or self._idle is not None:
                return
            self._idle = idle = Waited(self._loop)
            run_sync(idle)

    def close(self) -> None:
        """Ends the one that waits."""
        self._closed = True
        idle, self._idle = self._idle, None
        if idle is not None:
            idle.arrive()
        self._proxy.destroy()
