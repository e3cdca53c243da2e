"""Classes that travel: their source, their fields, and the names around them that they use."""

from __future__ import annotations

import builtins
import dataclasses
import sys
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ._object import PLACES, Object
from ._values import Ref
from .errors import ClassInvalidError

_MISSING: Any = object()
_BUILTINS = frozenset(dir(builtins))
# What every module and class body has of its own.
_OWN = frozenset(("__name__", "__file__", "__doc__", "__qualname__", "__module__", "__class__", "__annotations__"))

_TYPES = {
    bool: "bool", int: "int", float: "float", str: "text", bytes: "bytes", bytearray: "bytes", list: "list",
    tuple: "list", dict: "map", set: "set", frozenset: "set", memoryview: "array", Ref: "ref",
}  # fmt: skip
_NAMED_TYPES = {
    "datetime.datetime": "datetime", "datetime.date": "date", "datetime.timedelta": "duration", "uuid.UUID": "uuid",
    "decimal.Decimal": "decimal", "numpy.ndarray": "array", "array.array": "array",
}  # fmt: skip
_FACTORIES: tuple[Any, ...] = (list, dict, set, tuple, str, int, float, bool, bytes, frozenset)


def class_source(cls: type[Object]) -> tuple[tuple[Any, ...], tuple[type[Object], ...]]:
    """What ``put_class`` takes for a class, and the classes that must be at the node before.

    Raises:
        ClassInvalidError: the source cannot be found, or a name that it uses cannot travel (``field`` names it).
    """
    if cls is Object:
        raise ClassInvalidError("emerge.Object itself is not stored; store objects of a class that extends it")
    from . import _classes

    text = _class_text(cls)
    place = PLACES[cls]
    captures = _Captures(cls.__name__)
    bases = []
    for base in cls.__bases__:
        if base is not Object and base is not object:
            if not issubclass(base, Object):
                captures.add(base.__name__, base, cls.__name__)
                continue
            bases.append((base.__name__, _classes.record_of(base).hash))
            captures.needs.append(base)
    captures.bases = {base.__name__ for base in cls.__bases__ if base is not Object and issubclass(base, Object)}
    captures.walk(text, cls.__name__, place[3], _cells(cls))
    doc = cls.__dict__.get("__doc__")
    if dataclasses.is_dataclass(cls) and doc and doc.startswith(f"{cls.__name__}("):
        doc = None
    source = (cls.__name__, "python", text, bases, fields_of_class(cls), doc, captures.entries)
    return source, tuple(captures.needs)


def _cells(cls: type) -> dict[str, Any]:
    """What the methods of a class, made within a function, see of that function."""
    seen: dict[str, Any] = {}
    for member in vars(cls).values():
        function = getattr(member, "__func__", None) or getattr(member, "fget", None) or member
        if isinstance(function, FunctionType):
            seen.update(_closure(function))
    return seen


def _closure(function: FunctionType) -> dict[str, Any]:
    seen = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        try:
            seen[name] = cell.cell_contents
        except ValueError:
            continue
    return seen


def _class_text(cls: type[Object]) -> str:
    place = PLACES.get(cls)
    if place is None:
        raise _no_source(cls.__name__, "")
    name, line, lines, _ = place
    text = _statement(lines, line, cls.__name__)
    if text is None:
        raise _no_source(cls.__name__, name)
    return text


def _no_source(name: str, file: str) -> ClassInvalidError:
    where = "the plain Python prompt keeps none before 3.13" if file == "<stdin>" else f"{file or 'it'} has none"
    return ClassInvalidError(
        f"the source of {name} cannot be found ({where}): write it in a file, a notebook cell or IPython", field=name
    )


def _statement(lines: list[str], line: int, name: str) -> str | None:
    """The text of the class or function of a name whose statement covers a line, decorators included."""
    import ast
    import textwrap

    if not lines:
        return None
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:
        import inspect

        block = inspect.getblock(lines[line - 1 :])
        return textwrap.dedent("".join(block)).rstrip() + "\n"
    best = None
    for node in ast.walk(tree):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) and node.name == name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first <= line <= (node.end_lineno or first) and (best is None or first > best[0]):
                best = (first, node.end_lineno or first)
    if best is None:
        return None
    return textwrap.dedent("".join(lines[best[0] - 1 : best[1]])).rstrip() + "\n"


