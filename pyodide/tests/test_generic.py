"""Generic classes, and small things of the library that hold values, travel."""

from __future__ import annotations

import collections
import datetime
import enum
import os
import string
import struct
import types
import typing

import emerge
import pytest
from cells import cell
from emerge import _classes, errors

Kept = typing.TypeVar("Kept")
Sized = typing.TypeVar("Sized", bound=int, covariant=True)
Either = typing.TypeVar("Either", int, str)
Given = typing.ParamSpec("Given")


class Crate(typing.Generic[Kept]):
    def __init__(self, kept: Kept) -> None:
        self.kept = kept

    def shown(self, as_: type[Kept] = int) -> str:
        return f"{self.kept} {Kept} {Sized} {Sized.__bound__.__name__} {Either.__constraints__} {Given}"


OPTIONS = types.SimpleNamespace(rate=2, inner=types.SimpleNamespace(tags=("a",)))
LAYERS = collections.ChainMap({"a": 1}, {"a": 2, "b": (3,)})
GREETING = string.Template("Hello $name")


class Generic(emerge.Object):
    def use(self):
        crate = Crate[int](3)
        return [
            crate.shown(),
            OPTIONS.rate,
            OPTIONS.inner.tags[0],
            LAYERS["a"],
            LAYERS["b"][0],
            len(LAYERS.maps),
            GREETING.substitute(name="Ada"),
        ]


def test_generic_classes_and_small_holders_of_the_library(fs, home):
    fs.store(f"{home}/generic", Generic())
    assert fs.call(f"{home}/generic", "use") == Generic().use()


class Maker:
    @classmethod
    def make(cls, n=1):
        return n + 1


NUMBER = typing.Union[int, None]
CHOICE = typing.Literal["a", "b"]
UserId = typing.NewType("UserId", int)
Titled = typing.TypedDict("Titled", {"title": str})
FIXED = types.MappingProxyType({"a": 1})
HEAD = struct.Struct("<I")
lower, joined, now, make = str.lower, ", ".join, datetime.datetime.now, Maker.make
BY_NAME = {"lower": str.lower, "joined": ", ".join}
ColorName = enum.Enum("ColorName", {"RED": "red"}, type=str)


class Small(emerge.Object):
    def use(self):
        return [
            isinstance(1, NUMBER), typing.get_args(CHOICE)[1], UserId(3), dict(Titled(title="x")), FIXED["a"], HEAD.size, lower("A"),
            joined(["a", "b"]), now is datetime.datetime.now or now().year > 2000, make(2), BY_NAME["lower"]("B"),
            ColorName.RED.upper(), isinstance(ColorName.RED, str),
        ]  # fmt: skip


def test_small_things_that_stand_for_types_and_methods(fs, home):
    fs.store(f"{home}/small", Small())
    assert fs.call(f"{home}/small", "use") == Small().use()


ITEMS = [1]
added = ITEMS.append
DEEP = {"at": [1, open(os.devnull)]}


@pytest.mark.parametrize(
    ("name", "why"), [("added", "a method of what may change"), ("DEEP", r"\['at'\]\[1\] is a _io")]
)
def test_what_cannot_travel_is_named_with_its_place(name, why):
    scope = cell(
        f"class User(emerge.Object):\n    def use(self):\n        return {name}\n",
        {**globals(), "__name__": "__main__"},
    )
    with pytest.raises(errors.ClassInvalidError, match=why) as failed:
        _classes.record_of(scope["User"])
    assert failed.value.field == name


def test_our_expressions_mean_pythons_own_names():
    scope = cell(
        "class User(emerge.Object):\n    def use(self):\n        return [frozenset, PAIRS]\n",
        {"__name__": "__main__", "emerge": emerge, "frozenset": 3, "PAIRS": frozenset({1})},
    )
    with pytest.raises(errors.ClassInvalidError, match="two different things named frozenset"):
        _classes.record_of(scope["User"])


def test_what_typing_notes_of_an_object_is_no_field(fs, home):
    scope = cell(
        "import typing\nT = typing.TypeVar('T')\n"
        "@emerge.dataclass\nclass Box(emerge.Object, typing.Generic[T]):\n    value: T = None\n"
        "    def made(self):\n        return Box[int](4).value\n"
    )
    box = scope["Box"]
    made = box[int](1)
    fs.store(f"{home}/1", made)
    assert fs.get(f"{home}/1").value == 1 and made == box(1) and box[int] == made.__orig_class__
    assert fs.call(f"{home}/1", "made") == 4
