"""Classes of objects that this program did not make: by their names, and, where it trusts them, by their source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import _classes, _host, _wire
from ._object import Object
from ._paths import At, path_of
from ._standin import StandIn
from ._values import Table
from .errors import BadArgumentError, NotFoundError, PermissionDeniedError

_PYTHON = "python"


class Trust:
    """What a file system has of classes that come from its node."""

    async def _ask(self, *op: Any, timeout: float | None = None) -> Any:
        raise NotImplementedError

    async def trust(self: Any, path: At, *, timeout: float | None = None) -> type[Object]:
        """Runs the stored Python source of an object's class in this program, and gives the class.

        So it does with the classes of the objects that this one holds by now, as far as they have the same owner. What it trusts are
        classes: other objects of theirs are instances of them too, and what was fetched before stays as it is.

        Do so for classes whose authors you trust: the source can do whatever this program can.

        Args:
            path: which object; or a path into one, such as ``/orders/1#lines[0]``, to an object that it holds, or to a reference.
            timeout: seconds.

        Raises:
            UnsupportedError: the class is in another language.
            BadArgumentError: there is no object at the place in an object.
        """
        path = path_of(path)
        if "#" not in path:
            lineage = await self._ask("class", path, timeout=timeout)
            cls: type[Object] = await self._load(lineage)
            try:
                held = (await self._ask("get", path, None, timeout=timeout))[1]
            except PermissionDeniedError:
                # Who may not read an object meets none that it holds.
                return cls
        else:
            _, held, *led = await self._ask("get", path, None, timeout=timeout)
            if led[1] is None:
                cls = await self.trust(led[0], timeout=timeout)
                return cls
            if not isinstance(held, Object):
                raise BadArgumentError(
                    f"at {path} is no object, but a {type(held).__name__}: trust a path to one, as in /orders/1#lines[0]",
                    path=path,
                )
            if not isinstance(held, StandIn):
                return type(held)
            lineage = await self._ask("class", None, _address(held))
            cls = await self._load(lineage)
        owner = lineage[0][3]
        for address in {_address(each) for each in _objects_in(held) if isinstance(each, StandIn)}:
            within = await self._ask("class", None, address)
            if within[0][3] == owner and within[0][5][1] == _PYTHON:
                await self._load(within)
        return cls

    async def _load(self: Any, lineage: Any) -> type[Object]:
        from ._load import class_needs, load

        for address in class_needs(lineage[0]):
            if _classes.trusted(address) is None:
                await self._load(await self._ask("class", None, address))
        # One that it needs may have it within. What is no Python, ``load`` refuses.
        known = _classes.trusted(lineage[0][0]) if lineage[0][5][1] == _PYTHON else None
        cls: type[Object] = known or load(lineage[0])
        self._sent.add(lineage[0][0])
        return cls

    async def _read(self, payload: bytes) -> Any:
        """The value of a reply. Of objects in it whose class versions this program meets for the first time, the node is asked."""
        value = _wire.loads(payload)
        met = _classes.met.addresses
        if met:
            _classes.met.addresses = set()
            for address in met:
                await self._meet(address)
            value = _wire.loads(payload)
        return value

    async def _meet(self, address: bytes) -> None:
        try:
            lineage = await self._ask("class", None, address)
        except (NotFoundError, PermissionDeniedError):
            # It is not asked for again.
            _classes.remember(address, _classes.stranger(address))
            return
        _classes.tell_language(address, lineage[0][5][1])
        cls = _classes.known(address, lineage[0][5][0]) or _host.host().class_of(lineage)
        _classes.remember(address, cls)

    async def _shown_class(self, address: bytes) -> type[Object]:
        """The class for a version of which this program knows nothing: its own of that name, if that is in Python too, or one that only
        shows fields."""
        lineage = await self._ask("class", None, address)
        _classes.tell_language(address, lineage[0][5][1])
        cls = _classes.known(address, lineage[0][5][0])
        if cls is None:
            cls = _host.host().class_of(lineage)
            _classes.remember(address, cls)
        return cls


def _address(value: Object) -> bytes:
    return _classes.record_of(type(value)).hash


def _objects_in(value: Any) -> Iterator[Object]:
    """The objects that a value holds, itself included."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, Object):
            yield each
            waiting += vars(each).values()
        elif isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, (list, tuple)):
            waiting += each
        elif isinstance(each, Table):
            waiting += each.rows
