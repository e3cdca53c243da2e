"""Values that Python has no type of its own for."""

from __future__ import annotations

from typing import Any


class Ref:
    """A reference to another object, by its path."""

    __slots__ = ("path",)

    path: str

    def __init__(self, path: str) -> None:
        object.__setattr__(self, "path", path)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a Ref does not change; make another")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and other.path == self.path

    def __hash__(self) -> int:
        return hash((Ref, self.path))

    def __repr__(self) -> str:
        return f"Ref({self.path!r})"

    def __reduce__(self) -> tuple[type[Ref], tuple[str]]:
        return Ref, (self.path,)
