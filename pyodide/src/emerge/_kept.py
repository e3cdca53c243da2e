"""How values of declared types are kept: the wire has fewer types than Python, and a field's hint tells the rest."""

from __future__ import annotations

import collections
import collections.abc
import enum
import sys
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from weakref import WeakSet

from ._object import Object

Convert = Callable[[Any], Any]


class Kept(NamedTuple):
    """How values of a type are kept. Both functions give back what they have no say in."""

    read: Convert | None = None
    """Makes a value of what the wire has; ``None`` when that is the value."""
    write: Convert | None = None
    """Makes of a value what the wire has; ``None`` when it is the value."""
    forms: frozenset[type] | None = None
    """The types that these values have as they come from the wire; ``None`` when that is not known."""


class Scope(NamedTuple):
    """Where the names of a class's hints are looked for."""

    around: dict[str, Any]
    """The module's names."""
    within: Mapping[str, Any]
    """The class's own, and those of the function that it is made in; types among them count, for a field may have the name of its type."""
    outer: Scope | None = None
    """Where those are that are not there."""

    def evaluated(self, text: str) -> Any:
        """What a hint that is a text stands for; ``Any`` when it does not resolve."""
        try:
            return eval(text, self.around, {name: each for name, each in self.within.items() if isinstance(each, type)})
        except Exception:  # noqa: BLE001 - an annotation that does not resolve says nothing
            return Any if self.outer is None else self.outer.evaluated(text)


ANY = Kept()

HINTED: dict[tuple[str, str], WeakSet[type]] = {}
"""Classes that hints mean, by module and qualified name: of one that was made again it tells that hints mean the earlier one."""
_NONE = Kept(forms=frozenset((type(None),)))
_LISTS = frozenset((list, tuple))
_SETS = frozenset((set, frozenset))
_LIST_HINTS = (list, collections.abc.Sequence, collections.abc.MutableSequence)
_MAP_HINTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_SET_HINTS = (set, collections.abc.Set, collections.abc.MutableSet)
_WRAPPERS = ("Annotated", "Final", "Required", "NotRequired", "ReadOnly")
_SCALARS: tuple[tuple[Any, Convert], ...] = (
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (bytes, lambda value: bytes(memoryview(value))),
)
_MADE_BY_A_STATEMENT = 1 << 9  # Py_TPFLAGS_HEAPTYPE


def kept(hint: Any, scope: Scope) -> Kept:
    """How values of a declared type are kept."""
    return _Maker().of(hint, scope)


def as_float(value: Any) -> Any:
    """A whole number as a float, where a float holds it."""
    if type(value) is not int:
        return value
    try:
        return float(value)
    except OverflowError:
        return value


