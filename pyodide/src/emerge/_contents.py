"""What lists, dicts and sets hold that a statement made: what was put in since does not stand there, and travels with it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from types import FunctionType
from typing import Any, NamedTuple

from . import _source, _written
from ._mutable import BASES, SEQUENCES
from ._object import Object
from ._seen import MISSING
from ._shared import PUT


class Content(NamedTuple):
    """What a list, dict or set holds, and how it is reached."""

    target: str
    """The expression that gives the list, dict or set where its class is."""
    name: str
    """A name for what it holds."""
    value: Any
    title: str
    """What messages call it."""

    def entry(self, name: str) -> tuple[Any, ...]:
        """The entry that puts in what stands under a name, when all that a class uses is defined: also what registers itself."""
        more = "extend" if type(self.value) in SEQUENCES else "update"
        return f"{name}{PUT}", "source", f"{self.target}.clear()\n{self.target}.{more}({name})\n"


def held(cls: type, node: Any, path: str, name: str) -> Iterator[tuple[ast.expr | None, Content]]:
    """The lists, dicts and sets that the body of a class gives its names, and its methods as defaults, with the expressions that made
    them; ``None`` for one that is given several times or otherwise."""
    given = _written.names_of(node.body, cls.__name__)
    expressions = {each.name: each.expression for each in _written.attributes(cls, node)}
    for attribute in dict.fromkeys(given):
        value = vars(cls).get(attribute, MISSING)
        if isinstance(value, type) and value.__qualname__ == f"{cls.__qualname__}.{attribute}":
            inner = [each for each in node.body if isinstance(each, ast.ClassDef) and each.name == attribute]
            if len(inner) == 1 and not issubclass(value, Object):
                yield from held(value, inner[0], f"{path}.{attribute}", f"{name}__{attribute}")
        elif not (attribute.startswith("__") and attribute.endswith("__")) and isinstance(value, BASES):
            title = f"{cls.__qualname__.rpartition('<locals>.')[2]}.{attribute}"
            yield expressions.get(attribute), Content(f"{path}.{attribute}", f"{name}__{attribute}", value, title)


def of_methods(cls: type, node: Any, path: str, name: str) -> Iterator[tuple[ast.expr, Content]]:
    """The defaults of methods that things are put in, as far as no decorator has the method."""
    for made, method in _written.methods(cls, node):
        if vars(cls).get(_source.own_name(cls.__name__, method.name)) is made:
            yield from _of_defaults(made, method, f"{path}.{made.__name__}", f"{name}__{made.__name__}")


def _of_defaults(made: FunctionType, node: Any, path: str, name: str) -> Iterator[tuple[ast.expr, Content]]:
    positions = {id(value): at for at, value in enumerate(made.__defaults__ or ())}
    for each in _written.defaults(made, node) or ():
        if isinstance(each.value, BASES):
            at = positions.get(id(each.value))
            where = f"__kwdefaults__[{each.name!r}]" if at is None else f"__defaults__[{at}]"
            yield each.expression, Content(f"{path}.{where}", f"{name}__{each.name}", each.value, f"{path}.{each.name}")
