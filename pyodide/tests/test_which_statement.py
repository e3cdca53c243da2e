"""Which of several statements of one name made a class, when it has no code to tell it by."""

from __future__ import annotations

import dataclasses
import sys
import typing

import emerge
import pytest
from cells import cell
from emerge import _classes, errors

TOLD = sys.version_info >= (3, 13)


class Err(Exception):
    pass


Before = Err


class Err(ValueError):
    pass


def one():
    @dataclasses.dataclass
    class Row:
        x: int = 1

    class P(typing.NamedTuple):
        a: int = 1

    return Row, P


def two():
    @dataclasses.dataclass
    class Row:
        x: int = 1
        y: int = 2

    class P(typing.NamedTuple):
        a: int = 1
        b: int = 2

    return Row, P


Row1, P1 = one()
Row2, P2 = two()


def times(n):
    return n * 10


class Cfg:
    RATE = times(1)


Cfg1 = Cfg


class Cfg:
    RATE = times(2)


class User(emerge.Object):
    def use(self):
        return [
            issubclass(Err, ValueError), issubclass(Before, ValueError), repr(Row1()), repr(Row2()), list(P1()), list(P2()),
            Cfg.RATE,
        ]  # fmt: skip


def test_a_class_is_that_of_its_own_statement(fs, home):
    fs.store(f"{home}/user", User())
    assert fs.call(f"{home}/user", "use") == [
        each.replace("one.<locals>", "_make_Row1.<locals>").replace("two.<locals>", "_make_Row2.<locals>")
        if isinstance(each, str)
        else each
        for each in User().use()
    ]


def test_one_that_cannot_be_told_is_named(fs, home):
    class Older(emerge.Object):
        def use(self):
            return Cfg1.RATE

    if TOLD:
        fs.store(f"{home}/older", Older())
        assert fs.call(f"{home}/older", "use") == 10
        return
    with pytest.raises(errors.ClassInvalidError, match="several statements of a class Cfg") as failed:
        _classes.record_of(Older)
    assert failed.value.field == "Cfg"


def test_a_class_that_a_call_made_is_of_no_statement():
    scope = cell("class Cfg:\n    RATE = 1\nclass User(emerge.Object):\n    def use(self):\n        return Cfg.RATE\n")
    _classes.record_of(scope["User"])
    scope["Cfg"] = type("Cfg", (), {"RATE": 2})
    with pytest.raises(errors.ClassInvalidError, match="Cfg"):
        _classes.record_of(scope["User"])


def test_characters_that_end_lines_for_strings_alone():
    scope = cell(
        "T = 'x\u2028y\x0cz'\nclass User(emerge.Object):\n    def use(self):\n        return 'a\u2028b' + T\n    def more(self):\n        return 2\n"
    )
    assert "def more" in _classes.record_of(scope["User"]).source[2]


def test_why_there_is_no_source_is_told():
    scope = {"emerge": emerge, "__name__": "__main__"}
    for file, why in (("<string>", "what exec runs"), ("<timed exec>", "%%time.*take that out")):
        exec(compile("class User(emerge.Object):\n    def use(self):\n        return 1\n", file, "exec"), scope)
        with pytest.raises(errors.ClassInvalidError, match=why) as failed:
            _classes.record_of(scope["User"])
        assert failed.value.field == "User"


def test_a_class_of_values_that_were_set_since(fs, home):
    scope = cell("class Settings:\n    rate = 2\n    name = 'a'\n")
    cell("class Uses(emerge.Object):\n    def go(self):\n        return [Settings.rate, Settings.name]\n", scope)
    fs.store(f"{home}/uses", scope["Uses"]())
    scope["Settings"].rate = 9
    with pytest.raises(errors.ClassInvalidError, match="Settings.rate was set after the statement") as failed:
        fs.store(f"{home}/uses", scope["Uses"]())
    assert failed.value.field == "Settings.rate"
    scope["Settings"].rate = 2
    fs.store(f"{home}/uses", scope["Uses"](), overwrite=True)

    # What its own code changes is another matter.
    scope = cell(
        "class Counted(emerge.Object):\n    made = 0\n    step = 1\n    kind = ''\n"
        "    def __init__(self):\n        Counted.made += self.step\n"
        "    def __init_subclass__(cls):\n        super().__init_subclass__()\n        cls.kind = cls.__name__\n"
        "class Sub(Counted):\n    kind = ''\n"
    )
    fs.store(f"{home}/counted", scope["Counted"]())
    fs.store(f"{home}/sub", scope["Sub"]())
    scope["Counted"].step = 2
    with pytest.raises(errors.ClassInvalidError, match="Counted.step was set after"):
        fs.store(f"{home}/sub2", scope["Sub"]())
