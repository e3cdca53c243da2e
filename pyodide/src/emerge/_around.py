"""What names stand for around the statement of a class or function."""

from __future__ import annotations

import ast
import sys
from collections import ChainMap
from types import FunctionType
from typing import Any, NamedTuple

from . import _source
from ._names import BUILTINS, names_in
from ._object import PLACES
from ._seen import MISSING, Seen
from .errors import ClassInvalidError


class Around(NamedTuple):
    """What is around a statement. A name of the function that it stands in never stands for what the module has by that name."""

    scope: Any
    """The names of its module."""
    cells: dict[str, Any]
    """What is known of the names of the function that it stands in."""
    local: frozenset[str] = frozenset()
    """All names of that function."""

    def now(self, name: str, seen: Seen | None = None) -> Any:
        """What a name stands for by now; ``MISSING`` for nothing, or when that is not known."""
        if name in self.cells:
            return self.cells[name]
        if name in self.local:
            return MISSING
        return self.scope.get(name, MISSING) if seen is None else seen.name(self.scope, name)

    def meant(self, name: str, seen: Seen | None = None) -> Any:
        """What a name means, as a builtin too."""
        value = self.now(name, seen)
        return BUILTINS.get(name, MISSING) if value is MISSING and name not in self.local else value

    def more(self, cells: dict[str, Any]) -> Around:
        """With more names that are known."""
        return self._replace(cells={**self.cells, **cells})


def of_class(cls: type, statement: _source.Statement, seen: Seen, outer: Any = None) -> Around:
    """What is around a class statement; ``outer`` are the names around who uses the class."""
    scope = _scope_of(cls, outer)
    cells: dict[str, Any] = {}
    if cls in PLACES:
        _, _, _, _, module, within = PLACES[cls]
        # What was deleted since is as it was.
        cells.update({name: value for name, value in module.items() if name not in scope})
        cells.update(within)
    cells.update(_bases_by_name(cls, statement, scope))
    cells.update(_cells_of(cls, seen))
    return Around(scope, cells, statement.local)


def _scope_of(cls: type, outer: Any) -> Any:
    """The names of the module of a class statement."""
    if cls in PLACES:
        return PLACES[cls][3]
    codes = _source.member_codes(cls)
    for function in _source.own_functions(cls):
        if any(function.__code__ is code for code in codes):
            return function.__globals__
    module = sys.modules.get(cls.__module__)
    scope = vars(module) if module is not None else {}
    # A class of a notebook that runs its cells in a dict of its own is where who uses it found it.
    return ChainMap(scope, outer) if cls.__module__ == "__main__" and outer is not None else scope


def _cells_of(cls: type, seen_by: Seen) -> dict[str, Any]:
    """What the methods of a class, made within a function, see of that function."""
    seen: dict[str, Any] = {}
    for inner in list(vars(cls).values()):
        if isinstance(inner, type) and inner.__qualname__.startswith(f"{cls.__qualname__}."):
            seen.update(_cells_of(inner, seen_by))
    codes = _source.member_codes(cls)
    for function in _source.own_functions(cls):
        # From 3.14 on annotations are a function too, which sees the class's own dict; they make no need.
        if function.__code__.co_name != "__annotate__" and any(function.__code__ is code for code in codes):
            seen.update(closure_of(function, seen_by))
    seen.pop("__class__", None)
    return seen


def closure_of(function: FunctionType, seen_by: Seen | None = None) -> dict[str, Any]:
    """What a function sees of the one that it was made in."""
    seen = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        if seen_by is not None:
            seen_by.cell(cell)
        try:
            seen[name] = cell.cell_contents
        except ValueError:
            continue
    return seen


def _bases_by_name(cls: type, statement: _source.Statement, scope: Any) -> dict[str, Any]:
    """The bases whose names stand for nothing in the module of a class, or by now for other classes.

    Raises:
        ClassInvalidError: the class uses the name of such a base for more than to extend it.
    """
    node = ast.parse(statement.text()).body[-1]
    found: dict[str, Any] = {}
    if not isinstance(node, ast.ClassDef) or len(node.bases) != len(cls.__bases__):
        return found
    changed = []
    for written, base in zip(node.bases, cls.__bases__):
        if isinstance(written, ast.Name) and written.id not in BUILTINS:
            now = scope.get(written.id, MISSING)
            if written.id in statement.local:
                found[written.id] = base
            elif written.id == base.__name__ and now is not base and (now is MISSING or isinstance(now, type)):
                found[written.id] = base
                if now is not MISSING:
                    changed.append(written.id)
    if changed:
        node.bases = []
        used = names_in(ast.unparse(node), cls.__name__)[0]
        for name in changed:
            if name in used:
                raise ClassInvalidError(
                    f"{cls.__name__} extends {name}, and uses another class of this name that was made since: "
                    f"run the statement of {cls.__name__} again",
                    field=name,
                )
    return found
