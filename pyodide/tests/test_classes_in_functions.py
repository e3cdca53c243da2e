"""Classes and functions that are made within functions: a name means there what it means here, or it is named."""

from __future__ import annotations

import dataclasses
import enum
import functools

import emerge
import pytest
from cells import cell
from emerge import _classes, errors

rate = 100
LIMIT = 100


def plus(number):
    def decorate(function):
        @functools.wraps(function)
        def wrapper(*args):
            return function(*args) + number

        return wrapper

    return decorate


def bare(function):
    def wrapper(*args):
        return function(*args)

    return wrapper


def make(rate):
    LIMIT = rate * 2

    def tripled(function):
        def wrapper(*args):
            return 3 * function(*args)

        return wrapper

    class Level(enum.Enum):
        LOW = rate
        HIGH = rate + 1

    def both():
        return [rate, LIMIT]

    @emerge.dataclass
    class Local(emerge.Object):
        level: Level = Level.LOW
        size: int = LIMIT
        several: list = emerge.field(default_factory=both)
        others: list = emerge.field(default_factory=lambda: [rate])
        made = rate * 3

        @bare
        def bared(self):
            return rate

        @functools.lru_cache  # noqa: B019
        def cached(self):
            return rate

        @property
        @bare
        def shown(self):
            return rate

        @staticmethod
        @bare
        def still():
            return rate

        @tripled
        def three(self, by=LIMIT, more=rate + 1):
            return rate + by + more

        class Inner:
            def go(self):
                return rate

        __hash__ = object.__hash__

        def use(self):
            made = Local()
            return [
                self.bared(), self.cached(), self.shown, self.still(), self.three(), self.Inner().go(), self.made, self.size,
                made.several, made.others, self.level is Level.LOW, Level.HIGH.value,
            ]  # fmt: skip

    return Local


def test_a_name_of_the_function_is_not_that_of_the_module(fs, home):
    for number in (7, 8):
        local = make(number)()
        fs.store(f"{home}/local{number}", local)
        assert fs.call(f"{home}/local{number}", "use") == local.use()


def extending(base, size):
    class Extended(base):
        length = size

        def go(self):
            return [super().go(), self.length]

    return Extended


class Stored(emerge.Object):
    def go(self):
        return "stored"


class Plain:
    def go(self):
        return "plain"


def test_a_base_that_a_function_is_given(fs, home):
    extended = extending(Stored, 3)()
    fs.store(f"{home}/extended", extended)
    assert fs.call(f"{home}/extended", "go") == extended.go() == ["stored", 3]
    helper = extending(Plain, 4)

    class User(emerge.Object):
        def use(self):
            return helper().go()

    fs.store(f"{home}/user", User())
    assert fs.call(f"{home}/user", "use") == User().use() == ["plain", 4]


def helpers(rate):
    limit = rate * 2

    @dataclasses.dataclass
    class Box:
        n: int = rate
        m: int = dataclasses.field(default=rate + 1)
        made = rate * 3

        @bare
        def go(self, by=limit, more=rate * 5):
            return [self.n, self.m, self.made, by, more, rate]

    def taken(x, y=limit, *, z=rate * 7):
        return [x, y, z]

    return Box, taken


def test_helpers_of_a_function(fs, home):
    Box, taken = helpers(7)
    others = helpers(8)

    class User(emerge.Object):
        def use(self):
            return [Box().go(), taken(1), others[0]().go(), others[1](1)]

    fs.store(f"{home}/user", User())
    assert fs.call(f"{home}/user", "use") == User().use()


LAMBDAS = [lambda x, i=i: x * i for i in (1, 2, 3)]
BY_DEFAULT = []
for j in (1, 2, 3):

    def by_default(x, k=j * 10, *, function=LAMBDAS[j - 1], pair=(j,
                   j)):  # fmt: skip
        return [x + k, function(x), pair]

    BY_DEFAULT.append(by_default)
j = 50


def test_functions_of_a_loop_have_their_own_defaults(fs, home):
    class User(emerge.Object):
        def use(self):
            return [[each(5) for each in LAMBDAS], [[str(one) for one in each(1)] for each in BY_DEFAULT]]

    fs.store(f"{home}/user", User())
    assert fs.call(f"{home}/user", "use") == User().use()


def test_a_search_has_the_defaults_of_its_function(fs, home):
    fs.store(f"{home}/plain", Stored())
    searches = [lambda o, *, at=at, twice=at * 2: at + twice > 3 for at in (1, 2)]
    assert [len(list(fs.search(each, directory=home))) for each in searches] == [0, 1]


def decorated_by(factor):
    def times(function):
        def wrapper(*args):
            return factor * function(*args)

        return wrapper

    @times
    def counted(n):
        return n

    return counted


counted = decorated_by(3)
factor = 100


def times(function):
    return function


def test_what_python_keeps_nothing_of_is_named():
    class User(emerge.Object):
        def use(self):
            return counted(1)

    with pytest.raises(errors.ClassInvalidError, match="a variable of the function that counted was made in") as failed:
        _classes.record_of(User)
    assert failed.value.field == "times"


def test_a_variable_that_was_changed_since():
    scope = cell(
        "def make():\n    rate = 1\n    class Local(emerge.Object):\n        size = rate * 2\n"
        "        def use(self):\n            return rate\n    rate = 5\n    return Local\n"
    )
    with pytest.raises(errors.ClassInvalidError, match="by now rate is something else") as failed:
        _classes.record_of(scope["make"]())
    assert failed.value.field == "rate"


def test_a_counter_with_nonlocal_is_named():
    scope = cell(
        "def make():\n    n = 0\n    def count():\n        nonlocal n\n        n += 1\n        return n\n"
        "    class Local(emerge.Object):\n        def use(self):\n            return count()\n    return Local\n"
    )
    with pytest.raises(errors.ClassInvalidError, match="Local uses count, and count sets a variable") as failed:
        _classes.record_of(scope["make"]())
    assert failed.value.field == "count"
