"""Texts in hints that name nothing: those that ``Literal`` lists, and what ``Annotated`` is given besides a type."""

from __future__ import annotations

import pytest

import emerge
from cells import cell
from emerge import errors

HEAD = """
import enum
from typing import Annotated, Literal, NamedTuple, Optional, Union
class Kind(enum.Enum):
    A = "a"
class Num(enum.Enum):
    ONE = 1
class Pt(NamedTuple):
    x: int
class Note:
    def __init__(self, x):
        self.x = x
def noted(x):
    return x
"""

HINTS = {
    'Union[Pt, Literal["auto"]]': "Pt(1)",
    'dict[Literal["a", "b"], Num]': '{"a": Num.ONE}',
    'Annotated[Kind, "doc"]': "Kind.A",
    'Annotated[Kind, "the kind, of course"]': "Kind.A",
    'Annotated[Kind, "Nothing"]': "Kind.A",
    "Annotated[Kind, Note(3)]": "Kind.A",
    "Annotated[Kind, noted(3)]": "Kind.A",
    "Annotated[Kind, lambda v: v]": "Kind.A",
    'list[Annotated[Kind, "len"]]': "[Kind.A]",
    'Annotated["Kind", "doc"]': "Kind.A",
    "Literal[Kind.A]": "Kind.A",
}


@pytest.mark.parametrize("hint", HINTS)
@pytest.mark.parametrize("as_text", [False, True], ids=["type", "text"])
def test_texts_that_name_nothing(fs, home, hint, as_text):
    if as_text and "noted" in hint:
        # Of a text all is evaluated or nothing, and the function does not travel.
        return
    hint_text = repr(hint) if as_text and '"Kind"' not in hint else hint
    scope = cell(
        f"{HEAD}\nclass User(emerge.Object):\n    held: {hint_text}\n"
        "    def use(self):\n        return repr(self.held)\n    def put(self, other):\n        self.held = other.held\n"
    )
    cell(f"user = User()\nuser.held = {HINTS[hint]}\n", scope)
    fs.store(f"{home}/user", scope["user"])
    assert fs.call(f"{home}/user", "use") == repr(scope["user"].held)
    assert fs.get(f"{home}/user").held == scope["user"].held


def test_a_name_that_is_not_there_tells_nothing(fs, home):
    scope = cell(f"{HEAD}\nclass User(emerge.Object):\n    held: Annotated['Missing', Kind] = None\n")
    user = scope["User"]()
    user.held = scope["Kind"].A
    with pytest.raises(errors.UnmappableValueError, match="which no hint tells"):
        fs.store(f"{home}/user", user)


LAMBDAS = """
one, held = (lambda o: 1), (lambda o: o.n)
OPS = {"one": lambda: 1, "none": lambda: None, "neg": lambda x: -x}
made = (lambda: (lambda o: 2))()
given = lambda o, by=lambda: 3: [o, by()]
class User(emerge.Object):
    n = 5
    first, second = (lambda self: 1), (lambda self: self.n)
    def use(self):
        return [one(self), held(self), OPS["one"](), OPS["none"](), OPS["neg"](4), made(0), given(1), self.first(), self.second()]
"""


@pytest.mark.parametrize("alone", [False, True], ids=["cell", "statements"])
def test_lambdas_beside_each_other_that_give_constants(fs, home, alone):
    scope = cell(LAMBDAS, {"__name__": "__main__", "emerge": emerge}, alone)
    fs.store(f"{home}/user", scope["User"]())
    assert fs.call(f"{home}/user", "use") == scope["User"]().use() == [1, 5, 1, None, -4, 2, [1, 3], 1, 5]
