"""The parent of the workers. It imports what they need and forks them; nothing of any user's ever runs in it."""

from __future__ import annotations

import array
import ctypes
import gc
import json
import os
import socket
import sys
from typing import Any

_FORK, _READY = 2, 68
_PR_SET_DUMPABLE = 4


def run(config: bytes) -> None:
    """Makes all ready, and forks a worker whenever the node asks for one."""
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fileno=0)
    told: dict[str, Any] = json.loads(config)
    if told["confined"]:
        # Nobody looks into this process, or makes a file of it.
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    sys.stdin = None  # type: ignore[assignment]
    sys.path.append(told["packages"])
    import native_worker

    native_worker.prepare(told)
    gc.collect()
    gc.freeze()
    _say(control, _READY, {"version": sys.version.split()[0], "preloaded": told["preload"]})
    parent = os.getpid()
    while True:
        order, descriptor = _hear(control)
        # Workers that have ended: their numbers are free again.
        while _reaped():
            pass
        pid = os.fork()
        if pid == 0:
            native_worker.run(descriptor, parent, told, json.loads(order))
            os._exit(0)
        os.close(descriptor)
        # It is the child's for sure: nobody else waits for it.
        handle = os.pidfd_open(pid)
        _say(control, _READY, {"pid": pid}, handle)
        os.close(handle)


def _reaped() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return False


def _say(control: socket.socket, kind: int, body: Any, descriptor: int | None = None) -> None:
    data = json.dumps(body).encode()
    data = bytes((kind,)) + len(data).to_bytes(4, "little") + data
    given = [] if descriptor is None else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [descriptor]))]
    sent = control.sendmsg([data], given)
    control.sendall(data[sent:])


def _hear(control: socket.socket) -> tuple[bytes, int]:
    head, descriptors, _, _ = socket.recv_fds(control, 5, 1)
    while 0 < len(head) < 5:
        head += control.recv(5 - len(head))
    if len(head) < 5 or head[0] != _FORK or len(descriptors) != 1:
        os._exit(0)
    left, pieces = int.from_bytes(head[1:], "little"), []
    while left:
        pieces.append(control.recv(left))
        if not pieces[-1]:
            os._exit(0)
        left -= len(pieces[-1])
    return b"".join(pieces), descriptors[0]
