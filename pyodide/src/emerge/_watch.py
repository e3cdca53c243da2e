"""Watching: changes as they are committed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from . import _host, _wire
from ._meta import moment


class Change(NamedTuple):
    """A change, as a watcher is told of it."""

    kind: str
    """``created``, ``changed``, ``removed`` or ``moved``."""
    path: str
    """Where it is, or was when it was removed."""
    source: str | None
    """Where it was before it was moved; ``None`` when it was not, or when that may not be known."""
    id: UUID
    version: int | None
    """The version that it has since; ``None`` when it was removed."""
    time: datetime
    """When it was committed."""
    author: str
    directory: bool
    """Whether it is a directory: then all below it has come or gone with it."""
    token: str
    """What ``watch`` goes on after."""


def _change(item: tuple[bool, bytes]) -> Change | None:
    kind, token, path, source, id, version, time, author, directory = _wire.loads(_host.answer(item))
    if kind == "watching":
        return None
    return Change(kind, path, source, UUID(bytes=id), version, moment(time), author, directory, token)


class _NoItems(_host.Items):
    """Those of a watch that was ended: a host's own end with the object that stands for them."""

    def take(self) -> tuple[bool, bytes] | None:
        return None

    async def take_soon(self) -> tuple[bool, bytes] | None:
        return None


class Watch:
    """Changes as they are committed: ``for change in fs.watch(…)`` waits for each, ``async for`` lets other tasks run.

    The node was asked when this was made. :meth:`close`, or leaving a ``with`` block, ends it.
    """

    def __init__(self, items: _host.Items) -> None:
        self._items = items
        self._over = False

    def __iter__(self) -> Iterator[Change]:
        return self

    def __next__(self) -> Change:
        while not self._over:
            item = self._items.take()
            if item is None:
                break
            change = self._told(item)
            if change is not None:
                return change
        self._over = True
        raise StopIteration

    def __aiter__(self) -> AsyncIterator[Change]:
        return self

    async def __anext__(self) -> Change:
        while not self._over:
            item = await self._items.take_soon()
            if item is None:
                break
            change = self._told(item)
            if change is not None:
                return change
        self._over = True
        raise StopAsyncIteration

    def _told(self, item: tuple[bool, bytes]) -> Change | None:
        try:
            return _change(item)
        except BaseException:
            self._over = True
            raise

    def close(self) -> None:
        """Ends it: nothing more is told, and who waits for a change, in another thread or task, waits no longer."""
        if not self._over:
            self._over = True
            self._items.abandon()
            self._items = _NoItems()

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def __aenter__(self) -> Watch:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()


class Watches:
    """What the file systems inherit."""

    def watch(self: Any, pattern: str, *, token: str | None = None) -> Watch:
        """Changes of what matches a pattern, in the order of their commits, from this call on.

        Args:
            pattern: a path in whose segments ``*`` and ``?`` stand for characters, and ``**`` for any number of segments.
            token: of the change after which to go on, also of an earlier connection.

        Raises:
            LogExpiredError: as an item: the log no longer reaches back to ``token``.
        """
        request, _ = _wire.dumps(("watch", pattern, token))
        return Watch(self._connection.stream(request, None))
