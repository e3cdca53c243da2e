"""Searches: what was asked for, and what comes back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

from . import _host, _wire
from ._arguments import names, whole
from ._values import Table
from .errors import BadArgumentError, from_wire


class SearchFailure(NamedTuple):
    """An object on which the function failed."""

    path: str
    error: Exception


class Group(NamedTuple):
    """One group of a search."""

    key: Any
    """The value that its objects have in the field; ``None`` also for those that lack it (see ``has_key``)."""
    count: int  # type: ignore[assignment]  # a field of the name that tuple has for a method
    values: dict[str, Any]
    """What was asked of the group, by name."""
    has_key: bool
    """False for the group of the objects that lack the field."""


class Plan(NamedTuple):
    """How a search ran."""

    access: str
    """How objects were come by: by an ``index``, in the ``order`` of one, by the index of ``text``, from the ``tree`` below the directory, or by a ``scan`` of all objects."""
    index: str | None  # type: ignore[assignment]
    """The index, by its class and field."""
    ranges: tuple[str, ...]
    """The ranges of the index that were read."""
    native: str | None
    """What was evaluated natively."""
    sandbox: str | None
    """Why a part of it has to run in the sandbox."""
    seen: int
    """Objects that were looked at."""
    sandboxed: int
    """Objects of them that the sandbox was asked about."""
    found: int
    """Objects that were found."""


class IndexInfo(NamedTuple):
    """An index."""

    class_name: str
    """The name of the class whose objects it has, and of those that inherit from it; ``*`` for all classes."""
    class_id: UUID
    field: str
    unique: bool
    """Whether no two objects may have the same value."""
    ready: bool
    """Whether all objects are in it, so that searches use it."""
    looked_at: int | None
    """While it is being built: objects, those of other classes included, that were looked at so far."""
    duplicates: int
    """Of a unique one: objects that had the value of another before they were in the index; they keep it."""


def index_info(raw: Any) -> IndexInfo:
    """An index from its record."""
    return IndexInfo(raw[0], UUID(bytes=raw[1]), *raw[2:])


class Highlight(NamedTuple):
    """A part of a text with words that were looked for."""

    field: str
    """The object's field."""
    text: str
    """A part of the text that it holds; ``…`` stands for what was left out at an end."""
    ranges: tuple[tuple[int, int], ...]
    """Where the words are: ``text[begin:end]``."""


class TextMatch(NamedTuple):
    """An object that a search for text found."""

    object: Any
    score: float
    """How well it fits. Only scores of one search can be compared."""
    highlights: tuple[Highlight, ...]
    """Where the words are."""


_KINDS = ("sum", "min", "max", "mean")


def _function(wanted: Any) -> Any:
    # What reads functions is loaded for those who search.
    from . import _lambda

    return _lambda.of(wanted)


