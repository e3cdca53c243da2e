"""What a class uses travels as what it is: helper classes, values with their types, functions as their decorators made them, classes that need each other."""

from __future__ import annotations

import array
import contextlib
import dataclasses
import enum
import functools
import linecache
import os
import re
import sys
import typing
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from datetime import datetime, timedelta, timezone
from fractions import Fraction
from pathlib import PurePosixPath

import emerge
import pytest
from emerge import _travel, errors
from cells import cell

if typing.TYPE_CHECKING:
    from nowhere import Absent


def called(fs, home, value, method, *args):
    path = f"{home}/{type(value).__name__}"
    fs.store(path, value)
    return fs.call(path, method, *args)


def test_helper_classes_without_methods_from_a_cell(fs, home):
    scope = cell(
        "import enum, dataclasses, collections, typing, emerge\n"
        "class Col(enum.Enum):\n    RED = 'red'\n"
        "class Err(Exception): pass\n"
        "class Cfg:\n    RATE = 3\n"
        "NT = collections.namedtuple('NT', 'a b')\n"
        "class Pt(typing.NamedTuple):\n    x: int\n    y: int = 2\n"
        "Level = enum.IntEnum('Level', 'LOW HIGH')\n"
        "@dataclasses.dataclass\nclass Box:\n    n: int = 1\n    tags: list = dataclasses.field(default_factory=list)\n",
        {"__name__": "__main__"},
    )
    cell(
        "class User(emerge.Object):\n"
        "    def use(self):\n"
        "        try:\n            raise Err('no')\n"
        "        except Err as error:\n            said = str(error)\n"
        "        return [Col('red').name, said, Cfg.RATE, NT(1, 2).b, Pt(1).y, Level.HIGH.value, Box(4).n, Box().tags]\n",
        scope,
    )
    user = scope["User"]()
    assert called(fs, home, user, "use") == user.use() == ["RED", "no", 3, 2, 2, 2, 4, []]


def test_the_newest_cell_is_not_taken_for_an_older_class(fs, home):
    scope = cell("import emerge\nclass Cfg:\n    RATE = 1\nOld = Cfg\n", {"__name__": "__main__"})
    cell("class Cfg:\n    RATE = 2\n", scope)
    cell("class User(emerge.Object):\n    def use(self):\n        return [Old.RATE, Cfg.RATE]\n", scope)
    assert called(fs, home, scope["User"](), "use") == [1, 2]


def plain(function):
    def wrapper(*args):
        return function(*args) + 1

    return wrapper


def wrapping(function):
    @functools.wraps(function)
    def wrapper(*args):
        return function(*args) + 1

    return wrapper


class Tripling:
    def __init__(self, function):
        self.function = function

    def __call__(self, *args):
        return 3 * self.function(*args)


@plain
def two(number):
    return number


@wrapping
@plain
def three(number):
    return number


@Tripling
def triple(number):
    return number


@functools.lru_cache(maxsize=None)
def fibonacci(n):
    return n if n < 2 else fibonacci(n - 1) + fibonacci(n - 2)


@contextlib.contextmanager
def opened(seen):
    seen.append("in")
    yield seen
    seen.append("out")


def adder(by):
    def add(number):
        return number + by

    return add


def counted(n):
    def down(n):
        return n if n <= 0 else down(n - 1)

    return down


def made(k):
    class Local:
        def go(self):
            return k

    return Local


add5, add7 = adder(5), adder(7)
nested = adder(add5(1))
undecorated = two.__closure__[0].cell_contents
again = plain(fibonacci)
cached = functools.lru_cache(adder(2))
power = functools.partial(pow, 2)
LocalA, LocalB = made(1), made(2)
OPERATIONS = {"add5": add5, "length": len, "box": LocalA}
double, square = lambda n: n * 2, lambda n: n * n  # noqa: E731


class Decorated(emerge.Object):
    def use(self):
        seen = []
        with opened(seen):
            pass
        return [
            two(1), three(1), triple(1), fibonacci(20), seen, add5(1), add7(1), nested(1), undecorated(1), again(5), cached(1),
            power(3), LocalA().go(), LocalB().go(), down(3), OPERATIONS["add5"](2), OPERATIONS["length"]("abc"),
            OPERATIONS["box"]().go(), double(4), square(4),
        ]  # fmt: skip


down = counted(1)


def test_functions_travel_as_their_decorators_made_them(fs, home):
    assert called(fs, home, Decorated(), "use") == Decorated().use()