def function_text(function: Any) -> str:
    """The source of a function or lambda, which is sent by itself.

    Raises:
        ClassInvalidError: it cannot be found.
    """
    import ast
    import linecache
    import textwrap

    code = getattr(function, "__code__", None)
    if code is None:
        raise ClassInvalidError(f"a function is needed, not {function!r}")
    lines = linecache.getlines(code.co_filename)
    if function.__name__ != "<lambda>":
        text = _statement(lines, code.co_firstlineno, function.__name__)
        if text is None:
            raise _no_source(function.__name__, code.co_filename)
        return text
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:
        tree = ast.parse("")
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Lambda) and node.lineno == code.co_firstlineno]
    same = [node for node in found if _code_of(node, code) == code.co_code]
    if not same:
        raise _no_source("the lambda", code.co_filename)
    return textwrap.dedent(ast.unparse(same[0]))


def _code_of(node: Any, code: CodeType) -> bytes:
    import ast

    made = compile(ast.unparse(node), code.co_filename, "eval", dont_inherit=True)
    return next((each.co_code for each in made.co_consts if isinstance(each, CodeType)), b"")


class _Captures:
    """Names from around a class, in the order in which they are to be defined."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.entries: list[tuple[Any, ...]] = []
        self.needs: list[type[Object]] = []
        self.bases: set[str] = set()
        self.things: dict[str, Any] = {}

    def walk(self, text: str, name: str, scope: dict[str, Any], cells: dict[str, Any]) -> None:
        """Captures each name that a class or function text uses from outside."""
        try:
            code = compile(text, name, "exec", dont_inherit=True)
        except SyntaxError as error:
            raise ClassInvalidError(f"the source of {name} does not compile alone: {error}", field=name) from error
        for used in _outside(code, name):
            if used == self.owner or used in self.bases or used == name or used in _OWN:
                continue
            value = cells.get(used, scope.get(used, _MISSING))
            if value is not _MISSING:
                self.add(used, value, name)
            elif used not in _BUILTINS:
                raise ClassInvalidError(f"{name} uses {used}, which is not defined", field=used)

    def add(self, name: str, value: Any, user: str) -> None:
        """Captures one name."""
        if name in self.things:
            if self.things[name] is not value and not _equal(self.things[name], value):
                raise ClassInvalidError(f"{self.owner} uses two different things named {name}", field=name)
            return
        self.things[name] = value
        self.entries.extend(self._entry(name, value, user))

    def _entry(self, name: str, value: Any, user: str) -> list[tuple[Any, ...]]:
        if isinstance(value, ModuleType):
            if value.__name__ == "__main__":
                raise self._cannot(name, value, user)
            return [(name, "module", value.__name__)]
        member = _library_member(name, value)
        if member is not None:
            return [(name, "member", *member)]
        if isinstance(value, type) and issubclass(value, Object):
            from . import _classes

            self.needs.append(value)
            return [(name, "class", _classes.record_of(value).hash)]
        function = value
        while hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        if isinstance(function, (FunctionType, type)):
            return self._code(name, function, user)
        from . import _wire

        wire, _ = _wire.dumps(value)
        from . import _host

        try:
            _host.host().check(wire)
        except Exception as error:
            raise self._cannot(name, value, user) from error
        return [(name, "value", value)]

    def _code(self, name: str, value: Any, user: str) -> list[tuple[Any, ...]]:
        import linecache

        own = value.__name__
        if own == "<lambda>":
            raise ClassInvalidError(f"{user} uses the lambda {name}: write it with def", field=name)
        if isinstance(value, type):
            scope = vars(sys.modules[value.__module__]) if value.__module__ in sys.modules else {}
            text, cells = _plain_class_text(value), _cells(value)
            for base in value.__bases__:
                if base is not object:
                    self.add(base.__name__, base, own) if _library_member(base.__name__, base) is None else None
        else:
            file = value.__code__.co_filename
            text = _statement(linecache.getlines(file), value.__code__.co_firstlineno, own)
            scope, cells = value.__globals__, _closure(value)
        if text is None:
            raise _no_source(own, getattr(getattr(value, "__code__", None), "co_filename", ""))
        self.walk(text, own, scope, cells)
        if own != name:
            text = f"{text}\n{name} = {own}\n"
        return [(name, "source", text)]

    def _cannot(self, name: str, value: Any, user: str) -> ClassInvalidError:
        kind = type(value)
        return ClassInvalidError(
            f"{user} uses {name}, a {kind.__module__}.{kind.__qualname__}, which cannot travel: "
            "modules, functions, classes and plain values can; make it within the method",
            field=name,
        )


def _equal(one: Any, other: Any) -> bool:
    return type(one) is type(other) and isinstance(one, (bool, int, float, str, bytes, tuple)) and one == other


def _plain_class_text(cls: type) -> str | None:
    import inspect
    import textwrap

    try:
        return textwrap.dedent(inspect.getsource(cls))
    except (OSError, TypeError):
        pass
    import linecache

    for member in vars(cls).values():
        code = getattr(getattr(member, "__func__", member), "__code__", None)
        if code is not None:
            lines = linecache.getlines(code.co_filename)
            return _statement(lines, vars(cls).get("__firstlineno__", code.co_firstlineno), cls.__name__)
    return None


def _library_member(name: str, value: Any) -> tuple[str, str] | None:
    """Module and member when the value is one of an installed module's."""
    module_name = getattr(value, "__module__", None)
    if not isinstance(module_name, str) or module_name == "__main__":
        return None
    if module_name.startswith("emerge."):
        module_name = "emerge"
    module = sys.modules.get(module_name)
    if module is None or not _installed(module):
        return None
    names = (
        getattr(value, "__qualname__", None),
        getattr(value, "__name__", None),
        getattr(value, "_name", None),
        name,
    )
    for each in names:
        if isinstance(each, str) and getattr(module, each, _MISSING) is value:
            return module_name, each
    return None


