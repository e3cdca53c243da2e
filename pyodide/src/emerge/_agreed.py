"""Whether a class or function is what its statement says: what was changed since does not travel by source, and is named."""

from __future__ import annotations

import ast
import dataclasses
import sys
from abc import ABCMeta
from collections.abc import Callable, Iterator
from types import FunctionType
from typing import Any

from . import _source
from ._object import Object, dataclass
from ._seen import MISSING, is_fixed
from .errors import ClassInvalidError

Look = Callable[[str], Any]
"""Gives what a name stands for around a statement by now; ``MISSING`` when that is not known."""

_BY_NAME = ("property", "staticmethod", "classmethod")
_NAMED_TUPLE = ("_make", "_replace", "_asdict")


def alike(one: Any, other: Any) -> bool:
    """Whether two values are one, or cannot be told from each other."""
    if one is other:
        return True
    if type(one) is not type(other) or not is_fixed(one):
        return False
    return bool(one == other) if isinstance(one, frozenset) else repr(one) == repr(other)


def function(made: FunctionType, node: Any, look: Look, name: str) -> None:
    """Sees that a function's defaults are those of its statement.

    Raises:
        ClassInvalidError: one is not.
    """
    arguments = node.args
    held = list(made.__defaults__ or ())
    written = list(arguments.defaults)
    names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)][
        len(arguments.posonlyargs + arguments.args) - len(written) :
    ]
    given = made.__kwdefaults__ or {}
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        if default is not None:
            names.append(each.arg)
            written.append(default)
            held.append(given.get(each.arg, MISSING))
    if len(held) != len(written):
        raise _changed(f"the defaults of {name} were set after its statement", name)
    for argument, expression, value in zip(names, written, held):
        if isinstance(expression, ast.Name):
            _name(expression.id, value, look, f"the default of {argument} in {name}")
        elif isinstance(expression, ast.Constant) and not alike(value, expression.value):
            raise _changed(f"the default of {argument} in {name} was set after its statement", name)


def attributes(made: FunctionType) -> list[str]:
    """Attributes that a function has of its own, and not of what ``functools.wraps`` copied."""
    copied = getattr(getattr(made, "__wrapped__", None), "__dict__", {})
    return [name for name in made.__dict__ if name != "__wrapped__" and name not in copied]


def dispatch(name: str, value: Any) -> None:
    """Sees that a function of ``functools.singledispatch`` has the implementation alone that its statement gives it.

    Raises:
        ClassInvalidError: others were registered.
    """
    registry = getattr(value, "registry", None)
    if registry is not None and hasattr(value, "dispatch") and len(registry) > 1:
        raise ClassInvalidError(
            f"{name} dispatches on types by functions that were registered with it, which its statement does not tell: "
            "make it within the method, or choose by isinstance",
            field=name,
        )


def class_(cls: type, node: Any, look: Look) -> None:
    """Sees that a class's methods are those of its statement, and that names which its body uses stand for what they stood for.

    Raises:
        ClassInvalidError: they are not.
    """
    own = _names_of(node, cls.__name__)
    codes = _source.member_codes(cls)
    for statement in _statements(node.body):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            _defaults(cls, statement, codes, lambda name: MISSING if name in own else look(name))
        else:
            _assigned(cls, statement, own, look)
    if _is_plain(cls, node, look):
        _members(cls, node, own, codes)


def written(node: Any) -> dict[str, Any]:
    """Values of annotated names that a class's body writes out, each once: what was changed since does not travel."""
    plain = [each for each in node.body if not isinstance(each, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))]
    parts = [part for statement in plain for part in ast.walk(statement) if isinstance(part, ast.Name)]
    given = [part.id for part in parts if isinstance(part.ctx, ast.Store)]
    found: dict[str, Any] = {}
    for statement in plain:
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and statement.value is not None
        ):
            try:
                if given.count(statement.target.id) == 1:
                    found[_source.own_name(node.name, statement.target.id)] = ast.literal_eval(statement.value)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                continue
    return found


def _name(name: str, held: Any, look: Look, what: str) -> None:
    now = look(name)
    if now is MISSING or held is MISSING or alike(held, now):
        return
    raise ClassInvalidError(
        f"{what} is what {name} was, and by now {name} is something else: run the statement again, or write the value",
        field=name,
    )


def _changed(what: str, field: str) -> ClassInvalidError:
    return ClassInvalidError(f"{what}, which its source does not tell: write it there", field=field)


def _statements(body: list[Any]) -> Iterator[Any]:
    """The statements of a class's body, those under conditions too."""
    for statement in body:
        yield statement
        for part in ("body", "orelse", "finalbody"):
            if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                yield from _statements(getattr(statement, part, []))
        for handler in getattr(statement, "handlers", []):
            yield from _statements(handler.body)


