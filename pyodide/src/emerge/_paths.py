"""Paths as they are given."""

from __future__ import annotations

from ._object import Object, head_of
from ._values import Ref
from .errors import BadArgumentError


def path_of(at: str | Ref | Object) -> str:
    """The path of what is named by its path, by a reference or by the object as it was stored or fetched."""
    if isinstance(at, str):
        return at
    if isinstance(at, Ref):
        return at.path
    head = head_of(at) if isinstance(at, Object) else None
    if head is None:
        raise BadArgumentError("a path is needed: a str, a Ref, or an object that was stored or fetched", field="path")
    return head.path


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