def _installed(module: ModuleType) -> bool:
    if module.__name__ == "emerge" or module.__name__.partition(".")[0] in sys.stdlib_module_names:
        return True
    file = getattr(module, "__file__", None)
    return file is None or "site-packages" in file or "dist-packages" in file


def _outside(code: CodeType, name: str) -> list[str]:
    """Names that a module's code and all code within it take from the module or the builtins."""
    import dis

    found: dict[str, None] = {}

    def walk(code: CodeType) -> None:
        stored: set[str] = set()
        for step in dis.get_instructions(code):
            used = step.argval
            if step.opname in ("STORE_NAME", "DELETE_NAME"):
                stored.add(used)
            elif step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                raise ClassInvalidError(f"{name} sets the global {used}, which does not travel back", field=used)
            elif (
                step.opname == "LOAD_GLOBAL"
                or step.opname == "LOAD_FROM_DICT_OR_GLOBALS"
                or step.opname == "LOAD_NAME"
                and used not in stored
            ):
                found[used] = None
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                walk(constant)

    walk(code)
    return list(found)


def hints_of(cls: type) -> dict[str, Any]:
    """The declared types of a class's fields, those above it included; what does not resolve is left out."""
    hints: dict[str, Any] = {}
    for each in reversed(cls.__mro__):
        if each is object or each is Object:
            continue
        hints.update(_own_hints(each))
    return hints


def _own_hints(cls: type) -> dict[str, Any]:
    import inspect

    try:
        own = inspect.get_annotations(cls)
    except NameError:
        return {}
    scope = PLACES[cls][3] if cls in PLACES else vars(sys.modules.get(cls.__module__, builtins))
    hints = {}
    for name, hint in own.items():
        if isinstance(hint, str):
            try:
                hint = eval(hint, scope)
            except Exception:  # noqa: BLE001 - an annotation that does not resolve says nothing
                hint = Any
        hints[name] = hint
    return hints


def fields_of_class(cls: type) -> list[tuple[Any, ...]]:
    """A class's own fields: name, type, whether there is a default, the default, doc.

    Raises:
        ClassInvalidError: a name that is no field's.
    """
    import typing

    declared = {each.name: each for each in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else {}
    fields = []
    for name, hint in _own_hints(cls).items():
        if typing.get_origin(hint) is typing.ClassVar or hint is typing.ClassVar:
            continue
        if name == "meta":
            raise ClassInvalidError(f'class {cls.__name__}: "meta" is not a field\'s name', field=name)
        known = declared.get(name)
        default, doc = vars(cls).get(name, _MISSING), None
        if known is not None:
            doc = known.metadata.get("doc")
            default = known.default if known.default is not dataclasses.MISSING else _MISSING
            factory: Any = known.default_factory
            if default is _MISSING and factory in _FACTORIES:
                default = factory()
        has_default = default is not _MISSING
        fields.append((name, type_name(hint), has_default, default if has_default else None, doc))
    return fields


def type_name(hint: Any) -> str:
    """The name of a declared type; ``any`` for what Emerge has no name for."""
    origin = getattr(hint, "__origin__", hint)
    if origin in _TYPES:
        return _TYPES[origin]
    if isinstance(origin, type):
        if issubclass(origin, Object):
            return "object"
        return _NAMED_TYPES.get(f"{origin.__module__}.{origin.__qualname__}", "any")
    return "any"
