"""Values from around a class as they travel: as they are, or, where that would change their type, as an expression."""

from __future__ import annotations

import copyreg
import functools
import operator
import sys
from types import BuiltinFunctionType, FunctionType, MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

from . import _aliases
from ._object import Object
from ._seen import is_fixed
from ._values import Table
from .errors import ClassInvalidError

if TYPE_CHECKING:
    from ._captures import Captures

_MISSING: Any = object()
_DEEPEST = 64
# What the node has again as the type that it is here, beside lists, dicts by text, and sets.
_PLAIN = (type(None), bool, int, float, str, bytes, memoryview)
_NAMED = {("datetime", "date"), ("datetime", "timedelta"), ("uuid", "UUID"), ("decimal", "Decimal"), ("emerge", "Ref")}


_TYPE_PARAMETERS = ("TypeVar", "ParamSpec", "TypeVarTuple")
_VARIANCES = ("covariant", "contravariant", "infer_variance")


class CannotError(Exception):
    """Why a value cannot travel, or which one within it cannot."""

    def __init__(
        self, why: str, advice: str = "modules, functions, classes and plain values can; make it within the method"
    ) -> None:
        super().__init__(why)
        self._why = why
        self.advice = advice
        self._place = ""
        self._kind = ""

    def within(self, place: str, value: Any) -> CannotError:
        """Notes where the value is that cannot."""
        self._kind = self._kind or f"{type(value).__module__}.{type(value).__qualname__}"
        self._place = place + self._place
        return self

    def __str__(self) -> str:
        if not self._place:
            return self._why
        return f"{self._place} is a {self._kind}" + (f": {self._why}" if self._why else "")


class NotReadyError(ClassInvalidError):
    """A value holds what needs the value while it is defined."""


def library_member(name: str, value: Any) -> tuple[str, str] | None:
    """Module and member when the value is one of an installed module's."""
    module_name = getattr(value, "__module__", None)
    if module_name is None and isinstance(value, BuiltinFunctionType):
        # A module's function that is the method of an object, as ``random.random`` is.
        module_name = type(value.__self__).__module__
    if not isinstance(module_name, str) or module_name == "__main__":
        return None
    if module_name.startswith("emerge."):
        module_name = "emerge"
    names = (
        getattr(value, "__qualname__", None),
        getattr(value, "__name__", None),
        getattr(value, "_name", None),
        name,
    )
    public = module_name.partition("._")[0]
    for each_module in (public, module_name):
        module = sys.modules.get(each_module)
        if module is None or not is_installed(module.__name__):
            continue
        for each in names:
            if isinstance(each, str) and getattr(module, each, _MISSING) is value:
                return each_module, each
    return None


def is_standard(module: str) -> bool:
    """Whether every Python has a module."""
    first = module.partition(".")[0]
    return first == "emerge" or first in sys.stdlib_module_names


def is_installed(module: str) -> bool:
    """Whether a module is the library's, or of a package: none of a program's own."""
    if module == "__main__" or is_standard(module):
        return module != "__main__"
    file = getattr(sys.modules.get(module), "__file__", None)
    return isinstance(file, str) and ("site-packages" in file or "dist-packages" in file)


def entry(captures: Captures, name: str, value: Any, user: str) -> list[tuple[Any, ...]]:
    """The entry of a value.

    Raises:
        CannotError: it cannot travel.
    """
    if _keeps_its_type(value, 0):
        from . import _host, _wire
        from .errors import EmergeError

        try:
            pickled = _wire.dumps(value)[0]
            _host.host().check(pickled)
        except EmergeError as error:
            raise CannotError(f"{error.field}: {error.message}" if error.field else error.message) from error
        captures.seen.value(value, lambda held: _wire.dumps(held)[0])
        # What it is by now: it may change before it is sent.
        return [(name, "value", _wire.loads(pickled) if type(value) in (list, dict, set, Table) else value)]
    at, state = captures.length(), captures.state()
    writer = _Writer(captures, name, user)
    empty = (name, "source", f"{name} = {type(value).__name__}()\n")
    try:
        text = writer.text(value, 0)
    except NotReadyError:
        if type(value) not in _FILLS:
            raise
        captures.restore(state)
        captures.fill_later(name, value, user)
        return [empty]
    captures.uses_builtins(text)
    captures.seen.value(value, told)
    if type(value) not in _FILLS or not writer.has_classes:
        return [(name, "source", f"{name} = {text}\n")]
    # What registers classes while they are defined needs it before them, and they are in it.
    captures.insert(at, empty)
    return [_filled(name, value, text)]


