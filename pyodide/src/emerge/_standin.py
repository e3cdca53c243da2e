"""Classes for objects whose own class this program has not defined: they show fields, and run nothing."""

from __future__ import annotations

from typing import Any

from . import _classes
from ._object import Object
from .errors import PermissionDeniedError, UnsupportedError


class StandIn(Object):
    """An object whose class this program does not have: its fields can be read."""

    __slots__ = ()

    def __setattr__(self, name: str, value: Any) -> None:
        raise PermissionDeniedError(
            f"this program has no class {type(self).__name__}, or several and knows not which, so its objects can only be "
            "read; define the class, say which it is by fs.define, or fs.trust(path)",
            field=name,
        )

    __delattr__: Any = lambda self, name: self.__setattr__(name, None)


class Part(Object):
    """An object of a search for some fields: it has these, and no others."""

    __slots__ = ()
    _emerge_is_part = True

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(
            f"{type(self).__name__} came with the fields that the search asked for, and {name} is none of them"
            + (f": fs.get({self.meta.path!r}) gives the whole object" if self.meta is not None else "")
        )

    def __setattr__(self, name: str, value: Any) -> None:
        raise PermissionDeniedError(
            f"an object that came with some of its fields can only be read: fs.get({getattr(self.meta, 'path', None)!r}) gives the whole "
            "one, and fs.set one field",
            field=name,
        )

    __delattr__: Any = lambda self, name: self.__setattr__(name, None)


_parts: dict[str, type[Part]] = {}


def part(name: str, cls: type[Object] | None, fields: dict[str, Any]) -> Part:
    """Some fields of an object of a class, as that has them."""
    kind = _parts.get(name)
    if kind is None:
        kind = _parts[name] = type(name, (Part,), {})
    made = object.__new__(kind)
    converts = {} if cls is None else _classes.converters(cls)
    made.__dict__.update({each: converts[each](held) if each in converts else held for each, held in fields.items()})
    return made


def unknown(class_hash: bytes) -> type[Object]:
    """A class for embedded objects of a version of which only the address is known."""
    return type(f"Unknown_{class_hash.hex()[:8]}", (StandIn,), {})


def stand_in(lineage: list[tuple[Any, ...]]) -> type[Object]:
    """A class from a node's record: fields and names of methods, which say where they run."""
    newest = lineage[0]
    body: dict[str, Any] = {"__doc__": newest[5][5]}
    name = newest[5][0]
    for version in reversed(lineage):
        for method in version[6]:
            if not method[0].startswith("__"):
                body[method[0]] = _elsewhere(name, method[0], method[5])
    cls = type(name, (StandIn,), body)
    _classes.adopt(cls, newest[0])
    return cls


def _elsewhere(cls: str, method: str, is_property: bool) -> Any:
    def run(self: Object, *args: Any, **kwargs: Any) -> Any:
        from . import _host_guest

        path = self.meta.path if self.meta is not None else "…"
        if self.meta is None and not _host_guest.inside():
            raise UnsupportedError(
                f"{cls}.{method} is stored code of an object that lies within another, and does not run here by itself: define the "
                "class here, or fs.trust(path) with the path of the other object, or that to the place in it (/orders/1#lines[0])",
                field=method,
            )
        if _host_guest.inside():
            raise UnsupportedError(
                f"{cls}.{method} is of another language or owner, whose code does not run within this method: "
                f"self.fs.call({path!r}, {method!r}) runs it as a call of its own",
                field=method,
                path=path,
            )
        raise UnsupportedError(
            f"{cls}.{method} is stored code, which does not run here by itself: "
            f"fs.call({path!r}, {method!r}) or fs.proxy({path!r}).{method}() run it on the node; "
            f"define the class here or fs.trust({path!r}) to run it in this program",
            field=method,
            path=path,
        )

    run.__name__ = method
    return property(run) if is_property else run
