"""Requests that are given up, and methods that the sandbox ends: the same on both hosts."""

from __future__ import annotations

import asyncio
import os
import sys
import time

import emerge
import pytest
from emerge import errors


@emerge.dataclass
class Worker(emerge.Object):
    count: int = 0

    def spin(self) -> int:
        """Ends by the node's deadline only."""
        while True:
            self.count += 1

    def add(self) -> int:
        self.count += 1
        return self.count

    def add_or_spin(self) -> int:
        """Ends at once for the first of a directory."""
        return self.add() if self.meta.path.endswith("0") else self.spin()

    def recurse(self, depth: int = 0) -> int:
        return self.recurse(depth + 1) + 1

    def flood(self) -> None:
        while True:
            print("flood" * 1000)

    def huge_integer(self) -> int:
        number = 2
        while True:
            number = number**64

    def huge_result(self) -> bytes:
        return bytes(64_000_000)


@pytest.fixture
def worker(fs, home):
    path = f"{home}/worker"
    fs.store(path, Worker())
    fs.call(path, "add")
    return path


def asynchronous(job):
    """Runs a coroutine to its end on either host."""
    if sys.platform == "emscripten":
        from pyodide.ffi import run_sync

        return run_sync(job)
    return asyncio.run(job)


async def _cancelled(path, address):
    async with emerge.connect.aio(address or os.environ["EMERGE_TEST_URL"]) as fs:
        task = asyncio.ensure_future(fs.aio.call(path, "spin", timeout=60))
        await asyncio.sleep(0.3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        added = await fs.aio.call(path, "add", timeout=60)
        began = time.monotonic()
    # To close is to wait for what is under way: had the node gone on, for its deadline of 5 s.
    return added, time.monotonic() - began


def test_a_cancelled_task_cancels_its_call_at_the_node(worker, address):
    added, took = asynchronous(_cancelled(worker, address))
    assert added == 2, "the call that was cancelled changed nothing"
    assert took < 2


async def _waited_for(path, address):
    async with emerge.connect.aio(address or os.environ["EMERGE_TEST_URL"]) as fs:
        with pytest.raises((asyncio.TimeoutError, TimeoutError)):
            await asyncio.wait_for(fs.aio.call(path, "spin", timeout=60), 0.3)
        added = await fs.aio.call(path, "add", timeout=60)
        began = time.monotonic()
    return added, time.monotonic() - began


def test_wait_for_cancels_its_call_at_the_node(worker, address):
    added, took = asynchronous(_waited_for(worker, address))
    assert added == 2 and took < 2


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ("recurse", errors.MethodFailedError),
        ("flood", errors.DeadlineExceededError),
        ("huge_integer", errors.OutOfMemoryError),
        ("huge_result", errors.TooLargeError),
    ],
)
def test_a_method_without_measure_ends_in_an_error(fs, worker, method, error):
    with pytest.raises(error, match="recursion depth" if method == "recurse" else None):
        fs.call(worker, method, timeout=1 if method == "flood" else 30)
    assert fs.call(worker, "add") == 2


def test_a_deadline_ends_the_method(fs, worker):
    began = time.monotonic()
    with pytest.raises(errors.DeadlineExceededError):
        fs.call(worker, "spin", timeout=0.3)
    assert fs.call(worker, "add") == 2
    assert time.monotonic() - began < 5


async def _abandoned(home, address):
    async with emerge.connect.aio(address or os.environ["EMERGE_TEST_URL"]) as fs:
        for number in range(3):
            await fs.aio.store(f"{home}/w{number}", Worker())
        async for member in fs.aio.call_each(home, "add_or_spin"):
            assert (member.name, member.result) == ("w0", 1)
            break
        began = time.monotonic()
        added = await fs.aio.call(f"{home}/w1", "add", timeout=60)
    # To close is to wait for what is under way: had the node gone on, for two deadlines of 5 s.
    return added, time.monotonic() - began


def test_an_abandoned_stream_is_cancelled_at_the_node(home, address):
    added, took = asynchronous(_abandoned(home, address))
    assert added == 1 and took < 3


def test_an_abandoned_loop_is_cancelled_at_the_node(fs, home):
    for number in range(3):
        fs.store(f"{home}/w{number}", Worker())
    for member in fs.call_each(home, "add_or_spin"):
        assert (member.name, member.result) == ("w0", 1)
        break
    began = time.monotonic()
    assert fs.call(f"{home}/w1", "add", timeout=60) == 1
    assert time.monotonic() - began < 3
