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

from typing import TYPE_CHECKING, Any

from ._aio import AsyncFileSystem
from ._directory import Directory
from ._fs import FileSystem, connect
from ._meta import (
    Called,
    Clash,
    ClassAt,
    Diff,
    FieldChange,
    GroupInfo,
    MemberResult,
    Meta,
    Method,
    Mixed,
    NewToken,
    Progress,
    QuotaInfo,
    Rules,
    StoredMeta,
    TokenInfo,
    TransactionInfo,
    UserInfo,
    VersionInfo,
)  # fmt: skip
from ._module import wasm_class
from ._object import Object, dataclass, field
from ._search import AsyncSearch, AsyncTextSearch, Group, Highlight, IndexInfo, Plan, Search, SearchFailure, TextMatch
from ._trusted import TrustedClass
from ._values import Ref, Table
from ._watch import Change
from .errors import EmergeError

__version__ = "0.1.0"

__all__ = [
    "AsyncFileSystem",
    "AsyncSearch",
    "AsyncTextSearch",
    "Called",
    "Change",
    "ClassAt",
    "Clash",
    "Diff",
    "Directory",
    "EmergeError",
    "FieldChange",
    "FileSystem",
    "Group",
    "GroupInfo",
    "Highlight",
    "IndexInfo",
    "MemberResult",
    "Meta",
    "Method",
    "Mixed",
    "NewToken",
    "Object",
    "Plan",
    "Progress",
    "QuotaInfo",
    "Ref",
    "Rules",
    "Search",
    "SearchFailure",
    "StoredMeta",
    "Table",
    "TextMatch",
    "TokenInfo",
    "TransactionInfo",
    "TrustedClass",
    "UserInfo",
    "VersionInfo",
    "connect",
    "dataclass",
    "field",
    "wasm_class",
]


if TYPE_CHECKING:
    fs: FileSystem
    """The file system of the node, within methods that run there; elsewhere an error."""
else:

    def __getattr__(name: str) -> Any:
        if name == "fs":
            from ._fs import of_guest

            return of_guest()
        raise AttributeError(f"module 'emerge' has no attribute {name!r}")