def _names_of(node: Any, cls: str) -> set[str]:
    """Names that a class's body gives."""
    found: set[str] = set()
    for statement in _statements(node.body):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(statement.name)
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            found.update((each.asname or each.name).partition(".")[0] for each in statement.names)
        else:
            stored = (part for part in ast.walk(statement) if isinstance(part, ast.Name))
            found.update(part.id for part in stored if isinstance(part.ctx, ast.Store))
    return {_source.own_name(cls, name) for name in found}


def _defaults(cls: type, node: Any, codes: list[Any], look: Look) -> None:
    # Two of one name under conditions: which of them was run, only Python knows.
    for made in _source.own_functions(cls):
        code = made.__code__
        if code.co_name == node.name and any(code is each for each in codes):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            if len(node.args.args) == code.co_argcount - code.co_posonlyargcount and _lines_up(
                code, first, node, codes
            ):
                function(made, node, look, f"{cls.__name__}.{node.name}")


def _lines_up(code: Any, first: int, node: Any, codes: list[Any]) -> bool:
    alone = sum(each.co_name == code.co_name for each in codes) == 1
    return alone or code.co_firstlineno - first in (0, node.lineno - first)


def _assigned(cls: type, statement: Any, own: set[str], look: Look) -> None:
    """Sees that what a body gives by a plain name is what the name stands for."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
        target, value = statement.targets[0], statement.value
    elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
        target, value = statement.target, statement.value
    else:
        return
    if isinstance(value, ast.Call):
        value = next((each.value for each in value.keywords if each.arg == "default"), value)
    if isinstance(target, ast.Name) and isinstance(value, ast.Name) and value.id not in own:
        _name(value.id, _held(cls, target.id), look, f"{cls.__name__}.{target.id}")


def _held(cls: type, name: str) -> Any:
    name = _source.own_name(cls.__name__, name)
    members = getattr(cls, "__members__", {})
    if name in members:
        return members[name].value
    fields = getattr(cls, "__dataclass_fields__", {})
    if name in fields:
        default = fields[name].default
        return MISSING if default is dataclasses.MISSING else default
    return vars(cls).get(name, MISSING)


def _is_plain(cls: type, node: Any, look: Look) -> bool:
    """Whether nothing but its statement, and ``dataclass``, makes the members of a class."""
    enum = sys.modules.get("enum")
    kinds = (type, ABCMeta) if enum is None else (type, ABCMeta, enum.EnumMeta)
    if type(cls) not in kinds or any("__init_subclass__" in vars(base) for base in cls.__mro__[1:] if _is_hook(base)):
        return False
    return all(_is_dataclass(each.func if isinstance(each, ast.Call) else each, look) for each in node.decorator_list)


def _is_dataclass(written: Any, look: Look) -> bool:
    """Whether a decorator is known to change nothing but what a class has by ``dataclass``; others add what they like."""
    parts: list[str] = []
    while isinstance(written, ast.Attribute):
        parts.append(written.attr)
        written = written.value
    found = look(written.id) if isinstance(written, ast.Name) else MISSING
    for part in reversed(parts):
        found = getattr(found, part, MISSING)
    return found is dataclasses.dataclass or found is dataclass


def _is_hook(base: type) -> bool:
    return base is not Object and base.__module__ not in ("builtins", "typing", "enum", "abc")


def _members(cls: type, node: Any, own: set[str], codes: list[Any]) -> None:
    plain: dict[str, Any] = {}
    for statement in _statements(node.body):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            by_name = all(isinstance(each, ast.Name) and each.id in _BY_NAME for each in statement.decorator_list)
            # The last of a name counts; of one that other decorators made, nothing is known.
            plain[_source.own_name(cls.__name__, statement.name)] = statement if by_name else None
        else:
            for name in _names_of(ast.ClassDef("", [], [], [statement], []), cls.__name__):
                plain.pop(name, None)
    for name, member in list(vars(cls).items()):
        functions = [
            each
            for each in (member, *(getattr(member, part, None) for part in ("__func__", "fget", "fset", "fdel")))
            if isinstance(each, FunctionType)
        ]
        if name in own:
            if plain.get(name) is not None and not (functions and all(_is_own(each, codes) for each in functions)):
                raise _changed(
                    f"{cls.__name__}.{name} was set after the statement of {cls.__name__}", f"{cls.__name__}.{name}"
                )
        elif any(not _is_made(cls, name, each) for each in functions):
            raise _changed(
                f"{cls.__name__}.{name} was added after the statement of {cls.__name__}", f"{cls.__name__}.{name}"
            )


def _is_own(made: FunctionType, codes: list[Any]) -> bool:
    # Code of ``python -c`` cannot be told from what ``dataclass`` makes.
    return made.__code__.co_filename == "<string>" or any(made.__code__ is code for code in codes)


def _is_made(cls: type, name: str, made: FunctionType) -> bool:
    """Whether the library makes such a member for a class."""
    if made.__code__.co_filename.startswith("<string>") or name in _NAMED_TUPLE and hasattr(cls, "_fields"):
        return True
    module = str(made.__globals__.get("__name__")).partition(".")[0]
    return name.startswith("_") and module in sys.stdlib_module_names or name in ("__annotate__", "__annotate_func__")
