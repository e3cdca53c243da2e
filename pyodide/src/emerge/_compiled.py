"""The statements of a file or cell, and the code that they compile to."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from types import CodeType
from typing import Any, NamedTuple

_FUTURE_ANNOTATIONS = 0x1000000 if sys.version_info >= (3, 10) else 0x100000
DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Statement(NamedTuple):
    """A statement that defines a class or a function."""

    lines: list[str]
    """All of its text, its decorators first, as it stands in its file."""
    node: Any
    decorated: bool
    local: frozenset[str]
    """Names of the function that it stands in: what they stand for is not in the module."""
    codes: tuple[CodeType, ...]
    """The code of what it defines, and of what is within that."""

    @property
    def first(self) -> int:
        """The number of its first line in its file."""
        return first_line(self.node)

    def text(self, *, decorators: bool = True, indent: str = "") -> str:
        """The statement as it stands alone, or in a block with an indent; what strings hold stays as it is."""
        first = self.node.lineno - self.first
        lines = self.lines if decorators else self.lines[first:]
        margin = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
        if margin == indent:
            moved = lines
        else:
            within = _within_strings(lines)
            moved = [line if at in within else _moved(line, margin, indent) for at, line in enumerate(lines, 1)]
        return "".join(moved).rstrip() + "\n"


def _moved(line: str, margin: str, indent: str) -> str:
    if not line.strip():
        return line
    return indent + (line[len(margin) :] if line.startswith(margin) else line.lstrip())


def _within_strings(lines: list[str]) -> set[int]:
    """Numbers of the lines that begin within a string."""
    import tokenize

    found: set[int] = set()
    try:
        for token in tokenize.generate_tokens(iter(lines).__next__):
            name = tokenize.tok_name[token.type]
            if token.start[0] != token.end[0] and (name == "STRING" or name.endswith("STRING_MIDDLE")):
                found.update(range(token.start[0] + 1, token.end[0] + 1))
    except (tokenize.TokenError, SyntaxError):
        pass
    return found


def first_line(node: Any) -> int:
    first: int = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return first


def lines_of(text: str) -> list[str]:
    """The lines of a text as Python counts them: other characters that end a line for ``str`` end none."""
    return StringIO(text).readlines()


_Made = tuple[CodeType, frozenset[str]]
_Codes = dict[tuple[str, int], list[_Made]]


class File:
    """The lines of a file or cell, what they define, and the code that they compile to."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self.name = name
        text = "".join(lines)
        self.given = lines
        self.lines = lines_of(text)
        self.text = text
        self.nodes: dict[str, list[Any]] = {}
        self.lambdas: dict[int, list[Any]] = {}
        self.qualified: dict[int, str] = {}
        self.tree = ast.parse(text)
        self._qualify(self.tree, "")
        for node in ast.walk(self.tree):
            if isinstance(node, DEFINITIONS):
                self.nodes.setdefault(node.name, []).append(node)
            elif isinstance(node, ast.Lambda):
                self.lambdas.setdefault(node.lineno, []).append(node)
        self._codes: dict[int, _Codes] = {}
        self._alone: set[int] = set()

    def _qualify(self, parent: ast.AST, prefix: str) -> None:
        for node in ast.iter_child_nodes(parent):
            within = prefix
            if isinstance(node, DEFINITIONS):
                self.qualified[id(node)] = prefix + node.name
                within = f"{prefix}{node.name}." + ("" if isinstance(node, ast.ClassDef) else "<locals>.")
            if isinstance(node, (ast.stmt, ast.ExceptHandler, ast.match_case)):
                self._qualify(node, within)

    def _made(self, flags: int, name: str, line: int, fits: Callable[[CodeType], bool]) -> list[_Made]:
        """Codes of a name and first line, each with the names of the function that it stands in, when one of them fits.

        IPython compiles each statement of a cell alone, and code is other code where an import stands in the same unit: when none of
        the whole fits, one of a statement by itself may.
        """
        codes = self._codes.get(flags)
        if codes is None:
            codes = self._codes[flags] = {}
            self._note(codes, self.text, flags)
        if flags not in self._alone and not any(fits(code) for code, _ in codes.get((name, line), ())):
            self._alone.add(flags)
            for statement in self.tree.body:
                self._note(codes, ast.Module([statement], []), flags)
        made = codes.get((name, line), [])
        return made if any(fits(code) for code, _ in made) else []

    def _note(self, codes: _Codes, unit: Any, flags: int) -> None:
        for code, local in self._compiled(unit, flags):
            codes.setdefault((code.co_name, code.co_firstlineno), []).append((code, local))

    def _compiled(self, unit: Any, flags: int) -> list[_Made]:
        """All code of the file, or of a statement of it."""
        flags |= ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        try:
            return list(
                _codes_with_names(compile(unit, self.name, "exec", flags=flags, dont_inherit=True), frozenset())
            )
        except SyntaxError:
            return []

    def made(self, name: str, line: int, code: CodeType) -> list[_Made]:
        """What a name and first line compile to, when this code is among it."""
        return self._made(code.co_flags & _FUTURE_ANNOTATIONS, name, line, lambda each: same_code(each, code))

    def is_lambda(self, node: Any, code: CodeType) -> bool:
        """Whether it is this lambda that compiles to a code: for that it moves to lines of its own, away from those beside it."""
        line, kept = len(self.lines) + 1, (node.lineno, node.end_lineno)
        by = line - node.lineno
        # Code tells where what it evaluates stands, which its defaults are not.
        node.lineno = node.end_lineno = line
        ast.increment_lineno(node.body, by)
        units = [self.tree, *(ast.Module([each], []) for each in self.tree.body)]
        try:
            made = [self._compiled(unit, code.co_flags & _FUTURE_ANNOTATIONS) for unit in units]
        finally:
            node.lineno, node.end_lineno = kept
            ast.increment_lineno(node.body, -by)
        # The first one there is it; others there are within it.
        first = (next((each for each, _ in codes if each.co_firstlineno == line), None) for codes in made)
        return any(each is not None and same_code(each, code) for each in first)

    def has_codes(self, node: Any, codes: list[CodeType]) -> bool:
        """Whether a class's statement compiles to code that has all of these in it."""

        def fits(body: CodeType) -> bool:
            inner = list(all_codes(body))
            return all(any(same_code(each, code) for each in inner) for code in codes)

        return bool(
            self._made(codes[0].co_flags & _FUTURE_ANNOTATIONS if codes else 0, node.name, first_line(node), fits)
        )

    def statement(self, node: Any) -> Statement:
        """A statement's text."""
        lines = self.lines[first_line(node) - 1 : node.end_lineno]
        flags = next(iter(self._codes), 0)
        made = self._made(flags, node.name, first_line(node), lambda _: True)
        local = frozenset(name for _, names in made for name in names)
        inner = tuple(each for code, _ in made for each in all_codes(code))
        return Statement(lines, node, bool(node.decorator_list), local, inner)


