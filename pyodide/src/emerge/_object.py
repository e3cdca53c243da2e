"""Objects, and the decorator of their classes."""

from __future__ import annotations

import dataclasses
import linecache
import reprlib
import sys
import time
from collections.abc import Callable, Mapping
from types import CodeType, FrameType, MemberDescriptorType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ._meta import Meta, StoredMeta

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform

    from ._fs import FileSystem
else:

    def dataclass_transform(**_: Any) -> Callable[[Any], Any]:
        """For type checkers."""
        return lambda decorated: decorated


T = TypeVar("T")

BEGAN = time.time()
"""What was edited later than this may be other than what runs."""


class Head:
    """What an object that came from a node, or went there, remembers of it."""

    __slots__ = ("_meta", "_raw", "historic", "path", "state", "version")

    def __init__(
        self, path: str, raw: tuple[Any, ...], version: int, state: Callable[[], bytes], historic: bool
    ) -> None:
        self.path = path
        self._raw = raw
        self._meta: StoredMeta | None = None
        self.version = version
        self.state = state
        """Gives the pickled fields as the node has them."""
        self.historic = historic

    def __reduce__(self) -> Any:
        return _head, (self.path, self._raw, self.version, self.state(), self.historic)

    @property
    def meta(self) -> StoredMeta:
        """The object's properties."""
        if self._meta is None:
            # Of what was stored neither all is known nor, as of what was fetched before, its new size.
            known = Meta if self._raw[12] is not None else StoredMeta
            self._meta = known(self.path, self._raw)
        return self._meta


def _head(path: str, raw: tuple[Any, ...], version: int, state: bytes, historic: bool) -> Head:
    """What a pickled object remembered."""
    return Head(path, raw, version, lambda: state, historic)


class Object:
    """The base of all classes whose objects Emerge keeps.

    ::

        @emerge.dataclass
        class InventoryItem(emerge.Object):
            unit_price: float = 0.0
            quantity_on_hand: int = 0

            def total_cost(self) -> float:
                return self.unit_price * self.quantity_on_hand

    Fields are the attributes of the instance.
    """

    # ``Box[int](1)`` sets the second: typing's own, and no field.
    __slots__ = ("__dict__", "__orig_class__", "__weakref__", "_emerge_head", "_emerge_version")

    _emerge_is_part = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # What ``__slots__`` names is a field as any other, and so lies where fields lie.
        for member, slot in list(cls.__dict__.items()):
            if type(slot) is MemberDescriptorType:
                delattr(cls, member)
        frame = _statement_of(cls)
        name = frame.f_code.co_filename
        line = cls.__dict__.get("__firstlineno__", frame.f_lineno)
        linecache.checkcache(name)
        PLACES[cls] = (name, line, linecache.getlines(name, frame.f_globals), frame.f_globals, *_around(cls, frame))
        if not cls.__module__.startswith("emerge."):
            NEWEST[cls.__name__] = cls
            place = place_of(cls)
            NAMESAKES.setdefault(cls.__name__, {})[place] = cls
            code, made = TOGETHER.get(place, (None, []))
            TOGETHER[place] = (frame.f_code, [*made, cls] if code is frame.f_code else [cls])

    @property
    def meta(self) -> StoredMeta | None:
        """The properties that the node gives: path, version, owner …; ``None`` until it was stored or fetched. After a store some are not
        known (:class:`StoredMeta`)."""
        head = head_of(self)
        return head.meta if head is not None else None

    @property
    def fs(self) -> FileSystem:
        """The file system of the node that runs this method; elsewhere an error."""
        import emerge

        return emerge.fs

    @reprlib.recursive_repr()
    def __repr__(self) -> str:
        fields = vars(self)
        if dataclasses.is_dataclass(self):
            # One of a search for some of its fields has no others.
            shown_fields = (
                each.name for each in dataclasses.fields(self) if each.repr and (each.name in fields or not each.init)
            )
            fields = {name: getattr(self, name) for name in shown_fields if hasattr(self, name)}
        shown = ", ".join(f"{name}={value!r}" for name, value in fields.items())
        return f"{type(self).__qualname__}({shown})"


def _statement_of(cls: type) -> FrameType:
    """The frame that runs the class statement: where its source is, as far as Python keeps any.

    Between it and here may be a metaclass, an ``__init_subclass__``, a decorator that makes the class again.
    """
    frame: FrameType | None = sys._getframe(2)
    nearest: Any = frame
    while frame is not None:
        if frame.f_globals.get("__name__") == cls.__module__ and frame.f_code.co_name not in _MAKERS:
            return frame
        frame = frame.f_back
    return nearest  # type: ignore[no-any-return]


_OPTIMIZED = 1
_RUN_AT_ONCE = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")


def runs_at_once(code: CodeType) -> bool:
    """Whether code within some is run with that: the body of a class, a comprehension."""
    return not code.co_flags & _OPTIMIZED or code.co_name in _RUN_AT_ONCE or code.co_name.startswith("<generic")


