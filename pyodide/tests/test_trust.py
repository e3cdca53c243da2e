"""Classes that another program makes of their source: those of the objects within an object too."""

from __future__ import annotations

import pytest

import emerge
from cells import cell, elsewhere
from emerge import errors

ORDERS = """
import enum
from typing import NamedTuple, Optional
class Status(enum.Enum):
    OPEN = "open"
class Place(NamedTuple):
    shelf: int
    status: Optional[Status] = None
@emerge.dataclass
class Tag(emerge.Object):
    text: str = ""
    def shown(self):
        return f"<{self.text}>"
@emerge.dataclass
class Line(emerge.Object):
    n: int = 0
    status: Optional[Status] = None
    place: Optional[Place] = None
    tags: list[Tag] = None
    def total(self):
        return self.n * 2
@emerge.dataclass
class Order(emerge.Object):
    lines: list[Line] = emerge.field(default_factory=list)
    named: dict = emerge.field(default_factory=dict)
    first: Optional[Line] = None
    status: Optional[Status] = None
    def total(self):
        return sum(line.total() for line in self.lines)
    def open(self):
        return [self.status is Status.OPEN, self.lines[0].status.name, self.lines[0].place.shelf]
"""


def stored(fs, home):
    scope = cell(ORDERS)
    line, tag, order = scope["Line"], scope["Tag"], scope["Order"]
    status, place = scope["Status"].OPEN, scope["Place"]
    lines = [line(n=3, status=status, place=place(7, status), tags=[tag(text="a")]), line(n=4)]
    fs.store(f"{home}/1", order(lines=lines, named={"x": [tag(text="b")]}, first=line(n=5), status=status))
    fs.store(f"{home}/2", order(first=line(n=6)))
    return scope


def test_the_classes_of_objects_within_are_made_too(fs, home, address):
    stored(fs, home)
    with elsewhere(), emerge.connect(address) as other:
        before = other.get(f"{home}/1")
        cls = other.trust(f"{home}/1")
        order = other.get(f"{home}/1")
        assert type(order) is cls and type(before) is not cls
        assert order.total() == 14 and order.first.total() == 10
        assert order.named["x"][0].shown() == "<b>" and order.lines[0].tags[0].shown() == "<a>"
        assert order.open() == [True, "OPEN", 7]
        order.lines.append(type(order.lines[0])(n=1))
        other.store(f"{home}/1", order)
    assert fs.call(f"{home}/1", "total") == 16
    assert fs.call(f"{home}/1", "open") == [True, "OPEN", 7]


def test_a_path_into_an_object(fs, home, address):
    stored(fs, home)
    fs.set(f"{home}/2#named.link", emerge.Ref(f"{home}/1"))
    with elsewhere(), emerge.connect(address) as other:
        line = other.trust(f"{home}/2#first")
        order = other.get(f"{home}/1")
        assert type(order.lines[0]) is line and order.lines[0].total() == 6
        assert other.get(f"{home}/1#lines[1]").total() == 8
        with pytest.raises(errors.UnsupportedError, match=r"fs\.trust"):
            order.total()
        for path in (f"{home}/2#first.n", f"{home}/2#lines", f"{home}/2#named"):
            with pytest.raises(errors.BadArgumentError, match="no object"):
                other.trust(path)
        assert other.trust(f"{home}/2#named.link").__name__ == "Order"
        assert other.get(f"{home}/1").total() == 14


def test_what_is_not_trusted_has_its_name_and_its_methods(fs, home, address):
    stored(fs, home)
    with elsewhere(), emerge.connect(address) as other:
        line = other.get(f"{home}/1").lines[0]
        assert type(line).__name__ == "Line" and line.n == 3
        with pytest.raises(errors.UnsupportedError, match=r"fs\.trust"):
            line.total()
        found = list(other.search(lambda o: o.first.n == 6, directory=home, class_="Order"))
        assert type(found[0].first).__name__ == "Line"


def test_classes_that_the_program_has_are_those_of_objects_within(fs, home, address):
    stored(fs, home)
    with elsewhere(), emerge.connect(address) as other:
        assert type(other.get(f"{home}/1").lines[0]).__module__ == "emerge._standin"
        scope = cell(ORDERS)
        order = other.get(f"{home}/1")
        assert type(order) is scope["Order"] and type(order.lines[0]) is scope["Line"]
        assert order.total() == 14 and order.named["x"][0].shown() == "<b>"


def test_classes_of_another_owner_are_not_made(fs, home, address):
    fs.mkdir(f"{home}/open")
    for path in ("/tests", home, f"{home}/open"):
        fs.chmod(path, 0o777)
    token = fs.add_user("trust-eve")
    url = address.partition("?")[0]
    try:
        with emerge.connect(f"{url}?token={token}") as eves:
            eves.store(
                f"{home}/open/part", cell("class Part(emerge.Object):\n    def go(self):\n        return 1\n")["Part"]()
            )
            eves.chmod(f"{home}/open/part", 0o777)
        with elsewhere(), emerge.connect(address) as other:
            other.trust(f"{home}/open/part")
            holder = cell("class Holder(emerge.Object):\n    def go(self):\n        return 2\n")["Holder"]()
            holder.part = other.get(f"{home}/open/part")
            other.store(f"{home}/holder", holder)
        with elsewhere(), emerge.connect(address) as other:
            other.trust(f"{home}/holder")
            there = other.get(f"{home}/holder")
            assert there.go() == 2 and type(there.part).__name__ == "Part"
            with pytest.raises(errors.UnsupportedError):
                there.part.go()
            assert other.trust(f"{home}/holder#part")().go() == 1
            assert other.get(f"{home}/holder").part.go() == 1
    finally:
        fs.remove_user("trust-eve")
