"""Objects within an object: of which class they are here and on the node, while classes are made again."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import Optional

import pytest

import emerge
from cells import cell, elsewhere
from emerge import errors

ORDERS = """
@emerge.dataclass
class Line(emerge.Object):
    quantity: int = 1
    def cost(self):
        return self.quantity * {0}
@emerge.dataclass
class Order(emerge.Object):
    number: int = 0
    lines: list[Line] = emerge.field(default_factory=list)
    def told(self):
        return [[isinstance(line, Line), line.cost()] for line in self.lines]
"""


def test_a_cell_that_was_run_again(fs, home):
    path = f"{home}/order"
    scope = cell(ORDERS.format(10))
    fs.store(path, scope["Order"](1, [scope["Line"](3)]))
    for price, here, there in [(10, 30, 30), (20, 60, 30)]:
        scope = cell(ORDERS.format(price), scope)
        order = fs.get(path)
        assert type(order) is scope["Order"] and order.lines == [scope["Line"](3)]
        assert order.told() == [[True, here]]
        assert fs.call(path, "told") == [[True, there]], "what is stored is as it was"
    # What is within it is stored too when its class is another by now, though no field was changed.
    order.number = 2
    fs.store(path, order)
    assert fs.call(path, "told") == fs.get(path).told() == [[True, 60]]
    with elsewhere():
        scope = cell(ORDERS.format(30))
        order = fs.get(path)
        fs.store(path, order)
        assert fs.call(path, "told") == order.told() == [[True, 90]]
        # As that of the node, it has not changed.
        again = fs.get(path)
        assert again.lines == order.lines
        fs.call(path, "told")
        assert fs.stat(path).version == 3


@emerge.dataclass
class Poll(emerge.Object):
    """Has classes of its own."""

    @emerge.dataclass
    class Choice(emerge.Object):
        """One of them."""

        text: str = ""

        @emerge.dataclass
        class Vote(emerge.Object):
            by: str = ""

        votes: list[Vote] = emerge.field(default_factory=list)

    choices: list[Choice] = emerge.field(default_factory=list)
    best: Optional[Choice] = None

    def told(self):
        choice = self.choices[0]
        return [
            Poll.Choice("a") in self.choices,
            isinstance(choice, Poll.Choice),
            isinstance(choice, self.Choice),
            [isinstance(vote, Poll.Choice.Vote) for vote in self.choices[-1].votes],
        ]

    def matched(self):
        match self.choices[0]:
            case Poll.Choice(text=text):
                return text
        return None

    def vote(self, by):
        self.best = self.Choice("b", [self.Choice.Vote(by)])
        self.choices.append(self.best)
        return len(self.choices)


def test_a_class_within_the_statement_of_another_is_one(fs, home):
    path = f"{home}/poll"
    poll = Poll([Poll.Choice("a")])
    fs.store(path, poll)
    assert fs.call(path, "told") == poll.told() == [True, True, True, []]
    assert fs.call(path, "matched") == poll.matched() == "a"
    assert fs.call(path, "vote", "ada") == poll.vote("ada") == 2
    assert fs.call(path, "told") == fs.get(path).told() == poll.told() == [True, True, True, [True]]
    assert fs.get(path) == poll
    assert "Choice = Poll__Choice\n" in fs.code(path)
    with elsewhere():
        trusted = fs.trust(path)
        there = fs.get(path)
        assert type(there) is trusted and there.told() == [True, True, True, [True]]


def test_one_that_needs_the_other_in_turn_is_named(fs, home):
    scope = cell(
        "class Outer(emerge.Object):\n"
        "    class Inner(emerge.Object):\n        def mine(self):\n            return Outer\n"
    )
    for name in ("Outer", "Inner"):
        value = scope["Outer"]() if name == "Outer" else scope["Outer"].Inner()
        with pytest.raises(errors.ClassInvalidError, match="the statement of Inner stands in that of Outer") as failed:
            fs.store(f"{home}/{name}", value)
        assert failed.value.field == "Inner"


@emerge.dataclass
class Ledger(emerge.Object):
    sums: defaultdict[str, Decimal] = emerge.field(default_factory=lambda: defaultdict(Decimal))

    def add(self, name, amount):
        self.sums[name] += amount
        return self.sums[name]


def test_what_makes_the_values_of_a_defaultdict(fs, home):
    fs.store(f"{home}/ledger", Ledger())
    assert fs.call(f"{home}/ledger", "add", "ada", Decimal("1.50")) == Decimal("1.50")
    assert fs.call(f"{home}/ledger", "add", "ada", Decimal("2.25")) == Decimal("3.75")
    ledger = fs.get(f"{home}/ledger")
    assert ledger.sums == {"ada": Decimal("3.75")} and ledger.sums["bob"] == Decimal(0)


def test_migration_takes_what_is_within_along(fs, home):
    path = f"{home}/order"
    scope = cell(ORDERS.format(10))
    fs.store(path, scope["Order"](1, [scope["Line"](3)]))
    scope = cell(ORDERS.format(20), scope)
    fs.migrate(path, scope["Order"])
    assert fs.call(path, "told") == fs.get(path).told() == [[True, 60]]

    tree = "class Tree(emerge.Object):\n    def __init__(self, under=()):\n        self.under = list(under)\n"
    tree += "    def count(self):\n        return {0} * (1 + sum(each.count() for each in self.under if isinstance(each, Tree)))\n"
    scope = cell(tree.format(1))
    fs.store(f"{home}/tree", scope["Tree"]([scope["Tree"]()]))
    assert fs.call(f"{home}/tree", "count") == 2
    scope = cell(tree.format(10), scope)
    fs.migrate(f"{home}/tree", scope["Tree"])
    assert fs.call(f"{home}/tree", "count") == fs.get(f"{home}/tree").count() == 110
