"""What a class's record was made of, and whether it is still so: a name that stands for another thing makes another version."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from marshal import dumps
from operator import attrgetter, is_, itemgetter
from types import CellType, CodeType, FunctionType
from typing import Any

MISSING: Any = object()

# What cannot change; a tuple and a frozen set as far as what they hold cannot.
_EQUAL = attrgetter("__eq__")
_FIXED = frozenset((type(None), bool, int, float, complex, str, bytes, range, slice, type(...), type(NotImplemented)))
_FIXED_KINDS = frozenset((
    ("datetime", "date"), ("datetime", "datetime"), ("datetime", "timedelta"), ("datetime", "time"), ("datetime", "timezone"),
    ("uuid", "UUID"), ("emerge", "Ref"), ("decimal", "Decimal"), ("fractions", "Fraction"), ("re", "Pattern"), ("zoneinfo", "ZoneInfo"),
))  # fmt: skip

# Where a property, a class method, a cached property and what a decorator made have their functions.
_WITHIN = ("fget", "fset", "fdel", "__func__", "func", "__wrapped__")

_Group = tuple[
    Any,
    Callable[[Any], tuple[Any, ...]],
    tuple[Any, ...],
    Callable[[Any], tuple[Any, ...]],
    tuple[Any, ...],
    tuple[str, ...],
]
"""A scope; what takes the values of some of its names, and the values, twice; and names that stood for nothing there."""


class Seen:
    """Names with what they stood for, and values that can change with how they were.

    It is asked at each store, so it compares by identity, and without a loop of Python's where that can be.
    """

    __slots__ = ("_cells", "_functions", "_groups", "_names", "_sizes", "_values")

    def __init__(self) -> None:
        self._names: dict[int, tuple[Any, dict[str, Any]]] = {}
        # Made at the first look.
        self._groups: list[_Group] | None = None
        self._cells: dict[int, tuple[CellType, Any]] = {}
        self._functions: dict[int, tuple[FunctionType, CodeType, Any, Any]] = {}
        self._sizes: dict[int, tuple[Any, int]] = {}
        self._values: dict[int, tuple[Any, Callable[[Any], Any] | None, Any]] = {}

    def name(self, scope: Any, name: str) -> Any:
        """What a name stands for in a scope: that is to stay so. ``MISSING`` when it stands for nothing there."""
        maps = getattr(scope, "maps", None)
        if maps is not None:
            scope = next((each for each in maps if name in each), maps[0])
        self._groups = None
        value = scope.get(name, MISSING)
        self._names.setdefault(id(scope), (scope, {}))[1].setdefault(name, value)
        return value

    def cell(self, cell: CellType) -> None:
        """What a function sees of the one that it was made in."""
        self._cells.setdefault(id(cell), (cell, _content(cell)))

    def function(self, function: FunctionType) -> None:
        """That a function has the code and the defaults that it has by now: IPython's autoreload gives a function other code."""
        held = (function, function.__code__, function.__defaults__, function.__kwdefaults__)
        self._functions.setdefault(id(function), held)

    def members(self, cls: type, others: Iterable[str] = ()) -> None:
        """The methods of a class, by all their names, and that there are no more; and some others of its members."""
        self._groups = None
        members = cls.__dict__
        self._sizes[id(cls)] = (members, len(members))
        names = self._names.setdefault(id(cls), (members, {}))[1]
        names.update((name, each) for name, each in members.items() if hasattr(each, "__get__"))
        names.update((name, members[name]) for name in others if name in members)
        for each in members.values():
            if not hasattr(type(each), "__get__"):
                continue
            for function in (each, *(getattr(each, name, None) for name in _WITHIN)):
                if isinstance(function, FunctionType):
                    self.function(function)

    def size(self, held: Any) -> None:
        """That a thing holds as many as by now."""
        self._sizes[id(held)] = (held, len(held))

    def value(self, value: Any, told: Callable[[Any], Any]) -> None:
        """A value that travels as it is by now; ``told`` gives what tells how one is that ``marshal`` does not know."""
        if is_fixed(value):
            return
        how: Callable[[Any], Any] | None = None
        try:
            # Version 2 writes what is equal alike; later ones tell what is held twice.
            was: Any = dumps(value, 2)
        except (ValueError, TypeError, BufferError):
            how, was = told, told(value)
        self._values.setdefault(id(value), (value, how, was))

    def add(self, other: Seen) -> None:
        """All that another has seen."""
        self._groups = None
        for at, (scope, names) in other._names.items():
            mine = self._names.setdefault(at, (scope, {}))[1]
            for name, value in names.items():
                mine.setdefault(name, value)
        self._cells.update(other._cells)
        self._functions.update(other._functions)
        self._sizes.update(other._sizes)
        self._values.update(other._values)

    def still(self) -> bool:
        """Whether all is as it was."""
        groups = self._groups
        if groups is None:
            groups = self._groups = [_group(scope, names) for scope, names in self._names.values()]
        try:
            for scope, taking, single, taking_others, others, absent in groups:
                if single and taking(scope) != single:
                    return False
                if others and not all(map(is_, taking_others(scope), others)):
                    return False
                for name in absent:
                    if name in scope:
                        return False
            for members, size in self._sizes.values():
                if len(members) != size:
                    return False
            for function, code, defaults, named in self._functions.values():
                if function.__code__ is not code:
                    return False
                if function.__defaults__ is not defaults or function.__kwdefaults__ is not named:
                    return False
            for cell, value in self._cells.values():
                if _content(cell) is not value:
                    return False
            for value, how, was in self._values.values():
                if (dumps(value, 2) if how is None else how(value)) != was:
                    return False
        except Exception:  # noqa: BLE001 - a name is gone, a value cannot travel by now: who captures it says why
            return False
        return True


def _group(scope: Any, names: dict[str, Any]) -> _Group:
    there = {name: value for name, value in names.items() if value is not MISSING}
    # Functions, classes and modules are equal to themselves alone, so that they are compared at once; but 2 is equal to 2.0.
    single = [name for name, value in there.items() if _EQUAL(type(value)) is _EQUAL(object)]
    others = [name for name in there if name not in single]
    return (
        scope,
        _taking(single),
        tuple(there[name] for name in single),
        _taking(others),
        tuple(there[name] for name in others),
        tuple(name for name in names if name not in there),
    )


def _taking(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if len(names) > 1:
        return itemgetter(*names)
    return (lambda scope: (scope[names[0]],)) if names else lambda scope: ()


def _content(cell: CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


def is_fixed(value: Any) -> bool:
    """Whether a value cannot change."""
    kind = type(value)
    if (
        kind in _FIXED
        or (kind.__module__.partition(".")[0], kind.__name__) in _FIXED_KINDS
        or hasattr(kind, "__members__")
    ):
        return True
    return isinstance(value, (tuple, frozenset)) and all(map(is_fixed, value))