class _Maker:
    def __init__(self) -> None:
        # Types that are being made: one of them within itself is looked up when a value is there.
        self._open: dict[Any, list[Kept]] = {}

    def of(self, hint: Any, scope: Scope) -> Kept:
        text = hint if isinstance(hint, str) else getattr(hint, "__forward_arg__", None)
        if isinstance(text, str):
            hint = scope.evaluated(text)
        if hint is None:
            return _NONE
        origin, args = typing.get_origin(hint) or hint, typing.get_args(hint)
        if origin is typing.Union or origin is types.UnionType:
            return _union([self.of(each, scope) for each in args])
        if origin is typing.Literal:
            return _union([self.of(kind, scope) for kind in {type(each) for each in args}])
        if args and getattr(origin, "_name", None) in _WRAPPERS or origin is typing.Annotated:
            return self.of(args[0], scope)
        if hasattr(hint, "__supertype__"):
            return self.of(hint.__supertype__, scope)
        if type(hint).__name__ == "TypeAliasType":
            return self._once(hint, lambda: self.of(hint.__value__, scope))
        if type(origin).__name__ == "TypeAliasType":
            return self._once(hint, lambda: self.of(_given_to(origin, args), scope))
        if typing.is_typeddict(origin):
            return self._once(origin, lambda: self._entries(origin, scope))
        if not isinstance(origin, type):
            return ANY
        HINTED.setdefault((origin.__module__, origin.__qualname__), WeakSet()).add(origin)
        if issubclass(origin, tuple) and hasattr(origin, "_fields"):
            return self._once(origin, lambda: self._named_tuple(origin, scope), _LISTS)
        return self._of_class(origin, [self.of(each, scope) for each in args if each is not ...], args, scope)

    def _once(self, kind: Any, make: Callable[[], Kept], forms: frozenset[type] | None = None) -> Kept:
        if kind in self._open:
            later = self._open[kind]
            return Kept(lambda value: _by(later[0].read, value), lambda value: _by(later[0].write, value), forms)
        made = self._open[kind] = []
        try:
            made.append(make())
        except Exception:  # noqa: BLE001 - an alias that does not resolve says nothing
            made.append(ANY)
        del self._open[kind]
        return made[0]

    def _of_class(self, kind: Any, inner: list[Kept], args: tuple[Any, ...], scope: Scope) -> Kept:
        first = inner[0] if inner else ANY
        if issubclass(kind, enum.Enum):
            return _enumeration(kind)
        if issubclass(kind, Object):
            return Kept(forms=frozenset((Object,)))
        if kind is tuple:
            return _many(tuple, _LISTS, first) if args[1:] == (...,) else _places(tuple, inner)
        if kind in _LIST_HINTS:
            return _many(list, _LISTS, first)
        if kind is frozenset or kind in _SET_HINTS:
            return _many(frozenset if kind is frozenset else set, _SETS, first)
        if kind in _MAP_HINTS:
            return _mapping(dict, *self._keys(args, scope), inner[1] if inner[1:] else ANY)
        if kind is collections.OrderedDict or kind is collections.Counter:
            return _mapping(kind, *self._keys(args, scope), inner[1] if inner[1:] else ANY)
        if kind is collections.defaultdict:
            return self._with_default(inner, args, scope)
        if kind is collections.deque:
            return _queue(first)
        if kind is bytearray:
            return Kept(lambda value: bytearray(value) if type(value) is bytes else value, None, frozenset((bytes,)))
        if kind is float:
            return Kept(forms=frozenset((int, float)))
        if kind is object or getattr(kind, "_is_protocol", False) or getattr(kind, "__abstractmethods__", None):
            return ANY
        return _scalar(kind)

    def _named_tuple(self, kind: Any, scope: Scope) -> Kept:
        hints, names = _hints_of(kind), _scope_of(kind, scope)
        inner = [self.of(hints.get(name, Any), names) for name in kind._fields]
        defaults = getattr(kind, "_field_defaults", {})

        def make(values: Iterable[Any]) -> Any:
            given = list(values)
            # Of a class that has more fields by now.
            given += [defaults[name] for name in kind._fields[len(given) :] if name in defaults]
            return tuple.__new__(kind, given) if len(given) == len(kind._fields) else given

        return _places(make, inner, kind)

    def _entries(self, kind: Any, scope: Scope) -> Kept:
        names = _scope_of(kind, scope)
        inner = {name: self.of(hint, names) for name, hint in _hints_of(kind).items()}

        def through(converts: dict[str, Convert]) -> Convert | None:
            def convert(value: Any) -> Any:
                if type(value) is not dict:
                    return value
                return {name: converts[name](each) if name in converts else each for name, each in value.items()}

            return convert if converts else None

        return Kept(
            through({name: each.read for name, each in inner.items() if each.read}),
            through({name: each.write for name, each in inner.items() if each.write}),
            frozenset((dict,)),
        )

    def _keys(self, args: tuple[Any, ...], scope: Scope) -> tuple[Convert | None, Convert | None]:
        """Reading and writing keys, which are texts on the wire."""
        hint = args[0] if args else Any
        kind = scope.evaluated(hint) if isinstance(hint, str) else hint
        return _member_keys(kind) if isinstance(kind, enum.EnumMeta) else (None, None)

    def _with_default(self, inner: list[Kept], args: tuple[Any, ...], scope: Scope) -> Kept:
        hint = args[1] if args[1:] else Any
        kind = scope.evaluated(hint) if isinstance(hint, str) else hint
        factory: Any = typing.get_origin(kind) or kind
        if len(inner) < 2 or factory is Any or not isinstance(factory, type):
            return Kept(forms=frozenset((dict,)))
        return _mapping(
            lambda entries: collections.defaultdict(factory, entries),
            *self._keys(args, scope),
            inner[1],
            lambda value: type(value) is collections.defaultdict and value.default_factory is factory,
        )


def _given_to(alias: Any, args: tuple[Any, ...]) -> Any:
    """What a generic alias stands for with some types in the place of its parameters."""
    known = dict(zip(alias.__type_params__, args))
    value = alias.__value__
    if value in alias.__type_params__:
        return known[value]
    used = getattr(value, "__parameters__", ())
    return value[tuple(known.get(each, Any) for each in used)] if used else value


def _by(convert: Convert | None, value: Any) -> Any:
    return value if convert is None else convert(value)


def _same(value: Any) -> Any:
    return value