def test_what_strings_hold_is_left_as_it_is(fs, home):
    class Text(emerge.Object):
        def text(self):
            return """a
            b
at the edge"""

        def shown(self, n: int = 1):
            return f"""{n}
            {n + 1}
   {n:>3}"""

    assert called(fs, home, Text(), "text") == Text().text()
    assert fs.call(f"{home}/Text", "shown") == Text().shown()


class Color(enum.Enum):
    RED = "red"
    SCARLET = "red"
    BLUE = "blue"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


Pair = namedtuple("Pair", "a b")

CAPTURED = {
    "TUPLE": (1, 2, (3, "x")),
    "PAIR": Pair(1, (2,)),
    "MEMBER": Color.RED,
    "FLAGS": Access.READ | Access.WRITE,
    "FROZEN": frozenset({1, (2, 3)}),
    "COUNTER": Counter("abca"),
    "DEFAULTS": defaultdict(int, a=1),
    "ORDERED": OrderedDict(b=1, a=2),
    "QUEUE": deque([1, 2, 3], 2),
    "BY_NUMBER": {1: "one", (2, 3): [4, (5,)]},
    "PATTERN": re.compile("a+", re.I),
    "COMPLEX": 1j,
    "MUTABLE": bytearray(b"x\0"),
    "BIG": 10**50,
    "NAN": float("nan"),
    "ZERO": -0.0,
    "NAIVE": datetime(2024, 2, 29, 12),
    "THERE": datetime(2024, 2, 29, 12, tzinfo=timezone(timedelta(hours=2))),
    "HALF": Fraction(1, 2),
    "WHERE": PurePosixPath("/a/b"),
    "NUMBERS": array.array("d", [1.5, 2.5]),
    "SPAN": range(1, 9, 2),
    "PARTS": slice(1, None, 2),
    "KINDS": (int, Color, Counter),
    "LIST": [1, {"a": 2.0}],
}
globals().update(CAPTURED)


class Keeper(emerge.Object):
    def all(self):
        values = [
            TUPLE, PAIR, MEMBER, FLAGS, FROZEN, COUNTER, DEFAULTS, ORDERED, QUEUE, BY_NUMBER, PATTERN, COMPLEX, MUTABLE, BIG,
            NAN, ZERO, NAIVE, THERE, HALF, WHERE, NUMBERS, SPAN, PARTS, KINDS, LIST,
        ]  # fmt: skip
        # How Python shows an ordered dict, and several flags, depends on its version.
        shown = [list(value.items()) if isinstance(value, OrderedDict) else value for value in values]
        shown[values.index(FLAGS)] = FLAGS.value
        return [f"{type(value).__name__} {each!r}" for value, each in zip(values, shown)]

    def same(self):
        return [MEMBER is Color.RED, {TUPLE: 1}[TUPLE], PAIR.a, DEFAULTS["none"], QUEUE.maxlen, type(PAIR) is Pair]


def test_captured_values_keep_their_types(fs, home):
    keeper = Keeper()
    ours = [each for each in keeper.all() if not each.startswith("frozenset")]
    assert [each for each in called(fs, home, keeper, "all") if not each.startswith("frozenset")] == ours
    assert fs.call(f"{home}/Keeper", "same") == keeper.same() == [True, 1, 1, 0, 2, True]


class Ours(dict):
    pass


OURS = Ours(a=1)
STORED = Keeper()
NESTED = [{"deep": (OURS,)}]


@pytest.mark.parametrize(
    ("name", "why"), [("OURS", "instance"), ("STORED", "object of a stored class"), ("NESTED", "instance")]
)
def test_values_that_would_change_are_named(name, why):
    scope = cell(f"class Taker(emerge.Object):\n    def take(self):\n        return {name}\n", dict(globals()))
    with pytest.raises(errors.ClassInvalidError, match=why) as failed:
        _travel.class_source(scope["Taker"])
    assert failed.value.field == name


def test_a_module_that_was_edited_after_its_import(tmp_path, monkeypatch, fs, home):
    monkeypatch.syspath_prepend(str(tmp_path))
    text = (
        "import emerge\n"
        "def helper():\n    return 'ONE'\n"
        "class Plain:\n    def go(self):\n        return 'P1'\n"
        "class Uses(emerge.Object):\n    def use(self):\n        return [helper(), Plain().go()]\n"
    )
    file = tmp_path / "edited_module.py"
    file.write_text(text)
    import edited_module

    file.write_text(text.replace("ONE", "TWO  ").replace("P1", "P2  "))
    os.utime(file, (2**31 - 1, 2**31 - 1))
    # As printing a traceback does.
    linecache.checkcache()
    # What the class statement saw is still known.
    assert called(fs, home, edited_module.Uses(), "use") == ["ONE", "P1"]

    file = tmp_path / "edited_helpers.py"
    file.write_text("def helper():\n    return 'ONE'\nclass Plain:\n    def go(self):\n        return 'P1'\n")
    import edited_helpers

    file.write_text(file.read_text().replace("ONE", "TWO  ").replace("P1", "P2  "))
    os.utime(file, (2**31 - 1, 2**31 - 1))
    for name in ("helper", "Plain"):
        scope = cell(
            f"class Uses(emerge.Object):\n    def use(self):\n        return {name}()\n",
            {"__name__": "__main__", "emerge": emerge, name: getattr(edited_helpers, name)},
        )
        with pytest.raises(errors.ClassInvalidError, match="edited after it was loaded") as failed:
            _travel.class_source(scope["Uses"])
        assert failed.value.field == name


