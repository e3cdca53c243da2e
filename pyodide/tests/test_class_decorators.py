"""Classes that their decorators register, or make others of."""

from __future__ import annotations

import emerge
import pytest
from cells import cell
from emerge import _classes, errors

REGISTRY = {}
NAMES = []


def register(cls):
    REGISTRY[cls.__name__] = cls
    NAMES.append(cls)
    return cls


@register
class Registered(emerge.Object):
    def go(self):
        return "registered"


@register
class Other(emerge.Object):
    def go(self):
        return ["other", *sorted(REGISTRY), len(NAMES)]

    def made(self):
        return [REGISTRY[name]().go() for name in sorted(REGISTRY) if name != "Other"]


@register
class Helper:
    def go(self):
        return "helper"


def test_classes_that_are_registered_while_they_are_defined(fs, home):
    fs.store(f"{home}/registered", Registered())
    assert fs.call(f"{home}/registered", "go") == "registered"
    fs.store(f"{home}/other", Other())
    assert fs.call(f"{home}/other", "go") == Other().go() == ["other", "Helper", "Other", "Registered", 3]
    assert fs.call(f"{home}/other", "made") == Other().made() == ["helper", "registered"]


def test_a_decorator_that_gives_a_class_which_extends_the_class_is_named():
    scope = cell(
        "def sub(cls):\n    return type(cls.__name__, (cls,), {})\n"
        "@sub\nclass User(emerge.Object):\n    def use(self):\n        return 1\n"
    )
    with pytest.raises(errors.ClassInvalidError, match="User is not what its statement makes") as failed:
        _classes.record_of(scope["User"])
    assert failed.value.field == "User"


EXTENDING = """
def sub(cls):
    class S(cls):
        pass
    return S
@sub
class Q(emerge.Object):
    def go(self):
        return 1
def inner():
    @sub
    class Q(emerge.Object):
        def go(self):
            return 1
    return Q
I = inner()
def more(base):
    class More(base):
        def more(self):
            return 2
    return More
@emerge.dataclass
class Base(emerge.Object):
    n: int = 1
    def go(self):
        return self.n
M = more(Base)
"""


def test_a_decorator_that_extends_a_class_under_another_name_is_named(fs, home):
    scope = cell(EXTENDING)
    for name in "QI":
        with pytest.raises(
            errors.ClassInvalidError, match="Q is not what its statement makes, but a class that a decorator"
        ) as caught:
            fs.store(f"{home}/{name}", scope[name]())
        assert caught.value.field == "Q"


def test_what_only_extends_a_decorated_class_travels(fs, home):
    scope = cell(EXTENDING)
    fs.store(f"{home}/m", scope["M"]())
    assert fs.call(f"{home}/m", "more") == 2
