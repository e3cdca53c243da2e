"""Emerge: objects with behaviour, kept under paths on a node.

::

    import emerge

    @emerge.dataclass
    class InventoryItem(emerge.Object):
        unit_price: float = 0.0
        quantity_on_hand: int = 0

        def total_cost(self) -> float:
            return self.unit_price * self.quantity_on_hand

    fs = emerge.connect()  # or the link that the node printed
    fs.store("/inventory/widget1", InventoryItem(unit_price=3.0, quantity_on_hand=10))
    fs.call("/inventory/widget1", "total_cost")  # 30.0, computed on the node
"""

from __future__ import annotations

from typing import Any

from ._aio import AsyncFileSystem
from ._fs import FileSystem, connect
from ._meta import Called, ClassAt, Clash, Diff, FieldChange, MemberResult, Meta, Method, Mixed, Progress, VersionInfo
from ._object import Object, dataclass, field
from ._search import AsyncSearch, Group, IndexInfo, Plan, Search, SearchFailure
from ._values import Ref, Table
from .errors import EmergeError

__version__ = "0.1.0"

__all__ = [
    "AsyncFileSystem",
    "AsyncSearch",
    "Called",
    "ClassAt",
    "Clash",
    "Diff",
    "EmergeError",
    "FieldChange",
    "FileSystem",
    "Group",
    "IndexInfo",
    "MemberResult",
    "Meta",
    "Method",
    "Mixed",
    "Object",
    "Plan",
    "Progress",
    "Ref",
    "Search",
    "SearchFailure",
    "Table",
    "VersionInfo",
    "connect",
    "dataclass",
    "field",
]


def __getattr__(name: str) -> Any:
    if name == "fs":
        from ._fs import of_guest

        return of_guest()
    raise AttributeError(f"module 'emerge' has no attribute {name!r}")
