"""The classes that this program has, and their versions."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ._object import NAMESAKES, NEWEST, TOGETHER, Object, place_of, version_at
from .errors import EmergeError

if TYPE_CHECKING:
    from ._seen import Seen

_EMPTY: dict[Any, Any] = {}
_ALONE: tuple[Any, list[type[Object]]] = (None, [])


class Record(NamedTuple):
    """A class as it travels."""

    hash: bytes
    """The address of the version."""
    source: tuple[Any, ...] | None
    """What ``put_class`` takes; ``None`` for a class that the node has already."""
    needs: tuple[Any, ...]
    """Records of classes that must be at the node before it: bases, and those that its methods use."""
    seen: Seen | None
    """What it was made of; ``None`` for one that stays as it is."""


_records: dict[type[Object], Record] = {}
_by_hash: dict[bytes, type[Object]] = {}


def record_of(cls: type[Object], scans: Any = None) -> Record:
    """The class as it travels; its source and what it uses are looked for the first time, and when what it uses is no longer what
    it was.

    ``scans`` is what was found out of other classes, for which this one is needed.

    Raises:
        ClassInvalidError: its source cannot be found, or it uses what cannot travel.
    """
    known = _records.get(cls)
    if known is not None and (known.seen is None or known.seen.still()):
        return known
    from . import _host, _travel

    source, needs, seen = _travel.class_source(cls, scans)
    from ._wire import dumps

    record = Record(_host.host().class_hash(dumps(source)[0]), source, needs, seen)
    _records[cls] = record
    if known is not None:
        # What a hint names may be another by now.
        _converters.pop(cls, None)
        _writers.pop(cls, None)
    _by_hash[record.hash] = cls
    if scans is None:
        NEWEST[cls.__name__] = cls
    return record


def adopt(cls: type[Object], class_hash: bytes) -> None:
    """Makes a class stand for a version that the node has."""
    _records[cls] = Record(class_hash, None, (), None)
    _by_hash[class_hash] = cls


def adopt_source(cls: type[Object], class_hash: bytes, source: tuple[Any, ...]) -> None:
    """Gives a class a source that is not its own text."""
    _records[cls] = Record(class_hash, source, (), None)
    _by_hash[class_hash] = cls


def find_peers(cls: type[Object], captures: list[Any], scope: dict[str, Any]) -> None:
    """Finds the addresses of stored classes that came within another by their source: one class for each version."""
    from . import _travel

    for name, kind, *_ in captures:
        peer = scope.get(name)
        if kind == "source" and isinstance(peer, type) and issubclass(peer, Object) and peer is not cls:
            try:
                # It is a version of what came, whatever a method does to it here.
                _records[peer] = record_of(peer, _travel.Scans())._replace(seen=None)
            except EmergeError:
                # It is used here as it is, and stored nowhere.
                continue


def forget(cls: type[Object], class_hash: bytes) -> None:
    """Undoes :func:`adopt`."""
    del _records[cls], _by_hash[class_hash]
    _converters.pop(cls, None)
    _writers.pop(cls, None)


def define(cls: type[Object]) -> None:
    """Makes fetched objects of the class's name its instances."""
    if not (isinstance(cls, type) and issubclass(cls, Object)):
        raise TypeError("a class that extends emerge.Object is needed")
    for address in [address for address, known in _by_hash.items() if known.__name__ == cls.__name__]:
        if _by_hash[address] is not cls:
            del _by_hash[address]
    for address in [address for address, known in _met.items() if known.__name__ == cls.__name__]:
        del _met[address]
    NEWEST[cls.__name__] = _defined[cls.__name__] = cls
    if place_of(cls) in TOGETHER:
        TOGETHER[place_of(cls)][1][:] = [cls]


def tell_language(class_hash: bytes, language: str) -> None:
    """Says in which language a version is written."""
    _languages[class_hash] = language == "python"


