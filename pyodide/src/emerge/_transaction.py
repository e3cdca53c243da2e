"""Open transactions: file systems whose operations are done as one, or not at all."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, TypeVar

from . import _classes, _host, _wire
from ._aio import AsyncFileSystem
from ._fs import FileSystem, Waiting, _AllWaiting, run
from ._meta import TransactionInfo, moment
from ._object import Head, Object, head_of, set_head
from .errors import TransactionExpiredError

T = TypeVar("T", bound=Object)


class _Within(_host.Connection):
    """The way of a transaction's requests."""

    def __init__(self, outside: _host.Connection, tx: str) -> None:
        self._outside = outside
        self._tx = tx

    def _wrapped(self, request: bytes) -> bytes:
        return _wire.dumps(("in", self._tx, request))[0]

    def ask(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        return self._outside.ask(self._wrapped(request), timeout)

    async def ask_soon(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        return await self._outside.ask_soon(self._wrapped(request), timeout)

    def stream(self, request: bytes, timeout: float | None, credit: int = _host.CREDIT) -> _host.Items:
        return self._outside.stream(self._wrapped(request), timeout, credit)

    def close(self) -> None:
        """The connection is not the transaction's to close."""

    async def close_soon(self) -> None:
        """The connection is not the transaction's to close."""

    @property
    def is_plain(self) -> bool:  # type: ignore[override]
        return self._outside.is_plain

    @property
    def state(self) -> str:
        return self._outside.state


class _Heads:
    """What objects that were stored in a transaction remembered before, and since."""

    def __init__(self) -> None:
        self._kept: dict[int, tuple[Object, Head | None, Head | None]] = {}

    def note(self, value: Object, before: Head | None) -> None:
        known = self._kept.get(id(value))
        self._kept[id(value)] = (value, known[1] if known is not None else before, head_of(value))

    def committed(self, micros: int) -> None:
        for value, _, since in self._kept.values():
            if since is not None and head_of(value) is since:
                raw = since.meta._raw
                created = micros if since.version == 1 else raw[10]
                raw = (*raw[:10], created, micros, *raw[12:])
                set_head(value, Head(since.path, raw, since.version, since.state, since.historic))

    def taken_back(self) -> None:
        for value, before, since in self._kept.values():
            if head_of(value) is since:
                set_head(value, before)


class AsyncTransaction(AsyncFileSystem):
    """An open transaction with awaitable operations.

    They are done one after the other, see what those before them have done, and are seen by nobody else before
    :meth:`commit`. Objects that were stored in it are as before when it is rolled back. As a context manager it is committed
    at the end, and rolled back when the block raises.
    """

    def __init__(self, outside: AsyncFileSystem, info: TransactionInfo, heads: _Heads | None = None) -> None:
        super().__init__(_Within(outside._connection, info.id))
        self._outside = outside
        self._sent = outside._sent
        self._trusts = outside._trusts
        self._heads = heads if heads is not None else _Heads()
        self._over = False
        self._expired: str | None = None
        self.info = info
        """Its id, name and times, as of when it was opened or found."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.info.name or self.info.id}>"

    async def _send_classes(self, used: Iterable[_classes.Record]) -> None:
        # A class goes by its content, and needs no transaction.
        await self._outside._send_classes(used)

    async def __aenter__(self) -> AsyncTransaction:
        return self

    async def __aexit__(self, *raised: object) -> None:
        if not self._over:
            await (self.commit() if raised[0] is None else self.rollback())

    async def close(self) -> None:
        """Rolls it back, unless it is over or has a name."""
        if not self._over and self.info.name is None:
            await self.rollback()

    async def store(
        self, path: str, value: T, *, overwrite: bool = False, create: bool = False, timeout: float | None = None
    ) -> T:
        """Stores an object; see :meth:`AsyncFileSystem.store`."""
        before = head_of(value) if isinstance(value, Object) else None
        stored = await super().store(path, value, overwrite=overwrite, create=create, timeout=timeout)
        self._heads.note(value, before)
        return stored

    async def commit(self, *, timeout: float | None = None) -> datetime:
        """Commits all that was done in it, and gives the time that it has.

        Raises:
            ConflictError: something that it read has changed since; ``path`` tells what, where it may. Nothing of it has
                happened.
            TransactionExpiredError: it is over.
        """
        committed = await self._end("commit", timeout)
        self._heads.committed(committed)
        return moment(committed)

    async def rollback(self, *, timeout: float | None = None) -> None:
        """Takes back all that was done in it."""
        await self._end("rollback", timeout)

    async def _end(self, how: str, timeout: float | None) -> Any:
        name = self.info.name or self.info.id
        if self._over:
            why = self._expired or f"the transaction {name} was committed or rolled back already"
            raise TransactionExpiredError(why, field=name)
        self._over = True
        committed = None
        try:
            committed = await self._outside._ask(how, self.info.id, timeout=timeout)
        except TransactionExpiredError as error:
            self._expired = error.message
            raise
        finally:
            if committed is None:
                self._heads.taken_back()
        return committed


class _AllWaitingTransaction(_AllWaiting, AsyncTransaction):
    """All operations of a transaction, whose coroutines wait in place."""


class Transaction(FileSystem):
    """An open transaction with plain calls, which wait; see :class:`AsyncTransaction`. ``tx.aio`` has the same to be awaited."""

    def __init__(self, outside: FileSystem, info: TransactionInfo) -> None:
        heads = _Heads()
        waiting = _AllWaitingTransaction(outside._all, info, heads)
        self._connection = Waiting(_Within(outside._connection, info.id))
        self._all = self._mine = waiting
        self.aio = AsyncTransaction(outside.aio, info, heads)
        self.info = info
        """Its id, name and times, as of when it was opened or found."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.info.name or self.info.id}>"

    def __enter__(self) -> Transaction:
        return self

    def __exit__(self, *raised: object) -> None:
        run(self._mine.__aexit__(*raised))

    async def __aenter__(self) -> Transaction:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.aio.__aexit__(*raised)

    def close(self) -> None:
        """Rolls it back, unless it is over or has a name."""
        run(self._mine.close())

    def commit(self, *, timeout: float | None = None) -> datetime:
        """Commits all that was done in it; see :meth:`AsyncTransaction.commit`."""
        return run(self._mine.commit(timeout=timeout))

    def rollback(self, *, timeout: float | None = None) -> None:
        """Takes back all that was done in it."""
        run(self._mine.rollback(timeout=timeout))