def _union(parts: list[Kept]) -> Kept:
    """One of several types: what the wire has must tell which, so of two that look alike there, neither is made."""
    known = [part.forms for part in parts]
    if None in known:
        return ANY
    forms = [each for each in known if each is not None]
    alone = [
        part
        for at, part in enumerate(parts)
        if (part.read or part.write) and all(forms[at].isdisjoint(other) for other in forms[:at] + forms[at + 1 :])
    ]
    reads = {form: part.read for part in alone if part.read for form in part.forms or ()}
    writes = [part.write for part in alone if part.write]

    def read(value: Any) -> Any:
        return _by(reads.get(type(value)), value)

    def write(value: Any) -> Any:
        for each in writes:
            written = each(value)
            if written is not value:
                return written
        return value

    return Kept(read if reads else None, write if writes else None, frozenset().union(*forms))


def _many(make: Any, forms: frozenset[type], inner: Kept) -> Kept:
    """A list, tuple, set or frozen set of values of one type."""
    inner_read, inner_write = inner.read, inner.write
    read: Convert | None = None
    write: Convert | None = None
    if inner_read is not None:
        into = inner_read

        def read(value: Any) -> Any:
            return make([into(each) for each in value]) if type(value) in forms else value

    elif make is tuple or make is frozenset:

        def read(value: Any) -> Any:
            return make(value) if type(value) in forms else value

    if inner_write is not None:
        out = inner_write

        def write(value: Any) -> Any:
            if type(value) not in forms:
                return value
            # Of an enumeration's member and its plain value one would be lost: the member is refused then.
            written = type(value)([out(each) for each in value])
            return written if len(written) == len(value) else value

    return Kept(read, write, forms)


def _places(make: Any, inner: list[Kept], kind: type | None = None) -> Kept:
    """A tuple with a type for each place, or a named tuple of a kind."""
    reads, writes = [each.read or _same for each in inner], [each.write or _same for each in inner]

    def read(value: Any) -> Any:
        if type(value) not in _LISTS:
            return value
        made = make([convert(each) for convert, each in zip(reads, value)] + list(value[len(reads) :]))
        # Of another length it is none of this kind.
        return value if type(made) is list else made

    def write(value: Any) -> Any:
        if kind is None and type(value) in _LISTS or type(value) is kind and not getattr(value, "__dict__", None):
            return (*(convert(each) for convert, each in zip(writes, value)), *value[len(writes) :])
        return value

    return Kept(read, write if kind is not None or any(each.write for each in inner) else None, _LISTS)


def _mapping(
    make: Any,
    read_key: Convert | None,
    write_key: Convert | None,
    inner: Kept,
    is_one: Callable[[Any], bool] | None = None,
) -> Kept:
    """A dict, or one of the library's that is made of one."""
    into, out = inner.read or _same, inner.write or _same
    into_key, out_key = read_key or _same, write_key or _same

    def read(value: Any) -> Any:
        return make({into_key(key): into(each) for key, each in value.items()}) if type(value) is dict else value

    def write(value: Any) -> Any:
        if not (type(value) is make if is_one is None else is_one(value)) or getattr(value, "__dict__", None):
            return value
        written = {out_key(key): out(each) for key, each in value.items()}
        return written if len(written) == len(value) else value

    is_dict = make is dict
    return Kept(
        None if is_dict and not (read_key or inner.read) else read,
        None if is_dict and not (write_key or inner.write) else write,
        frozenset((dict,)),
    )


def _queue(inner: Kept) -> Kept:
    into, out = inner.read or _same, inner.write or _same

    def read(value: Any) -> Any:
        return collections.deque(map(into, value)) if type(value) in _LISTS else value

    def write(value: Any) -> Any:
        # How long it may grow no hint tells.
        return list(map(out, value)) if type(value) is collections.deque and value.maxlen is None else value

    return Kept(read, write, _LISTS)


def _scalar(kind: Any) -> Kept:
    """A class that extends a text, a number or bytes; others are what they are, or cannot be kept."""
    for base, plain in _SCALARS:
        if kind is base or kind is bool or not issubclass(kind, base):
            continue
        if not kind.__flags__ & _MADE_BY_A_STATEMENT:
            break

        def read(value: Any) -> Any:
            return base.__new__(kind, value) if type(value) is base else value

        def write(value: Any) -> Any:
            return plain(value) if type(value) is kind and not getattr(value, "__dict__", None) else value

        return Kept(read, write, frozenset((base,)))
    for base in (list, tuple, dict, set, frozenset):
        if issubclass(kind, base):
            return Kept(forms=_LISTS if base in _LISTS else _SETS if base in _SETS else frozenset((dict,)))
    return Kept(forms=frozenset((kind,)))


