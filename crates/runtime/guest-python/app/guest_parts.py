"""Inputs and outputs of the guest: parts, each with its length before it."""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct

_LENGTH = Struct("<I")


def join(parts: list[bytes]) -> bytes:
    """Writes parts."""
    pieces = []
    for part in parts:
        pieces.append(_LENGTH.pack(len(part)))
        pieces.append(part)
    return b"".join(pieces)


def split(data: bytes) -> list[bytes]:
    """Reads parts."""
    parts, at, end = [], 0, len(data)
    while at < end:
        (length,) = _LENGTH.unpack_from(data, at)
        at += 4
        parts.append(data[at : at + length])
        at += length
    return parts


_DONE = join([b"\0"])


def done(output: bytes) -> bytes:
    """Writes the one part of a success."""
    # One copy: it may be large.
    return b"".join((_DONE, len(output).to_bytes(4, "little"), output))


def in_parts(work: Callable[[list[bytes]], list[bytes]]) -> Callable[[bytes], bytes]:
    """A piece of work whose input and output are parts."""
    return lambda data: join([b"\0", *work(split(data))])
