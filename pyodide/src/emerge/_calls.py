"""Calls of methods, as coroutines."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from typing import Any, Union

from . import _host, _wire
from ._arguments import millis
from ._meta import Called, MemberResult, Progress, StoredMeta
from ._paths import At, join, path_of
from ._proxy import Proxy
from ._values import Ref
from .errors import IsADirectoryError, from_wire

Several = Union[str, Ref, StoredMeta, Iterable[At], AsyncIterable[At]]


class Calls:
    """What a file system has of calls."""

    async def call(self: Any, path: At, method: str, /, *args: Any, timeout: float | None = None, **kwargs: Any) -> Any:
        """Runs a method on the node and gives what it returns.

        On a directory it runs on each member that is an object, and gives a dict from name to result; the first error
        of a member is raised (:meth:`call_each` gives all).

        Args:
            path: on what.
            method: which method.
            args: its arguments by place.
            timeout: seconds. An argument of this name goes through :meth:`proxy` or :meth:`invoke`.
            kwargs: its arguments by name; of a JavaScript method those of its parameters.

        Raises:
            BadArgumentError: the arguments do not fit; it shows the method's signature.
        """
        return await self._call(path, method, args, kwargs, timeout)

    async def _call(
        self: Any, path: At, method: str, args: tuple[Any, ...], kwargs: dict[str, Any], timeout: float | None
    ) -> Any:
        if type(path) is not str:
            path = path_of(path)
        began = 0.0 if timeout is None else time.monotonic()
        try:
            trusted = self._trusts.hashes
            if kwargs or trusted:
                given = (kwargs,) if not trusted else _called_with(kwargs, None, trusted=trusted)
                return (await self._ask("call", path, method, args, False, None, given, timeout=timeout))[0]
            return (await self._ask("call", path, method, args, False, timeout=timeout))[0]
        except IsADirectoryError:
            pass
        # It counts from the call on.
        left = None if timeout is None else max(timeout - (time.monotonic() - began), 0.001)
        results = {}
        op = ("call", path, method, args, False, None, _called_with(kwargs, None, trusted=self._trusts.hashes))
        async for member in self._each(op, path, None, None, left):
            if member.error is not None:
                raise member.error
            results[member.name] = member.result
        return results

    async def invoke(
        self: Any,
        path: At,
        method: str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        log: bool = False,
        deadline: float | None = None,
        timeout: float | None = None,
    ) -> Called:
        """Runs a method of one object on the node, with all that can be said of a call.

        Args:
            path: on what.
            method: which method.
            args: its arguments.
            kwargs: its arguments by name.
            log: whether what the method prints comes back.
            deadline: seconds that the method may take, at most the node's own limit.
            timeout: seconds.
        """
        given = _called_with(kwargs, deadline, trusted=self._trusts.hashes)
        return Called(*await self._ask("call", path_of(path), method, args, log, None, given, timeout=timeout))

    async def call_each(
        self: Any,
        path: Several,
        method: str,
        *args: Any,
        kwargs: Mapping[str, Any] | None = None,
        deadline: float | None = None,
        atomic: bool = False,
        progress: Callable[[Progress], None] | None = None,
    ) -> AsyncIterator[MemberResult]:
        """Runs a method on each member of a directory that is an object, or on each of several objects.

        Each call is a transaction of its own, and one that fails is an item with its ``error``. A loop that is left early
        cancels the calls that have not begun.

        Args:
            path: a directory; or several objects, each by its path, a reference, its properties or itself, also as a search
                gives them.
            method: which method.
            args: its arguments.
            kwargs: its arguments by name.
            deadline: seconds that each call may take, at most the node's own limit.
            atomic: makes one transaction of all calls: when one fails, none has happened, and its error is raised.
            progress: is told after each object.
        """
        directory = path_of(path) if isinstance(path, (str, Ref, StoredMeta)) else None
        paths = None if directory is not None else await _paths(path)
        given = _called_with(kwargs, deadline, atomic, paths, self._trusts.hashes)
        total = None if paths is None else len(set(paths))
        op = ("call", directory or "/", method, args, False, None, given)
        async for member in self._each(op, directory, progress, total):
            yield member

    async def _each(
        self: Any,
        op: tuple[Any, ...],
        directory: str | None,
        progress: Callable[[Progress], None] | None,
        total: int | None,
        timeout: float | None = None,
    ) -> AsyncIterator[MemberResult]:
        request, used = _wire.dumps(op)
        await self._send_classes(used)
        done = failed = 0
        async for item in _host.each(self._connection.stream(request, timeout)):
            name, called, error = await self._read(item)
            path = name if directory is None else join(directory, name)
            done += 1
            failed += called is None
            if progress is not None:
                progress(Progress(done, failed, total, path))
            result, version = called[:2] if called is not None else (None, None)
            yield MemberResult(name, path, result, from_wire(error) if error is not None else None, version)

    def proxy(self: Any, path: At, *, timeout: float | None = None) -> Any:
        """Stands for an object on the node: ``await fs.aio.proxy("/a").total_cost()`` runs there.

        Args:
            path: which object.
            timeout: seconds that each call may take: all that a method of it is given are arguments of the method.
        """
        return Proxy(path_of(path), lambda at, name, args, kwargs: self._call(at, name, args, kwargs, timeout))


def _called_with(
    kwargs: Mapping[str, Any] | None,
    deadline: float | None,
    atomic: bool = False,
    paths: list[str] | None = None,
    trusted: tuple[bytes, ...] = (),
) -> tuple[Any, ...] | None:
    if not kwargs and deadline is None and not atomic and paths is None and not trusted:
        return None
    return dict(kwargs) if kwargs else None, millis(deadline, "deadline"), atomic, paths, trusted or None


async def _paths(several: Any) -> list[str]:
    if hasattr(several, "__aiter__"):
        return [path_of(each) async for each in several]
    return [path_of(each) for each in several]
