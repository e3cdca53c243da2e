"""What a search compares fields with: fields are there as they are kept, an enumeration's member by its value and a tuple as a list."""

from __future__ import annotations

import ast
import enum
from typing import Any

from ._kept import PLAIN_FORMS, plain
from ._seen import MISSING
from ._written import Look, meant


def as_kept(tree: ast.AST, look: Look) -> bool:
    """Puts what is kept in the place of the members and tuples that a function compares with; whether there were any.

    ``is`` becomes ``==`` there: a value is not the one object that a member is.
    """
    bound = {part.arg for part in ast.walk(tree) if isinstance(part, ast.arg)}
    bound |= {part.id for part in ast.walk(tree) if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)}
    changed = False

    def written(part: ast.expr, of_field: bool, is_searched: bool) -> ast.expr:
        nonlocal changed
        if isinstance(part, (ast.Tuple, ast.List, ast.Set)):
            if not is_searched and not (of_field and isinstance(part, ast.Tuple)):
                return part
            # Of those among which one is looked for each is compared by itself.
            elements = [written(each, of_field, False) for each in part.elts]
            if elements == part.elts and is_searched:
                return part
            changed = True
            return ast.copy_location(ast.List(elements, ast.Load()), part)
        if of_field and isinstance(part, ast.Call) and _makes_tuple(part.func, bound, look):
            changed = True
            return ast.copy_location(ast.Call(ast.Name("list", ast.Load()), [part], []), part)
        value = MISSING if _root(part) in bound else _meant(part, look)
        if isinstance(value, tuple) and not of_field:
            return part
        text = _literal(value) if _is_kept_as_another(value, is_searched) else None
        if text is None:
            return part
        changed = True
        return ast.copy_location(ast.parse(text, mode="eval").body, part)

    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            before = [node.left, *node.comparators]
            of_field = any(isinstance(each, (ast.Attribute, ast.Subscript)) and _root(each) in bound for each in before)
            searched = [False, *(isinstance(how, (ast.In, ast.NotIn)) for how in node.ops)]
            after = [written(side, of_field, each) for side, each in zip(before, searched)]
            node.left, *node.comparators = after
            for at, how in enumerate(node.ops):
                if after[at] is not before[at] or after[at + 1] is not before[at + 1]:
                    node.ops[at] = {ast.Is: ast.Eq, ast.IsNot: ast.NotEq}.get(type(how), type(how))()
    ast.fix_missing_locations(tree)
    return changed


def _makes_tuple(maker: ast.expr, bound: set[str], look: Look) -> bool:
    """Whether a call makes a tuple or a named tuple, of which ``list`` can make what is kept."""
    kind = MISSING if _root(maker) in bound else meant(maker, look)
    is_list_known = "list" not in bound and look("list") is MISSING
    return is_list_known and isinstance(kind, type) and issubclass(kind, tuple)


def _is_kept_as_another(value: Any, is_searched: bool) -> bool:
    if is_searched and isinstance(value, (tuple, list, set, frozenset)):
        return len(value) <= _MOST and any(_is_kept_as_another(each, False) for each in value)
    return isinstance(value, (enum.Enum, tuple, _Value))


# Of a collection by a name, how many are written out.
_MOST = 1000


class _Value(tuple[Any]):
    """The ``value`` of a member."""


def _root(part: ast.expr) -> str | None:
    while isinstance(part, (ast.Attribute, ast.Subscript)):
        part = part.value
    return part.id if isinstance(part, ast.Name) else None


def _meant(part: ast.expr, look: Look) -> Any:
    """What a name stands for, or a member of an enumeration, or its value."""
    if isinstance(part, ast.Attribute):
        owner = _meant(part.value, look)
        if isinstance(owner, enum.EnumMeta):
            return owner.__members__.get(part.attr, MISSING)
        if isinstance(owner, enum.Enum):
            return _Value((owner.value,)) if part.attr == "value" else MISSING
    return meant(part, look)


def _literal(value: Any) -> str | None:
    """The text of a value as it is kept; ``None`` for one that no literal writes."""
    value = plain(value[0] if isinstance(value, _Value) else value)
    if isinstance(value, (tuple, frozenset)):
        parts = [_literal(each) for each in value]
        return None if None in parts else f"[{', '.join(map(str, parts))}]"
    is_written = type(value) in PLAIN_FORMS and (type(value) is not float or value - value == 0)
    return repr(value) if is_written else None
