"""The declared types of a class's fields."""

from __future__ import annotations

import builtins
import dataclasses
import sys
import typing
from collections import ChainMap
from typing import Any

from ._kept import Scope
from ._mutable import BASES
from ._object import PLACES, Object
from ._values import Ref
from .errors import ClassInvalidError

_MISSING: Any = object()

_TYPES = {
    bool: "bool", int: "int", float: "float", str: "text", bytes: "bytes", bytearray: "bytes", list: "list",
    tuple: "list", dict: "map", set: "set", frozenset: "set", memoryview: "array", Ref: "ref",
}  # fmt: skip
_NAMED_TYPES = {
    "datetime.datetime": "datetime", "datetime.date": "date", "datetime.timedelta": "duration", "uuid.UUID": "uuid",
    "decimal.Decimal": "decimal", "numpy.ndarray": "array", "array.array": "array",
}  # fmt: skip
_FACTORIES: tuple[Any, ...] = (list, dict, set, tuple, str, int, float, bool, bytes, frozenset)


# Annotations that say something of a class, or of its constructor.
_NO_FIELDS = (typing.ClassVar, dataclasses.InitVar, dataclasses.KW_ONLY)


def hints_of(cls: type) -> dict[str, tuple[Any, Scope, type]]:
    """The declared types of a class's fields, those above it included, each with where its names are looked for and the class that
    declares it."""
    hints: dict[str, tuple[Any, Scope, type]] = {}
    for each in reversed(cls.__mro__):
        if each is object or each is Object:
            continue
        scope = _scope_of(each)
        if each not in PLACES:
            scope = scope._replace(outer=_scope_of(cls))
        hints.update((name, (hint, scope, each)) for name, hint in _own_hints(each, scope).items())
    return hints


def _scope_of(cls: type) -> Scope:
    if cls not in PLACES:
        return Scope(vars(sys.modules.get(cls.__module__, builtins)), vars(cls))
    _, _, _, around, _, function = PLACES[cls]
    return Scope(around, ChainMap(vars(cls), function) if function else vars(cls))  # type: ignore[arg-type]


def _own_hints(cls: type, scope: Scope) -> dict[str, Any]:
    own = annotations_of(cls)
    return {name: scope.evaluated(hint) if isinstance(hint, str) else hint for name, hint in own.items()}


def annotations_of(cls: type) -> dict[str, Any]:
    """A class's own annotations as they are: values, texts, and names that are not defined."""
    if sys.version_info >= (3, 14):
        import annotationlib

        # A name that is not defined leaves its own annotation open, and no other.
        return annotationlib.get_annotations(cls, format=annotationlib.Format.FORWARDREF)
    import inspect

    return inspect.get_annotations(cls)


def not_shared(cls: type) -> None:
    """Sees that no declared field of a class has a list, dict or set as its default, which all objects would share and none would keep.

    Raises:
        ClassInvalidError: one has.
    """
    for name, hint in _own_hints(cls, _scope_of(cls)).items():
        held = vars(cls).get(name)
        if isinstance(held, BASES) and not _is_no_field(hint):
            kind = type(held).__name__
            raise ClassInvalidError(
                f"{cls.__name__}.{name} is one {kind} for all objects of {cls.__name__}, and what is put in it is stored with none of them: "
                f"decorate the class with @emerge.dataclass and write emerge.field(default_factory={kind}), set self.{name} in __init__, or "
                "declare what they are to share as a ClassVar",
                field=name,
            )


def _is_no_field(hint: Any) -> bool:
    return typing.get_origin(hint) is typing.ClassVar or hint in _NO_FIELDS or isinstance(hint, dataclasses.InitVar)


def fields_of_class(cls: type) -> list[tuple[Any, ...]]:
    """A class's own fields: name, type, whether there is a default, the default, doc.

    Raises:
        ClassInvalidError: a name that is no field's.
    """
    declared = {each.name: each for each in dataclasses.fields(cls)} if dataclasses.is_dataclass(cls) else {}
    for name, held in vars(cls).items():
        # ``dataclass`` puts the default in its place.
        if isinstance(held, dataclasses.Field) and name != "__dataclass_fields__":
            raise ClassInvalidError(
                f"{cls.__name__}.{name} is an emerge.field, which counts in a class that is decorated: write @emerge.dataclass "
                f"before class {cls.__name__}",
                field=name,
            )
    fields = []
    for name, hint in _own_hints(cls, _scope_of(cls)).items():
        if _is_no_field(hint):
            continue
        if name == "meta":
            raise ClassInvalidError(
                f"class {cls.__name__} has a field meta, a name that Emerge gives a meaning (an object's properties): take another",
                field=name,
            )
        known = declared.get(name)
        default, doc = vars(cls).get(name, _MISSING), None
        if known is not None:
            doc = known.metadata.get("doc")
            default = known.default if known.default is not dataclasses.MISSING else _MISSING
            factory: Any = known.default_factory
            if default is _MISSING and factory in _FACTORIES:
                default = factory()
        has_default = default is not _MISSING
        fields.append((name, type_name(hint), has_default, default if has_default else None, doc))
    return fields


def type_name(hint: Any) -> str:
    """The name of a declared type; ``any`` for what Emerge has no name for."""
    origin = getattr(hint, "__origin__", hint)
    if isinstance(origin, type):
        if origin in _TYPES:
            return _TYPES[origin]
        if issubclass(origin, Object):
            return "object"
        return _NAMED_TYPES.get(f"{origin.__module__}.{origin.__qualname__}", "any")
    return "any"