def fill(captures: Captures, name: str, value: Any, user: str) -> tuple[Any, ...]:
    """The entry that fills what was defined empty.

    Raises:
        CannotError: something in it cannot travel.
    """
    text = _Writer(captures, name, user).text(value, 0)
    captures.uses_builtins(text)
    captures.seen.value(value, told)
    return _filled(name, value, text)


def _filled(name: str, value: Any, text: str) -> tuple[Any, ...]:
    return f"{name}__filled", "source", _FILLS[type(value)].format(name, text)


_FILLS: dict[Any, str] = {
    dict: "{0}.clear()\n{0}.update({1})\n",
    set: "{0}.clear()\n{0}.update({1})\n",
    list: "{0}[:] = {1}\n",
}


class _Marks:
    """Stands for captures when a value is only to be told from what it was."""

    def place(self, value: Any, hint: str, user: str) -> str:
        """A mark of a function or class: which one it is."""
        return f"<{id(value)}>"

    def is_stated(self, value: Any) -> bool:
        """Whether a statement made a value, which stands for itself then."""
        return False


class _NoMarks(_Marks):
    """Of values alone, without functions and classes."""

    def place(self, value: Any, hint: str, user: str) -> str:
        """None is known here."""
        raise CannotError("it travels by its source")


def told(value: Any) -> str:
    """A text that is another when a value would travel as another.

    Raises:
        CannotError: something in it cannot travel.
    """
    return _Writer(_Marks(), "", "").text(value, 0)


def is_plain(value: Any) -> bool:
    """Whether a value can travel by itself, with nothing that travels by its source."""
    try:
        _Writer(_NoMarks(), "", "").text(value, 0)
    except (CannotError, RecursionError):
        return False
    return True


def same(one: Any, other: Any) -> bool:
    """Whether two values would travel alike."""
    try:
        return type(one) is type(other) and told(one) == told(other)
    except (CannotError, RecursionError):
        return False


def _keeps_its_type(value: Any, depth: int) -> bool:
    kind = type(value)
    if kind in _PLAIN:
        return True
    if depth == _DEEPEST:
        return False
    if kind is list or kind is set:
        return all(_keeps_its_type(each, depth + 1) for each in value)
    if kind is dict:
        return all(type(each) is str and _keeps_its_type(value[each], depth + 1) for each in value)
    if (kind.__module__.partition(".")[0], kind.__name__) in _NAMED:
        return True
    if kind is Table:
        return all(_keeps_its_type(each, depth + 1) for row in value.rows for each in row)
    if kind.__module__ == "datetime" and kind.__name__ == "datetime":
        zone = sys.modules["datetime"].timezone.utc
        return value.tzinfo is zone and not value.fold
    return False


