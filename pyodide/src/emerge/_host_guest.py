"""Inside a method that runs on the node: operations join the transaction of the call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from . import _classes
from ._host import CREDIT, Connection, Host, Items, answer
from ._object import Object
from .errors import EmergeError, UnsupportedError


def _guest() -> Any:
    import _emerge_guest

    return _emerge_guest


class GuestConnection(Connection):
    """The transaction of the running call."""

    is_plain = True

    def ask(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        answered: tuple[bool, bytes] = _guest().request(request)
        return answered

    async def ask_soon(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        return self.ask(request, timeout)

    def stream(self, request: bytes, timeout: float | None, credit: int = CREDIT) -> Items:
        return GuestItems(self, request)

    def close(self) -> None:
        return None

    async def close_soon(self) -> None:
        return None

    @property
    def state(self) -> str:
        return "open"


class GuestItems(Items):
    """A streamed operation as one reply after another."""

    def __init__(self, connection: GuestConnection, request: bytes) -> None:
        from . import _wire

        self._connection = connection
        op: tuple[Any, ...] = _wire.loads(request)
        if op[0] == "call":
            self._replies = self._members(*op[1:])
        elif op[0] == "list":
            self._replies = self._pages(*op[1:])
        elif op[0] == "search":
            self._replies = self._matches(*op[1:])
        else:
            self._replies = iter((connection.ask(request, None),))

    def take(self) -> tuple[bool, bytes] | None:
        return next(self._replies, None)

    async def take_soon(self) -> tuple[bool, bytes] | None:
        return self.take()

    def _pages(self, path: str, after: str | None = None, *rest: Any) -> Iterator[tuple[bool, bytes]]:
        # Each page names where the next begins.
        from . import _wire

        while True:
            good, payload = self._connection.ask(_wire.dumps(("list", path, after, *rest))[0], None)
            yield good, payload
            after = _wire.loads(payload)[1] if good else None
            if after is None:
                return

    def _matches(self, query: Any, after: str | None = None) -> Iterator[tuple[bool, bytes]]:
        from . import _wire

        while True:
            good, payload = self._connection.ask(_wire.dumps(("search", query, after))[0], None)
            yield good, payload
            after = _wire.loads(payload)[2] if good else None
            if after is None:
                return

    def _members(
        self, path: str, method: str, args: Any, log: bool, after: None = None, given: Any = None
    ) -> Iterator[tuple[bool, bytes]]:
        # All of it belongs to the one transaction.
        from ._paths import join

        paths = None
        if given is not None:
            kwargs, deadline, _, paths = given
            given = (kwargs, deadline)
        if paths is not None:
            for each in sorted(set(paths)):
                yield self._member(each, (each, method, args, log, None, given))
            return
        from . import _wire

        for good, payload in self._pages(path):
            if not good:
                yield good, payload
                return
            for member in _wire.loads(payload)[0]:
                name, kind = member[0], member[2]
                if kind != "object":
                    continue
                yield self._member(name, (join(path, name), method, args, log, None, given))

    def _member(self, name: str, call: tuple[Any, ...]) -> tuple[bool, bytes]:
        from . import _wire

        good, reply = self._connection.ask(_wire.dumps(("call", *call))[0], None)
        called = _wire.loads(reply)
        return True, _wire.dumps((name, called, None) if good else (name, None, called))[0]


def lineage_of(class_hash: bytes) -> list[tuple[Any, ...]]:
    """The node's record of a class version, and of those that it extends."""
    from . import _wire

    lineage: list[tuple[Any, ...]] = _wire.loads(answer(_guest().request(_wire.dumps(("class", None, class_hash))[0])))
    return lineage


def _nobody(lineage: list[tuple[Any, ...]]) -> type[Object] | None:
    return None


meet: Callable[[list[tuple[Any, ...]]], type[Object] | None] = _nobody
"""Makes the class of an object that a method meets, where its code may run; set by the program that runs methods."""


class GuestHost(Host):
    """A method's own world."""

    def connect(self, url: str, token: str, agent: str, ca: str | None) -> Connection:
        raise UnsupportedError("a method has emerge.fs and self.fs, and cannot connect elsewhere")

    async def connect_soon(self, url: str, token: str, agent: str, ca: str | None) -> Connection:
        return self.connect(url, token, agent, ca)

    def embedded_class(self, class_hash: bytes) -> type[Object] | None:
        try:
            return self.class_of(lineage_of(class_hash))
        except EmergeError:
            return _classes.stranger(class_hash)

    def class_of(self, lineage: list[tuple[Any, ...]]) -> type[Object]:
        return meet(lineage) or super().class_of(lineage)

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
