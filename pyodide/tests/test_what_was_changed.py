"""What was changed after its statement is not told by its source: it is named, and other code is not sent instead."""

from __future__ import annotations

import functools

import emerge
import pytest
from emerge import _classes, errors
from cells import cell

HELPERS = """
import dataclasses, enum, functools
K = 2
class Plain:
    rate = 1
    def go(self):
        return 1
    @property
    def size(self):
        return 1
@dataclasses.dataclass
class Box:
    n: int = K
    m: int = dataclasses.field(default=K)
    def go(self):
        return self.n
class Level(enum.Enum):
    LOW = K
    def go(self):
        return self.value
def doubled(n, by=K, *, more=1):
    return n * by
@functools.singledispatch
def shown(value):
    return "one"
tripled = lambda n, by=K: n * by
class User(emerge.Object):
    step: int = K
    def use(self, by=K):
        return [Plain().go(), Plain().size, Plain.rate, Box().n, Box().m, Level.LOW.go(), doubled(2), shown(1), tripled(1), by]
"""

CHANGED = {
    "Plain.go = lambda self: 2": "Plain.go",
    "Plain.size = property(lambda self: 2)": "Plain.size",
    "def extra(self):\n    return 2\nPlain.extra = extra": "Plain.extra",
    "Plain.__eq__ = lambda self, other: True": "Plain.__eq__",
    "Box.go = doubled": "Box.go",
    "Level.go = doubled": "Level.go",
    "User.use = lambda self: 1": "User.use",
    "User.more = lambda self: 1": "User.more",
    "K = 3": "K",
    "doubled.tag = 'T'": "doubled",
    "tripled.tag = 'T'": "tripled",
    "doubled.__defaults__ = ()": "doubled",
    "doubled.__kwdefaults__ = {'more': 2}": "doubled",
    "@shown.register\ndef _(value: int):\n    return 'int'\n": "shown",
}


@pytest.mark.parametrize("change", CHANGED, ids=range(len(CHANGED)))
@pytest.mark.parametrize("known", [False, True], ids=["new", "known"])
def test_what_was_changed_is_named(change, known):
    scope = cell(HELPERS)
    if known and "__defaults__" not in change and "__kwdefaults__" not in change:
        _classes.record_of(scope["User"])
    cell(change, scope)
    with pytest.raises(errors.ClassInvalidError) as failed:
        _classes.record_of(scope["User"])
    assert failed.value.field == CHANGED[change]
    assert CHANGED[change] in failed.value.message


@pytest.mark.parametrize(
    "name", ["n: int = K", "m: int = emerge.field(default=K)", "LIMIT = K", "def m(self, x=K): pass"]
)
def test_a_name_that_is_another_by_now(name):
    scope = cell(
        f"K = 2\n@emerge.dataclass\nclass User(emerge.Object):\n    {name}\n    def use(self):\n        return 1\n"
    )
    first = _classes.record_of(scope["User"]).hash
    scope["K"] = 3
    with pytest.raises(errors.ClassInvalidError, match="run the statement again") as failed:
        _classes.record_of(scope["User"])
    assert failed.value.field == "K"
    scope["K"] = 2
    assert _classes.record_of(scope["User"]).hash == first


def tagging(function):
    function.tag = "T"
    return function


@tagging
def tagged():
    return tagged.tag


def counting(function):
    @functools.wraps(function)
    def wrapper(*args):
        wrapper.calls += 1
        return function(*args)

    wrapper.calls = 0
    return wrapper


@counting
@tagging
def counted():
    return counted.calls


def adding(cls):
    cls.added = lambda self: "added"
    cls.go = lambda self: "replaced"
    return cls


@adding
class Added:
    def go(self):
        return "first"


class Counter(emerge.Object):
    made = 0
    seen: list = []

    def __init__(self):
        Counter.made += 1

    def use(self):
        return [tagged(), counted(), Added().added(), Added().go(), Counter.made, self.seen]


def test_a_decorator_that_is_called_like_dataclass_adds_what_it_likes():
    scope = cell(
        "def dataclass(cls):\n    cls.more = lambda self: 2\n    return emerge.dataclass(cls)\n"
        "@dataclass\nclass User(emerge.Object):\n    n: int = 1\n    def use(self):\n        return self.more()\n"
    )
    assert _classes.record_of(scope["User"]).source


def test_what_the_statement_tells_travels_as_it_tells(fs, home):
    counter = Counter()
    Counter.seen.append(1)
    fs.store(f"{home}/counter", counter)
    assert fs.call(f"{home}/counter", "use") == ["T", 1, "added", "replaced", 0, []]
    first = fs.stat(f"{home}/counter").class_hash
    fs.store(f"{home}/counter", Counter(), overwrite=True)
    assert fs.stat(f"{home}/counter").class_hash == first
    assert [(field[0], field[3]) for field in _classes.record_of(Counter).source[4]] == [("seen", [])]
