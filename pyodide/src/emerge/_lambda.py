"""The function of a search: its text, and what it names and does not define."""

from __future__ import annotations

import ast
import linecache
import textwrap
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from . import _travel
from ._object import Object
from .errors import BadArgumentError, ClassInvalidError


class Function(NamedTuple):
    """A function as it travels."""

    text: str
    values: dict[str, Any]
    """Plain values that it names and does not define."""
    captures: list[tuple[Any, ...]]
    """Modules, functions and classes that it names."""
    needs: list[type[Object]]
    """Classes that must be at the node before."""


def of(wanted: Any) -> Function:
    """A function as it travels.

    Raises:
        BadArgumentError: its text cannot be found, or it names what cannot travel (``field`` names it).
    """
    if isinstance(wanted, str):
        return Function(wanted, {}, [], [])
    if not isinstance(wanted, FunctionType):
        raise BadArgumentError("a search takes a function, or the text of one", field="source")
    text = _text(wanted)
    if text is None:
        raise BadArgumentError(
            "the text of the search's function cannot be found: write it in a file, a notebook cell or IPython, or give its text",
            field="source",
        )
    captures = _travel._Captures("a search")
    # The walk takes the names from a statement: a lambda is one when it stands in a line of its own.
    try:
        captures.walk(
            text if text.startswith("def ") else f"(\n{text}\n)",
            "the function",
            wanted.__globals__,
            _travel._closure(wanted),
        )
    except ClassInvalidError as error:
        raise BadArgumentError(error.message, field=error.field) from None
    values = {name: what for name, kind, *rest in captures.entries if kind == "value" for what in rest}
    others = [entry for entry in captures.entries if entry[1] != "value"]
    return Function(text, values, others, captures.needs)


def _text(function: FunctionType) -> str | None:
    code = function.__code__
    lines = linecache.getlines(code.co_filename, function.__globals__)
    if not lines:
        return None
    if function.__name__ != "<lambda>":
        return _travel._statement(lines, code.co_firstlineno, function.__name__)
    source = "".join(lines)
    try:
        tree: ast.AST = ast.parse(source)
    except SyntaxError:
        # A cell with commands of its notebook: only the lines from the lambda on, as far as they are Python.
        source, tree = _rest(lines, code.co_firstlineno)
        if not source:
            return None
        first = 1
    else:
        first = code.co_firstlineno
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Lambda) and node.lineno <= first <= (node.end_lineno or 0)
    ]
    texts = [text for node in found if (text := ast.get_source_segment(source, node)) is not None]
    same = [text for text in texts if _is_same(text, code)]
    return same[0] if same else texts[0] if len(texts) == 1 else None


def _rest(lines: list[str], line: int) -> tuple[str, ast.AST]:
    for end in range(len(lines), line - 1, -1):
        source = textwrap.dedent("".join(lines[line - 1 : end]))
        try:
            return source, ast.parse(source)
        except SyntaxError:
            continue
    return "", ast.Module([], [])


def _is_same(text: str, code: CodeType) -> bool:
    """Whether a lambda's text is that of this code: of several in one line one is meant."""
    try:
        module = compile(f"(\n{text}\n)", "", "eval", dont_inherit=True)
    except SyntaxError:
        return False
    for constant in module.co_consts:
        if isinstance(constant, CodeType):
            # What is of the function around it has other instructions and no constants of its own.
            same_names = set(constant.co_names) | set(constant.co_freevars) == set(code.co_names) | set(
                code.co_freevars
            )
            return (
                same_names
                and _constants(constant) == _constants(code)
                and constant.co_varnames == code.co_varnames
                and (bool(code.co_freevars) or constant.co_code == code.co_code)
            )
    return False


def _constants(code: CodeType) -> list[Any]:
    return [(type(each), each) for each in code.co_consts if not isinstance(each, CodeType)]
