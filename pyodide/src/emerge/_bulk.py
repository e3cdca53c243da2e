"""What goes on for long and tells how far it is, stores of many objects and copies of trees: what the file systems inherit."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sized
from typing import Any

from . import _host, _wire
from ._object import Object
from ._paths import At, path_of
from .errors import BadArgumentError, EmergeError

Progress = Callable[[int, "int | None", str], None]

_COPIED = " objects and directories were copied"


async def _each(entries: Any) -> AsyncIterator[tuple[str, Object]]:
    if not isinstance(entries, (Iterable, AsyncIterable)):
        raise BadArgumentError(f"entries are paths with objects, not {entries!r:.50}", field="entries")
    if isinstance(entries, AsyncIterable):
        async for entry in entries:
            yield _pair(entry)
    else:
        for entry in entries.items() if isinstance(entries, Mapping) else entries:
            yield _pair(entry)


def _pair(entry: Any) -> tuple[str, Object]:
    if not isinstance(entry, (tuple, list)) or len(entry) != 2:
        raise BadArgumentError(f"an entry is a path with an object, (path, object), not {entry!r:.50}", field="entries")
    return entry[0], entry[1]


class AsyncBulk:
    """Storing many objects, and copying trees, with a file system whose operations are awaitable."""

    async def store_all(
        self: Any,
        entries: Mapping[str, Object] | Iterable[tuple[str, Object]] | AsyncIterable[tuple[str, Object]],
        *,
        overwrite: bool = False,
        create: bool = False,
        concurrency: int = 256,
        progress: Progress | None = None,
    ) -> int:
        """Stores many objects, some at a time, and gives how many; ends at the first error, which names the path.

        Args:
            entries: paths and objects: a mapping, or pairs one after the other, also ones that are awaited.
            overwrite: as in :meth:`store`.
            create: as in :meth:`store`.
            concurrency: how many are on the way at a time at most.
            progress: called after each object with how many are stored, how many there are (``None`` when the entries do not
                tell), and the path.
        """
        total = len(entries) if isinstance(entries, Sized) else None
        done = 0
        coming = _each(entries)

        async def store(path: str, value: Object) -> None:
            nonlocal done
            await self.store(path, value, overwrite=overwrite, create=create)
            done += 1
            if progress is not None:
                progress(done, total, path)

        if concurrency == 1:
            async for path, value in coming:
                await store(path, value)
            return done
        await _at_once(coming, store, concurrency)
        return done

    async def cp(
        self: Any,
        source: At,
        target: str,
        *,
        recursive: bool = False,
        on_progress: Callable[[int, str], object] | None = None,
        timeout: float | None = None,
    ) -> None:
        """Copies; with ``recursive`` a directory and all in it. Onto a directory: into it.

        A tree of at most 10,000 objects and directories is one commit. A larger one is copied part by part; an error says what was copied
        before it. When ``on_progress`` raises, or the task is cancelled, it stops after some four parts more, of 1,000 each.

        Args:
            source: what.
            target: where to.
            recursive: whether a directory goes with all in it.
            on_progress: is told after each part how many are copied by now, and which was the last.
            timeout: seconds.
        """
        if not recursive:
            await self._ask("cp", source, target, False, timeout=timeout)
            return
        source = path_of(source)
        request, _ = _wire.dumps(("cp", source, target, True))
        items = _host.each(self._connection.stream(request, timeout, _host.PARTS))
        copied = 0, source
        try:
            async for item in items:
                part = _wire.loads(item)
                # Inside a method it is one reply, which says nothing.
                if part is None:
                    continue
                copied = part
                if on_progress is not None:
                    on_progress(*part)
        except EmergeError as error:
            # The node knows best; but of a deadline or a cut it cannot tell.
            if copied[0] > 0 and _COPIED not in error.message:
                error.message += f"; at least {copied[0]}{_COPIED}, the last of them {copied[1]}"
                error.args = (error.message,)
                error.effect = "unknown"
            raise
        finally:
            await items.aclose()


async def _at_once(coming: AsyncIterator[Any], store: Callable[[str, Object], Any], concurrency: int) -> None:
    import asyncio

    if concurrency < 1:
        raise BadArgumentError("concurrency must be 1 at least", field="concurrency")
    under_way: set[asyncio.Task[None]] = set()

    async def room(most: int) -> None:
        while len(under_way) > most:
            done, _ = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                # Those after one that failed are still among the ones whose outcome is awaited below.
                under_way.discard(task)
                task.result()

    try:
        async for path, value in coming:
            await room(concurrency - 1)
            under_way.add(asyncio.ensure_future(store(path, value)))
        await room(0)
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)


class Bulk:
    """Storing many objects with a file system whose calls wait."""

    def store_all(
        self: Any,
        entries: Mapping[str, Object] | Iterable[tuple[str, Object]],
        *,
        overwrite: bool = False,
        create: bool = False,
        concurrency: int = 256,
        progress: Progress | None = None,
    ) -> int:
        """Stores many objects, some at a time, and gives how many; see :meth:`AsyncBulk.store_all`."""

        def storing(fs: Any, most: int) -> Any:
            return fs.store_all(entries, overwrite=overwrite, create=create, concurrency=most, progress=progress)

        stored: int = _host.host().at_once(lambda: storing(self.aio, concurrency), lambda: storing(self._all, 1))
        return stored
