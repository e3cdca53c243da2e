"""Inputs and outputs of the guest: parts, each with its length before it."""

from __future__ import annotations

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
