"""Plain classes that several stored classes use are one class in all of them, on the node too."""

from __future__ import annotations

import pytest

import emerge
from cells import cell, elsewhere

SHOP = """
import enum, dataclasses
from typing import Any
import emerge
class Status(enum.Enum):
    TODO = "todo"
    DONE = "done"
class Perm(enum.Flag):
    R = 1
    W = 2
class ShopError(Exception):
    pass
class SoldOut(ShopError):
    pass
class Named:
    def shown(self):
        return "named"
@dataclasses.dataclass
class Money:
    cents: int = 0
    def __add__(self, other):
        return Money(self.cents + other.cents) if isinstance(other, Money) else NotImplemented
class Task(emerge.Object, Named):
    status: Status = Status.TODO
    perm: Perm = Perm.R
    def price(self):
        return Money(3)
    def sell(self):
        raise SoldOut("no more")
class Todo(emerge.Object):
    def __init__(self):
        self.tasks = [Task(), Task()]
    def run(self):
        first = self.tasks[0]
        first.status = Status.DONE
        try:
            first.sell()
        except ShopError as error:
            said = str(error)
        total = Money(0)
        for each in self.tasks:
            total = total + each.price()
        match self.tasks[1].status:
            case Status.TODO:
                matched = True
            case _:
                matched = False
        return [
            sum(each.status is Status.TODO for each in self.tasks), said, total.cents, matched, isinstance(first, Named),
            bool(first.perm & Perm.R), {Status.DONE: "ok"}.get(first.status, "?"),
        ]
"""  # fmt: skip

FOUND = [1, "no more", 6, True, True, True, "ok"]


def test_stored_classes_share_the_plain_classes_that_they_use(fs, home):
    scope = cell(SHOP)
    assert scope["Todo"]().run() == FOUND
    fs.store(f"{home}/todo", scope["Todo"]())
    assert fs.call(f"{home}/todo", "run") == FOUND
    # The classes came apart, and meet in a call alone.
    fs.store(f"{home}/task", scope["Task"]())
    assert fs.call(f"{home}/task", "shown") == "named"
    assert fs.call(f"{home}/todo", "run") == FOUND


def test_a_plain_class_of_another_source_is_another(fs, home):
    other = cell(SHOP.replace('DONE = "done"', 'DONE = "ended"'))
    first, second = cell(SHOP), other
    fs.store(f"{home}/task", first["Task"]())
    fs.store(f"{home}/other", second["Todo"]())
    assert fs.call(f"{home}/other", "run") == FOUND


@pytest.mark.parametrize("change", ["K = 1", "K = 2"])
def test_what_a_shared_class_uses_is_part_of_it(fs, home, change):
    scope = cell(
        change
        + """
import emerge
class Helper:
    def k(self):
        return K
class One(emerge.Object):
    def k(self):
        return Helper().k()
"""
    )
    fs.store(f"{home}/one", scope["One"]())
    assert fs.call(f"{home}/one", "k") == int(change[-1])


def test_a_program_that_trusts_the_classes_has_the_plain_ones_once(fs, home, address):
    fs.store(f"{home}/todo", cell(SHOP)["Todo"]())
    with elsewhere(), emerge.connect(address) as other:
        other.trust(f"{home}/todo")
        assert other.get(f"{home}/todo").run() == FOUND