# Classes that need each other.


class Ping(emerge.Object):
    def play(self, n):
        return ["ping", *(Pong().play(n - 1) if n else [])]

    def same(self, other):
        return [type(other) is Pong, isinstance(Pong().make(), Ping)]


class Pong(emerge.Object):
    def play(self, n):
        return ["pong", *(Ping().play(n - 1) if n else [])]

    def make(self):
        return Ping()


class Shape(emerge.Object):
    def grown(self, round):
        made = Circle() if round else Square()
        return [type(made).__name__, made.area(), isinstance(made, Shape), made.other()]

    def kind(self):
        return type(self) in (Circle, Square)


@emerge.dataclass
class Circle(Shape):
    r: int = 1

    def area(self):
        return 3 * self.r

    def other(self):
        return Square().area()


@emerge.dataclass
class Square(Shape):
    side: int = 2

    def area(self):
        return self.side**2

    def other(self):
        return Circle().area()


def test_two_classes_that_need_each_other(fs, home):
    assert called(fs, home, Ping(), "play", 3) == ["ping", "pong", "ping", "pong"]
    assert called(fs, home, Pong(), "play", 2) == ["pong", "ping", "pong"]
    assert fs.call(f"{home}/Ping", "same", Pong()) == [True, True]
    fs.store(f"{home}/again", Ping())
    assert fs.stat(f"{home}/again").class_hash == fs.stat(f"{home}/Ping").class_hash


def test_a_base_whose_method_makes_a_subclass(fs, home):
    for made in (Circle(), Square(), Shape()):
        for round in (True, False):
            assert called(fs, home, made, "grown", round) == made.grown(round)
            assert fs.call(f"{home}/{type(made).__name__}", "kind") == made.kind()
    assert fs.call(f"{home}/Circle", "area") == 3


@emerge.dataclass
class Parent(emerge.Object):
    name: str = ""
    children: list[Child] = emerge.field(default_factory=list)
    where: Absent | None = None
    made: typing.ClassVar[int] = 0

    def count(self, more: Absent | None = None) -> int:
        return len(self.children)


@emerge.dataclass
class Child(emerge.Object):
    parent: Parent | None = None
    color: Color = None

    def up(self) -> typing.Optional[Parent]:
        return self.parent

    def kind(self):
        return self.color is Color.RED if False else type(self.color).__name__


def test_annotations_make_no_need(fs, home):
    fs.store(f"{home}/Child", Child())
    assert called(fs, home, Parent(children=[Child()]), "count") == 1
    assert "Absent" not in {entry[0] for entry in _travel.class_source(Parent)[0][6]}
    assert called(fs, home, Child(color=Color.RED), "kind") == "Color"


def test_the_newest_class_statement_is_that_of_what_is_fetched(fs, home):
    scope = cell(
        "import emerge\nclass Again(emerge.Object):\n    def said(self):\n        return 'old'\n",
        {"__name__": "__main__"},
    )
    fs.store(f"{home}/again", scope["Again"]())
    assert fs.get(f"{home}/again").said() == "old"
    cell("class Again(emerge.Object):\n    def said(self):\n        return 'new'\n", scope)
    assert fs.get(f"{home}/again").said() == "new" and type(fs.get(f"{home}/again")) is scope["Again"]


# Class statements that something stands between.


class Announcing(emerge.Object):
    made = ()

    def __init_subclass__(cls, **options):
        super().__init_subclass__(**options)


class Announced(Announcing):
    def go(self):
        return "announced"


import abc  # noqa: E402


class Abstract(emerge.Object, abc.ABC):
    def go(self):
        return self.inner()

    @abc.abstractmethod
    def inner(self): ...


class Concrete(Abstract):
    def inner(self):
        return "concrete"


