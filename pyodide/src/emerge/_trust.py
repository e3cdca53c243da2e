"""Classes of objects that this program did not make: by their names, and, where it trusts them, by their source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import _classes, _host, _wire
from ._object import Object
from ._paths import At, path_of
from ._standin import StandIn
from ._trusted import TrustedClass, Trusts
from ._values import Table
from .errors import BadArgumentError, NotFoundError, PermissionDeniedError

_PYTHON = "python"


class Trust:
    """What a file system has of classes that come from its node."""

    async def _ask(self, *op: Any, timeout: float | None = None) -> Any:
        raise NotImplementedError

    async def trust(
        self: Any, path: At, *, here: bool = True, keep: bool = False, timeout: float | None = None
    ) -> type[Object]:
        """Trusts the class of an object as it is now, by the address of the version, and gives the class.

        On the node its methods have all rights of this program's user when this program calls them, whoever wrote them; what the version inherits from
        and uses is trusted with it. Here the program runs its stored Python source.

        So it is with the classes of the objects that this one holds by now, as far as they have the same owner. What it trusts are
        classes: other objects of theirs are instances of them too, and what was fetched before stays as it is.

        Do so for classes whose authors you trust: the source can do whatever this program can.

        Args:
            path: which object; or a path into one, such as ``/orders/1#lines[0]``, to an object that it holds, or to a reference.
            here: whether the source runs in this program too. Without it the class may be in any language, and shows its fields alone.
            keep: whether later programs of this user, and the ``emerge`` command, trust it on the node too: in ``~/.config/emerge/trusted``.
            timeout: seconds.

        Raises:
            UnsupportedError: the class is in another language, and ``here`` is set.
            BadArgumentError: there is no object at the place in an object; or there is nowhere to keep it, as in Pyodide.
        """
        path = path_of(path)
        if "#" not in path:
            lineage = await self._ask("class", path, timeout=timeout)
            cls: type[Object] = await self._take(lineage, here, keep)
            try:
                held = (await self._ask("get", path, None, timeout=timeout))[1]
            except PermissionDeniedError:
                # Who may not read an object meets none that it holds.
                return cls
        else:
            _, held, *led = await self._ask("get", path, None, timeout=timeout)
            if led[1] is None:
                cls = await self.trust(led[0], here=here, keep=keep, timeout=timeout)
                return cls
            if not isinstance(held, Object):
                raise BadArgumentError(
                    f"at {path} is no object, but a {type(held).__name__}: trust a path to one, as in /orders/1#lines[0]",
                    path=path,
                )
            lineage = await self._ask("class", None, _address(held))
            if not isinstance(held, StandIn):
                self._trusts.add(lineage[0][0], lineage[0][5][0], lineage[0][3], keep)
                return type(held)
            cls = await self._take(lineage, here, keep)
        owner = lineage[0][3]
        for address in {_address(each) for each in _objects_in(held) if isinstance(each, StandIn)}:
            within = await self._ask("class", None, address)
            if within[0][3] == owner and (not here or within[0][5][1] == _PYTHON):
                await self._take(within, here, keep)
        return cls

    def trusted(self: Any) -> list[TrustedClass]:
        """The class versions that this program trusts on the node, those that are kept for this user included."""
        trusts: Trusts = self._trusts
        return trusts.all()

    def distrust(self: Any, hash: str) -> bool:
        """Trusts a class version on the node no longer, from the next call on, nor keeps it. What its source has defined in this program stays.

        Args:
            hash: the address of the version, as :meth:`trusted` gives it.

        Returns:
            whether it was trusted.
        """
        try:
            address = bytes.fromhex(hash)
        except ValueError:
            raise BadArgumentError(f"{hash!r} is no address of a class version", field="hash") from None
        trusts: Trusts = self._trusts
        return trusts.remove(address)

    async def _take(self: Any, lineage: Any, here: bool, keep: bool) -> type[Object]:
        cls: type[Object] = await (self._load(lineage) if here else self._shown_class(lineage[0][0]))
        self._trusts.add(lineage[0][0], lineage[0][5][0], lineage[0][3], keep)
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
