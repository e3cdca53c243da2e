"""The pieces of work of the guest."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import functools
import importlib
import inspect
import json
import linecache
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import guest_loop
import guest_packages
import guest_world
from guest_stand_in import stand_in
from guest_parts import done, in_parts, join
from guest_text import class_error, fields_of, free_names, made_methods, methods_of

import emerge
from emerge import _classes, _hints, _host_guest, _load, _source, _wire
from emerge._meta import Meta
from emerge._names import in_order
from emerge._packages import packages_of
from emerge._object import NEWEST, PLACES, Object, head_of
from emerge._search import Search
from emerge._shared import Shared
from emerge._texts import unmarked

_WAY = "its operator can add packages of pure Python, by --python-packages"
_texts: dict[str, str] = {}
_loaded: dict[bytes, type[Object]] = {}
# What each class has by each name, its bases' included.
_members: dict[type[Object], dict[str, Any]] = {}
_FUNCTION = type(lambda: None)
_PROPERTIES = (property, functools.cached_property)


def _see(file: str, text: str) -> None:
    _texts[file] = text
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)


def boot(packages: list[bytes]) -> list[bytes]:
    """Shuts the world, adds the operator's packages, and makes all that a call goes through fast."""
    guest_world.seal()
    guest_packages.add(packages)
    guest_loop.seal()
    _warm()
    guest_loop.leave()
    guest_world.settle()
    return []


_WARM = """@emerge.dataclass
class Warm(emerge.Object):
    number: int = 0
    ratio: float = 0.0
    text: str = ""

    def run(self, by=1, *more):
        self.number += by
        return self.number

    async def wait(self, by=1):
        return [by, {"text": self.text}, None, True]

    @property
    def shown(self):
        return self.text
"""


def _warm() -> None:
    """Runs calls of a class of our own: Python rewrites code for the types that it meets, and what it has learnt by now it need not learn in each call."""
    address = bytes(16)
    source = ("Warm", "python", _WARM, [], [], None, [("emerge", "module", "emerge")])
    cls = define(address, {address: source})
    state = {"number": 1, "ratio": 0.5, "text": "text"}
    for _ in range(64):
        for method, values in (("run", [2]), ("wait", [2]), ("shown", [])):
            guest_world.begin(1)
            call(_wire.dumps((address, method, "/warm", state, values))[0])
            guest_world.end()
    del _members[cls], _loaded[address], PLACES[cls], NEWEST["Warm"], sys.modules[cls.__module__], _texts["Warm"], linecache.cache["Warm"]
    _classes.forget(cls, address)


def _bind(owner: str, captures: list[Any], known: dict[bytes, Any], space: dict[str, Any], shared: Shared) -> None:
    for name, kind, *payload in captures:
        if kind == "module":
            space[name] = _module(owner, payload[0])
        elif kind == "member":
            module = _module(owner, payload[0])
            if not hasattr(module, payload[1]):
                raise class_error(f"class {owner} uses {payload[0]}.{payload[1]}, which is not there on the node", name)
            space[name] = getattr(module, payload[1])
        elif kind == "source":
            shared.give(name, space, functools.partial(_run, owner, name, payload[0], space))
        elif kind == "value":
            space[name] = payload[0]
        else:
            space[name] = define(payload[0], known)


def _run(owner: str, name: str, text: str, space: dict[str, Any]) -> None:
    file = f"{owner}: {name}"
    _see(file, unmarked(text)[0])
    exec(_compile(owner, text, file, space, {name}), space)