_defined: dict[str, type[Object]] = {}
# Whether versions are in Python, as far as the node was asked.
_languages: dict[bytes, bool] = {}
# The class of which objects of a version were fetched, while it was the only one of its name.
_met: dict[bytes, type[Object]] = {}
_told_apart: set[type[Object]] = set()


def known(class_hash: bytes, name: str | None) -> type[Object] | None:
    """The class for objects of a version: this program's newest class of the name; of several that one statement made, that of the version.

    None is the class of a version in another language, unless :func:`define` says so, nor of one whose language is not known by now
    (:func:`tell_language`): by its name alone it would run other methods here than at the node.

    When classes of several modules have the name, it is the one that had this version here, or that :func:`define` named, and none
    else: an object that is stored again is to stay of its class.
    """
    cls = _by_hash.get(class_hash)
    mine = None if name is None else NEWEST.get(name)
    if mine is None or name is None:
        return cls
    if name not in _defined and not _languages.get(class_hash, cls is not None):
        return cls
    is_own = cls is not None and not cls.__module__.startswith("emerge.")
    _, together = TOGETHER.get(place_of(cls if cls is not None and is_own else mine), _ALONE)
    if len(together) > 1:
        # Of a version that is known only the newest may be another class.
        _tell_apart(together[-1:] if cls in together else together)
        found = _by_hash.get(class_hash)
        found = found if found in together else _defined.get(name)
        if found in together:
            return found
    namesakes = NAMESAKES.get(name, _EMPTY)
    if len(namesakes) < 2:
        _met[class_hash] = mine
        return mine
    if not is_own:
        cls = _met.get(class_hash) or _defined.get(name) or cls
    return None if cls is None else namesakes.get(place_of(cls), cls)


def _tell_apart(together: list[type[Object]]) -> None:
    """Finds the versions of classes that one statement made; the newest is taken of those that have one version."""
    if all(cls in _told_apart for cls in together):
        return
    from . import _travel

    for cls in together:
        _told_apart.add(cls)
        try:
            # With scans, so that none of them becomes the newest by it.
            _by_hash[record_of(cls, _travel.Scans()).hash] = cls
        except EmergeError:
            # No object of it is stored.
            continue


def remember(class_hash: bytes, cls: type[Object]) -> None:
    """Objects of the version are instances of the class from now on."""
    _by_hash[class_hash] = cls


def trusted(class_hash: bytes) -> type[Object] | None:
    """The class for a version whose code this program may run."""
    from ._standin import StandIn

    cls = _by_hash.get(class_hash)
    return None if cls is None or issubclass(cls, StandIn) else cls


class _Met(threading.local):
    """Class versions of which a thread has met objects and knows nothing, since it last looked."""

    def __init__(self) -> None:
        self.addresses: set[bytes] = set()


met = _Met()
_unknown: dict[bytes, type[Object]] = {}


def of_hash(class_hash: bytes) -> type[Object]:
    """The class for an embedded object; one that only shows fields when this program has none."""
    cls = _by_hash.get(class_hash)
    if cls is None:
        from . import _host

        cls = _host.host().embedded_class(class_hash)
        if cls is None:
            met.addresses.add(class_hash)
            return stranger(class_hash)
        _by_hash[class_hash] = cls
    elif NEWEST.get(cls.__name__, cls) is not cls and trusted(class_hash) is None:
        # A class statement has run since.
        cls = _by_hash[class_hash] = known(class_hash, cls.__name__) or cls
    return cls


def of_embedded(class_hash: bytes) -> type[Object]:
    """As :func:`of_hash`, for an object within another: where this program's class of the name was made again, the newest."""
    cls = of_hash(class_hash)
    if NEWEST.get(cls.__name__, cls) is cls or cls.__module__.startswith(("stored.", "emerge.stored.")):
        return cls
    return known(class_hash, cls.__name__) or cls


def version_of(value: Object) -> bytes:
    """The version that an object within another has at the node; of one that is new, that of its class."""
    version = version_at(value)
    return record_of(type(value)).hash if version is None else version


