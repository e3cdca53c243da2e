"""Inside a method that runs on the node: operations join the transaction of the call."""

from __future__ import annotations

import sys
from typing import Any

from ._host import Connection, Host, Items
from .errors import UnsupportedError


def _guest() -> Any:
    import _emerge_guest

    return _emerge_guest


class GuestConnection(Connection):
    """The transaction of the running call."""

    def ask(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        answered: tuple[bool, bytes] = _guest().request(request)
        return answered

    async def ask_soon(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        return self.ask(request, timeout)

    def stream(self, request: bytes, timeout: float | None) -> Items:
        return GuestItems(self, request)

    def close(self) -> None:
        return None

    async def close_soon(self) -> None:
        return None

    @property
    def state(self) -> str:
        return "open"


class GuestItems(Items):
    """A streamed operation as one reply after another: each page names where the next begins."""

    def __init__(self, connection: GuestConnection, request: bytes) -> None:
        from . import _wire

        self._op: tuple[Any, ...] | None = _wire.loads(request)
        self._connection = connection

    def take(self) -> tuple[bool, bytes] | None:
        from . import _wire

        if self._op is None:
            return None
        if self._op[0] != "list":
            raise UnsupportedError("within a method, a call on a directory is a call on each of fs.list(path)")
        good, payload = self._connection.ask(_wire.dumps(self._op)[0], None)
        after = _wire.loads(payload)[1] if good else None
        self._op = (*self._op[:2], after, *self._op[3:]) if after is not None else None
        return good, payload

    async def take_soon(self) -> tuple[bool, bytes] | None:
        return self.take()


class GuestHost(Host):
    """A method's own world."""

    def connect(self, url: str, token: str, agent: str) -> Connection:
        raise UnsupportedError("a method has emerge.fs and self.fs, and cannot connect elsewhere")

    async def connect_soon(self, url: str, token: str, agent: str) -> Connection:
        return self.connect(url, token, agent)

    def class_hash_reply(self, source: bytes) -> tuple[bool, bytes]:
        answered: tuple[bool, bytes] = _guest().class_hash(source)
        return answered

    def check_reply(self, value: bytes) -> tuple[bool, bytes]:
        answered: tuple[bool, bytes] = _guest().check(value)
        return answered

    def changes_reply(self, old: bytes, new: bytes) -> tuple[bool, bytes]:
        answered: tuple[bool, bytes] = _guest().changes(old, new)
        return answered


def inside() -> bool:
    """Whether this Python runs a method on the node."""
    return "_emerge_guest" in sys.modules or "_emerge_guest" in sys.builtin_module_names
