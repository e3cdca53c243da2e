"""Watching, against a real node."""

from __future__ import annotations

import asyncio
import itertools
import sys

import pytest

import emerge
from emerge import errors


@emerge.dataclass
class Counter(emerge.Object):
    n: int = 0

    def add(self) -> int:
        self.n += 1
        return self.n


def run(awaitable):
    """Runs a coroutine to its end, in either host."""
    if sys.platform == "emscripten":
        from pyodide.ffi import run_sync

        return run_sync(awaitable)
    return asyncio.run(awaitable)


def test_changes_come_in_order_and_from_a_token_on(fs, home):
    with fs.watch(f"{home}/**") as changes:
        stored = fs.store(f"{home}/a/x", Counter())
        fs.call(f"{home}/a/x", "add")
        fs.mv(f"{home}/a", f"{home}/b")
        fs.rm(f"{home}/b", recursive=True)
        told = list(itertools.islice(changes, 5))
    assert [(each.kind, each.path, each.source, each.version) for each in told] == [
        ("created", f"{home}/a", None, 1),
        ("created", f"{home}/a/x", None, 1),
        ("changed", f"{home}/a/x", None, 2),
        ("moved", f"{home}/b", f"{home}/a", 1),
        ("removed", f"{home}/b", None, None),
    ]
    assert told[1].id == stored.meta.id and told[3].directory and not told[2].directory
    assert told[0].time == stored.meta.created
    assert list(changes) == []
    again = fs.watch(f"{home}/**", token=told[2].token)
    assert [each.kind for each in itertools.islice(again, 2)] == ["moved", "removed"]
    again.close()


def test_awaited(fs, home):
    async def block():
        async with fs.aio.watch(f"{home}/*") as changes:
            await fs.aio.store(f"{home}/a", Counter())
            async for change in changes:
                return change

    change = run(block())
    assert (change.kind, change.path) == ("created", f"{home}/a")


def test_bad_watches(fs):
    for pattern in ("", "a", "/a/["):
        with pytest.raises(errors.BadArgumentError):
            next(fs.watch(pattern))
    with pytest.raises(errors.BadArgumentError, match="token"):
        next(fs.watch("/**", token="nothing"))
    with fs.transaction() as tx, pytest.raises(errors.BadArgumentError, match="transaction"):
        next(tx.watch("/**"))


def test_a_watch_and_a_transaction_end_with_their_user(fs, home, address):
    name = home.rpartition("/")[2][:40]
    url = address.partition("?token=")[0]
    fs.mkdir(home, exist_ok=True)
    fs.chmod(home, "rwxrwxrwx")
    fs.chmod("/tests", "rwxrwxrwx")
    with emerge.connect(f"{url}?token={fs.add_user(name)}") as theirs:
        tx = theirs.begin(name=name)
        tx.mkdir(f"{home}/in-tx")
        with theirs.watch(f"{home}/*") as changes:
            theirs.mkdir(f"{home}/mine")
            assert next(changes).path == f"{home}/mine"
            # What others have made for themselves is told no more than it is listed.
            fs.mkdir(f"{home}/hidden")
            fs.mkdir(f"{home}/shown")
            fs.chmod(f"{home}/shown", "rwxr-xr-x")
            assert next(changes).path == f"{home}/shown"
            fs.remove_user(name)
            with pytest.raises(errors.UnauthenticatedError):
                list(changes)
    with emerge.connect(f"{url}?token={fs.add_user(name)}") as another:
        assert not another.transactions()
        with pytest.raises((errors.NotFoundError, errors.TransactionExpiredError)):
            another.open(name)
    fs.remove_user(name)
    assert not fs.exists(f"{home}/in-tx")


def test_who_waits_hears_that_it_was_closed(fs, home):
    async def block():
        changes = fs.aio.watch(f"{home}/*")
        # It is there, and waits.
        waiting = asyncio.ensure_future(anext(changes, None))
        await asyncio.sleep(0.05)
        changes.close()
        return await asyncio.wait_for(waiting, 5)

    assert run(block()) is None
