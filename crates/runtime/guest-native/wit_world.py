"""What the sandbox's guest imports from its host: here frames to the node, by the one descriptor that a worker has."""

from __future__ import annotations

import os

import emerge._wire  # noqa: F401 - it is there before any code of a user's

_ASK, _LOG, _REPLY = 66, 67, 5
_is_worker = False


def say(kind: int, body: bytes) -> None:
    """Writes a frame."""
    data = memoryview(bytes((kind,)) + len(body).to_bytes(4, "little") + body)
    while data:
        data = data[os.write(0, data) :]


def hear() -> tuple[int, bytes]:
    """Reads a frame; when the node has gone, so does this."""
    head = _exactly(5)
    return head[0], _exactly(int.from_bytes(head[1:], "little"))


def _exactly(length: int) -> bytes:
    pieces = []
    while length:
        piece = os.read(0, min(length, 1 << 20))
        if not piece:
            os._exit(0)
        pieces.append(piece)
        length -= len(piece)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def begin() -> None:
    """From now on this is a worker."""
    global _is_worker
    _is_worker = True


def ask(what: int, data: bytes, more: bytes) -> tuple[bool, bytes]:
    """Asks the host."""
    say(_ASK, b"".join((what.to_bytes(4, "little"), len(data).to_bytes(4, "little"), data, more)))
    kind, reply = hear()
    if kind != _REPLY:
        os._exit(1)
    return reply[:1] == b"\1", reply[1:]


def log(text: str) -> None:
    """A line of the call's log."""
    if _is_worker:
        say(_LOG, text.encode(errors="replace"))
