"""Paths as they are given."""

from __future__ import annotations

from typing import Any, Union

from ._meta import StoredMeta
from ._object import Object, head_of
from ._values import Ref
from .errors import BadArgumentError


At = Union[str, Ref, StoredMeta, Object]
"""Names what is stored: by its path, a reference, its properties, or itself as it was stored or fetched."""

# Where operations have the paths of what is there.
_PLACES = {
    **dict.fromkeys(("stat", "history", "diff", "restore", "purge", "rm", "chmod", "chown", "set_rules"), (1,)),
    **dict.fromkeys(("mv", "cp"), (1, 2)),
}


def path_of(at: At, field: str = "path") -> str:
    """The path of what is named.

    Raises:
        BadArgumentError: it is none of these, or an object that was neither stored nor fetched; ``field`` names the argument.
    """
    if isinstance(at, str):
        return at if type(at) is str else str.__str__(at)
    if isinstance(at, (Ref, StoredMeta)):
        return at.path
    head = head_of(at) if isinstance(at, Object) else None
    if head is None:
        given = "an object that was neither" if isinstance(at, Object) else f"a {type(at).__qualname__}"
        raise BadArgumentError(
            f"a path is needed: a str, a Ref, properties, or an object that was stored or fetched; this is {given}",
            field=field,
        )
    return head.path


def with_paths(op: tuple[Any, ...]) -> tuple[Any, ...]:
    """An operation with the paths of what it names."""
    if all(type(op[at]) is str for at in _PLACES.get(op[0], ())):
        return op
    places = _PLACES[op[0]]
    return tuple(path_of(each) if at in places else each for at, each in enumerate(op))


def inside(path: str, field: str | None) -> str:
    """A path with a field path behind it."""
    if field is None:
        return path
    if "#" not in path:
        return f"{path}#{field}"
    return path + field if field.startswith("[") else f"{path}.{field}"


def normal(path: str) -> str:
    """A path without its one allowed trailing slash."""
    # What is no text goes on as it is, and the request says so.
    return path[:-1] if isinstance(path, str) and len(path) > 1 and path.endswith("/") else path


def join(directory: str, name: str) -> str:
    """The path of a member of a directory."""
    return f"{directory}{name}" if directory.endswith("/") else f"{directory}/{name}"
