"""How transactions begin: what the file systems inherit."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import isawaitable, iscoroutine
from typing import TYPE_CHECKING, Any, TypeVar

from ._arguments import millis
from ._meta import TransactionInfo, moment
from .errors import BadArgumentError, ConflictError

if TYPE_CHECKING:
    from ._aio import AsyncFileSystem
    from ._fs import FileSystem
    from ._transaction import AsyncTransaction, Transaction

R = TypeVar("R")

_FIRST_WAIT = 0.01
"""Seconds of the longest wait after the first conflict; it doubles from one to the next."""


def _wait_after(attempt: int) -> float:
    """Between half of the longest wait and all of it, so that those who collided do not meet again."""
    import random

    return _FIRST_WAIT * float(1 << min(attempt, 7)) * random.uniform(0.5, 1.0)


def _info(raw: Any) -> TransactionInfo:
    return TransactionInfo(raw[0], raw[1], moment(raw[2]), moment(raw[3]), raw[4], raw[5])


class Block:
    """A transaction that begins with a ``with`` or ``async with`` block, and ends with it."""

    def __init__(
        self, waiting: FileSystem | None, soon: AsyncFileSystem, name: str | None, lifetime: float | None
    ) -> None:
        self._waiting = waiting
        self._soon = soon
        self._args: dict[str, Any] = {"name": name, "lifetime": lifetime}
        self._open: Any = None

    def __enter__(self) -> Transaction:
        if self._waiting is None:
            raise TypeError("this transaction is awaited: async with fs.aio.transaction() as tx")
        opened = self._open = self._waiting.begin(**self._args)
        return opened

    def __exit__(self, *raised: object) -> None:
        self._open.__exit__(*raised)

    async def __aenter__(self) -> AsyncTransaction:
        opened = self._open = await self._soon.begin(**self._args)
        return opened

    async def __aexit__(self, *raised: object) -> None:
        await self._open.__aexit__(*raised)


class AsyncBegins:
    """Transactions of a file system with awaitable operations."""

    async def begin(self: Any, *, name: str | None = None, lifetime: float | None = None) -> AsyncTransaction:
        """Opens a transaction, to be committed or rolled back.

        Args:
            name: by which the user's other clients find it. A transaction without one is rolled back when this connection is
                closed.
            lifetime: seconds after which the node rolls it back; a minute if not given, an hour at most.
        """
        from ._transaction import AsyncTransaction

        return AsyncTransaction(self, _info(await self._ask("begin", name, millis(lifetime, "lifetime"))))

    async def open(self: Any, tx: str) -> AsyncTransaction:
        """Finds an open transaction of the user by its name or id."""
        from ._transaction import AsyncTransaction

        return AsyncTransaction(self, _info((await self._ask("transactions", tx))[0]))

    async def transactions(self: Any) -> tuple[TransactionInfo, ...]:
        """The user's open transactions, oldest first."""
        return tuple(map(_info, await self._ask("transactions")))

    def transaction(self: Any, *, name: str | None = None, lifetime: float | None = None) -> Block:
        """A block of operations that is committed as one at its end, and rolled back when it raises.

        ::

            async with fs.aio.transaction() as tx:
                ada = await tx.get("/accounts/ada")

        A conflict is raised at the end of the block, which Python cannot run again: :meth:`transact` does.
        """
        return Block(None, self, name, lifetime)

    async def transact(self: Any, body: Callable[[AsyncTransaction], Awaitable[R]], *, retries: int = 9) -> R:
        """Runs ``body(tx)`` in a transaction, again after a conflict, each time after a longer wait.

        Args:
            body: a coroutine function; it should change nothing but by the transaction.
            retries: how often it is run again at most.
        """
        import asyncio

        for attempt in range(retries + 1):
            tx = await self.begin()
            try:
                async with tx:
                    answer = body(tx)
                    if not isawaitable(answer):
                        raise BadArgumentError(
                            "fs.aio.transact takes a coroutine function, whose operations are awaited; a plain one is for fs.transact",
                            field="body",
                        )
                    value = await answer
            except ConflictError:
                if attempt == retries:
                    raise
                await asyncio.sleep(_wait_after(attempt))
            else:
                return value
        raise ValueError("retries must not be negative")


class Begins:
    """Transactions of a file system with plain calls."""

    def begin(self: Any, *, name: str | None = None, lifetime: float | None = None) -> Transaction:
        """Opens a transaction, to be committed or rolled back; see :meth:`AsyncBegins.begin`."""
        from ._fs import run
        from ._transaction import Transaction

        return Transaction(self, run(self._all.begin(name=name, lifetime=lifetime)).info)

    def open(self: Any, tx: str) -> Transaction:
        """Finds an open transaction of the user by its name or id."""
        from ._fs import run
        from ._transaction import Transaction

        return Transaction(self, run(self._all.open(tx)).info)

    def transactions(self: Any) -> tuple[TransactionInfo, ...]:
        """The user's open transactions, oldest first."""
        from ._fs import run

        return run(self._all.transactions())

    def transaction(self: Any, *, name: str | None = None, lifetime: float | None = None) -> Block:
        """A block of operations that is committed as one at its end, and rolled back when it raises.

        ::

            with fs.transaction() as tx:
                ada = tx.get("/accounts/ada")

        With ``async with`` the operations of ``tx`` are awaited. A conflict is raised at the end of the block, which Python
        cannot run again: :meth:`transact` does.
        """
        return Block(self, self.aio, name, lifetime)

    def transact(self: Any, body: Callable[[Transaction], R], *, retries: int = 9) -> R:
        """Runs ``body(tx)`` in a transaction, again after a conflict; see :meth:`AsyncBegins.transact`."""
        import time

        for attempt in range(retries + 1):
            tx = self.begin()
            try:
                with tx:
                    value = body(tx)
                    if iscoroutine(value):
                        value.close()
                        raise BadArgumentError(
                            "fs.transact takes a plain function; a coroutine function is for await fs.aio.transact(…)",
                            field="body",
                        )
            except ConflictError:
                if attempt == retries:
                    raise
                time.sleep(_wait_after(attempt))
            else:
                return value
        raise ValueError("retries must not be negative")
