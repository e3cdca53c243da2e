"""The function of a search: its text, and what it names and does not define."""

from __future__ import annotations

from types import FunctionType
from typing import Any, NamedTuple

from . import _classes
from ._captures import Captures
from .errors import BadArgumentError, ClassInvalidError


class Function(NamedTuple):
    """A function as it travels."""

    text: str
    values: dict[str, Any]
    """Plain values that it names and does not define."""
    captures: list[tuple[Any, ...]]
    """Modules, functions and classes that it names."""
    needs: list[_classes.Record]
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
    try:
        captures = Captures(None)
        text = captures.alone(wanted)
    except ClassInvalidError as error:
        raise BadArgumentError(error.message, field=error.field) from None
    entries = captures.ended()
    values = {name: payload[0] for name, kind, *payload in entries if kind == "value"}
    needs = {cls: _classes.record_of(cls) for cls in captures.uses}
    others = [
        (name, kind, needs[payload[0]].hash) if kind == "class" else (name, kind, *payload)
        for name, kind, *payload in entries
        if kind != "value"
    ]
    return Function(text, values, others, list(needs.values()))
