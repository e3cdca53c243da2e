"""Searches and the indexes that they use, as coroutines."""

from __future__ import annotations

from typing import Any

from ._search import AsyncSearch, AsyncTextSearch, IndexInfo, index_info


class Searches:
    """What a file system has of searches."""

    async def _ask(self, *op: Any, timeout: float | None = None) -> Any:
        raise NotImplementedError

    def search(
        self,
        wanted: Any = None,
        params: dict[str, Any] | None = None,
        *,
        directory: str = "/",
        class_: Any = None,
        order: str | None = None,
        descending: bool = False,
        limit: int | None = None,
        fields: Any = None,
        page_size: int | None = None,
        text: str | None = None,
        text_fields: Any = None,
    ) -> AsyncSearch:
        """Finds objects: ``async for item in fs.aio.search(lambda o: o.unit_price < 3.5)``.

        Args:
            wanted: a plain function of an object (its fields, and ``meta``), and of ``params`` when it takes two; it runs on the node.
                Plain values, modules and functions that it names travel with it. Every object is wanted without one.
            params: its second argument.
            directory: where to look, and below.
            class_: only objects of this class, or of one that inherits from it: the class, or its name.
            order: the field that sets the order; that in which the objects were made when it is left out.
            descending: turns the order round.
            limit: how many objects are wanted at most.
            fields: the fields that are wanted; all when it is left out.
            page_size: objects fetched at a time, at most 1000.
            text: only objects whose texts hold these words; see :meth:`search_text`.
            text_fields: the fields in which the words are looked for; all when it is left out.
        """
        return AsyncSearch(
            self, wanted, params, directory, class_, order, descending, limit, fields, page_size, text, text_fields
        )

    def search_text(
        self,
        text: str,
        wanted: Any = None,
        params: dict[str, Any] | None = None,
        *,
        text_fields: Any = None,
        directory: str = "/",
        class_: Any = None,
        limit: int | None = None,
        fields: Any = None,
        page_size: int | None = None,
    ) -> AsyncTextSearch:
        """Finds objects whose texts hold all of some words: ``async for match in fs.aio.search_text("red wid*")``.

        Those that fit best come first, each with where the words are.

        Args:
            text: ``red widget``, ``wid*`` for all that begin so, ``"red widget"`` in quotes for words that follow one another. Case and
                accents make no difference.
            wanted: a plain function that may ask more, as in :meth:`search`.
            params: its second argument.
            text_fields: the fields in which the words are looked for; all when it is left out.
            directory: where to look, and below.
            class_: only objects of this class, or of one that inherits from it: the class, or its name.
            limit: how many objects are wanted at most.
            fields: the fields that are wanted; all when it is left out.
            page_size: objects fetched at a time, at most 1000.
        """
        return AsyncTextSearch(
            self, wanted, params, directory, class_, None, False, limit, fields, page_size, text, text_fields
        )

    async def create_index(
        self, class_: Any, field: str, *, unique: bool = False, timeout: float | None = None
    ) -> IndexInfo:
        """Makes an index by a class and a field, by which searches find objects.

        It is built in the background, and used when it is ready. One that is there already stays.

        Args:
            class_: one of the user's own classes, or its name; any class by its id; ``*`` for all.
            field: the field.
            unique: whether no two objects may have the same value from then on.
            timeout: seconds.
        """
        name = class_ if isinstance(class_, str) else class_.__name__
        return index_info(await self._ask("create_index", name, field, unique, timeout=timeout))

    async def drop_index(self, class_: Any, field: str, *, timeout: float | None = None) -> bool:
        """Drops an index; gives whether there was one."""
        name = class_ if isinstance(class_, str) else class_.__name__
        return bool(await self._ask("drop_index", name, field, timeout=timeout))

    async def indexes(self, *, timeout: float | None = None) -> tuple[IndexInfo, ...]:
        """All indexes."""
        return tuple(map(index_info, await self._ask("indexes", timeout=timeout)))
