"""Hints that are texts, as ``from __future__ import annotations`` makes them: a source that travels alone says so by its first line."""

from __future__ import annotations

import __future__
import ast
from typing import Any

from . import _source

FUTURE = __future__.annotations.compiler_flag
_LINE = "from __future__ import annotations\n"


def marked(text: str, thing: Any, node: Any) -> str:
    """The source of a class or function as it travels, with that line when its hints are texts here."""
    return _LINE + text if _has_hints(node) and are_texts(thing, node) else text


def unmarked(text: str) -> tuple[str, int]:
    """A source without that line, and the compiler's flag that stands for it: the line would give a name."""
    return (text[len(_LINE) :], FUTURE) if text.startswith(_LINE) else (text, 0)


def _has_hints(node: Any) -> bool:
    return any(
        getattr(each, "annotation", None) is not None or getattr(each, "returns", None) is not None
        for each in ast.walk(node)
    )


def are_texts(thing: Any, node: Any) -> bool:
    """Whether the hints of a class or function are texts here."""
    if not isinstance(thing, type):
        codes = [each.__code__ for each in _source.within(thing)]
        return any(code.co_flags & FUTURE for code in codes if code.co_name == node.name)
    codes = _source.member_codes(thing)
    if codes:
        return any(code.co_flags & FUTURE for code in codes)
    # A class without methods has no code to tell it by: all its hints are texts then, each of the whole hint.
    from ._hints import annotations_of

    own = annotations_of(thing)
    hints = [each for each in node.body if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)]
    return bool(hints) and all(_is_text(own.get(_own_name(thing, each)), each.annotation) for each in hints)


def _own_name(cls: type, hint: Any) -> str:
    return _source.own_name(cls.__name__, hint.target.id)


def _is_text(held: Any, annotation: ast.expr) -> bool:
    """Whether what a class has for a hint is its text: of one that is a text itself, with its quotes."""
    # Typing makes these of texts in named tuples; those of names that are not there by now have an owner.
    if not isinstance(held, str) and getattr(held, "__owner__", None) is None:
        held = getattr(held, "__forward_arg__", None)
    if not isinstance(held, str):
        return False
    try:
        return ast.dump(ast.parse(held, mode="eval").body) == ast.dump(annotation)
    except (SyntaxError, ValueError):
        return False
