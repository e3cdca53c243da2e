"""Values from around a class as they travel: as they are, or, where that would change their type, as an expression."""

from __future__ import annotations

import sys
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from ._object import Object
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
    """Why a value cannot travel."""


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
    captures.seen.value(value, _told)
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
    captures.seen.value(value, _told)
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


def _told(value: Any) -> str:
    """A text that is another when a value would travel as another."""
    return _Writer(_Marks(), "", "").text(value, 0)


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
        if isinstance(value, (FunctionType, type)) or self._captures.is_stated(value):
            self.has_classes |= isinstance(value, type)
            return self._captures.place(value, self._name, self._user)
        return self._instance(value, depth)

    def _each(self, values: Any, depth: int) -> str:
        return ", ".join(self.text(each, depth + 1) for each in values)

    def _pairs(self, values: Any, depth: int) -> str:
        return ", ".join(f"{self.text(key, depth + 1)}: {self.text(each, depth + 1)}" for key, each in values.items())

    def _instance(self, value: Any, depth: int) -> str:
        kind = type(value)
        enum = sys.modules.get("enum")
        if enum is not None and isinstance(value, enum.Enum):
            made = self.text(kind, depth)
            if value.name in kind.__members__:
                return f"{made}[{value.name!r}]"
            return f"{made}({self.text(value.value, depth + 1)})"
        if isinstance(value, tuple) and hasattr(kind, "_fields") and hasattr(kind, "_make"):
            return f"{self.text(kind, depth)}._make({self.text(tuple(value), depth + 1)})"
        functools = sys.modules.get("functools")
        if functools is not None and isinstance(value, functools._lru_cache_wrapper):
            options = value.cache_parameters()
            made = _member("functools", "lru_cache")
            inner = self.text(value.__wrapped__, depth + 1)
            return f"{made}(maxsize={options['maxsize']}, typed={options['typed']})({inner})"
        if isinstance(value, Object):
            raise CannotError("an object of a stored class: get it, or make it, within the method")
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
            reduced = value.__reduce_ex__(4)
        except Exception as error:  # noqa: BLE001 - a file, a lock, a connection
            raise CannotError("it lives in this program alone") from error
        if not isinstance(reduced, tuple):
            raise CannotError("")
        maker, args, state, items, pairs = (*reduced, None, None, None)[:5]
        if state:
            raise CannotError("it has a state of its own")
        if maker is type(value) or getattr(maker, "__name__", "") == "getLogger":
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
            members = [(each, member.value) for each, member in dict(cls.__members__).items()]
            base = writer.text(cls.__bases__[-1], 0)
            return f"{name} = {base}({cls.__name__!r}, {writer.text(members, 0)})\n"
    except CannotError:
        return None
    return None
