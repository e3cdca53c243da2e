"""Names that the text of a class or function uses, and when it uses them."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

from . import _source
from ._object import runs_at_once
from .errors import ClassInvalidError

BUILTINS = vars(builtins)


class _Bare(ast.NodeTransformer):
    """Takes the annotations out of a text, and keeps them."""

    def __init__(self) -> None:
        self.annotations: list[ast.expr] = []

    def _take(self, annotation: ast.expr | None) -> None:
        if annotation is not None:
            self.annotations.append(annotation)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        self._take(node.annotation)
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        self.generic_visit(node)
        return ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)

    def visit_arg(self, node: ast.arg) -> Any:
        self._take(node.annotation)
        node.annotation = None
        return node

    def _function(self, node: Any) -> Any:
        self._take(node.returns)
        node.returns = None
        self.generic_visit(node)
        return node

    visit_FunctionDef = _function
    visit_AsyncFunctionDef = _function


def names_in(text: str, name: str) -> tuple[list[str], list[str]]:
    """Names that a text takes from outside: those that its code needs, and those that its annotations alone use."""
    bare = _Bare()
    parsed = ast.parse(text)
    tried = {
        id(part)
        for node in ast.walk(parsed)
        if isinstance(node, ast.Try)
        for each in node.body
        for part in ast.walk(each)
    }
    for node in ast.walk(parsed):
        for what in _imported(node) if id(node) not in tried else ():
            raise ClassInvalidError(
                f"{name} imports from {what}, a module of this program, while it runs: do so at the top of its file, so that what it "
                "uses travels",
                field=what,
            )
    tree = ast.fix_missing_locations(bare.visit(parsed))
    needed = _outside(compile(tree, name, "exec", dont_inherit=True), name)
    wished = _source.names_of(bare.annotations)
    return needed, [each for each in wished if each not in needed and each not in BUILTINS]


def _imported(node: ast.AST) -> Iterator[str]:
    """The modules of this program that a statement imports."""
    if isinstance(node, ast.ImportFrom) and node.level:
        yield "." * node.level + (node.module or "")
    elif isinstance(node, (ast.Import, ast.ImportFrom)):
        names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names]
        yield from (name for name in names if _is_own(name))


def _is_own(module: str) -> bool:
    """Whether a module is one of this program, loaded or not: none of a package that was installed."""
    from importlib.util import find_spec

    from ._express import is_standard

    first = module.partition(".")[0]
    if is_standard(first):
        return False
    try:
        spec = find_spec(first)
    except (ImportError, ValueError, AttributeError):
        return False
    places = [] if spec is None else [spec.origin or "", *(spec.submodule_search_locations or ())]
    return bool(places) and not any("site-packages" in each or "dist-packages" in each for each in places)


def attribute_paths(text: str, name: str) -> list[list[str]]:
    """The attributes of attributes, and so on, of a name that a text uses."""
    found = []
    for node in ast.walk(ast.parse(text)):
        path: list[str] = []
        while isinstance(node, ast.Attribute):
            path.insert(0, node.attr)
            node = node.value
        if path and isinstance(node, ast.Name) and node.id == name:
            found.append(path)
    return found


def used_at_once(text: str, name: str) -> list[str]:
    """Names that a text takes from outside when it is run, and not only when what it defines is called."""
    tree = ast.fix_missing_locations(_Bare().visit(ast.parse(text)))
    return _outside(compile(tree, name, "exec", dont_inherit=True), name, True)


def _outside(code: CodeType, name: str, at_once: bool = False) -> list[str]:
    """Names that a module's code and all code within it, or only what runs with it, take from the module or the builtins."""

    def refuse(used: str) -> None:
        raise ClassInvalidError(
            f"{name} sets the global {used}, which does not travel back: keep it in a field", field=used
        )

    return taken(code, lambda inner: not at_once or runs_at_once(inner), refuse)


def taken(
    code: CodeType, counts: Callable[[CodeType], bool], sets: Callable[[str], None], given: frozenset[str] = frozenset()
) -> list[str]:
    """Names that code, and the code within it that counts, take from the module or the builtins; ``sets`` is told of globals that it
    sets. ``given`` are the names that are there in the body of a class."""
    import dis

    found: dict[str, None] = {}

    def walk(code: CodeType) -> None:
        stored = set(given)
        for step in dis.get_instructions(code):
            used = step.argval
            if step.opname in ("STORE_NAME", "DELETE_NAME"):
                stored.add(used)
            elif step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                sets(used)
            elif step.opname in ("LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"):
                found[used] = None
            elif step.opname == "LOAD_NAME" and used not in stored:
                found[used] = None
        for constant in code.co_consts:
            if isinstance(constant, CodeType) and counts(constant):
                walk(constant)

    walk(code)
    return list(found)


# When source that a class uses is to be defined: before the class, or after it.


def in_order(owner: str, entries: list[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Entries that are defined before a class, and those that use it when they are defined, which come after it."""
    late_names = {owner}
    early, late = [], []
    for entry in entries:
        if (
            entry[1] == "source"
            and any(name in entry[2] for name in late_names)
            and not late_names.isdisjoint(used_at_once(entry[2], entry[0]))
        ):
            late_names.add(entry[0])
            late.append(entry)
        else:
            early.append(entry)
    return early, late
