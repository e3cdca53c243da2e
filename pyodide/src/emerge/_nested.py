"""Classes of stored objects whose statements stand within that of another: each is a class of its own wherever its objects are."""

from __future__ import annotations

import ast
from typing import Any

from ._object import Object
from ._compiled import Statement, first_line
from .errors import ClassInvalidError


def apart(cls: type[Object], statement: Statement) -> tuple[Statement, dict[str, Any]]:
    """The statement of a class with a name in the place of each such statement within it, and what the names stand for.

    Where the statement is run elsewhere, it would make another class than the one of which objects within an object are.
    """
    lines, found = list(statement.lines), {}
    for node in reversed(statement.node.body):
        inner = vars(cls).get(node.name) if isinstance(node, ast.ClassDef) else None
        if not (isinstance(inner, type) and issubclass(inner, Object) and inner.__name__ == node.name):
            continue
        name = f"{cls.__name__.lstrip('_')}__{node.name}"
        found[name] = inner
        at, end = first_line(node) - statement.first, (node.end_lineno or node.lineno) - statement.first
        margin = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
        lines[at : end + 1] = [f"{margin}{node.name} = {name}\n"]
    return (statement._replace(lines=lines), found) if found else (statement, found)


def not_in_each_other(cls: type[Object], peers: frozenset[type[Object]]) -> None:
    """Sees that none of the classes that need a class, and that it needs, stands in its statement, or it in theirs.

    Raises:
        ClassInvalidError: one does.
    """
    for peer in peers:
        outer, inner = (cls, peer) if len(cls.__qualname__) < len(peer.__qualname__) else (peer, cls)
        if outer.__module__ == inner.__module__ and inner.__qualname__.startswith(f"{outer.__qualname__}."):
            raise ClassInvalidError(
                f"the statement of {inner.__name__} stands in that of {outer.__name__}, and uses {outer.__name__}: write it outside, or "
                "take type(self) there",
                field=inner.__name__,
            )
