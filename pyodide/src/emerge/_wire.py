"""Between Python values and the pickles that the host's Rust reads and writes.

Requests are pickled by the C pickler; only what is no builtin type passes through here. Replies are unpickled by
``pickle.loads`` and name the functions below.
"""

from __future__ import annotations

import io
import pickle
import sys
from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from . import _classes
from ._object import Object, set_version
from ._values import EmptyArray, Ref, Table

if TYPE_CHECKING:
    from .errors import EmergeError

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICRO = timedelta(microseconds=1)

# Element types by the struct format of the buffer protocol; "l" and "q" go by size.
_FLOATS = {("f", 4): "float32", ("d", 8): "float64"}
_FORMATS = {
    "uint8": "B", "uint8c": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
    "int8": "b", "int16": "h", "int32": "i", "int64": "q", "float32": "f", "float64": "d",
}  # fmt: skip


# Constructors that replies name. In requests they stand for values and are not called.


def ref(path: str) -> Ref:
    """A reference."""
    return Ref.stored(path)


def table(columns: list[str], rows: list[list[Any]]) -> Table:
    """A table."""
    return Table(columns, rows)


def uuid(data: bytes) -> Any:
    """A UUID from its 16 bytes."""
    from uuid import UUID

    return UUID(bytes=data)


def instant(micros: int) -> datetime:
    """A moment from microseconds since 1970."""
    return _EPOCH + micros * _MICRO


def same(value: Any) -> Any:
    """The value itself: an enum's, or that of a subclass of a builtin type."""
    return value


def no(kind: str) -> Any:
    """What has no mapping, by the name of its type."""
    raise TypeError(f"{kind} has no place in an object")


def array(dtype: str, shape: tuple[int, ...], data: bytes) -> Any:
    """A typed array: a ``numpy.ndarray`` when the program has numpy loaded or can load it, else a ``memoryview``, or what stands for one
    that has no elements in several dimensions."""
    numpy = _numpy()
    if numpy is not None:
        kind = "uint8" if dtype == "uint8c" else dtype
        return numpy.frombuffer(bytearray(data), dtype=numpy.dtype(kind).newbyteorder("<")).reshape(shape)
    view: Any = memoryview(bytearray(data))
    if 0 in shape:
        return view.cast(_FORMATS[dtype]) if len(shape) == 1 else EmptyArray(dtype, tuple(shape))
    return view.cast(_FORMATS[dtype], shape)


def object(class_hash: bytes, fields: dict[str, Any]) -> Object:
    """An embedded object: of the class that this program has for the version, else of one that only shows fields."""
    cls = _classes.of_embedded(class_hash)
    made: Object = _classes.instance(cls, class_hash, fields)
    if not _classes.is_version_of(class_hash, cls):
        set_version(made, class_hash)
    return made


_numpy_module: Any = None


def _numpy() -> Any:
    global _numpy_module
    if _numpy_module is None:
        try:
            import numpy
        except ImportError:
            _numpy_module = False
        else:
            _numpy_module = numpy
    return _numpy_module or None


_CONSTRUCTORS = frozenset((ref, table, uuid, instant, same, no, array, object))
_PLAIN: tuple[Any, ...] = (str, int, float, bytes, list, dict, tuple, set, frozenset)