def _around(cls: type, frame: FrameType) -> tuple[dict[str, Any], dict[str, Any]]:
    """What names that a class statement uses stand for while it is run: in its module, and in the function or class that it stands in."""
    bodies = [each for each in frame.f_code.co_consts if isinstance(each, CodeType) and each.co_name == cls.__name__]
    for body in bodies:
        bodies += [each for each in body.co_consts if isinstance(each, CodeType) and runs_at_once(each)]
    names = {name for body in bodies for name in body.co_names if name in frame.f_globals}
    inner = {name for body in bodies for name in body.co_freevars}
    within: dict[str, Any] = {}
    if frame.f_locals is not frame.f_globals:
        # Beside what its body uses: its decorators and its bases, which leave no trace of their names.
        is_function = frame.f_code.co_flags & _OPTIMIZED
        for name, value in frame.f_locals.items():
            if is_function and name in inner or callable(value) and name not in names:
                within[name] = value
    return {name: frame.f_globals[name] for name in names}, within


_MAKERS = ("__init_subclass__", "__new__", "__call__")

NEWEST: dict[str, type[Object]] = {}
"""The class of which fetched objects of each name are instances: the newest that was made, defined or stored."""
NAMESAKES: dict[str, dict[tuple[str, str], type[Object]]] = {}
"""The classes of each name, by module and qualified name: a statement that is run again replaces the class that it made before."""
TOGETHER: dict[tuple[str, str], tuple[CodeType, list[type[Object]]]] = {}
"""The classes that one statement made while it was compiled once, by a factory or in a loop, by place: none of them replaces another."""
PLACES: dict[type[Object], tuple[str, int, list[str], dict[str, Any], dict[str, Any], dict[str, Any]]] = {}
"""File, line, lines of the file and globals of each class statement; what names that it uses stood for in its module, and within a function."""


def place_of(cls: type[Object]) -> tuple[str, str]:
    """Where a class statement stands. Versions of a class that came from a node have one place."""
    module = cls.__module__
    return ("stored" if module.startswith("stored.") else module), cls.__qualname__


def head_of(value: Object) -> Head | None:
    """What an object remembers of the node."""
    # By its slot: a class may give an answer of its own to whatever it is asked for.
    try:
        head: Head | None = _HEAD(value)
    except AttributeError:
        return None
    return head


def version_at(value: Object) -> bytes | None:
    """What :func:`set_version` made an object remember."""
    try:
        version: bytes | None = _VERSION(value)
    except AttributeError:
        return None
    return version


_HEAD = Object.__dict__["_emerge_head"].__get__
_VERSION = Object.__dict__["_emerge_version"].__get__


def set_head(value: Object, head: Head | None) -> None:
    """Makes an object remember."""
    object.__setattr__(value, "_emerge_head", head)


def set_version(value: Object, class_hash: bytes) -> None:
    """Makes an object within another remember its version at the node, which is not that of its class here."""
    object.__setattr__(value, "_emerge_version", class_hash)


def field(
    *,
    default: Any = dataclasses.MISSING,
    default_factory: Any = dataclasses.MISSING,
    doc: str | None = None,
    repr: bool = True,
    init: bool = True,
    compare: bool = True,
    kw_only: bool = False,
    metadata: Mapping[str, Any] | None = None,
) -> Any:
    """A field with more than a default, as ``dataclasses.field``.

    Args:
        default: the default.
        default_factory: makes the default of each new object.
        doc: one sentence on what the field means; the node keeps it.
        repr: whether ``repr`` shows it.
        init: whether the constructor takes it.
        compare: whether ``==`` looks at it.
        kw_only: whether the constructor takes it by name only.
        metadata: for other tools.
    """
    extra = dict(metadata or {})
    if doc is not None:
        extra["doc"] = doc
    return dataclasses.field(
        default=default,
        default_factory=default_factory,
        repr=repr,
        init=init,
        compare=compare,
        kw_only=kw_only,
        metadata=extra,
    )


@overload
def dataclass(cls: type[T], /) -> type[T]: ...
@overload
def dataclass(
    *, init: bool = True, repr: bool = True, eq: bool = True, order: bool = False, kw_only: bool = False
) -> Callable[[type[T]], type[T]]: ...
@dataclass_transform(field_specifiers=(field, dataclasses.field))
def dataclass(cls: type[T] | None = None, /, **options: Any) -> Any:
    """Makes the annotated names of a class its fields, as ``dataclasses.dataclass``; the class extends ``Object``."""

    def decorate(cls: type[T]) -> type[T]:
        if not issubclass(cls, Object):
            raise TypeError(f"class {cls.__name__} must extend emerge.Object: class {cls.__name__}(emerge.Object)")
        made = dataclasses.dataclass(**{**options, "repr": False})(cls)
        if options.get("repr", True) and "__repr__" not in vars(made):
            made.__repr__ = Object.__repr__  # type: ignore[method-assign]
        return made

    return decorate if cls is None else decorate(cls)
