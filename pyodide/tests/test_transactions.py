"""Transactions, against a real node."""

from __future__ import annotations

import asyncio
import sys

import pytest

import emerge
from emerge import errors


@emerge.dataclass
class Account(emerge.Object):
    """Money of somebody."""

    balance: int = 0

    def add(self, amount: int) -> int:
        self.balance += amount
        return self.balance

    def overdraw(self):
        self.balance = -1
        raise ValueError("no")


def test_a_block_commits_as_one(fs, home):
    with fs.transaction() as tx:
        stored = tx.store(f"{home}/a", Account(balance=1))
        tx.store(f"{home}/b", Account(balance=2))
        assert tx.call(f"{home}/a", "add", 4) == 5
        assert tx.get(f"{home}/a").balance == 5
        assert [each.name for each in tx.list(home)] == ["a", "b"]
        assert tx.call(home, "add", 10) == {"a": 15, "b": 12}
        assert not fs.exists(f"{home}/a")
    assert fs.get(f"{home}/a").balance == 15
    meta = fs.stat(f"{home}/a")
    assert (stored.meta.version, stored.meta.modified, stored.meta.created) == (1, meta.modified, meta.created)
    # What it was committed as is what it goes on from.
    fetched = fs.get(f"{home}/b")
    fetched.balance = 3
    fs.store(f"{home}/b", fetched)
    with pytest.raises(errors.TransactionExpiredError, match="already"):
        tx.commit()


def test_a_block_that_raises_leaves_nothing(fs, home):
    account = Account(balance=1)
    with pytest.raises(ZeroDivisionError):
        with fs.transaction() as tx:
            tx.store(f"{home}/a", account)
            1 / 0  # noqa: B018
    assert list(fs.list(home)) == []
    # The object is as before: storing it makes it.
    assert account.meta is None
    fs.store(f"{home}/a", account)
    with pytest.raises(errors.MethodFailedError):
        with fs.transaction() as tx:
            tx.call(f"{home}/a", "add", 1)
            tx.call(f"{home}/a", "overdraw")
    assert fs.get(f"{home}/a").balance == 1
    # One that is caught changes nothing, and the transaction goes on.
    with fs.transaction() as tx:
        tx.call(f"{home}/a", "add", 1)
        with pytest.raises(errors.MethodFailedError):
            tx.call(f"{home}/a", "overdraw")
    assert fs.get(f"{home}/a").balance == 2


def test_a_conflict_names_the_path_and_a_function_runs_again(fs, home):
    fs.store(f"{home}/a", Account(balance=1))
    with pytest.raises(errors.ConflictError) as raised:
        with fs.transaction() as tx:
            tx.store(f"{home}/b", Account(balance=tx.get(f"{home}/a").balance))
            fs.call(f"{home}/a", "add", 1)
    assert raised.value.path == f"{home}/a"
    assert not fs.exists(f"{home}/b")
    runs = []

    def copy(tx):
        runs.append(tx.get(f"{home}/a").balance)
        if len(runs) < 3:
            fs.call(f"{home}/a", "add", 1)
        tx.store(f"{home}/b", Account(balance=runs[-1]))
        return runs[-1]

    assert fs.transact(copy) == 4
    assert (runs, fs.get(f"{home}/b").balance) == ([2, 3, 4], 4)

    def collide(tx):
        tx.call(f"{home}/a", "add", 1)
        fs.call(f"{home}/a", "add", 1)

    with pytest.raises(errors.ConflictError) as raised:
        fs.transact(collide, retries=1)
    assert raised.value.path == f"{home}/a" and fs.get(f"{home}/a").balance == 6


def test_a_named_transaction(fs, home):
    name = home.rpartition("/")[2]
    with fs.transaction(name=name, lifetime=30) as tx:
        tx.store(f"{home}/a", Account(balance=1))
        other = fs.open(name)
        other.call(f"{home}/a", "add", 1)
        [info] = [each for each in fs.transactions() if each.name == name]
        # The directory and the object are one operation; the call is another.
        assert (info.operations, info.id) == (2, tx.info.id)
        with pytest.raises(errors.AlreadyExistsError):
            fs.begin(name=name)
    assert fs.get(f"{home}/a").balance == 2
    with pytest.raises(errors.TransactionExpiredError, match=name):
        other.rollback()
    with pytest.raises(errors.NotFoundError):
        fs.open("never")
    with pytest.raises(errors.LimitExceededError) as raised:
        fs.begin(lifetime=4000)
    assert raised.value.limit == 3_600_000
    with pytest.raises(errors.BadArgumentError):
        fs.begin(name="a/b")
    opened = fs.begin(name=name)
    opened.store(f"{home}/a", Account(balance=9), overwrite=True)
    opened.rollback()
    assert fs.get(f"{home}/a").balance == 2


def run(awaitable):
    """Runs a coroutine to its end, in either host."""
    if sys.platform == "emscripten":
        from pyodide.ffi import run_sync

        return run_sync(awaitable)
    return asyncio.run(awaitable)


def test_awaited(fs, home):
    async def block():
        async with fs.transaction() as tx:
            await tx.store(f"{home}/a", Account(balance=1))
            assert await tx.call(f"{home}/a", "add", 1) == 2
            assert [each.name async for each in tx.list(home)] == ["a"]
        async with fs.aio.transaction() as tx:
            await tx.call(f"{home}/a", "add", 1)
        assert (await fs.aio.get(f"{home}/a")).balance == 3
        with pytest.raises(ZeroDivisionError):
            async with fs.aio.transaction() as tx:
                await tx.call(f"{home}/a", "add", 1)
                1 / 0  # noqa: B018

        async def add(tx):
            if (await tx.get(f"{home}/a")).balance < 4:
                await fs.aio.call(f"{home}/a", "add", 1)
            return await tx.call(f"{home}/a", "add", 10)

        assert await fs.aio.transact(add) == 14
        assert len(await fs.aio.transactions()) == 0

    run(block())


def test_a_method_has_none_of_its_own(fs, home):
    fs.store(f"{home}/a", Begins())
    with pytest.raises(errors.UnsupportedError, match="transaction of its own"):
        fs.call(f"{home}/a", "begin")


class Begins(emerge.Object):
    def begin(self):
        self.fs.begin()


def test_many_are_stored_at_once(fs, home):
    told = []
    accounts = {f"{home}/n{at:03}": Account(balance=at) for at in range(300)}
    assert fs.store_all(accounts, progress=lambda *step: told.append(step)) == 300
    assert [step[:2] for step in told] == [(at, 300) for at in range(1, 301)]
    assert fs.get(f"{home}/n123").balance == 123
    with pytest.raises(errors.AlreadyExistsError) as raised:
        fs.store_all(((path, Account()) for path in sorted(accounts)), create=True, concurrency=4)
    assert raised.value.path in accounts
    with fs.transaction() as tx:
        assert tx.store_all({f"{home}/tx{at}": Account() for at in range(100)}) == 100
    assert len({each.modified for each in fs.list(home) if each.name.startswith("tx")}) == 1

    async def stored():
        async def entries():
            for at in range(3):
                yield f"{home}/soon{at}", Account(balance=at)

        return await fs.aio.store_all(entries(), concurrency=2)

    assert run(stored()) == 3
