"""Hints of stored classes: on the node and in another process they are what they are here."""

from __future__ import annotations

import sys

import pytest

import emerge
from cells import cell, elsewhere
from emerge import _classes

FUTURE = "from __future__ import annotations\n"

SHOWN = """
from dataclasses import fields
from typing import NamedTuple, Optional
class Unit(NamedTuple):
    name: str = "kg"
    of: "int | None" = None
class Mixin:
    tag: str = "m"
    def tagged(self, by: int = 1) -> str:
        return self.tag * by
def scaled(by: float, unit: "Unit" = Unit()) -> Optional[float]:
    return by
@emerge.dataclass
class Shown(emerge.Object, Mixin):
    number: int = 1
    names: "list[str] | None" = None
    unit: Optional[Unit] = None
    quoted: "int" = 2
    inner: Optional["Unit"] = None
    def add(self, by: int, unit: Unit = Unit()) -> "float":
        def within(more: Unit) -> Unit:
            return more
        return within.__annotations__["more"]
    def types(self):
        return [repr(each.type).replace(Unit.__module__, "") for each in fields(self)]
    def of_others(self):
        found = [Unit.__annotations__, Mixin.__annotations__, Mixin.tagged.__annotations__, scaled.__annotations__]
        return [repr(each).replace(Unit.__module__, "") for each in (*found, type(self).add.__annotations__, self.add(1))]
"""

COERCING = """
from dataclasses import fields
@emerge.dataclass
class Coercing(emerge.Object):
    number: int = 0
    text: str = ""
    def __post_init__(self):
        for each in fields(self):
            held = getattr(self, each.name)
            kind = {"int": int, "str": str}[each.type] if isinstance(each.type, str) else each.type
            if not isinstance(held, kind):
                setattr(self, each.name, kind(held))
    def made(self):
        return [Coercing("5", 3).number, type(fields(self)[0].type).__name__]
"""

BARE = """
import dataclasses
@dataclasses.dataclass
class Bare:
    number: int = 0
    text: "str" = ""
@emerge.dataclass
class Holder(emerge.Object):
    number: int = 0
    text: "str" = ""
    def types(self):
        return [repr(each.type) for kind in (Bare, Holder) for each in dataclasses.fields(kind)]
"""


@pytest.mark.parametrize("head", ["", FUTURE])
@pytest.mark.parametrize(
    ("text", "name", "methods"),
    [(SHOWN, "Shown", ["types", "of_others"]), (COERCING, "Coercing", ["made"]), (BARE, "Holder", ["types"])],
)
def test_hints_are_what_they_are_here(fs, home, address, head, text, name, methods):
    made = cell(head + text)[name]()
    here = [getattr(made, method)() for method in methods]
    fs.store(f"{home}/1", made)
    with elsewhere(), emerge.connect(address) as other:
        other.trust(f"{home}/1")
        there = other.get(f"{home}/1")
        assert [getattr(there, method)() for method in methods] == here
        # A class that uses the other travels on.
        other.store(f"{home}/2", there)
    if sys.version_info >= (3, 14) or head:
        assert [fs.call(f"{home}/1", method) for method in methods] == here
    assert fs.call(f"{home}/2", methods[0]) == fs.call(f"{home}/1", methods[0])


def test_hints_that_name_what_does_not_travel_are_texts(fs, home, address):
    scope = cell(
        "from dataclasses import fields\n"
        "class Line(emerge.Object):\n    pass\n"
        "@emerge.dataclass\n"
        "class Unsure(emerge.Object):\n"
        "    line: Line = None\n"
        "    lines: list[Line] = None\n"
        "    number: int = 1\n"
        "    def take(self, line: Line, number: int = 1) -> Line:\n"
        "        def within(line: Line) -> Line:\n"
        "            return 1\n"
        "        return within(line)\n"
        "    def types(self):\n"
        "        return [self.take(1), *(each.type is int for each in fields(self))]\n"
    )
    fs.store(f"{home}/1", scope["Unsure"]())
    wanted = [1, False, False, True]
    assert fs.call(f"{home}/1", "types") == scope["Unsure"]().types() == wanted
    with elsewhere(), emerge.connect(address) as other:
        cls = other.trust(f"{home}/1")
        assert other.get(f"{home}/1").types() == wanted
        hints = cls.take.__annotations__ if sys.version_info < (3, 14) else {"number": int, "line": "Line"}
        assert hints["number"] is int and hints["line"] == "Line"


def test_the_names_of_a_class_and_of_the_function_around_it_are_there(fs, home, address):
    text = (
        "from dataclasses import fields\n"
        "def make(kind):\n"
        "    class Helper:\n"
        "        value: kind = 1\n"
        "        Kind = kind\n"
        "        def given(self, value: Kind, later: 'Later' = None) -> kind:\n"
        "            return [value, kind]\n"
        "    return Helper\n"
        "Helper = make(int)\n"
        "class Later:\n    pass\n"
        "@emerge.dataclass\n"
        "class Around(emerge.Object):\n"
        "    Kind = int\n"
        "    value: Kind = 1\n"
        "    annotations = 5\n"
        "    def hints(self):\n"
        "        given = Helper.given.__annotations__\n"
        "        return [Helper.__annotations__['value'] is int, given['value'] is int, given['later'], fields(self)[0].type is int,\n"
        "                self.annotations, Helper().given(1)[0]]\n"
    )
    made = cell(text)["Around"]()
    here = made.hints()
    assert here == [True, True, "Later", True, 5, 1]
    fs.store(f"{home}/1", made)
    assert fs.call(f"{home}/1", "hints") == here
    with elsewhere(), emerge.connect(address) as other:
        other.trust(f"{home}/1")
        assert other.get(f"{home}/1").hints() == here


@pytest.mark.parametrize("head", ["", FUTURE])
def test_classes_that_need_each_other_are_the_same_versions_elsewhere(fs, home, address, head):
    scope = cell(
        f"{head}from typing import Optional\n"
        "@emerge.dataclass\n"
        "class Shelf(emerge.Object):\n"
        "    items: Optional[list] = None\n"
        "    def first(self, by: Optional[int] = None) -> 'Item':\n        return Item()\n"
        "@emerge.dataclass\n"
        "class Item(emerge.Object):\n"
        "    count: int = 0\n"
        "    shelf: Optional[Shelf] = None\n"
        "    def alone(self, by: Optional[int] = None) -> Optional[Shelf]:\n        return Shelf()\n"
    )
    versions = [_classes.record_of(scope[name]).hash for name in ("Shelf", "Item")]
    fs.store(f"{home}/1", scope["Shelf"]())
    with elsewhere(), emerge.connect(address) as other:
        cls = other.trust(f"{home}/1")
        assert [_classes.record_of(each).hash for each in (cls, type(cls().first()))] == versions