def _enumeration(kind: Any) -> Kept:
    """Members are kept by their values, flags together too."""
    values = {name: plain(member.value) for name, member in kind.__members__.items()}
    by_value: dict[Any, Any] = {}
    for name, value in values.items():
        try:
            by_value.setdefault(_image(value), kind.__members__[name])
        except TypeError:
            # A value that cannot be looked up: its member is refused.
            continue
    is_flag = issubclass(kind, enum.Flag)
    placed: dict[str | None, bool] = {}

    def read(value: Any) -> Any:
        try:
            return by_value[_image(value)]
        except (KeyError, TypeError):
            pass
        if is_flag and type(value) is int:
            try:
                return kind(value)
            except Exception:  # noqa: BLE001 - bits that no member has, or what ``_missing_`` says
                return value
        return value

    def write(value: Any) -> Any:
        if not isinstance(value, kind):
            return value
        written = plain(value.value)
        if type(written) not in PLAIN_FORMS:
            fits = placed.get(value.name)
            if fits is None:
                fits = placed[value.name] = has_place(written)
            if not fits:
                return value
        back = read(written)
        return written if back is value or is_flag and type(back) is kind and back == value else value

    forms = {form for value in values.values() for form in _forms_of(value)}
    return Kept(read, write, frozenset(forms | {int} if is_flag else forms))


PLAIN_FORMS = (str, int, float, bool, bytes, type(None))


def has_place(value: Any) -> bool:
    """Whether the wire has a value."""
    from . import _host, _wire
    from .errors import EmergeError

    try:
        _host.host().check(_wire.dumps(value, True)[0])
    except EmergeError:
        return False
    return True


def _member_keys(kind: Any) -> tuple[Convert, Convert]:
    """Members as keys: by their values where these are texts, else by their names."""
    members = kind.__members__
    texts = {name: plain(member.value) for name, member in members.items()}
    if any(type(text) is not str for text in texts.values()):
        texts = {name: name for name in members}
    by_text = {text: members[name] for name, text in texts.items() if members[name].name == name}
    return (
        lambda key: by_text.get(key, key) if type(key) is str else key,
        lambda key: texts.get(key.name, key) if isinstance(key, kind) else key,
    )


def plain(value: Any) -> Any:
    """A value as the wire has it, as far as it is a member of an enumeration, or extends a type that the wire has."""
    if isinstance(value, enum.Enum):
        return plain(value.value)
    if isinstance(value, (list, tuple)):
        return tuple(map(plain, value))
    if isinstance(value, (set, frozenset)):
        return frozenset(map(plain, value))
    if isinstance(value, dict):
        return {plain(key): plain(each) for key, each in value.items()}
    if isinstance(value, bool):
        return value
    return next((convert(value) for base, convert in _SCALARS if isinstance(value, base)), value)


def by_value(kind: Any) -> None:
    """Makes the members of an enumeration equal to their values, as a search has these."""
    if any(issubclass(kind, base) for base, _ in _SCALARS):
        return

    def image(value: Any) -> Any:
        return _image(plain(value))

    def equal(self: Any, other: Any) -> bool:
        return self is other or bool(image(self) == image(other))

    def hashed(self: Any) -> int:
        try:
            return hash(image(self))
        except TypeError:
            return hash(self.name)

    kind.__eq__, kind.__hash__ = equal, hashed


def _image(value: Any) -> Any:
    """What is equal for values that are the same on the wire."""
    kind = type(value)
    if kind in _LISTS:
        return list, *map(_image, value)
    if kind in _SETS:
        return set, frozenset(map(_image, value))
    if kind is dict:
        return dict, frozenset((key, _image(each)) for key, each in value.items())
    return value


def _forms_of(value: Any) -> frozenset[type]:
    kind = type(value)
    return _LISTS if kind in _LISTS else _SETS if kind in _SETS else frozenset((kind,))


def _hints_of(kind: Any) -> dict[str, Any]:
    from ._hints import annotations_of

    hints: dict[str, Any] = {}
    for each in reversed(kind.__mro__):
        if each.__module__ != "builtins":
            hints.update(annotations_of(each))
    return hints


def _scope_of(kind: Any, user: Scope) -> Scope:
    """Where a class that a hint names looks for its own hints; what is not there is where the hint is."""
    return Scope(vars(sys.modules.get(kind.__module__, enum)), vars(kind), user)
