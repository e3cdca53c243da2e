"""Generic classes, and small things of the library that hold values, travel."""

from __future__ import annotations

import collections
import string
import types
import typing

import emerge

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
