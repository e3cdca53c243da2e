"""What surrounds stored code: its log, its randomness, and modules as they were before each attempt."""

from __future__ import annotations

import builtins
import io
import random
import sys
from itertools import repeat
from operator import is_
from types import BuiltinFunctionType, FunctionType, GetSetDescriptorType, ModuleType
from typing import Any

import wit_world  # type: ignore[import-not-found]

_MISSING = object()
_RECURSION = 500


class _Log(io.TextIOBase):
    """``print`` and all that writes to the standard output: the call's log, line by line."""

    def __init__(self) -> None:
        super().__init__()
        self._line = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, rest = (self._line + text).split("\n")
        for line in lines:
            wit_world.log(line)
        self._line = rest
        if len(rest) > 65536:
            self.finish()
        return len(text)

    def finish(self) -> None:
        """Writes what has no line's end."""
        if self._line:
            line, self._line = self._line, ""
            wit_world.log(line)


class _Guest(ModuleType):
    """The module that ``emerge._host_guest`` asks."""

    def request(self, request: bytes) -> tuple[bool, bytes]:
        """Runs an operation in the call's transaction."""
        return wit_world.ask(0, request, b"")

    def class_hash(self, source: bytes) -> tuple[bool, bytes]:
        """The address of a class."""
        return wit_world.ask(1, source, b"")

    def check(self, value: bytes) -> tuple[bool, bytes]:
        """Whether a value can travel."""
        return wit_world.ask(2, value, b"")

    def changes(self, old: bytes, new: bytes) -> tuple[bool, bytes]:
        """What changed between two dicts."""
        return wit_world.ask(3, old, new)


sys.modules["_emerge_guest"] = _Guest("_emerge_guest")


def _refuse(what: str) -> Any:
    def refused(*_: Any, **__: Any) -> Any:
        raise OSError(95, f"{what} is not there for stored code")

    refused.__name__ = what.rpartition(".")[2]
    return refused


def _seal() -> None:
    """What would reach for the machine is an ``OSError`` (95, not supported)."""
    import os
    import posix
    import time

    import _io

    keep = {"fspath", "urandom", "strerror", "fsencode", "fsdecode", "getpid", "get_terminal_size", "_path_normpath"}
    for name, value in list(vars(posix).items()):
        if callable(value) and not isinstance(value, type) and name not in keep and not name.startswith("_path_"):
            refused = _refuse(f"os.{name}")
            setattr(posix, name, refused)
            if getattr(os, name, None) is value:
                setattr(os, name, refused)
    for module in (builtins, io, _io):
        for name in ("open", "open_code"):
            if hasattr(module, name):
                setattr(module, name, _refuse("open"))
    for name in ("FileIO",):
        setattr(io, name, _refuse(name))
        setattr(_io, name, _refuse(name))
    time.sleep = _refuse("time.sleep")
    for name in ("input", "breakpoint"):
        setattr(builtins, name, _refuse(name))
    try:
        import _socket
    except ImportError:
        return
    for name, value in list(vars(_socket).items()):
        if callable(value) and not (isinstance(value, type) and issubclass(value, BaseException)):
            setattr(_socket, name, _refuse(f"socket.{name}"))
    import socket

    # It extends the type that was there before.
    socket.socket.__init__ = _refuse("socket.socket")  # type: ignore[method-assign]


_log = _Log()
_modules: dict[str, tuple[ModuleType, dict[str, Any]]] = {}


def seal() -> None:
    """Shuts the world, and remembers how every module is now."""
    # There are no files to import from: what is not loaded by now is not there.
    sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") != "PathFinder"]
    sys.path[:] = []
    _seal()
    sys.stdout = sys.stderr = _log
    sys.__stdout__ = sys.__stderr__ = None
    sys.setrecursionlimit(_RECURSION)
    remember()


def remember() -> None:
    """The modules of now are those of every later attempt."""
    _modules.clear()
    for name, module in list(sys.modules.items()):
        if isinstance(module, ModuleType):
            _modules[name] = (module, dict(vars(module)))


def watch(module: ModuleType, cls: type) -> None:
    """A loaded class, whose namespaces a call must leave as they are."""
    global _settled
    _settled = _settled and _fixed_all(vars(module)) and _fixed_all(vars(cls))
    _classes.append((cls, dict(vars(cls))))


_settled = True
_classes: list[tuple[type, dict[str, Any]]] = []
_PLAIN = (bool, int, float, complex, str, bytes, type(None), type, ModuleType, BuiltinFunctionType, GetSetDescriptorType)


def _fixed_all(space: Any) -> bool:
    return all(name.startswith("__") or _fixed(value) for name, value in space.items())


def _fixed(value: Any) -> bool:
    """Whether a call cannot change a value: what may change is made anew for each call."""
    if isinstance(value, (staticmethod, classmethod)):
        return _fixed(value.__func__)
    if isinstance(value, property):
        return all(_fixed(each) for each in (value.fget, value.fset, value.fdel))
    if isinstance(value, FunctionType):
        defaults = (value.__defaults__ or (), tuple((value.__kwdefaults__ or {}).values()))
        cells = tuple(cell.cell_contents for cell in value.__closure__ or ())
        return not vars(value) and all(_fixed(each) for each in (*defaults, cells))
    if isinstance(value, (tuple, frozenset)):
        return all(_fixed(each) for each in value)
    return isinstance(value, _PLAIN)


def begin(seed: int) -> None:
    """Readies the world for an attempt."""
    random.seed(seed)


def end() -> None:
    """Ends an attempt."""
    _log.finish()


def is_clean() -> bool:
    """Whether the modules and the loaded classes are what they were before, and hold nothing that changes unseen."""
    if not _settled or sys.getrecursionlimit() != _RECURSION or sys.modules.keys() != _modules.keys():
        return False
    return all(_same(vars(module), before) for module, before in _modules.values()) and all(
        _same(vars(cls), before) for cls, before in _classes
    )


def _same(now: Any, before: dict[str, Any]) -> bool:
    return len(now) == len(before) and all(map(is_, map(now.get, before, repeat(_MISSING)), before.values()))
