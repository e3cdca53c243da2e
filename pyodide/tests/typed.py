"""What mypy knows of the public API; it is checked and never run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import emerge
from typing_extensions import assert_type


@emerge.dataclass
class Counter(emerge.Object):
    count: int = 0

    def add(self, by: int = 1) -> int:
        self.count += by
        assert_type(self.fs, emerge.FileSystem)
        assert_type(emerge.fs, emerge.FileSystem)
        assert_type(self.fs.stat("/"), emerge.Meta)
        return self.count


def use(fs: emerge.FileSystem) -> None:
    assert_type(fs.store("/a", Counter(count=1)), Counter)
    assert_type(fs.list("/"), Iterator[emerge.Meta])
    assert_type(fs.aio, emerge.AsyncFileSystem)
    assert_type(emerge.connect(), emerge.FileSystem)
    assert_type(asyncio.run(emerge.connect.aio()), emerge.FileSystem)


async def use_soon(fs: emerge.FileSystem) -> None:
    assert_type(await fs.aio.stat("/"), emerge.Meta)
    assert_type(await emerge.connect.aio(), emerge.FileSystem)
    assert_type(asyncio.create_task(emerge.connect.aio()), asyncio.Task[emerge.FileSystem])
    async with emerge.connect.aio() as other:
        assert_type(other, emerge.FileSystem)


def after_a_store(fs: emerge.FileSystem) -> None:
    stored = fs.store("/a", Counter())
    assert stored.meta is not None
    assert_type(stored.meta.owner, "str | None")
    assert_type(stored.meta.version, int)
    assert_type(fs.stat("/a").owner, str)
