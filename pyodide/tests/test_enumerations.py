"""Enumerations whose statements say what is a member, or make members: as what they are here, or refused by name."""

from __future__ import annotations

import enum
import sys

import pytest

import emerge
from cells import cell, elsewhere
from emerge import errors

HEAD = "import enum, functools, itertools, operator\n"
USER = (
    "class User(emerge.Object):\n"
    "    def go(self):\n"
    "        return [list(A.__members__), [repr(each.value)[:9] for each in A]]\n"
    "    def more(self):\n"
    "        return MORE\n"
)
RIGHT = {
    "nonmember": (
        "class A(enum.Enum):\n    I = 1\n    h = enum.nonmember(5)\n    def m(self): return self.value + 1\n",
        "[A.h, A.I.m()]",
    ),
    "nonmember by a value": (
        "class A(enum.Enum):\n    I = 1\n    h = enum.nonmember(next(ids))\n    def m(self): return self.value + 1\n",
        "[A.h, A.I.m()]",
    ),
    "member of a function": (
        "class A(enum.Enum):\n    I = 1\n    @enum.member\n    def f(x): return x * 2\n    def m(self): return 4\n",
        "[A.f.value(3), A.I.m()]",
    ),
    "member of lambdas": (
        "class A(enum.Enum):\n    SQ = enum.member(lambda x: x * x)\n    NEG = enum.member(operator.neg)\n"
        "    P = enum.member(functools.partial(operator.add, 3))\n",
        "[A.SQ.value(3), A.NEG.value(2), A.P.value(1)]",
    ),
    "ignored": (
        "class A(enum.Enum):\n    _ignore_ = ['k']\n    for k in range(3):\n        vars()[f'V{k}'] = k\n    def m(self): return 7\n",
        "[A.V0.m(), hasattr(A, 'k')]",
    ),
    "a class within": (
        "class A(enum.Enum):\n    I = 1\n    @enum.nonmember\n    class Inner:\n        x = 4\n    def m(self): return 7\n",
        "[A.I.m(), A.Inner.x]",
    ),
}


def known(cases):
    """Those of which this Python knows the words: ``member`` and ``nonmember`` are new in 3.11."""
    return [what for what, (text, *_) in cases.items() if hasattr(enum, "member") or "member" not in text]


@pytest.mark.parametrize("what", known(RIGHT))
def test_what_its_statement_says_is_a_member(fs, home, address, what):
    text, more = RIGHT[what]
    made = cell(HEAD + "ids = itertools.count(8)\n" + text + USER.replace("MORE", more))["User"]()
    here = [made.go(), made.more()]
    path = f"{home}/1"
    fs.store(path, made)
    wanted = [each for each in here[0][1] if not each.startswith(("<function", "functools"))]
    there = fs.call(path, "go")
    assert there[0] == here[0][0] and set(wanted) <= set(there[1])
    assert fs.call(path, "more") == here[1]
    with elsewhere(), emerge.connect(address) as other:
        other.trust(path)
        assert [other.get(path).go(), other.get(path).more()] == here


WRONG = {
    "other members": (
        "import random\nclass A(enum.Enum):\n    _ignore_ = 'k'\n    for k in range(3):\n        vars()[f'V{k}'] = random.random()\n"
        "    def m(self): return 7\n",
        "the statement of A, run again, makes other members",
    ),
    "a name": ("h = enum.nonmember(5)\nclass A(enum.Enum):\n    I = 1\n    k = h\n", "A uses h"),
}
if sys.version_info < (3, 13):
    WRONG["a class"] = (
        "class A(enum.Enum):\n    I = 1\n    class Inner: pass\n    def m(self): return 7\n",
        r"A\.Inner is a member in this Python",
    )
    WRONG["a partial"] = ("class A(enum.Enum):\n    I = functools.partial(len)\n", r"A\.I is a member in this Python")


@pytest.mark.parametrize("what", known(WRONG))
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_what_would_be_another_is_refused(fs, home, what):
    text, why = WRONG[what]
    with pytest.raises(errors.ClassInvalidError, match=why):
        fs.store(f"{home}/1", cell(HEAD + text + USER)["User"]())


@pytest.mark.parametrize(
    "made", ["itertools.count(1)", "itertools.cycle([1, 2])", "iter([1])", "(x for x in [1])", "map(len, [])"]
)
def test_what_goes_on_by_itself_is_refused(fs, home, made):
    scope = cell(
        f"import itertools\nids = {made}\nclass User(emerge.Object):\n    def go(self):\n        return next(ids)\n"
    )
    with pytest.raises(errors.ClassInvalidError, match=r"uses ids.*state of its own"):
        fs.store(f"{home}/1", scope["User"]())


def test_a_member_whose_value_has_no_place_is_named(fs, home):
    scope = cell(
        "import dataclasses, enum\n"
        "@dataclasses.dataclass(frozen=True)\n"
        "class Spec:\n    n: int = 1\n"
        "class Kind(enum.Enum):\n    A = Spec(1)\n    B = (1, Spec(2))\n    C = (1, 2)\n"
        "@emerge.dataclass\n"
        "class Holder(emerge.Object):\n    kind: Kind = None\n    kinds: list[Kind] = None\n"
    )
    kinds, holder = scope["Kind"], scope["Holder"]
    fs.store(f"{home}/1", holder(kinds.C, [kinds.C]))
    assert fs.get(f"{home}/1").kinds == [kinds.C]
    for made, field, member in ((holder(kinds.A), "kind", "A"), (holder(None, [kinds.B]), r"kinds\[0\]", "B")):
        with pytest.raises(
            errors.UnmappableValueError, match=rf"the member Kind\.{member}, whose value is a .*at {field}"
        ):
            fs.store(f"{home}/1", made)