class _Writer:
    """Writes a value as an expression that needs no names but those that the class has by then."""

    def __init__(self, captures: Captures | _Marks, name: str, user: str) -> None:
        self._captures = captures
        self._name = name
        self._user = user
        self.has_classes = False

    def text(self, value: Any, depth: int) -> str:
        if depth > _DEEPEST:
            raise CannotError(f"it is nested deeper than {_DEEPEST}")
        kind = type(value)
        if value is type(None):
            return "type(None)"
        if value is None or value is ... or value is NotImplemented or kind is bool or kind is str or kind is bytes:
            return repr(value)
        if kind is int:
            return repr(value) if abs(value) < 1 << 64 else hex(value)
        if kind is float:
            return repr(value) if value - value == 0 else f"float({str(value)!r})"
        if kind is complex:
            return f"complex({self.text(value.real, depth)}, {self.text(value.imag, depth)})"
        if kind is tuple:
            inner = self._each(value, depth)
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        if kind is list:
            return f"[{self._each(value, depth)}]"
        if kind is set or kind is frozenset:
            inner = ", ".join(sorted(self.text(each, depth + 1) for each in value))
            return f"{kind.__name__}([{inner}])"
        if kind is dict:
            return "{" + self._pairs(value, depth) + "}"
        if kind is bytearray:
            return f"bytearray({bytes(value)!r})"
        if kind is range or kind is slice:
            return repr(value)
        if isinstance(value, ModuleType) and value.__name__ != "__main__":
            return _module(value.__name__)
        member = library_member("", value)
        if member is not None:
            return _member(*member)
        if _aliases.is_alias(value):
            try:
                return _aliases.text_of(value, lambda part: self.text(part, depth + 1))
            except ValueError as error:
                raise CannotError(f"a type that does not stand by itself: {error}") from error
        if isinstance(value, (FunctionType, type)) or self._captures.is_stated(value):
            self.has_classes |= isinstance(value, type)
            return self._captures.place(value, self._name, self._user)
        bound = self._bound(value, depth)
        return self._instance(value, depth) if bound is None else bound

    def _bound(self, value: Any, depth: int) -> str | None:
        """A method of a class, or of what cannot change."""
        owner = getattr(value, "__self__", getattr(value, "__objclass__", None))
        name = getattr(value, "__name__", None)
        if owner is None or not isinstance(name, str) or not callable(value):
            return None
        if not isinstance(owner, type) and not is_fixed(owner) or getattr(owner, name, None) != value:
            raise CannotError("a method of what may change: take the method where it is called")
        return f"getattr({self.text(owner, depth + 1)}, {name!r})"

    def _each(self, values: Any, depth: int) -> str:
        return ", ".join(self._at(at, each, depth) for at, each in enumerate(values))

    def _pairs(self, values: Any, depth: int) -> str:
        return ", ".join(f"{self.text(key, depth + 1)}: {self._at(key, each, depth)}" for key, each in values.items())

    def _at(self, key: Any, value: Any, depth: int) -> str:
        try:
            return self.text(value, depth + 1)
        except CannotError as error:
            raise error.within(f"[{key!r:.50}]", value) from error

    def _instance(self, value: Any, depth: int) -> str:
        kind = type(value)
        if hasattr(kind, "__next__"):
            raise CannotError("it has a state of its own: how far it is")
        enum = sys.modules.get("enum")
        if enum is not None and isinstance(value, enum.Enum):
            made = self.text(kind, depth)
            if value.name in kind.__members__:
                return f"{made}[{value.name!r}]"
            return f"{made}({self.text(value.value, depth + 1)})"
        if isinstance(value, tuple) and hasattr(kind, "_fields") and hasattr(kind, "_make"):
            return f"{self.text(kind, depth)}._make({self.text(tuple(value), depth + 1)})"
        if isinstance(value, functools._lru_cache_wrapper):
            options = value.cache_parameters()
            made = _member("functools", "lru_cache")
            inner = self.text(value.__wrapped__, depth + 1)
            return f"{made}(maxsize={options['maxsize']}, typed={options['typed']})({inner})"
        if isinstance(value, Object):
            raise CannotError("an object of a stored class: get it, or make it, within the method")
        if kind is MappingProxyType:
            return f"{_member('types', 'MappingProxyType')}({self.text(dict(value), depth + 1)})"
        if (kind.__module__, kind.__name__) == ("zoneinfo", "ZoneInfo"):
            raise CannotError("the node has no time zones by name", "use datetime.timezone, or keep the name as text")
        re = sys.modules.get("re")
        if re is not None and kind is re.Pattern:
            flags = int(value.flags) & ~int(re.UNICODE)
            return f"{_module('re')}.compile({self.text(value.pattern, depth)}, {flags})"
        made_by = library_member("", kind)
        if made_by is None or not is_standard(made_by[0]):
            if kind.__module__.partition(".")[0] in sys.modules and not is_standard(kind.__module__):
                package = kind.__module__.partition(".")[0]
                if is_installed(package):
                    raise CannotError(f"the node does not have {package}")
            raise CannotError(
                "it is an instance of a class, not a plain value" if kind.__module__ != "builtins" else ""
            )
        if made_by == ("array", "array"):
            return f"{_member(*made_by)}({value.typecode!r}, {value.tobytes()!r})"
        if made_by == ("functools", "partial") and kind.__module__ == "functools":
            named = "".join(f", {key}={self.text(each, depth + 1)}" for key, each in value.keywords.items())
            given = "".join(f", {self.text(each, depth + 1)}" for each in value.args)
            return f"{_member(*made_by)}({self.text(value.func, depth + 1)}{given}{named})"
        if made_by[1] in _TYPE_PARAMETERS and made_by[0] == "typing":
            return self._type_parameter(value, made_by, depth)
        if made_by == ("_struct", "Struct"):
            return f"{_member('struct', 'Struct')}({value.format!r})"
        if made_by == ("typing", "NewType"):
            return f"{_member(*made_by)}({value.__name__!r}, {self.text(value.__supertype__, depth + 1)})"
        if made_by == ("typing", "TypeAliasType") and not value.__type_params__:
            return f"{_member(*made_by)}({value.__name__!r}, {self.text(value.__value__, depth + 1)})"
        if made_by == ("types", "SimpleNamespace"):
            return f"{_member(*made_by)}(**{{{self._pairs(vars(value), depth)}}})"
        if made_by == ("collections", "ChainMap"):
            return f"{_member(*made_by)}({self._each(value.maps, depth)})"
        if made_by == ("string", "Template"):
            return f"{_member(*made_by)}({value.template!r})"
        return self._reduced(value, made_by, depth)

    def _type_parameter(self, value: Any, made_by: tuple[str, str], depth: int) -> str:
        """What a class or function is generic by."""
        given = [repr(value.__name__), *(self.text(each, depth + 1) for each in getattr(value, "__constraints__", ()))]
        if made_by[1] == "TypeVar" and value.__bound__ is not None:
            given.append(f"bound={self.text(value.__bound__, depth + 1)}")
        given += [f"{option}=True" for option in _VARIANCES if getattr(value, f"__{option}__", False)]
        if made_by[1] == "TypeVar" and getattr(value, "has_default", bool)():
            given.append(f"default={self.text(value.__default__, depth + 1)}")
        return f"{_member(*made_by)}({', '.join(given)})"

    def _reduced(self, value: Any, made_by: tuple[str, str], depth: int) -> str:
        """What ``copyreg`` makes of an instance of the library's: the class and its arguments."""
        try:
            reduce = copyreg.dispatch_table.get(type(value))
            reduced = value.__reduce_ex__(4) if reduce is None else reduce(value)
        except Exception as error:  # noqa: BLE001 - a file, a lock, a connection
            raise CannotError("it lives in this program alone") from error
        if not isinstance(reduced, tuple):
            raise CannotError("")
        maker, args, state, items, pairs = (*reduced, None, None, None)[:5]
        if state:
            raise CannotError("it has a state of its own")
        if maker in (type(value), operator.getitem, functools.reduce) or getattr(maker, "__name__", "") == "getLogger":
            text = f"{self.text(maker, depth)}({self._each(args, depth)})"
        elif getattr(maker, "__name__", "") == "__newobj__" and made_by == ("builtins", "object"):
            text = "object()"
        else:
            raise CannotError("it has a state of its own")
        if items is not None:
            inner = ", ".join(self.text(each, depth + 1) for each in items)
            return (
                f"{self.text(maker, depth)}([{inner}]{''.join(', ' + self.text(each, depth + 1) for each in args[1:])})"
            )
        if pairs is not None:
            inner = ", ".join(f"({self.text(key, depth + 1)}, {self.text(each, depth + 1)})" for key, each in pairs)
            given = self._each(args, depth)
            return f"{self.text(maker, depth)}({given}{', ' if given else ''}[{inner}])"
        return text