@dataclasses.dataclass(slots=True)
class Slotted(emerge.Object):
    q: int = 1

    def go(self):
        return self.q


class Slots(emerge.Object):
    __slots__ = ("q",)

    def go(self):
        return self.q


def test_what_stands_between_a_class_statement_and_its_class(fs, home):
    assert called(fs, home, Announced(), "go") == "announced"
    assert called(fs, home, Concrete(), "go") == "concrete"
    assert called(fs, home, Slotted(q=9), "go") == 9 and fs.get(f"{home}/Slotted") == Slotted(q=9)
    slots = Slots()
    slots.q = 5
    assert called(fs, home, slots, "go") == 5 and fs.get(f"{home}/Slots").q == 5


class Mixin:
    def mixed(self, by: int = 2):
        return self.n * by


class Many(Mixin, emerge.Object):
    n: int = 1

    def go(self):
        return self.n

    alias = go
    tripled = lambda self, by=3: self.n * by  # noqa: E731

    @plain
    def plus(self):
        return self.n

    quick = property(lambda self: self.n)


def test_methods_by_other_ways_than_def(fs, home):
    many = Many()
    many.n = 4
    assert called(fs, home, many, "alias") == 4
    assert fs.call(f"{home}/Many", "tripled") == 12
    assert fs.call(f"{home}/Many", "plus") == 5
    assert fs.call(f"{home}/Many", "mixed", 3) == 12
    assert fs.call(f"{home}/Many", "quick") == 4
    names = {method.name: method.signature for method in fs.methods(f"{home}/Many")}
    assert {"go", "alias", "tripled", "plus", "mixed", "quick"} <= set(names)
    assert names["mixed"].startswith("mixed(by=2)"), names


def test_why_a_value_cannot_travel_is_told():
    scope = cell(
        "import emerge\nclass Taker(emerge.Object):\n    def take(self):\n        return LONG\n",
        {"__name__": "__main__", "LONG": "x" * 40_000_000},
    )
    with pytest.raises(errors.ClassInvalidError) as failed:
        _travel.class_source(scope["Taker"])
    assert "cannot travel (" in failed.value.message and len(failed.value.message) < 2000


# Objects that a method holds, is given or fetches.


@emerge.dataclass
class Disc(emerge.Object):
    r: int = 1

    def area(self):
        return 3 * self.r * self.r


@emerge.dataclass
class Ring(Disc):
    inner: Disc = None

    def area(self):
        return super().area() - self.inner.area()


class Board(emerge.Object):
    shapes: list = None

    def total(self):
        return sum(each.area() for each in self.shapes)

    def grow(self):
        for each in self.shapes:
            each.r += 1
        return self.total()

    def given(self, shape):
        return shape.area()

    def fetched(self, path):
        return self.fs.get(path).area()

    def found(self, folder):
        return [self.fs.get(meta.path).area() for meta in self.fs.list(folder)]


def test_a_method_calls_methods_of_the_objects_that_it_meets(fs, home):
    board = Board()
    board.shapes = [Disc(r=2), Ring(r=3, inner=Disc(r=1))]
    assert called(fs, home, board, "total") == board.total() == 36
    assert fs.call(f"{home}/Board", "grow") == 72
    assert [type(each) for each in fs.get(f"{home}/Board").shapes] == [Disc, Ring]
    assert fs.call(f"{home}/Board", "given", Ring(r=2, inner=Disc(r=1))) == 9
    fs.store(f"{home}/shapes/disc", Disc(r=2))
    assert fs.call(f"{home}/Board", "fetched", f"{home}/shapes/disc") == 12
    assert fs.call(f"{home}/Board", "found", f"{home}/shapes") == [12]


def test_values_in_sets_and_values_that_have_no_place(fs, home):
    class Holder(emerge.Object):
        held = None

        def count(self):
            return [len(self.held), sorted(type(each).__name__ for each in self.held)]

    holder = Holder()
    holder.held = {(1, 2), frozenset({3, (4, 5)}), "text"}
    assert called(fs, home, holder, "count") == [3, ["frozenset", "str", "tuple"]]
    assert fs.get(f"{home}/Holder").held == holder.held

    class Member(emerge.Object):
        pass

    holder.held = [{1, Member()}]
    with pytest.raises(errors.UnmappableValueError, match="in a set") as failed:
        fs.store(f"{home}/other", holder)
    assert failed.value.field.startswith("held[0]["), failed.value.field
    released = memoryview(b"abc")
    released.release()
    holder.held = [released]
    with pytest.raises(errors.UnmappableValueError, match="memoryview") as failed:
        fs.store(f"{home}/other", holder)
    assert failed.value.field == "held[0]"
    deep = []
    for _ in range(300 if sys.platform == "emscripten" else 100_000):
        deep = [deep]
    holder.held = deep
    with pytest.raises(errors.TooDeepError):
        fs.store(f"{home}/other", holder)
    with pytest.raises(errors.EmergeError):
        fs.store(None, Disc())


