"""Objects and their classes without a node."""

from __future__ import annotations

import copy
import enum
import math
from collections import namedtuple
from dataclasses import MISSING

import pytest

import emerge
from emerge._proxy import Proxy
from emerge import _classes, _host, _travel, _wire, errors

RATE = 1.25
Box = namedtuple("Box", "a b")


def doubled(number):
    return twice(number)


def twice(number):
    return number * 2


class Plain:
    def __init__(self, n):
        self.n = n


class Color(enum.Enum):
    RED = "red"


@emerge.dataclass
class Base(emerge.Object):
    name: str = ""


@emerge.dataclass
class Item(Base):
    """What lies on a shelf."""

    price: float = 0.0
    count: int = 0
    tags: list[str] = emerge.field(default_factory=list, doc="words")

    def total(self) -> float:
        return math.floor(doubled(self.price) * RATE) + Plain(self.count).n

    @property
    def cheap(self) -> bool:
        return self.price < 1

    @staticmethod
    def unit() -> str:
        return Color.RED.value


def source_of(cls):
    return _travel.class_source(cls)[0]


def test_source_is_the_statement_alone():
    name, language, text, bases, fields, doc, _ = source_of(Item)
    assert (name, language) == ("Item", "python")
    # What is around its statement says how its hints are meant.
    assert text.startswith("from __future__ import annotations\n@emerge.dataclass\nclass Item(Base):\n")
    assert text.rstrip().endswith("return Color.RED.value")
    assert bases == [("Base", _classes.record_of(Base).hash)]
    assert [field[:4] for field in fields] == [
        ("price", "float", True, 0.0),
        ("count", "int", True, 0),
        ("tags", "list", True, []),
    ]
    assert fields[2][4] == "words"
    assert doc == "What lies on a shelf."


def test_names_around_travel():
    captures = {each[0]: each[1:] for each in source_of(Item)[6]}
    assert captures["emerge"] == ("module", "emerge")
    assert captures["math"] == ("module", "math")
    assert captures["RATE"] == ("value", 1.25)
    assert captures["doubled"][0] == "source" and captures["twice"][1].startswith("def twice")
    assert captures["Plain"][1].startswith("class Plain")
    assert captures["Color"][1].startswith("class Color(enum.Enum)")
    names = [each[0] for each in source_of(Item)[6]]
    assert names.index("twice") < names.index("doubled")


LOCK = __import__("threading").Lock()


class Locked(emerge.Object):
    def run(self):
        return LOCK


class Missing(emerge.Object):
    def run(self):
        return no_such_name  # noqa: F821


class Sets(emerge.Object):
    def run(self):
        global RATE
        RATE = 3


@pytest.mark.parametrize(("cls", "name"), [(Locked, "LOCK"), (Missing, "no_such_name"), (Sets, "RATE")])
def test_what_cannot_travel_is_named(cls, name):
    with pytest.raises(errors.ClassInvalidError) as failed:
        _travel.class_source(cls)
    assert failed.value.field == name
    assert name in failed.value.message


def test_a_class_without_source_says_what_to_do():
    scope = {"emerge": emerge}
    exec("class Typed(emerge.Object):\n    x = 1\n", scope)
    with pytest.raises(errors.ClassInvalidError, match="notebook cell"):
        _travel.class_source(scope["Typed"])


def test_a_class_from_a_cell():
    import linecache

    text = "import emerge\nclass Cell(emerge.Object):\n    n: int = 1\n    def go(self):\n        return self.n\n"
    linecache.cache["<cell 1>"] = (len(text), None, text.splitlines(True), "<cell 1>")
    scope = {"__name__": "__main__"}
    exec(compile(text, "<cell 1>", "exec", dont_inherit=True), scope)
    source = source_of(scope["Cell"])
    assert source[2].startswith("class Cell(emerge.Object):") and source[4] == [("n", "int", True, 1, None)]


def test_a_class_in_a_function_keeps_what_it_sees():
    factor = 3

    class Local(emerge.Object):
        def go(self):
            return factor

    assert source_of(Local)[6] == [("emerge", "module", "emerge"), ("factor", "value", 3)]


def test_values_by_type():
    class Held(emerge.Object):
        pass

    for good in (Color.RED, True, Box(1, 2)):
        _host.host().check(_wire.dumps({"x": good})[0])
    for value, named in (
        (Plain(1), "Plain"),
        (print, "builtin"),
        (lambda: 1, "function"),
        (MISSING, "MISSING"),
        (1j, "complex"),
    ):
        with pytest.raises(errors.UnmappableValueError) as failed:
            _host.host().check(_wire.dumps({"a": [value]})[0])
        assert failed.value.field == "a[0]"
        assert named in failed.value.message


def test_every_code_has_its_class():
    from pathlib import Path

    source = Path(__file__).resolve().parents[2] / "crates" / "proto" / "src" / "error.rs"
    if not source.exists():
        codes = set(errors.CODES)
    else:
        import re

        codes = set(re.findall(r'^ +\w+ = \d+, "(\w+)";', source.read_text(), re.M))
    assert codes == set(errors.CODES)
    assert len(codes) > 30


def test_a_proxy_guards_names_of_python():
    calls = []
    proxy = Proxy("/a", lambda *called: calls.append(called))
    copy.copy
    for name in ("__deepcopy__", "__array__", "_repr_html_", "_ipython_display_"):
        assert not hasattr(proxy, name)
    proxy.go(1)
    assert calls == [("/a", "go", (1,), {})] and repr(proxy) == "<proxy of /a>"


def test_repr_is_readable():
    assert repr(Item(name="w", price=1.0)) == "Item(name='w', price=1.0, count=0, tags=[])"
    assert repr(emerge.Ref("/a")) == "Ref('/a')"


def test_changes_are_exact():
    old, new = ({"a": 1, "b": [1], "c": 0.0}, {"a": 1, "b": [1.0], "d": None})
    changed, removed = _host.host().changes(_wire.dumps(old)[0], _wire.dumps(new)[0])
    assert (changed, removed) == (["b", "d"], ["c"])


def test_a_field_in_a_class_that_is_not_decorated():
    class Undecorated(emerge.Object):
        farms: list = emerge.field(default_factory=list)

    class Unannotated(emerge.Object):
        farms = emerge.field(default_factory=list)

    @emerge.dataclass
    class Above(emerge.Object):
        name: str = emerge.field(default="", doc="what it is called")

    class Under(Above):
        farms: list = emerge.field(default_factory=list)

    assert source_of(Above)
    for cls in (Undecorated, Unannotated, Under):
        with pytest.raises(errors.ClassInvalidError, match=f"@emerge.dataclass before class {cls.__name__}") as failed:
            source_of(cls)
        assert failed.value.field == "farms"