class _Writer(pickle.Pickler):
    """Writes what is no builtin type in the form that Rust reads."""

    records: dict[type[Object], _classes.Record]
    keeps: bool
    """Whether all is stored: then what would be read as something else is refused."""
    is_known: bool
    """Whether it is what the node has: then objects are of the versions of which they are there."""
    lost: bool
    """Whether there was such a value."""

    def __init__(self) -> None:
        self.out = io.BytesIO()
        super().__init__(self.out, 5)

    def reducer_override(self, value: Any) -> Any:
        """See ``pickle.Pickler``."""
        kind = type(value)
        if isinstance(value, Object):
            if self.is_known:
                return object, (_classes.version_of(value), _classes.fields_of(value))
            record = self.records.get(kind)
            if record is None:
                record = self.records[kind] = _classes.record_of(kind)
            return object, (record.hash, _classes.fields_of(value))
        if kind is datetime or isinstance(value, datetime):
            if kind is not datetime and value != value:
                return no, ("pandas.NaT (None says that there is no time)",)
            if value.utcoffset() is None:
                return no, ("a datetime without a time zone (as in datetime.now(timezone.utc))",)
            if getattr(value, "nanosecond", 0):
                return no, ("a pandas.Timestamp with nanoseconds (timestamp.floor('us') has none)",)
            if self._is_another(value, datetime):
                return no, (
                    _lost(f"a {kind.__module__}.{kind.__qualname__}", value, "the datetime that it stands for"),
                )
            return instant, ((value - _EPOCH) // _MICRO,)
        if kind is date or kind is timedelta:
            return NotImplemented
        if isinstance(value, timedelta):
            if getattr(value, "nanoseconds", 0):
                return no, ("a pandas.Timedelta with nanoseconds (timedelta.floor('us') has none)",)
            if self._is_another(value, timedelta):
                return no, (
                    _lost(f"a {kind.__module__}.{kind.__qualname__}", value, "the timedelta that it stands for"),
                )
            return same, (timedelta(value.days, value.seconds, value.microseconds),)
        if kind is Ref:
            return ref, (value.path,)
        if kind is Table:
            return table, (value.columns, value.rows)
        if kind is EmptyArray:
            return array, (value.dtype, value.shape, b"")
        if callable(value) and (value in _CONSTRUCTORS if kind is _FUNCTION else value in _known()):
            return NotImplemented
        module = kind.__module__
        if module == "uuid" and kind.__name__ == "UUID":
            return uuid, (value.bytes,)
        if module == "decimal" and kind.__name__ == "Decimal":
            return NotImplemented
        enum = sys.modules.get("enum")
        if enum is not None and isinstance(value, enum.Enum):
            self.lost = True
            what = f"the member {kind.__name__}.{value.value if value.name is None else value.name}"
            without = _without_place(what, value)
            if without is not None:
                return no, (without,)
            if self.keeps:
                return no, (_lost(what, value, "its value, or as a key its name"),)
            return same, (value.value,)
        for plain in _PLAIN:
            if isinstance(value, plain):
                if module.partition(".")[0] in _OF_ARRAYS:
                    return same, (plain(value),)
                self.lost = True
                if self.keeps:
                    return no, (_lost(f"a {module}.{kind.__qualname__}", value, f"{plain.__name__}(…) of it"),)
                return same, (plain(value),)
        if any(each.__module__ == "numpy" and each.__name__ == "ndarray" for each in kind.__mro__[1:]):
            self.lost = True
            if self.keeps and not any(each.__name__ in _SAME_ARRAYS for each in kind.__mro__):
                return no, (_lost(f"a {module}.{kind.__qualname__}", value, "numpy.asarray(…) of it"),)
        return _buffer(value)

    def _is_another(self, value: Any, base: type) -> bool:
        """Whether a value is of a class that extends a type, none of a library that is known for it, and is to be read as it was."""
        kind = type(value)
        if kind is base or kind.__module__.partition(".")[0] in _OF_ARRAYS:
            return False
        self.lost = True
        return self.keeps


_FUNCTION = type(ref)
# Arrays that lie elsewhere, and are no others; and one that is refused anyway, with a better word.
_SAME_ARRAYS = ("memmap", "MaskedArray")
# Whose elements are numbers and texts of Python's own.
_OF_ARRAYS = ("numpy", "pandas")


def _lost(what: str, value: Any, instead: str) -> str:
    """Why a value that would be read as another is not stored."""
    from ._kept import HINTED, Scope, kept, plain

    kind = type(value)
    read = next((each for each, base in _BASES.items() if isinstance(value, base)), type(plain(value)).__name__)
    if any(each.__name__ == "ndarray" for each in kind.__mro__[1:]):
        read = "ndarray"
    name = "defaultdict[str, int]" if kind.__name__ == "defaultdict" else kind.__name__
    if name != kind.__name__ or kept(kind, Scope({}, {})).read is not None:
        instead = (
            f"declare the field as {name}, Optional[{name}], list[{name}] …, by names that travel, or store {instead}"
        )
    else:
        instead = f"store {instead}"
    if kind.__name__ == "defaultdict":
        instead += "; the type in the hint is what must make its values, int of itself, and no lambda"
    if any(each is not kind for each in HINTED.get((kind.__module__, kind.__qualname__), ())):
        instead += (
            f"; if it is declared so, its hint means an earlier {kind.__name__}: run the statement of its class again"
        )
    return f"{what}, which no hint tells and which would come back as {_READ_AS.get(read, read)} ({instead}),"


def _without_place(what: str, member: Any) -> str | None:
    """Why a member of an enumeration is not stored by its value, when the wire has none such."""
    from ._kept import PLAIN_FORMS, has_place, plain

    held = plain(member.value)
    if type(held) in PLAIN_FORMS or has_place(held):
        return None
    made = type(member.value)
    return f"{what}, whose value is a {made.__module__}.{made.__qualname__} (store its name, and take {type(member).__name__}[name]),"


_BASES = {"datetime": datetime, "timedelta": timedelta}
_READ_AS = {"tuple": "list", "frozenset": "set"}


def _known() -> tuple[Any, ...]:
    decimal = sys.modules.get("decimal")
    return (date, timedelta) if decimal is None else (date, timedelta, decimal.Decimal)


_TIMES = {
    "M": " (value.item() is a datetime or a date; give a datetime its time zone)",
    "m": " (value.item() is a timedelta)",
}


_PROPERTIES = ("emerge.Meta", "emerge._meta.Meta", "emerge._meta.StoredMeta")


def _buffer(value: Any) -> Any:
    kind = type(value)
    name = f"{kind.__module__}.{kind.__qualname__}"
    if name in _PROPERTIES:
        return no, ("the properties of an object (take what is wanted of them, as in meta.path)",)
    if any(each.__name__ == "MaskedArray" for each in kind.__mro__):
        return no, (f"a value of type {name} (value.filled(…) is a plain array)",)
    dtype_kind = getattr(getattr(value, "dtype", None), "kind", "")
    if dtype_kind in _TIMES and not getattr(value, "ndim", 0):
        return no, (f"a value of type {name}{_TIMES[dtype_kind]}",)
    try:
        view: Any = memoryview(value)
        data = view.tobytes()
    except (TypeError, ValueError, BufferError, NotImplementedError):
        # No buffer, or one that was released, or of elements that the buffer protocol has no name for.
        return no, (f"a value of type {name}{_elements(value)}",)
    if len(view.format) > 1 and view.format[0] == _OTHER_ORDER and view.format[1:] in _FORMATS.values():
        return no, (
            f"an array of {view.format!r} (array.astype(array.dtype.newbyteorder('=')) has this machine's order)",
        )
    shown = view.format.lstrip("@=<" if sys.byteorder == "little" else "@=")
    if view.ndim == 0 and dtype_kind != "V":
        plain = value.item()
        if type(plain) in (bool, int, float):
            return same, (plain,)
    if shown == "?" or len(shown) != 1 or view.ndim == 0:
        return no, (
            f"an array of {view.format!r}{_INSTEAD.get(shown, '')}" if view.ndim else f"a value of type {name}",
        )
    dtype = _FLOATS.get((shown, view.itemsize))
    if dtype is None and shown in "bBhHiIlLqQnN":
        dtype = f"{'int' if shown.islower() else 'uint'}{view.itemsize * 8}"
    if dtype is None:
        return no, (f"an array of {view.format!r}{_INSTEAD.get(shown, '')}",)
    return array, (dtype, tuple(view.shape), data)


_OTHER_ORDER = ">" if sys.byteorder == "little" else "<"
# What may be stored instead of arrays of some elements.
_INSTEAD = {
    "?": " (array.astype('uint8') is one of numbers, array.tolist() a list)",
    "e": " (array.astype('float32') has a place)",
    "g": " (array.astype('float64') has a place)",
    "w": " (array.tolist() is a list of texts)",
    "O": " (array.tolist() is a list)",
}


def _elements(value: Any) -> str:
    if hasattr(value, "to_dict") and hasattr(value, "to_numpy"):
        return " (value.to_dict() is a map, value.to_numpy() an array; emerge.Table has columns and rows)"
    dtype = getattr(value, "dtype", None)
    if dtype is None:
        return ""
    return f" with elements of type {dtype} (value.tolist() is a list)"


# Writers that wait for their next request: to make one takes longer than to write a small request.
_idle: list[_Writer] = []


def dumps(value: Any, keeps: bool = False) -> tuple[bytes, list[_classes.Record]]:
    """Pickles a request; also gives the classes of the objects in it.

    What a request stores (``keeps``) is to be read as it was: of what would not be, the pickle says so, and its reader refuses it with
    the path to it.
    """
    data, records, _ = _dumps(value, keeps)
    return data, records


def dumps_known(value: Any) -> bytes:
    """Pickles what came from the node as it is there."""
    return _dumps(value, False, True)[0]


def dumps_call(result: Any, fields: dict[str, Any]) -> bytes:
    """Pickles what a method gave, and the fields of its object, which are stored.

    Raises:
        UnmappableValueError: a field's value would be read as something else.
    """
    data, _, lost = _dumps((result, fields), False)
    if lost:
        from . import _host

        # The result may hold it, of which nothing is stored.
        _host.host().check(_dumps(fields, True)[0])
    return data


def _dumps(value: Any, keeps: bool, is_known: bool = False) -> tuple[bytes, list[_classes.Record], bool]:
    try:
        writer = _idle.pop()
    except IndexError:
        writer = _Writer()
    out = writer.out
    records: dict[type[Object], _classes.Record] = {}
    writer.records = records
    writer.keeps, writer.is_known, writer.lost = keeps, is_known, False
    # One that fails is not used again.
    try:
        writer.dump(value)
    except RecursionError as error:
        from .errors import TooDeepError

        raise TooDeepError("the value nests deeper than this Python can write") from error
    data = out.getvalue()
    writer.clear_memo()
    out.seek(0)
    out.truncate()
    _idle.append(writer)
    return data, list(records.values()), writer.lost


def of_field(error: EmergeError, fields: dict[str, Any]) -> EmergeError:
    """An error that a state is too large or too deep, with the field to blame: the largest, or the first that is too deep."""
    sizes: dict[str, int] = {}
    for name, value in fields.items():
        try:
            sizes[name] = len(dumps(value)[0])
        except type(error):
            sizes = {name: 0}
            break
    field = max(sizes, key=sizes.__getitem__, default=None)
    return type(error)(f"{error.message} (field {field})", field=field, limit=error.limit, path=error.path)


loads = pickle.loads