class Spot(typing.NamedTuple):
    x: int
    y: int = 2

    def norm(self):
        return self.x + self.y


class Spotted(emerge.Object):
    def norms(self):
        return [Spot(1).norm(), Spot(x=3, y=4)._replace(y=0).norm(), Spot(5)._asdict()]


def test_a_named_tuple_travels_with_its_methods(fs, home):
    assert called(fs, home, Spotted(), "norms") == Spotted().norms() == [3, 3, {"x": 5, "y": 2}]


def test_time_zones_by_name_are_not_there(fs, home):
    import zoneinfo

    try:
        zone = zoneinfo.ZoneInfo("Europe/Berlin")
    except zoneinfo.ZoneInfoNotFoundError:
        zone = None
    scope = cell(
        "class Uses(emerge.Object):\n"
        "    def go(self):\n        return str(ZONE)\n"
        "class Makes(emerge.Object):\n"
        "    def go(self):\n        from zoneinfo import ZoneInfo\n        return str(ZoneInfo('Europe/Berlin'))\n"
    )
    scope["ZONE"] = zone
    if zone is not None:
        with pytest.raises(
            errors.ClassInvalidError, match=r"no time zones by name\): use datetime.timezone, or keep"
        ) as failed:
            fs.store(f"{home}/uses", scope["Uses"]())
        assert "within the method" not in failed.value.message
    fs.store(f"{home}/makes", scope["Makes"]())
    with pytest.raises(
        errors.MethodFailedError, match="no time zone Europe/Berlin: the node has none by name. Use datetime"
    ):
        fs.call(f"{home}/makes", "go")


@pytest.mark.parametrize(
    ("made", "field"),
    [
        ("{1: 2}", "result"),
        ("[{'a': range(3)}]", "result[0].a"),
        ("(n for n in range(3))", "result"),
        ("{Level.LOW: 1}", "result"),
    ],
)
def test_a_result_without_a_place_is_named(fs, home, made, field):
    scope = cell(
        "import enum\nclass Level(enum.IntEnum):\n    LOW = 1\n"
        f"class Gives(emerge.Object):\n    def go(self):\n        return {made}\n"
    )
    fs.store(f"{home}/gives", scope["Gives"]())
    with pytest.raises(errors.UnmappableValueError, match="of the method's result, .* has no place") as failed:
        fs.call(f"{home}/gives", "go")
    assert failed.value.field == field
    assert "another object" not in failed.value.message


def test_how_deep_a_method_recurses(fs, home):
    scope = cell(
        "import sys\nclass Deep(emerge.Object):\n"
        "    def go(self, n, most=None):\n"
        "        if most:\n            sys.setrecursionlimit(most)\n"
        "        return 0 if n == 0 else 1 + self.go(n - 1)\n"
    )
    fs.store(f"{home}/deep", scope["Deep"]())
    assert fs.call(f"{home}/deep", "go", 400) == 400
    assert fs.call(f"{home}/deep", "go", 5000, 6000) == 5000
    with pytest.raises(errors.MethodFailedError, match="RecursionError"):
        fs.call(f"{home}/deep", "go", 600)


def test_a_module_of_the_program_that_a_method_imports_is_named(fs, home, tmp_path, monkeypatch):
    (tmp_path / "emerge_test_shop").mkdir()
    (tmp_path / "emerge_test_shop" / "__init__.py").write_text("")
    (tmp_path / "emerge_test_shop" / "prices.py").write_text("def price():\n    return 3\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    for statement in ("from emerge_test_shop.prices import price", "import emerge_test_shop.prices"):
        scope = cell(f"class Uses(emerge.Object):\n    def go(self):\n        {statement}\n        return 1\n")
        with pytest.raises(
            errors.ClassInvalidError, match="a module of this program, while it runs: do so at the top"
        ) as failed:
            fs.store(f"{home}/uses", scope["Uses"]())
        assert failed.value.field == "emerge_test_shop.prices"
    scope = cell(
        "class Tries(emerge.Object):\n    def go(self):\n        try:\n            import emerge_test_shop.prices\n"
        "        except ImportError:\n            return 'none'\n        import json\n        return json.dumps(1)\n"
    )
    fs.store(f"{home}/tries", scope["Tries"]())
    assert fs.call(f"{home}/tries", "go") == "none"
