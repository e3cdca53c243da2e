"""Directories as values, and what the node itself tells."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from ._meta import Meta
from .errors import UnsupportedError


class Directory:
    """A directory, as ``fs.get`` gives it: its properties and the first of its members, which came in the same request.

    ``for meta in directory`` gives all members, ``async for`` too, fetched page by page as they are asked for.
    """

    __slots__ = ("_next", "_rest", "members", "meta")

    def __init__(self, meta: Meta, members: tuple[Meta, ...], after: str | None, rest: Callable[[str], Any]) -> None:
        self.meta = meta
        """The properties."""
        self.members = members
        """The first members, at most 1000, in the order of their names."""
        self._next = after
        self._rest = rest

    def __repr__(self) -> str:
        more = "" if self._next is None else " and more"
        return f"<Directory {self.meta.path} {len(self.members)} members{more}>"

    def __iter__(self) -> Iterator[Meta]:
        yield from self.members
        if self._next is not None:
            rest = self._rest(self._next)
            if not hasattr(rest, "__next__"):
                raise UnsupportedError(f"the members of {self.meta.path} come by `async for` here, or by fs.list(path)")
            yield from rest

    async def __aiter__(self) -> AsyncIterator[Meta]:
        for meta in self.members:
            yield meta
        if self._next is not None:
            rest = self._rest(self._next)
            if hasattr(rest, "__next__"):
                for meta in rest:
                    yield meta
            else:
                async for meta in rest:
                    yield meta


class Told:
    """What the node itself tells and no class made: the members of ``/classes`` and ``/nodes``."""

    def __init__(self, meta: Meta, fields: dict[str, Any]) -> None:
        self.__dict__.update(fields)
        self.meta = meta

    def __repr__(self) -> str:
        return f"<Told {self.meta.path}>"
