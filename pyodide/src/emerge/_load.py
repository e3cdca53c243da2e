"""Running the source of a stored class, where that was asked for."""

from __future__ import annotations

import ast
import builtins
import linecache
import sys
from functools import partial
from importlib import import_module
from types import CodeType, ModuleType
from typing import Any

from . import _classes, _module, _texts
from ._names import in_order
from ._object import Object
from ._shared import Shared
from .errors import ClassInvalidError, UnsupportedError


def class_needs(version: tuple[Any, ...]) -> list[bytes]:
    """Addresses of the classes that a version extends or uses."""
    source = version[5]
    return [base[1] for base in source[3]] + [each[2] for each in source[6] if each[1] == "class"]


def load(version: tuple[Any, ...]) -> type[Object]:
    """Defines the class of a version; those that it needs are there already."""
    name, language, text, bases, _, _, captures, *module = version[5]
    if language == "wasm":
        return _module.made(*module)
    shared = Shared(name, version[0], bases, captures)
    if language != "python":
        raise UnsupportedError(f"class {name} is written in {language}; its methods run on the node: fs.call(path, …)")
    module = ModuleType(f"emerge.stored.{version[0].hex()}")
    # What ``dataclass`` makes of annotations it looks up there.
    sys.modules[module.__name__] = module
    scope = vars(module)
    early, late = in_order(name, captures)
    later = {name, *(capture[0] for capture in captures)}
    for base, address in bases:
        scope[base] = _classes.of_hash(address)
    for capture in early:
        _define(scope, capture, later, shared)
    _run(scope, text, name, later)
    cls = scope.get(name)
    if not (isinstance(cls, type) and issubclass(cls, Object)):
        raise ClassInvalidError(f"the source of {name} defines no class of this name", field=name)
    _classes.adopt(cls, version[0])
    for capture in late:
        _define(scope, capture, later, shared)
    shared.publish()
    _classes.find_peers(cls, captures, scope)
    return cls


def _define(scope: dict[str, Any], capture: tuple[Any, ...], later: set[str], shared: Shared) -> None:
    name, kind, *rest = capture
    if kind == "module":
        scope[name] = import_module(rest[0])
    elif kind == "member":
        value: Any = import_module(rest[0])
        for part in rest[1].split("."):
            value = getattr(value, part)
        scope[name] = value
    elif kind == "source":
        shared.give(name, scope, partial(_run, scope, rest[0], name, later))
    elif kind == "class":
        scope[name] = _classes.of_hash(rest[0])
    else:
        scope[name] = rest[0]


def _run(scope: dict[str, Any], text: str, name: str, later: set[str]) -> None:
    plain, _ = _texts.unmarked(text)
    # Tracebacks, and a class that travels on, find the lines by this name.
    file = f"<stored {name} {hash(plain):x}>"
    linecache.cache[file] = (len(plain), None, plain.splitlines(True), file)
    exec(code_of(text, file, scope, later, name), scope)


def code_of(text: str, file: str, scope: dict[str, Any], later: set[str], name: str) -> CodeType:
    """The code of a text that travelled, which is to run in a scope; ``later`` are names that it will have by then.

    Raises:
        SyntaxError: as ``compile``.
    """
    text, flags = _texts.unmarked(text)
    tree: str | ast.Module = text
    if not flags and sys.version_info < (3, 14):
        # From 3.14 on nothing evaluates hints before they are asked for.
        tree = _Hints(scope, later, f"_make_{name}").visit(ast.parse(text, file))
    code: CodeType = compile(tree, file, "exec", flags=flags, dont_inherit=True)
    return code


class _Hints(ast.NodeTransformer):
    """Makes texts of the hints that Python would evaluate at once and cannot: they may name what did not travel."""

    def __init__(self, scope: dict[str, Any], later: set[str], at_once: str) -> None:
        self._scope = scope
        # A function around a statement, which is called as soon as it is there.
        self._at_once = at_once
        self._known = later | vars(builtins).keys()
        # Names of the bodies around, which are there when their hints are evaluated.
        self._own: list[set[str]] = []
        self._within_function = False

    def _hint(self, hint: ast.expr | None) -> ast.expr | None:
        if hint is None or isinstance(hint, ast.Constant) or self._can_be(hint):
            return hint
        return ast.copy_location(ast.Constant(ast.unparse(hint)), hint)

    def _can_be(self, hint: ast.expr) -> bool:
        names = {each.id for each in ast.walk(hint) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}
        outside = names.difference(*self._own)
        if self._within_function:
            return outside <= self._known | self._scope.keys()
        try:
            if outside < names:
                return outside <= self._scope.keys() | vars(builtins).keys()
            eval(compile(ast.Expression(hint), "<hint>", "eval", dont_inherit=True), self._scope)
        except Exception:  # noqa: BLE001 - a later Python's, or of a name that is not there
            return False
        return True

    def visit_ClassDef(self, node: ast.ClassDef) -> Any:
        self._own.append({"__class__", *_parameters(node)})
        for each in node.body:
            self.visit(each)
            self._own[-1].update(_given([each]))
        self._own.pop()
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        if not self._within_function:
            node.annotation = self._hint(node.annotation) or node.annotation
        return node

    def _function(self, node: Any) -> Any:
        self._own.append(_parameters(node))
        node.returns = self._hint(node.returns)
        arguments = [each for each in ast.walk(node.args) if isinstance(each, ast.arg)]
        for each in arguments:
            each.annotation = self._hint(each.annotation)
        outer, self._within_function = self._within_function, node.name != self._at_once
        self._own[-1].update((each.arg for each in arguments), _given(node.body))
        for statement in node.body:
            self.visit(statement)
        self._within_function = outer
        self._own.pop()
        return node

    visit_FunctionDef = _function
    visit_AsyncFunctionDef = _function


def _parameters(node: Any) -> set[str]:
    """What a class or function is generic by."""
    return {each.name for each in getattr(node, "type_params", ())}


def _given(body: list[ast.stmt]) -> set[str]:
    """Names that statements may give, and those within them."""
    found: set[str] = set()
    for part in (part for each in body for part in ast.walk(each)):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store):
            found.add(part.id)
        elif isinstance(part, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            found.add(part.name)
        elif isinstance(part, ast.alias):
            found.add((part.asname or part.name).partition(".")[0])
    return found
