"""The classes that this program has, and their versions."""

from __future__ import annotations

import sys
from typing import Any, NamedTuple

from ._object import NEWEST, Object

_EMPTY: dict[str, Any] = {}


class Record(NamedTuple):
    """A class as it travels."""

    hash: bytes
    """The address of the version."""
    source: tuple[Any, ...] | None
    """What ``put_class`` takes; ``None`` for a class that the node has already."""
    needs: tuple[type[Object], ...]
    """Classes that must be at the node before it: bases, and those that its methods use."""


_records: dict[type[Object], Record] = {}
_by_hash: dict[bytes, type[Object]] = {}


def record_of(cls: type[Object], scans: Any = None) -> Record:
    """The class as it travels; its source and what it uses are looked for the first time.

    ``scans`` is what was found out of other classes, for which this one is needed.

    Raises:
        ClassInvalidError: its source cannot be found, or it uses what cannot travel.
    """
    known = _records.get(cls)
    if known is not None:
        return known
    from . import _host, _travel

    source, needs = _travel.class_source(cls, scans)
    from ._wire import dumps

    record = Record(_host.host().class_hash(dumps(source)[0]), source, needs)
    _records[cls] = record
    _by_hash[record.hash] = cls
    if scans is None:
        NEWEST[cls.__name__] = cls
    return record


def adopt(cls: type[Object], class_hash: bytes) -> None:
    """Makes a class stand for a version that the node has."""
    _records[cls] = Record(class_hash, None, ())
    _by_hash[class_hash] = cls


def find_peers(cls: type[Object], captures: list[Any], scope: dict[str, Any]) -> None:
    """Finds the addresses of stored classes that came within another by their source: one class for each version."""
    from . import _travel
    from .errors import EmergeError

    for name, kind, *_ in captures:
        peer = scope.get(name)
        if kind == "source" and isinstance(peer, type) and issubclass(peer, Object) and peer is not cls:
            try:
                record_of(peer, _travel.Scans())
            except EmergeError:
                # It is used here as it is, and stored nowhere.
                continue


def forget(cls: type[Object], class_hash: bytes) -> None:
    """Undoes :func:`adopt`."""
    del _records[cls], _by_hash[class_hash]
    _converters.pop(cls, None)
    _floats.pop(cls, None)


def define(cls: type[Object]) -> None:
    """Makes fetched objects of the class's name its instances."""
    if not (isinstance(cls, type) and issubclass(cls, Object)):
        raise TypeError("a class that extends emerge.Object is needed")
    for address in [address for address, known in _by_hash.items() if known.__name__ == cls.__name__]:
        if _by_hash[address] is not cls:
            del _by_hash[address]
    NEWEST[cls.__name__] = cls


def known(class_hash: bytes, name: str | None) -> type[Object] | None:
    """The class for objects of a version: that version's, or this program's newest class of the name."""
    cls = _by_hash.get(class_hash)
    if cls is not None and name is None:
        return cls
    if name is not None:
        mine = NEWEST.get(name)
        if mine is not None:
            return mine
    return cls


def remember(class_hash: bytes, cls: type[Object]) -> None:
    """Objects of the version are instances of the class from now on."""
    _by_hash[class_hash] = cls


def trusted(class_hash: bytes) -> type[Object] | None:
    """The class for a version whose code this program may run."""
    from ._standin import StandIn

    cls = _by_hash.get(class_hash)
    return None if cls is None or issubclass(cls, StandIn) else cls


def of_hash(class_hash: bytes) -> type[Object]:
    """The class for an embedded object; one that only shows fields when this program has none."""
    cls = _by_hash.get(class_hash)
    if cls is None:
        from . import _host

        cls = _host.host().embedded_class(class_hash)
        _by_hash[class_hash] = cls
    return cls


def instance(cls: type[Object], fields: dict[str, Any]) -> Any:
    """An object with these fields, for which nothing of its class is run."""
    made = object.__new__(cls)
    for name, convert in converters(cls).items():
        if name in fields:
            fields[name] = convert(fields[name])
    made.__dict__.update(fields)
    return made


_converters: dict[type[Object], dict[str, Any]] = {}
_floats: dict[type[Object], tuple[str, ...]] = {}


def converters(cls: type[Object]) -> dict[str, Any]:
    """What turns a value of the wire into a field's declared type: enums, tuples, frozen sets, whole floats."""
    found = _converters.get(cls)
    if found is None:
        from ._hints import hints_of

        found = {}
        for name, hint in hints_of(cls).items():
            convert = _converter(hint)
            if convert is not None:
                found[name] = convert
        _converters[cls] = found
    return found


def _as_float(value: Any) -> Any:
    if type(value) is not int:
        return value
    try:
        return float(value)
    except OverflowError:
        return value


def fields_of(value: Object) -> dict[str, Any]:
    """An object's fields as they are stored: whole numbers in those declared ``float`` as floats, as they are read again.

    What Python keeps in slots of a class is none of them.
    """
    fields = vars(value)
    cls = type(value)
    names = _floats.get(cls)
    if names is None:
        names = _floats[cls] = tuple(name for name, convert in converters(cls).items() if convert is _as_float)
    for name in names:
        if type(fields.get(name)) is int:
            return {**fields, **{each: _as_float(fields[each]) for each in names if each in fields}}
    return fields


def _converter(hint: Any) -> Any:
    origin = getattr(hint, "__origin__", hint)
    if origin is float:
        return _as_float
    if origin is tuple or origin is frozenset:
        return lambda value: origin(value) if isinstance(value, (list, set)) else value
    enum = sys.modules.get("enum")
    if enum is not None and isinstance(origin, enum.EnumMeta):
        values = {member.value: member for member in origin} if _hashable(origin) else _EMPTY
        return lambda value: values.get(value, value)
    return None


def _hashable(kind: Any) -> bool:
    return all(getattr(member.value, "__hash__", None) is not None for member in kind)
