"""What is a field of a class, and what is its constructor's alone."""

from __future__ import annotations

import dataclasses
import functools
import sys
from collections import Counter
from dataclasses import KW_ONLY, InitVar
from typing import ClassVar

import pytest

import emerge
from cells import cell
from emerge import _classes, _travel, errors

AGAIN = InitVar


@emerge.dataclass
class Scaled(emerge.Object):
    """Scaled(s) of the shop."""

    kind: ClassVar[str] = "scaled"
    width: int = 1
    _: KW_ONLY
    scale: InitVar[int] = 3
    more: dataclasses.InitVar = 1
    again: AGAIN[int] = 0
    tags: list = emerge.field(default_factory=lambda: ["x"])
    counts: Counter[str] = emerge.field(default_factory=Counter)

    def __post_init__(self, scale, more, again):
        self.width *= scale

    def shown(self):
        return [self.width, self.tags, sorted(vars(self))]


def test_what_the_constructor_takes_alone_is_no_field(fs, home):
    source = _travel.class_source(Scaled)[0]
    assert [each[0] for each in source[4]] == ["width", "tags", "counts"]
    scaled = Scaled(2, scale=4)
    fs.store(f"{home}/scaled", scaled)
    assert fs.call(f"{home}/scaled", "shown") == scaled.shown() == [8, ["x"], ["counts", "tags", "width"]]
    told = fs.help(f"{home}/scaled")
    assert "width: int = 1" in told and "scale:" not in told and "_:" not in told and "more:" not in told


@emerge.dataclass
class Made(emerge.Object):
    n: int = 0


@emerge.dataclass
class Told(emerge.Object):
    """Told("x") is how it is made."""

    n: int = 0


@pytest.mark.parametrize(
    ("cls", "doc"), [(Scaled, "Scaled(s) of the shop."), (Told, 'Told("x") is how it is made.'), (Made, None)]
)
def test_the_doc_of_a_dataclass_is_the_one_that_was_written(cls, doc):
    assert _travel.class_source(cls)[0][5] == doc


def power(base, by, /, *, more=0):
    return base


class Signed(emerge.Object):
    def a(self, *, c, d: int = 1):
        pass

    def b(self, x, y, /):
        pass

    def c(self, x, y=2, /, z=3, *, last, **rest):
        pass

    def d(self, *all, e=1):
        pass

    def f(self, one, two=2, *, three=3):
        return [one, two, three]

    @staticmethod
    def g(x, /, y):
        pass

    @classmethod
    def h(cls, *, x):
        pass

    part = functools.partialmethod(f, 1, three=4)
    named = power
    short = lambda self, x, *, y=1: x  # noqa: E731


def test_signatures_are_those_of_the_methods(fs, home):
    fs.store(f"{home}/signed", Signed())
    told = {method.name: method.signature for method in fs.methods(f"{home}/signed")}
    assert told == {
        "a": "a(*, c, d: int = 1)",
        "b": "b(x, y, /)",
        "c": "c(x, y=2, /, z=3, *, last, **rest)",
        "d": "d(*all, e=1)",
        "f": "f(one, two=2, *, three=3)",
        "g": "g(x, /, y)",
        "h": "h(*, x)",
        "part": "part(two=2, *, three=4)",
        "named": "named(by, /, *, more=0)",
        "short": "short(x, *, y=1)",
    }
    assert fs.call(f"{home}/signed", "part", 7) == [1, 7, 4]
    assert "    a(*, c, d: int = 1)" in fs.help(f"{home}/signed")


GROWN = """
import enum
from collections import Counter
class Status(enum.Enum):
    NEW = "new"
def five():
    return [5]
@emerge.dataclass
class Grown(emerge.Object):
    n: int = 0
    more: str = "m"
    tags: list = emerge.field(default_factory=lambda: ["x", five()])
    counts: Counter[str] = emerge.field(default_factory=Counter)
    states: list[Status] = emerge.field(default_factory=lambda: [Status.NEW])
    def use(self):
        return [self.n, self.more, self.tags, type(self.counts).__name__, self.states[0] is Status.NEW]
@emerge.dataclass
class Needy(emerge.Object):
    need: int
    n: int = 0
"""


def test_a_migration_takes_what_factories_make(fs, home):
    old = cell("@emerge.dataclass\nclass Grown(emerge.Object):\n    n: int = 0\n")["Grown"]
    fs.store(f"{home}/a", old(n=7))
    fs.store(f"{home}/b", old(n=8))
    scope = cell(GROWN)
    assert fs.migrate(f"{home}/a", scope["Grown"]) == 2
    assert fs.call(f"{home}/a", "use") == [7, "m", ["x", [5]], "Counter", True]
    assert fs.get(f"{home}/a#tags") == ["x", [5]] and fs.get(f"{home}/a#states") == ["new"]
    with pytest.raises(errors.BadArgumentError, match="need"):
        fs.migrate(f"{home}/b", scope["Needy"])
    assert fs.stat(f"{home}/b").version == 1


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [b"x" * 9_000_000, b"x" * 20_000_000, nested(100), nested(300 if sys.platform == "emscripten" else 100_000)],
    ids=range(4),
)
def test_what_is_too_large_or_too_deep_is_named(fs, home, value):
    class Crate(emerge.Object):
        def __init__(self, wide, other):
            self.wide, self.other = wide, other

    with pytest.raises((errors.TooLargeError, errors.TooDeepError)) as failed:
        fs.store(f"{home}/crate", Crate(b"small", value))
    assert failed.value.field.startswith("other")
    assert "other" in failed.value.message


@pytest.mark.parametrize("given", ["list = []", "'dict[str, int]' = {}", "set = set()", "'Any' = [1]"])
@pytest.mark.parametrize("mixed", [False, True], ids=["own", "mixin"])
def test_a_list_that_all_objects_would_share(given, mixed):
    head = "class Mixin:\n" if mixed else "class User(emerge.Object):\n"
    last = "class User(emerge.Object, Mixin):\n    pass\n" if mixed else ""
    scope = cell(f"{head}    items: {given}\n{last}")
    with pytest.raises(errors.ClassInvalidError, match="default_factory") as failed:
        _classes.record_of(scope["User"])
    assert failed.value.field == "items"


def test_a_list_that_all_objects_are_to_share(fs, home):
    scope = cell(
        "import dataclasses\nfrom typing import ClassVar\n"
        "class User(emerge.Object):\n    items: ClassVar[list] = [1]\n    more = [2]\n    at: tuple = (3,)\n"
        "    def use(self):\n        return [*self.items, *self.more, *self.at]\n"
    )
    fs.store(f"{home}/user", scope["User"]())
    assert fs.call(f"{home}/user", "use") == [1, 2, 3]
