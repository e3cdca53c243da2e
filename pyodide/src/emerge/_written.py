"""What statements write, and the values that it came to: those travel, for evaluated again it may come to others."""

from __future__ import annotations

import ast
import dataclasses
import sys
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any, NamedTuple

from . import _source
from ._mutable import travels
from ._names import BUILTINS
from ._seen import MISSING, is_fixed

Look = Callable[[str], Any]
"""Gives what a name stands for around a statement by now; ``MISSING`` when that is not known."""

_MEMBERS = (object, int, str, float, bytes)


class Given(NamedTuple):
    """An expression of a statement, and what it came to."""

    name: str
    """Of the argument or attribute that it gives."""
    expression: ast.expr
    value: Any
    """``MISSING`` when that is not known."""
    copied: bool = False
    """Whether what it holds is put in again when all is defined, so that the value is for that and a copy of it for here."""


def alike(one: Any, other: Any) -> bool:
    """Whether two values are one, or cannot be told from each other."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, FunctionType):
        # One that was run again.
        same = _source.same_code(one.__code__, other.__code__) and one.__kwdefaults__ == other.__kwdefaults__ is None
        return same and not one.__closure__ and not other.__closure__ and alike(one.__defaults__, other.__defaults__)
    if not is_fixed(one):
        return False
    return bool(one == other) if isinstance(one, frozenset) else repr(one) == repr(other)


def is_literal(expression: ast.expr) -> bool:
    """Whether an expression writes its value out."""
    try:
        ast.literal_eval(expression)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def statements(body: list[Any]) -> Iterator[Any]:
    """The statements of a class's body, those under conditions too."""
    for statement in body:
        yield statement
        for part in ("body", "orelse", "finalbody"):
            if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield from statements(getattr(statement, part, []))
        for handler in getattr(statement, "handlers", []):
            yield from statements(handler.body)


def names_of(body: list[Any], cls: str) -> list[str]:
    """Names that a class's body gives, as often as it does."""
    found: list[str] = []
    for statement in statements(body):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.append(statement.name)
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            found += [(each.asname or each.name).partition(".")[0] for each in statement.names]
        elif not getattr(statement, "body", None):
            stored = (part for part in ast.walk(statement) if isinstance(part, ast.Name))
            found += [part.id for part in stored if isinstance(part.ctx, ast.Store)]
        else:
            heads = [getattr(statement, part, None) for part in ("target", "test", "iter")]
            heads += [
                item for each in getattr(statement, "items", []) for item in (each.optional_vars, each.context_expr)
            ]
            stored = (
                part for head in heads if head is not None for part in ast.walk(head) if isinstance(part, ast.Name)
            )
            found += [part.id for part in stored if isinstance(part.ctx, ast.Store)]
    return [_source.own_name(cls, name) for name in found]


def literals(node: Any) -> dict[str, Any]:
    """Values of annotated names that a class's body writes out, each once: what was changed since does not travel."""
    given = names_of(node.body, node.name)
    found: dict[str, Any] = {}
    for name, value in _assignments(node):
        if given.count(name) == 1 and is_literal(value):
            found[name] = ast.literal_eval(value)
    return found


def _assignments(node: Any) -> Iterator[tuple[str, ast.expr]]:
    for statement in statements(node.body):
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target: Any = statement.targets[0]
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target = statement.target
        else:
            continue
        if isinstance(target, ast.Name) and statement.value is not None:
            yield _source.own_name(node.name, target.id), statement.value


def defaults(made: FunctionType, node: Any) -> list[Given] | None:
    """The defaults of a function or lambda; ``None`` when it has more or less than its statement."""
    arguments = node.args
    held = list(made.__defaults__ or ())
    written = list(arguments.defaults)
    names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    if len(held) != len(written):
        return None
    found = [Given(*each) for each in zip(names[len(names) - len(written) :], written, held)]
    given = made.__kwdefaults__ or {}
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        if default is not None:
            found.append(Given(each.arg, default, given.get(each.arg, MISSING)))
    return found


def attributes(cls: type, node: Any) -> list[Given]:
    """What a class's body gives its names that it gives once; of a field its default, or what makes that."""
    given = names_of(node.body, cls.__name__)
    found = []
    for name, written in _assignments(node):
        if given.count(name) == 1:
            held = _held(cls, name)
            expression: ast.expr | None = written
            if isinstance(held, dataclasses.Field):
                at, value = "default", held.default
                if value is dataclasses.MISSING:
                    at, value = "default_factory", held.default_factory
                if isinstance(written, ast.Call):
                    expression = next((each.value for each in written.keywords if each.arg == at), None)
                    expression = expression if expression is not None or at != "default" else written
                held = MISSING if value is dataclasses.MISSING else value
            if expression is not None:
                found.append(Given(name, expression, held))
    return found


def _held(cls: type, name: str) -> Any:
    members = getattr(cls, "__members__", {})
    if name in members:
        # One that makes its members otherwise makes other values of them than those that are written.
        maker = getattr(cls, "_new_member_", getattr(cls, "__new_member__", None))
        is_own = isinstance(maker, FunctionType) and maker.__module__ != "enum"
        return members[name].value if getattr(cls, "_member_type_", None) in _MEMBERS and not is_own else MISSING
    fields = getattr(cls, "__dataclass_fields__", {})
    if name in fields:
        return fields[name]
    if name in getattr(cls, "_field_defaults", {}):
        return cls._field_defaults[name]  # type: ignore[attr-defined]
    return vars(cls).get(name, MISSING)


