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
