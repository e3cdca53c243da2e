"""Enumerations that make their members in a way of their own, as Python's documentation shows them."""

from __future__ import annotations

import enum

import emerge
import pytest
from cells import elsewhere
from emerge import errors


class Coordinate(bytes, enum.Enum):
    def __new__(cls, value, label, unit):
        made = bytes.__new__(cls, [value])
        made._value_ = value
        made.label = label
        made.unit = unit
        return made

    PX = (0, "P.X", "km")
    PY = (1, "P.Y", "km")


class Numbered(enum.Enum):
    def __new__(cls, *args):
        made = object.__new__(cls)
        made._value_ = len(cls.__members__) + 1
        return made

    def twice(self):
        return 2 * self.value


class Day(Numbered):
    MONDAY = ()
    TUESDAY = ()


class AutoName(str, enum.Enum):
    def _generate_next_value_(name, start, count, last_values):
        return name.lower()

    def __str__(self):
        return self.value


class Kind(AutoName):
    FOO = enum.auto()
    BAR = enum.auto()


class Stepped(enum.Enum):
    @staticmethod
    def _generate_next_value_(name, start, count, last_values):
        return 10 * (count + 1)

    LOW = enum.auto()
    HIGH = enum.auto()


class Planet(enum.Enum):
    MERCURY = (3.303e23, 2.4397e6)

    def __init__(self, mass, radius):
        self.mass = mass
        self.radius = radius


@emerge.dataclass
class UserOfEnumerations(emerge.Object):
    kind: Kind = Kind.BAR
    at: Coordinate = Coordinate.PY

    def use(self):
        made = [Coordinate.PX.label, bytes(Coordinate.PY), Coordinate(1).unit, Day.TUESDAY.value, Day(2).twice()]
        made += [str(self.kind), Kind("foo").name, self.at.label, Planet.MERCURY.mass]
        return made

    def steps(self):
        return [Stepped.LOW.value, Stepped.HIGH.value]


def test_members_that_an_enumeration_makes_itself(fs, home):
    user = UserOfEnumerations()
    fs.store(f"{home}/user", user)
    assert fs.call(f"{home}/user", "use") == user.use()
    assert fs.call(f"{home}/user", "steps") == user.steps() == [10, 20]
    assert fs.get(f"{home}/user") == user
    with elsewhere():
        fs.trust(f"{home}/user")
        assert fs.get(f"{home}/user").use() == user.use()


def test_one_that_was_given_another_maker_since(fs, home, monkeypatch):
    monkeypatch.setattr(Numbered, "__new__", lambda cls, value: cls.MONDAY)
    with pytest.raises(errors.ClassInvalidError, match="Numbered.__new__"):
        fs.store(f"{home}/user", UserOfEnumerations())
