"""What only Pyodide has: hosts that lack something, and waiting in place within tasks and callbacks."""

from __future__ import annotations

import asyncio
import os

import emerge
import js
import pytest
from emerge import _wakers, errors
from pyodide.ffi import create_proxy, run_sync, to_js

URL = os.environ["EMERGE_TEST_URL"]

# From a call of JavaScript's that cannot wait: what the function gives, or the class and the text of what it raises.
_plainly = js.Function.new("f", "return f()")


def _without_waiting(function):
    def told():
        try:
            return repr(function())
        except emerge.EmergeError as error:
            return f"{type(error).__name__}: {error}"

    proxy = create_proxy(told)
    try:
        return _plainly(proxy)
    finally:
        proxy.destroy()


@emerge.dataclass
class Counter(emerge.Object):
    count: int = 0

    def add(self) -> int:
        self.count += 1
        return self.count


def test_without_promise_integration_a_plain_call_names_the_other_form(fs, home):
    for call in (lambda: fs.stat(home), lambda: emerge.connect(URL), lambda: list(fs.list(home))):
        told = _without_waiting(call)
        assert told.startswith("UnsupportedError") and "await fs.aio.call" in told
    assert fs.stat(home).path == home


def test_without_promise_integration_awaiting_works(home, monkeypatch):
    monkeypatch.setattr(_wakers, "_CAN_WAIT", False)

    async def many():
        async with emerge.connect.aio(URL) as fs:
            await fs.aio.store(f"{home}/counter", Counter())
            return await asyncio.gather(*(fs.aio.call(f"{home}/counter", "add") for _ in range(5)))

    assert sorted(run_sync(many())) == [1, 2, 3, 4, 5]


def test_without_websocket_connecting_says_so():
    kept = js.WebSocket
    del js.WebSocket
    try:
        with pytest.raises(errors.UnsupportedError, match="no WebSocket"):
            emerge.connect(URL)
    finally:
        js.WebSocket = kept


# A node that answers whatever it is told with these bytes.
_answering = js.Function.new(
    "bytes",
    """
    return class extends EventTarget {
      readyState = 0; bufferedAmount = 0; protocol = "";
      constructor() { super(); setTimeout(() => { this.readyState = 1; this.#tell(new Event("open")); }); }
      #tell(event) { this[`on${event.type}`]?.(event); this.dispatchEvent(event); }
      send() { setTimeout(() => this.#tell(new MessageEvent("message", { data: bytes.slice().buffer }))); }
      close() { this.readyState = 3; setTimeout(() => this.#tell(new Event("close"))); }
    }
    """,
)
# A welcome of version 2 (frame 16).
WELCOME_2 = b"\x82\x10\x81\x86\x02\x50" + bytes(16) + b"\xf4\x61u\x61n\x00"


def test_a_node_of_another_version_is_named(monkeypatch):
    kept = js.WebSocket
    js.WebSocket = _answering(to_js(WELCOME_2))
    try:
        with pytest.raises(errors.UnsupportedVersionError, match="version 2; this client speaks 1"):
            emerge.connect(URL)
    finally:
        js.WebSocket = kept


def test_tasks_wait_in_place_beside_each_other(home):
    """Each awaits and then calls plainly, so that replies come for some while others wait on their stacks."""

    async def one(fs, number):
        path = f"{home}/c{number}"
        await fs.aio.store(path, Counter())
        for turn in range(1, 6):
            assert fs.call(path, "add") == 2 * turn - 1
            assert await fs.aio.call(path, "add") == 2 * turn
        return fs.get(path).count

    async def all_of_them():
        async with emerge.connect.aio(URL) as fs:
            return await asyncio.gather(*(one(fs, number) for number in range(8)))

    assert run_sync(all_of_them()) == [10] * 8


def test_a_task_that_waits_in_place_holds_no_other_up(home):
    """The one waits in place for what the other does after its own reply."""

    async def both():
        async with emerge.connect.aio(URL) as fs:
            await fs.aio.store(f"{home}/counter", Counter())
            done = asyncio.get_running_loop().create_future()

            async def first():
                await fs.aio.stat(home)
                return run_sync(done)

            async def second():
                await fs.aio.stat(home)
                done.set_result(await fs.aio.call(f"{home}/counter", "add"))

            return await asyncio.wait_for(asyncio.gather(first(), second()), 10)

    assert run_sync(both()) == [1, None]


def test_large_requests_and_replies_beside_small_ones(fs, home):
    """Past what Python and JavaScript share, and growing Python's memory, which moves what they share."""
    kept = []
    for size in (10, 65_000, 65_536, 70_000, 3_000_000, 10):
        fs.store(f"{home}/large{size}", Large(text="x" * size), overwrite=True)
        assert len(fs.get(f"{home}/large{size}").text) == size
        kept.append(bytearray(20_000_000))
    assert len(kept) == 6

    async def many():
        return await asyncio.gather(*(fs.aio.get(f"{home}/large{size}") for size in (10, 70_000, 10, 65_000) * 4))

    assert [len(each.text) for each in run_sync(many())] == [10, 70_000, 10, 65_000] * 4


@emerge.dataclass
class Large(emerge.Object):
    text: str = ""
