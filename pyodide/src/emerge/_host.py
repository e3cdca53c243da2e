"""How operations leave this program. One host is chosen when it is first needed."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import TYPE_CHECKING, Any

from . import _wire
from ._object import Object
from .errors import EmergeError, UnsupportedError, from_wire

if TYPE_CHECKING:
    from ._module import Runner


CREDIT = 64
"""Items of a stream that may be on the way."""

PARTS = 4
"""Parts of a copy that may be on the way: each is told as it comes, and what is cancelled copies few more."""


class Connection(ABC):
    """A connection to a node. Requests and replies are pickles; the reply of a failed one is that of its error."""

    is_plain = False
    """Whether what is to be awaited waits in place, and so must not wait for another task."""

    @abstractmethod
    def ask(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        """Asks and waits. ``timeout`` is in seconds."""

    @abstractmethod
    async def ask_soon(self, request: bytes, timeout: float | None) -> tuple[bool, bytes]:
        """Asks and lets other tasks run meanwhile."""

    @abstractmethod
    def stream(self, request: bytes, timeout: float | None, credit: int = CREDIT) -> Items:
        """Asks for a streamed reply, of which ``credit`` items may be on the way."""

    @abstractmethod
    def close(self) -> None:
        """Ends the connection."""

    @abstractmethod
    async def close_soon(self) -> None:
        """Ends the connection and lets other tasks run meanwhile."""

    @property
    @abstractmethod
    def state(self) -> str:
        """``connecting``, ``open``, ``offline``, ``resuming`` or ``closed``."""


class Items(ABC):
    """A streamed reply."""

    @abstractmethod
    def take(self) -> tuple[bool, bytes] | None:
        """The next item, or ``None`` at the end."""

    @abstractmethod
    async def take_soon(self) -> tuple[bool, bytes] | None:
        """The next item, while other tasks run."""

    def abandon(self) -> None:
        """Nobody will take another, and who waits for one gets ``None``. A host whose items come one by one as they are taken has nothing to do."""


class Host(ABC):
    """What this Python runs in."""

    @abstractmethod
    def connect(self, url: str, token: str, agent: str, ca: str | None) -> Connection:
        """Connects and waits until the node has welcomed this program; ``ca`` is a file of trusted certificates."""

    @abstractmethod
    async def connect_soon(self, url: str, token: str, agent: str, ca: str | None) -> Connection:
        """Connects while other tasks run."""

    @abstractmethod
    def class_hash_reply(self, source: bytes) -> tuple[bool, bytes]:
        """The address of a class version, as a reply of 16 plain bytes."""

    @abstractmethod
    def check_reply(self, value: bytes) -> tuple[bool, bytes]:
        """Whether a pickled value can travel."""

    @abstractmethod
    def changes_reply(self, old: bytes, new: bytes) -> tuple[bool, bytes]:
        """Names of changed and of removed fields, pickled, for two pickled dicts."""

    def module(self, what: str, *parts: bytes) -> tuple[bool, bytes]:
        """Of a class in WebAssembly: what a module says of itself (``about``), the ``request`` of a call, its ``reply``."""
        raise UnsupportedError("a method makes no classes of modules; what runs outside of the node does")

    def module_runner(self, module: bytes) -> Runner:
        """What runs the methods of a module here."""
        raise UnsupportedError("a method runs no modules; it calls methods of objects: self.fs.call(path, method)")

    def embedded_class(self, class_hash: bytes) -> type[Object] | None:
        """The class for embedded objects of a version that this program does not have; ``None`` when that is to be found out."""
        return None

    def class_of(self, lineage: list[tuple[Any, ...]]) -> type[Object]:
        """The class for objects of a version that this program does not have, from the node's record of it."""
        from ._standin import stand_in

        return stand_in(lineage)

    def at_once(
        self, soon: Callable[[], Coroutine[Any, Any, Any]], waiting: Callable[[], Coroutine[Any, Any, Any]]
    ) -> Any:
        """Runs to its end, for a plain call, a coroutine whose requests go out together: ``soon`` where tasks can run, ``waiting``, one
        request after the other, where they cannot."""
        return finish(waiting())

    def class_hash(self, source: bytes) -> bytes:
        """The address of the version of a pickled class."""
        return answer(self.class_hash_reply(source))

    def check(self, value: bytes) -> None:
        """Raises when a pickled value cannot travel."""
        answer(self.check_reply(value))

    def changes(self, old: bytes, new: bytes) -> tuple[list[str], list[str]]:
        """Names of the fields that changed, and of those that are gone."""
        changed, removed = _wire.loads(answer(self.changes_reply(old, new)))
        return changed, removed


def answer(reply: tuple[bool, bytes]) -> bytes:
    """The bytes of a good reply; a bad one is raised."""
    good, payload = reply
    if good:
        return payload
    raise failure(payload)


def failure(payload: bytes) -> EmergeError:
    """The error of a bad reply."""
    return from_wire(_wire.loads(payload))


def finish(operation: Coroutine[Any, Any, Any]) -> Any:
    """The result of a coroutine that waits for nothing."""
    try:
        operation.send(None)
    except StopIteration as end:
        return end.value
    operation.close()
    raise RuntimeError("an operation of a waiting connection did not end")


async def each(items: Items) -> AsyncGenerator[bytes, None]:
    """The items of a streamed reply."""
    try:
        while (item := await items.take_soon()) is not None:
            yield answer(item)
    finally:
        items.abandon()


_chosen: Host | None = None


def host() -> Host:
    """The host of this program.

    Raises:
        ImportError: this CPython has no extension module ``emerge._native``.
    """
    global _chosen
    if _chosen is None:
        _chosen = _choose()
    return _chosen


def _choose() -> Any:
    if "_emerge_guest" in sys.modules or "_emerge_guest" in sys.builtin_module_names:
        from ._host_guest import GuestHost

        return GuestHost()
    if sys.platform == "emscripten":
        from ._host_pyodide import PyodideHost

        return PyodideHost()
    from ._host_native import NativeHost

    return NativeHost()
