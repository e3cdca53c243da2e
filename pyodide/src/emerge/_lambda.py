"""The function of a search: its text, and what it names and does not define."""

from __future__ import annotations

from types import FunctionType
from typing import Any, NamedTuple

from . import _classes
from ._captures import Captures
from ._names import names_in
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
    if isinstance(wanted, staticmethod):
        wanted = wanted.__func__
    if not isinstance(wanted, FunctionType):
        raise BadArgumentError(
            f"a search takes a function, or the text of one, not {wanted!r:.50}: lambda o: … may call it",
            field="source",
        )
    try:
        captures = Captures(None)
        text = captures.alone(wanted)
    except ClassInvalidError as error:
        raise BadArgumentError(error.message, field=error.field) from None
    entries = captures.ended()
    own, sources = set(names_in(text, "the search")[0]), [each[2] for each in entries if each[1] == "source"]
    values = {name: payload[0] for name, kind, *payload in entries if kind == "value" and name in own}
    needs = {cls: _classes.record_of(cls) for cls in captures.uses}
    others = [
        (name, kind, needs[payload[0]].hash) if kind == "class" else (name, kind, *payload)
        for name, kind, *payload in entries
        # What functions that it calls use is theirs.
        if kind != "value" or name not in values or any(name in source for source in sources)
    ]
    return Function(text, values, others, list(needs.values()))
