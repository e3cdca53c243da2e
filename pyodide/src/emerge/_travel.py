"""Classes that travel: their source, their fields, and the names around them that they use."""

from __future__ import annotations

import ast
import builtins
import dataclasses
from types import FunctionType
from typing import Any

from . import _agreed, _classes, _nested, _source, _texts, _written
from ._around import of_class
from ._captures import Captures
from ._express import library_member
from ._hints import annotations_of, fields_of_class, not_shared
from ._object import Object
from ._packages import packages_of
from ._seen import Seen
from .errors import ClassInvalidError


class Scans(dict[type[Object], "Captures | None"]):
    """What has been found out of classes while the addresses of some are worked out; ``None`` for one without source."""

    def used_by(self, cls: type[Object]) -> list[type[Object]]:
        """The stored classes that a class extends or whose names its code uses."""
        if cls not in self:
            try:
                self[cls] = _scan(cls)
            except ClassInvalidError:
                # When it is needed, who needs it says so.
                self[cls] = None
        found = self[cls]
        return [] if found is None else [*bases_of(cls), *found.uses]

    def reached_from(self, cls: type[Object], shut: frozenset[type[Object]] = frozenset()) -> set[type[Object]]:
        """All that a class uses, and what that uses in turn, on ways that do not go through some."""
        reached: set[type[Object]] = set()
        waiting = self.used_by(cls)
        while waiting:
            each = waiting.pop()
            if each not in reached and each not in shut:
                reached.add(each)
                waiting += self.used_by(each)
        return reached

    def peers_of(self, cls: type[Object]) -> frozenset[type[Object]]:
        """Classes that need a class which needs them: no version of theirs can be named by its address.

        They travel within the class by their source. Those that it extends do not: they have the class within them.
        """
        if not self.used_by(cls):
            return frozenset()
        above = frozenset(each for each in cls.__mro__ if each is not cls)
        return frozenset(
            each for each in self.reached_from(cls, above) if each is not cls and cls in self.reached_from(each)
        )


def bases_of(cls: type[Object]) -> list[type[Object]]:
    """The stored classes that a class extends."""
    return [base for base in cls.__bases__ if base is not Object and issubclass(base, Object)]


def class_source(
    cls: type[Object], scans: Scans | None = None
) -> tuple[tuple[Any, ...], tuple[_classes.Record, ...], Seen]:
    """What ``put_class`` takes for a class, the classes that must be at the node before, and what all that was found in.

    Raises:
        ClassInvalidError: the source cannot be found, or a name that it uses cannot travel (``field`` names it).
    """
    if cls is Object:
        raise ClassInvalidError("emerge.Object itself is not stored; store objects of a class that extends it")
    scans = Scans() if scans is None else scans
    captures = scans[cls] = scans.get(cls) or _scan(cls)
    needs: dict[bytes, _classes.Record] = {}

    def address(needed: type[Object]) -> bytes:
        record = _classes.record_of(needed, scans)
        needs[record.hash] = record
        return record.hash

    bases = [(base.__name__, address(base)) for base in bases_of(cls)]
    if captures.uses:
        peers = scans.peers_of(cls)
        _nested.not_in_each_other(cls, peers)
        captures = _scan(cls, peers)
    entries = [
        (name, kind, address(payload[0])) if kind == "class" else (name, kind, *payload)
        for name, kind, *payload in captures.ended()
    ]
    statement, _ = _statement(cls)
    doc = cls.__dict__.get("__doc__")
    if (
        dataclasses.is_dataclass(cls)
        and doc
        and doc.startswith(f"{cls.__name__}(")
        and not ast.get_docstring(statement.node)
    ):
        # ``dataclass`` has made it.
        doc = None
    defaults = _written.literals(statement.node)
    fields = [
        (name, kind, has_default, defaults.get(name, default) if has_default else None, told)
        for name, kind, has_default, default, told in fields_of_class(cls)
    ]
    given = {each[0] for each in (*entries, *bases)} | {cls.__name__}
    mixins = [each for each in cls.__mro__ if not issubclass(each, Object) and annotations_of(each)]
    for declaring in (cls, *(each for each in mixins if library_member("", each) is None)):
        not_shared(declaring)
        _classes.untold(declaring, _untold(declaring, given))
    text = _texts.marked(statement.text(), cls, statement.node)
    source: tuple[Any, ...] = (cls.__name__, "python", text, bases, fields, doc, entries)
    packages = packages_of(cls)
    if packages:
        source = (*source, None, list(packages))
    seen = captures.seen
    for record in needs.values():
        if record.seen is not None:
            seen.add(record.seen)
    return source, tuple(needs.values()), seen


def _untold(cls: type, given: set[str]) -> frozenset[str]:
    """The fields of a class whose annotations use names that are not there where it is made of its source."""
    statement = _source.of_class(cls)
    if statement is None:
        return frozenset(annotations_of(cls))
    node = statement.node
    own = {each.name for each in node.body if isinstance(each, (ast.ClassDef, ast.FunctionDef))}
    own.update(each.id for each in ast.walk(node) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store))
    given = given | own | set(dir(builtins))
    as_texts = _texts.are_texts(cls, node)
    untold = [
        each.target.id
        for each in node.body
        if isinstance(each, ast.AnnAssign)
        and isinstance(each.target, ast.Name)
        and not given.issuperset(_source.names_of([each.annotation], as_texts))
    ]
    # A private one has the class's name before its own.
    return frozenset((*untold, *(f"_{cls.__name__.lstrip('_')}{name}" for name in untold)))


def _scan(cls: type[Object], peers: frozenset[type[Object]] = frozenset()) -> Captures:
    """What a class uses from around it; its peers by their source, other stored classes as they are."""
    statement, inner = _statement(cls)
    text = statement.text()
    captures = Captures(cls, peers)
    try:
        around = of_class(cls, statement, captures.seen).more(inner)
        captures.seen.members(cls, _agreed.members(cls, statement, around.now))
        _agreed.stored(cls, statement, around.now)
        captures.contents(cls, statement.node, cls.__name__)
        captures.walk(text, cls.__name__, around, cls)
    except RecursionError as error:
        raise ClassInvalidError(
            f"{cls.__name__} uses functions that use others in turn, and so on deeper than can be followed",
            field=cls.__name__,
        ) from error
    return captures


def _statement(cls: type[Object]) -> tuple[_source.Statement, dict[str, Any]]:
    """The class statement of a stored class, and what it names beside what is around it.

    Raises:
        ClassInvalidError: there is none, or it is not that of the class which runs here.
    """
    statement = _source.of_class(cls)
    if statement is None:
        raise _source.missing_class(cls)
    return _nested.apart(cls, statement)


def function_text(function: Any) -> str:
    """The source of a function or lambda, which is sent by itself.

    Raises:
        ClassInvalidError: it cannot be found.
    """
    if not isinstance(function, FunctionType):
        raise ClassInvalidError(f"a function is needed, not {function!r}")
    made_by = _source.of_code(function)
    return made_by.text() if isinstance(made_by, _source.Statement) else ast.unparse(made_by.node)