def _module(name: str) -> str:
    return f"__import__({name!r}, fromlist=['_'])"


def _member(module: str, name: str) -> str:
    return name if module == "builtins" else f"{_module(module)}.{name}"


def functional_class(captures: Captures, name: str, cls: type, user: str) -> str | None:
    """A class that a call and no class statement made: a named tuple, an enumeration."""
    writer = _Writer(captures, name, user)
    try:
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            fields, defaults = list(cls._fields), list(getattr(cls, "_field_defaults", {}).values())
            made = _member("collections", "namedtuple")
            return f"{name} = {made}({cls.__name__!r}, {fields!r}, defaults={writer.text(defaults, 0)})\n"
        import enum

        if issubclass(cls, enum.Enum):
            more = [each for each in vars(cls) if each not in cls.__members__ and not each.startswith("_")]
            if more:
                raise ClassInvalidError(
                    f"{user} uses the enumeration {name}, of which no statement is found that gives it {more[0]} and its members: "
                    "write them out in its class statement",
                    field=name,
                )
            members = [(each, member.value) for each, member in dict(cls.__members__).items()]
            base = writer.text(cls.__bases__[-1], 0)
            mixed = f", type={writer.text(cls.__bases__[0], 0)}" if len(cls.__bases__) == 2 else ""
            if len(cls.__bases__) <= 2:
                return f"{name} = {base}({cls.__name__!r}, {writer.text(members, 0)}{mixed})\n"
        import typing

        if typing.is_typeddict(cls):
            made, total = _member("typing", "TypedDict"), bool(cls.__required_keys__)  # type: ignore[attr-defined]
            return f"{name} = {made}({cls.__name__!r}, {writer.text(dict(cls.__annotations__), 0)}, total={total})\n"
    except CannotError:
        return None
    return None