def methods(cls: type, node: Any) -> Iterator[tuple[FunctionType, Any]]:
    """The functions that a class's body defines, each with its statement."""
    codes = _source.member_codes(cls)
    made = [each for each in _source.own_functions(cls) if any(each.__code__ is code for code in codes)]
    for statement in statements(node.body):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            first = min([statement.lineno, *(each.lineno for each in statement.decorator_list)])
            for function in made:
                code = function.__code__
                # Two of one name under conditions: which of them was run, only Python knows.
                if (
                    code.co_name == statement.name
                    and len(statement.args.args) == code.co_argcount - code.co_posonlyargcount
                    and (
                        sum(each.co_name == code.co_name for each in codes) == 1
                        or code.co_firstlineno - first in (0, statement.lineno - first)
                    )
                ):
                    yield function, statement


def held_defaults(made: FunctionType) -> Any:
    """What tells whether a function's defaults are still what they were: which they are, and they, so that none else is called so."""
    held = (*(made.__defaults__ or ()), *(made.__kwdefaults__ or {}).values())
    return tuple(map(id, held)), held


def to_keep(given: list[Given], look: Look) -> list[Given]:
    """Expressions whose values are to travel, and not what they come to when they are evaluated again.

    Those are values that cannot change, what lists, dicts and sets hold by now, and what a name stood for that stands for another thing
    by now, or is not known.
    """
    found = []
    enum = sys.modules.get("enum")
    wrappers: Any = (getattr(enum, "member", ()), getattr(enum, "nonmember", ()))
    for each in given:
        if isinstance(each.expression, ast.Call) and len(each.expression.args) == 1:
            # Whether it is a member stays written: what travels is that which is one, or none.
            if any(meant(each.expression.func, look) is wrapper for wrapper in wrappers):
                each = each._replace(expression=each.expression.args[0])
        elif isinstance(meant(each.expression, look), wrappers):
            continue
        if each.value is MISSING:
            continue
        if travels(each.expression, each.value) and not isinstance(each.expression, (ast.Name, ast.Attribute)):
            found.append(each)
            continue
        if is_literal(each.expression):
            continue
        if isinstance(each.expression, (ast.Name, ast.Attribute)):
            keeps = not alike(each.value, meant(each.expression, look))
        elif isinstance(each.expression, ast.Lambda):
            # Its own defaults alone may come to others.
            arguments = each.expression.args
            keeps = not all(one is None or is_literal(one) for one in (*arguments.defaults, *arguments.kw_defaults))
        else:
            keeps = is_fixed(each.value) or isinstance(each.value, (FunctionType, type))
        if keeps and (
            is_fixed(each.value)
            or isinstance(each.expression, ast.Name)
            or isinstance(each.value, (FunctionType, type))
        ):
            found.append(each)
    return found


def meant(written: ast.expr, look: Look) -> Any:
    """What a name, or an attribute of one, stands for."""
    if isinstance(written, ast.Attribute):
        owner = meant(written.value, look)
        return getattr(owner, written.attr, MISSING) if isinstance(owner, (type, ModuleType, property)) else MISSING
    if not isinstance(written, ast.Name):
        return MISSING
    found = look(written.id)
    return BUILTINS.get(written.id, MISSING) if found is MISSING else found


def remade(given: Given, look: Look) -> str | None:
    """The class in an expression that was made again since, so that what the expression came to is of the earlier one."""
    kinds = {each if isinstance(each, type) else type(each) for each in _held_within(given.value, 0)}
    kinds = {each for each in kinds if each.__module__ != "builtins"}
    for part in ast.walk(given.expression) if kinds else ():
        now = meant(part, look) if isinstance(part, (ast.Name, ast.Attribute)) else MISSING
        if isinstance(now, type) and now not in kinds:
            place = (now.__module__, now.__qualname__)
            if any((each.__module__, each.__qualname__) == place for each in kinds):
                return now.__name__
    return None


def _held_within(value: Any, depth: int) -> Iterator[Any]:
    if isinstance(value, (tuple, list, set, frozenset, dict)) and type(value).__module__ == "builtins":
        for each in list(value)[:_MOST_HELD] if depth < _DEEPEST_HELD else ():
            yield from _held_within(each, depth + 1)
            if isinstance(value, dict):
                yield from _held_within(value[each], depth + 1)
    else:
        yield value


# How much of a default is looked at.
_MOST_HELD = 1000
_DEEPEST_HELD = 3

_PLAIN = (ast.expr_context, ast.operator, ast.unaryop, ast.Constant, ast.Name, ast.BinOp, ast.UnaryOp, ast.Tuple)


def evaluated(expression: ast.expr, look: Look) -> Any:
    """What an expression of plain values comes to by now; ``MISSING`` for one that calls, or takes attributes or items."""
    parts = list(ast.walk(expression))
    names = {part.id: look(part.id) for part in parts if isinstance(part, ast.Name)}
    if not all(isinstance(part, _PLAIN) for part in parts) or not all(
        value is not MISSING and is_fixed(value) for value in names.values()
    ):
        return MISSING
    try:
        return eval(compile(ast.Expression(expression), "<expression>", "eval"), {"__builtins__": {}}, names)
    except Exception:  # noqa: BLE001 - whatever it is, who runs it again meets it
        return MISSING


def with_names(text: list[str], first: int, names: list[tuple[ast.expr, str]]) -> list[str]:
    """Lines, the first of which has a number, with names in the place of some expressions; all stay where they are."""
    lines = [line.encode() for line in text]
    for expression, name in sorted(names, key=lambda each: (each[0].lineno, each[0].col_offset), reverse=True):
        at, end = expression.lineno - first, (expression.end_lineno or expression.lineno) - first
        rest = lines[end][expression.end_col_offset :]
        put = name.encode() if at == end else b"(" + name.encode() + b"\n" * (end - at) + b")"
        lines[at : end + 1] = (lines[at][: expression.col_offset] + put + rest).splitlines(keepends=True)
    return [line.decode() for line in lines]