def _module(owner: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise class_error(f"class {owner} uses the module {name}, which the node does not have ({_WAY})", name) from error


def _compile(owner: str, text: str, file: str, space: dict[str, Any], later: set[str]) -> Any:
    try:
        return _load.code_of(text, file, space, later, owner)
    except SyntaxError as error:
        has = ".".join(map(str, sys.version_info[:2]))
        raise class_error(f"class {owner}, line {error.lineno}: {error.msg} (the node has Python {has})", None) from None


def define(address: bytes, known: dict[bytes, Any]) -> type[Object]:
    """Makes the class of a version, after those that it needs."""
    made = _loaded.get(address)
    if made is not None:
        return made
    if address not in known:
        raise class_error(f"the class version {address.hex()} is not there", None)
    name, language, text, bases, fields, _, captures = known[address][:7]
    if language != "python":
        raise class_error(f"class {name} is in {language}, and a class in Python cannot use it", name)
    above = {base: define(needed, known) for base, needed in bases}
    for _, kind, *payload in captures:
        if kind == "class":
            define(payload[0], known)
    # One that it needs may have it within, as its peer.
    cls = _classes.trusted(address)
    if cls is None:
        cls = _make(address, name, text, above, captures, known)
    _loaded[address] = cls
    _classes.adopt(cls, address)
    # What is found out once for each class is found out now, and not in each call.
    _classes.converters(cls)
    members = _members[cls] = {name: member for each in reversed(cls.__mro__) for name, member in vars(each).items()}
    members[_FACTORIES] = _make_fields
    return cls


# ``pickle`` asks for the package of the module of a class.
sys.modules["stored"] = ModuleType("stored")

# What a migration calls; no method has such a name.
_FACTORIES = "<factories>"


def _make_fields(self: Object, *names: str) -> None:
    """Gives an object those of some fields whose defaults are made by the class's own factories, which are no values."""
    declared = getattr(type(self), "__dataclass_fields__", {})
    for name in names:
        factory = declared[name].default_factory if name in declared else dataclasses.MISSING
        if factory is not dataclasses.MISSING:
            vars(self)[name] = factory()


def _make(
    address: bytes, name: str, text: str, bases: dict[str, type[Object]], captures: list[Any], known: dict[bytes, Any]
) -> type[Object]:
    shared = Shared(name, address, known[address][3], captures)
    module = ModuleType(f"stored.{address.hex()}")
    sys.modules[module.__name__] = module
    space = vars(module)
    early, late = in_order(name, captures)
    space.update(bases)
    _bind(name, early, known, space, shared)
    _see(name, unmarked(text)[0])
    later = {name, *(capture[0] for capture in captures)}
    exec(_compile(name, text, name, space, later), space)
    cls: Any = space.get(name)
    if not (isinstance(cls, type) and issubclass(cls, Object)):
        raise class_error(f"the source of {name} defines no class of that name that extends emerge.Object", name)
    _classes.adopt(cls, address)
    _bind(name, late, known, space, shared)
    shared.publish()
    _classes.find_peers(cls, captures, space)
    return cls


def _known(pickled: bytes) -> tuple[bytes, dict[bytes, Any]]:
    versions = _wire.loads(pickled)
    return versions[0][0], {version[0]: version[5] for version in versions}


def analyse(parts: list[bytes]) -> list[bytes]:
    """Checks a class and gives its own methods."""
    address, known = _known(parts[0])
    name, _, text, bases, fields, _, captures, *more = known[address]
    packages = more[1] if len(more) > 1 else []
    stand_in(known)
    code = _compile(name, text, name, {}, set())
    tree = ast.parse(unmarked(text)[0])
    statement = tree.body[-1] if tree.body else None
    if len(tree.body) != 1 or not isinstance(statement, ast.ClassDef) or statement.name != name:
        raise class_error(f"the source of class {name} is more or less than its class statement", name)
    given = {capture[0] for capture in captures} | {base[0] for base in bases} | {name}
    for free in free_names(code, set(vars(builtins)) | given):
        raise class_error(f"class {name} uses {free}, which is not defined on the node", free)
    cls = define(address, known)
    _agree(cls, [_loaded[each] for _, each in bases], fields_of(statement), fields)
    if list(packages) != list(packages_of(cls)):
        said = ", ".join(packages) or "none"
        raise class_error(f"class {name}: its source requires other packages than its record, which says {said}", "requires")
    members = methods_of(statement, name)
    members += made_methods(cls, Object, members, [each[0] for each in fields])
    for field in fields:
        if field[0] in {member["name"] for member in members}:
            raise class_error(f"class {name} has a field and a method named {field[0]}", field[0])
    return [json.dumps(members).encode()]


def _agree(cls: type[Object], bases: list[type[Object]], declared: list[str], fields: list[Any]) -> None:
    """Sees that what a record says of a class is what the class's source says."""
    name = cls.__name__
    if [each for each in cls.__bases__ if issubclass(each, Object) and each is not Object] != bases:
        said = ", ".join(each.__name__ for each in bases) or "none"
        raise class_error(f"class {name}: its source has other bases than its record, which says {said}", "bases")
    recorded = [each[0] for each in fields]
    made = {each[0]: each for each in _hints.fields_of_class(cls)}
    for each in declared:
        if each not in recorded and each in made:
            raise class_error(f"class {name}: its source declares the field {each}, and its record does not", each)
    for field, kind, has_default, *_ in fields:
        if field not in declared:
            raise class_error(f"class {name}: its record has the field {field}, which its source does not declare", field)
        _, own, own_default, *_ = made.get(field, (field, "any", has_default))
        # What a type is called here is not always known: "any" says nothing.
        if "any" not in (own, kind) and own != kind:
            raise class_error(f"class {name}: the field {field} is {own} in its source and {kind} in its record", field)
        if own_default != has_default:
            least, most = ("source", "record") if has_default else ("record", "source")
            raise class_error(f"class {name}: the field {field} has a default in its {most} and none in its {least}", field)


_owner: str | None = None


def load(parts: list[bytes]) -> list[bytes]:
    """Makes a class, and those that it needs."""
    global _owner
    address, known = _known(parts[0])
    _owner = _wire.loads(parts[0])[0][3]
    define(address, known)
    _source.forget()
    guest_world.settle()
    return []


def _meet(lineage: list[tuple[Any, ...]]) -> type[Object] | None:
    """The class of an object that a method holds, is given or fetches.

    Its code runs with the rights of the running method, those of the caller and of the method's owner: so only a class of the same owner is made. It is
    there for this call; its names do not come before those of the running class.
    """
    newest = lineage[0]
    if newest[5][1] != "python" or newest[3] != _owner:
        return None
    known = {version[0]: version[5] for version in lineage}
    waiting = list(known.values())
    try:
        while waiting:
            for _, kind, *payload in waiting.pop()[6]:
                if kind == "class" and payload[0] not in known and payload[0] not in _loaded:
                    more = {version[0]: version[5] for version in _host_guest.lineage_of(payload[0])}
                    known.update(more)
                    waiting += more.values()
        named = dict(NEWEST)
        try:
            return define(newest[0], known)
        finally:
            NEWEST.update(named)
    except emerge.EmergeError:
        return None


_host_guest.meet = _meet
_new = object.__new__
_set = object.__setattr__


def _as_it_is(result: Any) -> Any:
    return result


as_value: Callable[[Any], Any] = _as_it_is
"""What of a result is a value that travels: native Python makes tables of frames."""


def call(data: bytes) -> bytes:
    """Runs a method. Takes a pickled tuple: the class version, the method's name, the object's path, state and the arguments."""
    address, name, path, state, args, *more = _wire.loads(data)
    cls = _loaded[address]
    target = _new(cls)
    fields = target.__dict__
    fields.update(state)
    converters = _classes.converters(cls)
    if converters:
        for field, convert in converters.items():
            if field in fields:
                fields[field] = convert(fields[field])
    _head.path = path
    _head.data = data
    _set(target, "_emerge_head", _head)
    try:
        member = _members[cls][name]
    except KeyError:
        raise AttributeError(f"class {cls.__name__} has no method {name}") from None
    try:
        if more:
            result = _call_with(member, target, cls, args, *more)
        elif type(member) is _FUNCTION:
            result = member(target, *args)
        else:
            result = member.__get__(target, cls)
            if not isinstance(member, _PROPERTIES):
                result = result(*args)
    except TypeError as error:
        if _is_of_the_call(error, len(more)):
            raise _wrong_arguments(error, name, member) from None
        raise
    if hasattr(result, "send") and hasattr(result, "__await__"):
        result = guest_loop.finish(result)
    result = as_value(result)
    if more and more[1]:
        result = _kept(result)
    if type(target) is not cls:
        raise _another_class(cls, type(target), path)
    pickled = _wire.dumps_call(result, _classes.fields_of(target))
    # They may be large, and so is the copy that is to come.
    del result, fields, target
    return done(pickled)


def _another_class(cls: type[Object], other: type, path: str) -> Exception:
    return emerge.errors.UnmappableValueError(
        f"the method has set __class__ of its object to {other.__name__}, and an object stays of its class, {cls.__name__}: store another "
        "object, or give this one another version of its class by fs.migrate",
        field="__class__",
        path=path,
    )


def _call_with(member: Any, target: Any, cls: Any, args: list[Any], kwargs: dict[str, Any], is_query: bool) -> Any:
    if is_query:
        args = [emerge.fs, *args]
    bound = member.__get__(target, cls)
    return bound if isinstance(member, _PROPERTIES) else bound(*args, **kwargs)


def _is_of_the_call(error: TypeError, deeper: int) -> bool:
    """Whether the arguments did not fit: then no frame of the method is in the traceback."""
    step = error.__traceback__
    for _ in range(1 + bool(deeper)):
        step = step.tb_next if step is not None else None
    return step is None


def _wrong_arguments(error: TypeError, name: str, member: Any) -> Exception:
    function = getattr(member, "__func__", member)
    try:
        signature = _signature(function)
        params = list(signature.parameters.values())
        if not isinstance(member, staticmethod):
            params = params[1:]
        shown = _shown(signature.replace(parameters=params))
    except (TypeError, ValueError):
        return error
    return emerge.errors.BadArgumentError(f"{error}; it is called as {name}{shown}", field="args")


if sys.version_info >= (3, 14):
    import annotationlib

    def _signature(function: Any) -> inspect.Signature:
        return inspect.signature(function, annotation_format=annotationlib.Format.STRING)

    def _shown(signature: inspect.Signature) -> str:
        return signature.format(quote_annotation_strings=False)
else:
    _signature, _shown = inspect.signature, str


def _kept(value: Any) -> Any:
    """What a query gave, as it can be kept: objects that are stored become references, and what gives values one by one a list."""
    kind = type(value)
    if isinstance(value, Object):
        head = head_of(value)
        return value if head is None else emerge.Ref(head.path)
    if kind is Meta:
        return emerge.Ref(value.path)
    if kind is emerge.Table:
        return emerge.Table(value.columns, [[_kept(each) for each in row] for row in value.rows])
    if isinstance(value, dict):
        return {name: _kept(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, Search)) or hasattr(value, "__next__"):
        return [_kept(each) for each in value]
    if isinstance(value, (set, frozenset)):
        return {_kept(each) for each in value}
    return value


class _CallHead:
    """What the object of a call remembers of the node, as :class:`emerge._object.Head`: its path at once, the rest when it is asked for."""

    __slots__ = ("_meta", "data", "path")

    def __reduce__(self) -> str:
        # In a pickle, and in a copy, it is the one of the call.
        return "_head"

    version = 0
    historic = False
    path: str
    data: bytes

    @property
    def meta(self) -> Any:
        try:
            return self._meta
        except AttributeError:
            self._meta = made = _LateMeta(self.path)
            return made

    def state(self) -> bytes:
        """The pickled fields as the node has them."""
        return _wire.dumps_known(_wire.loads(self.data)[3])


# Of the one call that this Python will see before its memory is put back.
_head = _CallHead()


class _LateMeta:
    """An object's properties: the path at once, the rest asked for."""

    __module__, __qualname__ = "emerge", "Meta"
    __slots__ = ("_rest", "path")

    def __init__(self, path: str) -> None:
        self.path = path
        self._rest: Meta | None = None

    def __getattr__(self, name: str) -> Any:
        if self._rest is None:
            self._rest = emerge.fs.stat(self.path)
        return getattr(self._rest, name)


_FILE = "stored_file"


def run_file(parts: list[bytes]) -> list[bytes]:
    """Runs a file and gives its ``objects``: for each its path, its class and those that it needs, its state. It runs as a module: what it does as a main program
    needs the world outside."""
    file, text = parts[0].decode(), parts[1].decode()
    _see(file, text)
    module = ModuleType(_FILE)
    module.__file__ = file
    sys.modules[_FILE] = module
    try:
        code = compile(text, file, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise class_error(f"{file}, line {error.lineno}: {error.msg}", None) from None
    try:
        exec(code, vars(module))
    except ImportError as error:
        if error.name and not isinstance(error, ModuleNotFoundError):
            raise
        raise emerge.errors.BadArgumentError(
            f"{file}: {error}. A file is run by itself in the node's Python, which has only its own library and emerge: put what it uses "
            "into the file, or store from a Python of your own (emerge.connect, fs.store), where what classes use travels along",
            field=error.name,
        ) from error
    objects = getattr(module, "objects", None)
    if not isinstance(objects, dict):
        raise emerge.errors.BadArgumentError(f'{file} has no top-level mapping "objects" of path to object')
    out: list[bytes] = []
    for path, value in objects.items():
        if not isinstance(value, Object) or not isinstance(path, str):
            raise emerge.errors.BadArgumentError(f"objects[{path!r}] is no object of Emerge's", field=str(path))
        try:
            sources, state = _with_classes(value)
        except emerge.EmergeError as error:
            error.path = error.path or path
            error.message = f"objects[{path!r}]: {error.message}"
            raise
        out += [path.encode(), join(sources), state]
    return out


def _with_classes(value: Object) -> tuple[list[bytes], bytes]:
    """The classes that an object needs, its own last, and its state."""
    order: dict[bytes, Any] = {}
    own = _classes.record_of(type(value))
    _needed(own, order)
    state, used = _wire.dumps(_classes.fields_of(value), keeps=True)
    for each in used:
        _needed(each, order)
    order[own.hash] = order.pop(own.hash)
    return [_wire.dumps(each.source)[0] for each in order.values()], state


def _needed(record: Any, order: dict[bytes, Any]) -> None:
    for each in record.needs:
        _needed(each, order)
    order.setdefault(record.hash, record)


def failure(error: BaseException) -> bytes:
    """A failure as JSON, with the user's own lines."""
    told: dict[str, Any] = {"name": type(error).__name__, "message": _message(error)}
    if isinstance(error, emerge.EmergeError):
        for name in ("code", "path", "field", "limit", "trace"):
            told[name] = getattr(error, name, None)
    trace = _frames(error) + (told.get("trace") or "") + _others(error)
    if trace:
        told["trace"] = trace
    return json.dumps(told).encode()


def _frames(error: BaseException) -> str:
    """The user's own lines that an error went through, most recent call last."""
    frames = []
    step = error.__traceback__
    while step is not None:
        file, line = step.tb_frame.f_code.co_filename, step.tb_lineno
        lines = _texts[file].splitlines() if file in _texts else []
        if 0 < line <= len(lines):
            frames.append(f"  {file}, line {line}, in {_name_of(step.tb_frame.f_code)}\n    {lines[line - 1].strip()}\n")
        step = step.tb_next
    if len(frames) > 32:
        frames = [*frames[:16], f"  ({len(frames) - 32} more calls)\n", *frames[-16:]]
    return "".join(frames)


def _name_of(code: Any) -> str:
    return getattr(code, "co_qualname", code.co_name)


# Errors behind an error that are told, and characters of each one's message.
_MOST_OTHERS = 8
_MOST_WORDS = 1000


def _others(error: BaseException) -> str:
    """The errors behind an error: those of a group, its cause, and what was being handled."""
    told: list[str] = []
    seen = {id(error)}
    waiting = _behind(error)
    while waiting and len(told) < _MOST_OTHERS:
        how, other = waiting.pop(0)
        if id(other) in seen:
            continue
        seen.add(id(other))
        message = _message(other)[:_MOST_WORDS]
        told.append(f"{how} {type(other).__name__}{': ' if message else ''}{message}\n{_frames(other)}")
        waiting[:0] = _behind(other)
    return "".join(told)


def _behind(error: BaseException) -> list[tuple[str, BaseException]]:
    found = [("with", each) for each in error.exceptions] if isinstance(error, _GROUP) else []
    if error.__cause__ is not None:
        found.append(("caused by", error.__cause__))
    elif error.__context__ is not None and not error.__suppress_context__:
        found.append(("while handling", error.__context__))
    return found


# Python 3.10 has none.
_GROUP: Any = getattr(builtins, "BaseExceptionGroup", ())


def _message(error: BaseException) -> str:
    try:
        return error.message if isinstance(error, emerge.EmergeError) else str(error)
    except BaseException:  # noqa: BLE001 - an error whose text fails has none
        return ""


WORK = [in_parts(boot), in_parts(analyse), in_parts(load), call, in_parts(run_file)]
