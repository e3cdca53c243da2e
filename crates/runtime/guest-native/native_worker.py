"""A worker: one user's calls of one class. It shuts itself off before it reads anything of a user's."""

from __future__ import annotations

import ctypes
import importlib
import importlib._bootstrap_external as _external  # type: ignore[import-not-found]
import json
import os
import posix
import resource
import socket
import sys
from typing import Any

import wit_world
from wit_world import hear, say

_LOAD, _CALL, _SHUT, _DONE, _READY, _FAILED = 3, 4, 6, 65, 68, 69
_PR_SET_PDEATHSIG, _SIGKILL, _PR_SET_SECCOMP, _MODE_FILTER = 1, 9, 22, 2

_files: dict[str, os.stat_result] = {}
_folders: dict[str, list[str]] = {}
_stat, _listdir = os.stat, os.listdir


def prepare(told: dict[str, Any]) -> None:
    """Imports what every worker needs, and notes which files there are. In the parent."""
    import emerge
    import guest_loop
    import guest_world
    import guest_work
    import native_tables

    del emerge
    for name in told["modules"]:
        importlib.import_module(name)
    guest_work.as_value = native_tables.as_value
    guest_loop.seal()
    guest_work._warm()
    guest_loop.leave()
    sys.stdout = sys.stderr = guest_world._log
    sys.__stdout__ = sys.__stderr__ = None
    for name in told["preload"]:
        importlib.import_module(name)
    for folder in told["index"]:
        _note(folder)
    os.stat = _known  # type: ignore[assignment]
    os.listdir = posix.listdir = _members  # type: ignore[assignment]
    _external._path_stat = _known


def _note(folder: str) -> None:
    """Notes the files of a folder. A worker asks the system for no path's properties, for these may be anybody's; what it may import is known before."""
    for at, folders, files in os.walk(folder):
        folders[:] = [each for each in folders if each not in ("__pycache__", "test", "tests")]
        _folders[at] = [*folders, *files]
        for path in (at, *(os.path.join(at, each) for each in files)):
            try:
                _files[path] = _stat(path)
            except OSError:
                continue


def _known(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
    if isinstance(path, str) and path in _files:
        return _files[path]
    return _stat(path, *args, **kwargs)


def _members(path: Any = ".") -> list[str]:
    # The C library's way to list a folder asks for its properties.
    return list(_folders[path]) if isinstance(path, str) and path in _folders else _listdir(path)


def run(descriptor: int, parent: int, told: dict[str, Any], order: dict[str, Any]) -> None:
    """Serves the node until it closes. In the child."""
    os.dup2(descriptor, 0)
    os.dup2(1, 2)
    os.closerange(3, 4096)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
    wit_world.begin()
    try:
        for name in order["imports"]:
            _import(name)
        say(_READY, b"{}")
        kind, bounds = hear()
        if kind != _SHUT:
            os._exit(1)
        _bound(**json.loads(bounds))
        if told["confined"]:
            _shut(libc, bytes.fromhex(told["filter"]))
            _see_that_it_is_shut()
    except BaseException as error:  # noqa: BLE001 - told to the node, which ends this
        say(_FAILED, json.dumps({"message": str(error)[:2000], "package": getattr(error, "package", None)}).encode())
        os._exit(1)
    say(_READY, b"{}")
    _serve()


def _import(name: str) -> None:
    try:
        importlib.import_module(name)
    except BaseException as error:  # noqa: BLE001 - a package can raise anything
        failed = RuntimeError(f"{name} could not be imported: {type(error).__name__}: {error}")
        failed.package = name  # type: ignore[attr-defined]
        raise failed from None


def _bound(data: int, mapped: int) -> None:
    """Bounds the memory, for good. The greatest number is no limit."""
    for limit, most in ((resource.RLIMIT_DATA, data), (resource.RLIMIT_AS, mapped)):
        if most < 2**63:
            resource.setrlimit(limit, (most, most))


class _Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_char_p)]


def _shut(libc: Any, rules: bytes) -> None:
    """Has the kernel refuse all system calls but some, for good."""
    program = _Program(len(rules) // 8, rules)
    if libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the kernel takes no filter of system calls")


def _see_that_it_is_shut() -> None:
    """Tries what must not be."""
    for what, attempt in (
        ("fork", _fork),
        ("read a file of the system", lambda: open("/etc/passwd").close()),
        ("ask for a file of the system", lambda: _stat("/etc/passwd")),
        ("write a file", lambda: os.open("/tmp/emerge", os.O_WRONLY | os.O_CREAT)),
        ("open a socket", lambda: socket.socket().close()),
        ("send a signal", lambda: os.kill(os.getppid(), 0)),
    ):
        try:
            attempt()
        except PermissionError:
            continue
        raise RuntimeError(f"a worker can {what}: this system does not confine it")


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


def _serve() -> None:
    import guest_run

    numpy: Any = sys.modules.get("numpy")
    while True:
        kind, body = hear()
        if kind == _LOAD:
            out = guest_run.run(2, body, 0)
        elif kind == _CALL:
            seed = int.from_bytes(body[:8], "little")
            if numpy is not None:
                numpy.random.seed(seed & 0xFFFF_FFFF)
            out = guest_run.run(3, body[8:], seed)
        else:
            os._exit(1)
        say(_DONE, out)
        del body, out