def is_version_of(class_hash: bytes, cls: type[Object]) -> bool:
    """Whether a version is known to be that of a class as it is here."""
    record = _records.get(cls)
    return record is not None and record.hash == class_hash


def stranger(class_hash: bytes) -> type[Object]:
    """What stands for a version of which nothing is known."""
    cls = _unknown.get(class_hash)
    if cls is None:
        from ._standin import unknown

        cls = _unknown[class_hash] = unknown(class_hash)
        _records[cls] = Record(class_hash, None, (), None)
    return cls


def instance(cls: type[Object], class_hash: bytes, fields: dict[str, Any]) -> Any:
    """An object with these fields, stored as one of a version, for which nothing of its class is run.

    What an object of an earlier version lacks is the exception: the factories of fields that came since make it, as they do in ``migrate``.
    """
    made = object.__new__(cls)
    factories = _factories.get(cls)
    if factories is None:
        declared: tuple[dataclasses.Field[Any], ...] = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
        factories = _factories[cls] = {
            each.name: each.default_factory for each in declared if each.default_factory is not dataclasses.MISSING
        }
    # A field that was deleted on purpose stays so: the object is of the version that this program has.
    if not factories.keys() <= fields.keys() and not _is_version(cls, class_hash):
        for name, make in factories.items():
            if name not in fields:
                fields[name] = make()
    for name, convert in converters(cls).items():
        if name in fields:
            fields[name] = convert(fields[name])
    made.__dict__.update(fields)
    return made


def _is_version(cls: type[Object], class_hash: bytes) -> bool:
    """Whether a class as it is here is a version."""
    from . import _travel

    try:
        return class_hash == record_of(cls, _travel.Scans()).hash
    except EmergeError:
        # It cannot be stored, and so is none.
        return False


_factories: dict[type[Object], dict[str, Callable[[], Any]]] = {}
_converters: dict[type[Object], dict[str, Any]] = {}
_writers: dict[type[Object], dict[str, Any]] = {}
# Fields of classes that travel by source whose hints use names that do not.
_untold: dict[type, frozenset[str]] = {}


def converters(cls: type[Object]) -> dict[str, Any]:
    """What turns a value of the wire into a field's declared type (:mod:`emerge._kept`), and whole numbers into floats."""
    found = _converters.get(cls)
    if found is None:
        found = _converters[cls] = _made(cls)[0]
    return found


def fields_of(value: Object) -> dict[str, Any]:
    """An object's fields as they are stored: of what a field's declared type makes when it is read, what the wire has of it.

    What Python keeps in slots of a class is none of them.
    """
    fields = vars(value)
    cls = type(value)
    writers = _writers.get(cls)
    if writers is None:
        writers = _writers[cls] = _made(cls)[1]
    if not writers:
        return fields
    stored = fields
    for name, write in writers.items():
        if name in fields:
            held = fields[name]
            written = write(held)
            if written is not held:
                if stored is fields:
                    stored = dict(fields)
                stored[name] = written
    return stored


def untold(cls: type, fields: frozenset[str]) -> None:
    """Says of which fields the hints use names that do not travel: what only these hints tell cannot be stored."""
    if _untold.get(cls, frozenset()) != fields:
        _untold[cls] = fields
        for each in [each for each in _writers if issubclass(each, cls)]:
            del _writers[each]


def _made(cls: type[Object]) -> tuple[dict[str, Any], dict[str, Any]]:
    from ._hints import hints_of, type_name
    from ._kept import as_float, kept

    reads: dict[str, Any] = {}
    writes: dict[str, Any] = {}
    for name, (hint, scope, declared_by) in hints_of(cls).items():
        if type_name(hint) == "float":
            reads[name] = writes[name] = as_float
            continue
        read, write, _ = kept(hint, scope)
        if read is not None:
            reads[name] = read
        if write is not None and name not in _untold.get(declared_by, ()):
            writes[name] = write
    return reads, writes
