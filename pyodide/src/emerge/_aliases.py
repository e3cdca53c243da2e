"""Names for types, such as ``Some = Optional[list[Status]]``: they travel as the expressions that they are."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from typing import Any

from ._object import Object


def is_alias(value: Any) -> bool:
    """Whether a value stands for a type that is put together of others."""
    if isinstance(value, type) and not isinstance(value, types.GenericAlias):
        return False
    kind = type(value)
    return typing.get_origin(value) is not None or kind.__module__ == "typing" and kind.__name__ in _NAMED


_NAMED = ("NewType", "TypeAliasType")


def text_of(value: Any, written: Callable[[Any], str]) -> str:
    """An alias as an expression; ``written`` gives that of what it is made of.

    Raises:
        ValueError: it names a stored class, which hints make no need of, or a name within quotes.
    """
    kind = type(value).__name__
    if kind == "NewType":
        return f"{_TYPING}.NewType({value.__name__!r}, {_part(value.__supertype__, written)})"
    if kind == "TypeAliasType":
        try:
            return _generic(value, written) if value.__type_params__ else _part(value.__value__, written)
        except NameError as error:
            raise ValueError(str(error)) from error
    origin, args = typing.get_origin(value), typing.get_args(value)
    if origin is typing.Literal:
        return f"{_TYPING}.Literal[{', '.join(map(written, args))}]"
    if origin is typing.Annotated:
        return f"{_TYPING}.Annotated[{', '.join([_part(args[0], written), *map(written, args[1:])])}]"
    made_of = f"{_TYPING}.Union" if origin is types.UnionType else written(origin)
    return f"{made_of}[{', '.join(_part(each, written) for each in args) or '()'}]"


def _generic(value: Any, written: Callable[[Any], str]) -> str:
    """An alias that others put types in: its parameters are those of a function, so that each is one wherever it stands."""
    names = {id(each): f"T{at}" for at, each in enumerate(value.__type_params__)}

    def within(part: Any) -> str:
        if id(part) in names:
            return names[id(part)]
        return text_of(part, within) if is_alias(part) and type(part).__name__ not in _NAMED else written(part)

    text = _part(value.__value__, within)
    params = ", ".join(names.values())
    made = ", ".join(map(written, value.__type_params__))
    return f"(lambda {params}: {_TYPING}.TypeAliasType({value.__name__!r}, {text}, type_params=({params},)))({made})"


_TYPING = "__import__('typing')"


def _part(value: Any, written: Callable[[Any], str]) -> str:
    if value is type(None):
        return "None"
    if isinstance(value, list):
        # What a function takes.
        return f"[{', '.join(_part(each, written) for each in value)}]"
    if isinstance(value, (str, typing.ForwardRef)) or isinstance(value, type) and issubclass(value, Object):
        raise ValueError(f"{value!r} is there by its name alone")
    return written(value)
