"""Arguments of operations, looked at before they are sent."""

from __future__ import annotations

from operator import index
from typing import Any

from .errors import BadArgumentError


def names(given: Any, field: str) -> list[str]:
    """Several names.

    Raises:
        BadArgumentError: it is one text, or no names.
    """
    if isinstance(given, str):
        raise BadArgumentError(f"{field} is a list of names, not one text: [{given!r}]", field=field)
    try:
        listed = list(given)
    except TypeError:
        listed = [None]
    if not all(isinstance(each, str) for each in listed):
        raise BadArgumentError(f"{field} is a list of names, not {given!r:.50}", field=field)
    return listed


def whole(given: Any, field: str) -> Any:
    """A whole number, also one of numpy's; ``None`` stays.

    Raises:
        BadArgumentError: it is none.
    """
    if given is None or type(given) is int:
        return given
    try:
        return index(given)
    except TypeError:
        raise BadArgumentError(f"{field} is a whole number, not {given!r:.50}", field=field) from None


def version_of(given: Any) -> Any:
    """A version as it is asked for: its number, also one of numpy's, or a moment."""
    return index(given) if hasattr(given, "__index__") else given


_LONGEST = 1 << 53


def millis(seconds: Any, field: str) -> int | None:
    """Milliseconds of some seconds, or ``None``.

    Raises:
        BadArgumentError: they are no number.
    """
    if seconds is None:
        return None
    try:
        number = float(seconds) if not isinstance(seconds, (str, bytes)) else None
    except (TypeError, ValueError, OverflowError):
        number = None
    if number is None or number != number:
        raise BadArgumentError(f"{field} is a number of seconds, not {seconds!r:.50}", field=field)
    return round(min(max(number * 1000, 0), _LONGEST))


def seconds(timeout: Any) -> float | None:
    """How long a request may take.

    Raises:
        BadArgumentError: it is no number.
    """
    if timeout is None:
        return None
    if isinstance(timeout, (str, bytes)) or not hasattr(timeout, "__float__"):
        raise BadArgumentError(f"timeout is a number of seconds, not {timeout!r:.50}", field="timeout")
    return float(timeout)