def all_codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from all_codes(constant)


def _codes_with_names(owner: CodeType, local: frozenset[str]) -> Iterator[tuple[CodeType, frozenset[str]]]:
    """All code within some, each with the names of the functions around it."""
    local |= frozenset((*owner.co_varnames, *owner.co_cellvars, *owner.co_freevars))
    for code in owner.co_consts:
        if isinstance(code, CodeType):
            yield code, local
            yield from _codes_with_names(code, local)


def same_code(one: CodeType, other: CodeType) -> bool:
    """Whether two pieces of code do the same, wherever they stand."""
    return one is other or (
        one.co_name == other.co_name
        and one.co_code == other.co_code
        and one.co_names == other.co_names
        and one.co_varnames == other.co_varnames
        and one.co_freevars == other.co_freevars
        and one.co_cellvars == other.co_cellvars
        and one.co_argcount == other.co_argcount
        and one.co_kwonlyargcount == other.co_kwonlyargcount
        and one.co_posonlyargcount == other.co_posonlyargcount
        and len(one.co_consts) == len(other.co_consts)
        and all(map(_same_constant, one.co_consts, other.co_consts))
    )


def _same_constant(one: Any, other: Any) -> bool:
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return same_code(one, other)
    if type(one) is not type(other):
        return False
    return bool(one == other) if isinstance(one, frozenset) else repr(one) == repr(other)