class AsyncSearch:
    """A search: its objects come one after the other (``async for``), or only how many they are, or groups of them.

    Each of these asks the node anew.
    """

    def __init__(
        self,
        fs: Any,
        wanted: Any,
        params: dict[str, Any] | None,
        directory: str | None,
        class_: Any,
        order: str | None,
        descending: bool,
        limit: int | None,
        fields: Any,
        page_size: int | None,
        text: str | None = None,
        text_fields: Any = None,
    ) -> None:
        made = None if wanted is None else _function(wanted)
        self._needs = [] if made is None else made.needs
        name = class_ if class_ is None or isinstance(class_, str) else class_.__name__
        wanted_fields = None if fields is None else names(fields, "fields")
        function = (
            (None, params, None, None) if made is None else (made.text, params, made.values or None, made.captures)
        )
        self._fs = fs
        self._begin = ("python", *function, directory, name, None)
        self._middle = (order, descending, whole(limit, "limit"), wanted_fields)
        self._end = (
            whole(page_size, "page_size"),
            text,
            None if text_fields is None else names(text_fields, "text_fields"),
        )
        self.failures: list[SearchFailure] = []
        """Objects on which the function failed, of those that were looked at so far. These are not found."""
        self.more_failures = 0
        """How many failures are not among ``failures``, of which a page of the node tells 100 at most."""

    def _query(self, count: bool = False, group: Any = None) -> tuple[Any, ...]:
        # How many there are does not depend on their order, nor on what is told of each.
        middle = (None, None, None, None) if count else self._middle
        return (*self._begin, *middle, count, group, *self._end)

    async def _start(self) -> None:
        self.failures, self.more_failures = [], 0
        await self._ready()

    async def _ready(self) -> None:
        await self._fs._send_classes(self._needs)

    def _page(self, page: Any) -> Any:
        self.failures += [SearchFailure(path, from_wire(error)) for path, error in page[1]]
        self.more_failures += page[5]
        return page

    async def _found(self, path: str, raw: Any, fields: Any, *told: Any) -> Any:
        return await self._fs._matched(path, raw, fields, self._middle[3] is not None)

    async def __aiter__(self) -> AsyncIterator[Any]:
        await self._start()
        request, used = _wire.dumps(("search", self._query(), None))
        await self._fs._send_classes(used)
        async for item in _host.each(self._fs._connection.stream(request, None)):
            for each in self._page(await self._fs._read(item))[0]:
                yield await self._found(*each)

    async def page(self, after: str | None = None) -> tuple[list[Any], str | None]:
        """One page of the objects, and the cursor to go on after; ``None`` on the last page.

        Raises:
            BadArgumentError: the cursor is one of another search.
        """
        await self._ready()
        page = self._page(await self._fs._ask("search", self._query(), after))
        return [await self._found(*each) for each in page[0]], page[2]

    async def table(self) -> Table:
        """The fields that were named (``fields=[…]``), of all objects: a column for each and a row for each object, without an
        object being made of any. A field that an object lacks is ``None``.

        Raises:
            BadArgumentError: no fields were named, or one twice.
        """
        wanted = self._middle[3]
        if not wanted or len(set(wanted)) < len(wanted):
            raise BadArgumentError(
                "a table has a column for each of fields=[…], which are named once each", field="fields"
            )
        await self._start()
        request, used = _wire.dumps(("search", self._query(), None))
        await self._fs._send_classes(used)
        rows: list[list[Any]] = []
        async for item in _host.each(self._fs._connection.stream(request, None)):
            for match in self._page(await self._fs._read(item))[0]:
                rows.append(list(map(match[2].get, wanted)))
        return Table(list(wanted), rows)

    async def count(self) -> int:
        """How many objects there are."""
        await self._start()
        page = self._page(await self._fs._ask("search", self._query(count=True)))
        limit = self._middle[2]
        return int(page[3]) if limit is None else min(limit, int(page[3]))

    async def group_by(self, field: str, **aggregates: tuple[str, str]) -> list[Group]:
        """A group for each value that the objects have in a field, in the order of the values.

        Args:
            field: the field.
            aggregates: what is wanted of each group, by a name: ``total=("sum", "unit_price")``; also ``min``, ``max``, ``mean``.
        """
        wanted = []
        for name, pair in aggregates.items():
            if not isinstance(pair, tuple) or len(pair) != 2 or pair[0] not in _KINDS:
                raise BadArgumentError(
                    f'{name} must be one of sum, min, max and mean with a field: ("sum", "price")', field=name
                )
            wanted.append(pair)
        await self._start()
        page = self._page(await self._fs._ask("search", self._query(group=(field, wanted))))
        return [Group(key, count, dict(zip(aggregates, values)), has) for has, key, count, values in page[4]]

    async def explain(self) -> Plan:
        """How the node runs the search."""
        await self._ready()
        raw = await self._fs._ask("explain", self._query())
        return Plan(raw[0], raw[1], tuple(raw[2]), *raw[3:])


class AsyncTextSearch(AsyncSearch):
    """A search for text: its objects come as :class:`TextMatch`."""

    async def _found(self, path: str, raw: Any, fields: Any, *told: Any) -> TextMatch:
        score, shown = told if told else (0.0, ())
        marks = tuple(Highlight(field, text, tuple(map(tuple, ranges))) for field, text, ranges in shown)
        return TextMatch(await super()._found(path, raw, fields), score, marks)


class Search:
    """A search: its objects come one after the other (``for``), or only how many they are, or groups of them.

    Each of these asks the node anew.
    """

    def __init__(self, search: AsyncSearch, run: Callable[[Any], Any], iterate: Callable[[Any], Iterator[Any]]) -> None:
        self._search, self._run, self._iterate = search, run, iterate

    def __iter__(self) -> Iterator[Any]:
        return self._iterate(self._search.__aiter__())

    @property
    def failures(self) -> list[SearchFailure]:
        """Objects on which the function failed, of those that were looked at so far. These are not found."""
        return self._search.failures

    @property
    def more_failures(self) -> int:
        """How many failures are not among ``failures``, of which a page of the node tells 100 at most."""
        return self._search.more_failures

    def page(self, after: str | None = None) -> tuple[list[Any], str | None]:
        """One page of the objects, and the cursor to go on after; see :meth:`AsyncSearch.page`."""
        items: tuple[list[Any], str | None] = self._run(self._search.page(after))
        return items

    def table(self) -> Table:
        """The fields that were named, of all objects, as a table; see :meth:`AsyncSearch.table`."""
        table: Table = self._run(self._search.table())
        return table

    def count(self) -> int:
        """How many objects there are."""
        return int(self._run(self._search.count()))

    def group_by(self, field: str, **aggregates: tuple[str, str]) -> list[Group]:
        """A group for each value that the objects have in a field; see :meth:`AsyncSearch.group_by`."""
        groups: list[Group] = self._run(self._search.group_by(field, **aggregates))
        return groups

    def explain(self) -> Plan:
        """How the node runs the search."""
        plan: Plan = self._run(self._search.explain())
        return plan
