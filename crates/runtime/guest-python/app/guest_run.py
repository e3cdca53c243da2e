"""A piece of work from its input to its output, whatever comes of it."""

from __future__ import annotations

import guest_work
import guest_world
from guest_parts import join


def run(what: int, data: bytes, seed: int) -> bytes:
    """Does a piece of work; the first part of the output is 0 for success and 1 for a failure, told in JSON."""
    try:
        try:
            guest_world.begin(seed)
            outcome = guest_work.WORK[what](data)
        except BaseException as error:  # noqa: BLE001 - whatever a method raises is its outcome
            outcome = join([b"\1", guest_work.failure(error)])
        guest_world.end()
        return outcome
    except:  # noqa: E722 - the name of an exception may be gone by now
        return _BROKEN


_BROKEN = join([b"\1", b'{"name": "RuntimeError", "message": "the method broke the Python that runs it"}'])
