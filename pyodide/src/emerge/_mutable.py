"""Values of Python's own that things are put in, and whether they hold what a statement puts in."""

from __future__ import annotations

import ast
import collections
from typing import Any

from . import _express

SEQUENCES = (list, bytearray, collections.deque)
_OTHERS = (dict, set, collections.defaultdict, collections.OrderedDict, collections.Counter)
BASES = (list, dict, set, collections.deque, bytearray)


def can_change(value: Any) -> bool:
    """Whether a value is one of Python's own that things are put in."""
    return type(value) in SEQUENCES or type(value) in _OTHERS


def travels(expression: ast.expr | None, value: Any) -> bool:
    """Whether a value has to travel as it is by now, and not by its expression; ``None`` for one that is not known."""
    is_own = isinstance(value, BASES) and not can_change(value)
    if is_own:
        # What a call of a class of one's own makes is known only where that has no say in it.
        return (
            expression is not None and bool(len(value)) and _is_plain(type(value)) and _makes_empty(expression, value)
        )
    if not can_change(value):
        return False
    as_written = None if expression is None else _is_as_written(expression, value)
    return _express.is_plain(value) if as_written is None else not as_written


def _is_as_written(expression: ast.expr, value: Any) -> bool | None:
    """Whether a value holds what its expression puts in; ``None`` when that is not known."""
    try:
        first = ast.literal_eval(expression)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return not value if _makes_empty(expression, value) else None
    return _express.same(value, first)


def _makes_empty(expression: ast.expr, value: Any) -> bool:
    """Whether an expression calls the class of a value and gives it nothing that it would hold."""
    if not isinstance(expression, ast.Call):
        return False
    called = getattr(expression.func, "attr", getattr(expression.func, "id", None))
    given = expression.args[isinstance(value, collections.defaultdict) :]
    return (
        called == type(value).__name__
        and not any(isinstance(each, ast.Starred) for each in expression.args)
        and not given
        and all(each.arg == "maxlen" for each in expression.keywords)
    )


def _is_plain(kind: type) -> bool:
    base = next(each for each in BASES if issubclass(kind, each))
    return all(getattr(kind, each) is getattr(base, each) for each in ("__init__", "__new__"))


def state(value: Any) -> Any:
    """What tells whether a value holds what it did; of one that cannot travel, how much it holds."""
    try:
        return _express.told(value)
    except (_express.CannotError, RecursionError):
        return len(value)
