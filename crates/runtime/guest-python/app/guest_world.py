"""What surrounds stored code: its log, its randomness, and nothing of the machine."""

from __future__ import annotations

import builtins
import gc
import io
import random
import sys
from types import ModuleType
from typing import Any

import _random
import wit_world  # type: ignore[import-not-found]

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


def _no_zone(key: str) -> Any:
    from zoneinfo import ZoneInfoNotFoundError

    raise ZoneInfoNotFoundError(
        f"no time zone {key}: the node has none by name. Use datetime.timezone, or work out the offset where the object is stored"
    )


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
    from zoneinfo import _common

    _common.load_tzdata = _no_zone  # type: ignore[attr-defined]
    try:
        import _socket
    except ImportError:
        return
    import socket

    # Of both: the one has taken the other's names over.
    for module in (_socket, socket):
        for name, value in list(vars(module).items()):
            if callable(value) and not isinstance(value, type) and not name.startswith("_"):
                setattr(module, name, _refuse(f"socket.{name}"))
    _socket.socket = _refuse("socket.socket")
    # It extends the type that was there before.
    socket.socket.__init__ = _refuse("socket.socket")  # type: ignore[method-assign]


_log = _Log()
# Memory that calls can use without a request for more.
_ROOM = 8 * 1024 * 1024


def seal() -> None:
    """Shuts the world."""
    # There are no files to import from: what is not loaded by now is not there.
    sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "__name__", "") != "PathFinder"]
    sys.path[:] = []
    _seal()
    sys.stdout = sys.stderr = _log
    sys.__stdout__ = sys.__stderr__ = None
    sys.setrecursionlimit(_RECURSION)
    bytearray(_ROOM)


def settle() -> None:
    """Makes the present state one to which the host can put this Python back. What lives now lives on, so that no collection of garbage looks at it."""
    gc.collect()
    gc.freeze()


class _Random(random.Random):
    """The generator of the module's functions. It takes the call's seed when it is first asked for something: most calls want no randomness, and seeding
    takes longer than many a method."""

    _waiting: int | None

    def _ready(self) -> None:
        if self._waiting is not None:
            self.seed(self._waiting)

    def seed(self, a: Any = None, version: int = 2) -> None:
        self._waiting = None
        super().seed(a, version)

    def random(self) -> float:
        self._ready()
        return super().random()

    def getrandbits(self, k: int, /) -> int:
        self._ready()
        return super().getrandbits(k)

    def getstate(self) -> Any:
        self._ready()
        return super().getstate()

    def setstate(self, state: Any) -> None:
        self._waiting = None
        super().setstate(state)


_shared: Any = random.seed.__self__
_shared.__class__ = _Random
_shared._waiting = None
for _name in ("seed", "random", "getrandbits", "getstate", "setstate"):
    setattr(random, _name, getattr(_shared, _name))


def begin(seed: int) -> None:
    """Readies the world for an attempt."""
    _shared._waiting = seed


def end() -> None:
    """Ends an attempt."""
    if _log._line:
        _log.finish()
