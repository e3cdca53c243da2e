"""What a field's declared type tells comes back as it was: here, and in a method on the node. What no type tells is refused."""

from __future__ import annotations

import collections
import enum
import sys
import typing
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from typing import Annotated, Any, Literal, NamedTuple, Optional, TypedDict, Union

import pytest

import emerge
from cells import cell, elsewhere
from emerge import _classes, _hints, errors

HAS_ALIASES = sys.version_info >= (3, 12)


class Status(enum.Enum):
    NEW = "new"
    OLD = "old"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Planet(enum.Enum):
    EARTH = (5.9e24, 6.3e6)
    MARS = (6.4e23, 3.3e6)

    def __init__(self, mass, radius):
        self.mass = mass

    @property
    def heavy(self):
        return self.mass > 1e24


class Named(enum.Enum):
    LISTED = [1, [2, (3,)]]
    MAPPED = {"a": (1,), "b": {2}}
    NOTHING = None


class Access(enum.Flag):
    READ = 1
    WRITE = 2
    RUN = 4


class Point(NamedTuple):
    x: int
    y: int = 2
    status: Optional[Status] = None


class Chain(NamedTuple):
    name: str
    after: Optional[Chain] = None


Pair = namedtuple("Pair", "a b")


class UserId(str):
    def short(self):
        return self[:2]


class Names(list):
    pass


class Entry(TypedDict, total=False):
    status: Status
    at: tuple[int, int]


class Everything(emerge.Object):
    """Fields are set by :func:`everything`: each is of the type that its hint says."""

    planet: Planet
    named: list[Named]
    one: Optional[Status]
    many: list[Status]
    by: dict[str, Status]
    keys: dict[Status, int]
    levels: dict[Level, list[Level]]
    level: Level
    flags: Access
    optional_flags: Access | None
    point: Point
    points: list[Point]
    pair: Pair
    chain: Chain
    maybe: tuple | None
    pairs: list[tuple[int, int]]
    mixed: tuple[Status, tuple[int, ...], str]
    deep: dict[str, list[Optional[tuple[Status, int]]]]
    quoted: "Optional[Status]"
    inner: Optional["Status"]
    listed: list["Status"]
    either: Union[Status, int, list[Level], None]
    told: Annotated[Status, "a word"]
    literal: Literal[Status.NEW, None]
    sets: set[Status]
    frozen: frozenset[tuple[int, int]]
    points_in_set: set[Point]
    raw: bytearray
    raws: list[bytearray]
    counts: Counter[str]
    defaults: defaultdict[str, list[int]]
    typed: typing.DefaultDict[str, int]
    ordered: OrderedDict[str, Status]
    queue: deque[Status]
    user: UserId
    users: list[UserId]
    entry: Entry
    final: typing.Sequence[Status]

    def shown(self):
        return [[name, shown(value)] for name, value in vars(self).items()]

    def of_types(self):
        self.defaults["z"].append(1)
        self.typed["z"] += 2
        self.counts["z"] += 3
        self.raw.append(3)
        self.queue.append(Status.OLD)
        self.planet = Planet.MARS
        self.one = None
        self.flags |= Access.RUN
        return [self.point.x, self.user.short(), self.planet.heavy, self.quoted is Status.OLD, self.chain.after.name]


def shown(value):
    """A value with the types of all that is in it, the same in each version of Python."""
    kind = type(value).__name__
    if isinstance(value, enum.Flag):
        return f"{kind} {value.value}"
    if isinstance(value, enum.Enum):
        return f"{kind} {value.name}"
    if isinstance(value, dict):
        return [kind, [[shown(key), shown(each)] for key, each in value.items()]]
    if isinstance(value, (set, frozenset)):
        return [kind, sorted(str(shown(each)) for each in value)]
    if isinstance(value, (list, tuple, collections.deque)):
        return [kind, [shown(each) for each in value]]
    return f"{kind} {value!r}"


def everything():
    made = Everything()
    made.planet = Planet.EARTH
    made.named = [Named.LISTED, Named.MAPPED, Named.NOTHING]
    made.one = Status.OLD
    made.many = [Status.NEW, Status.OLD]
    made.by = {"a": Status.OLD}
    made.keys = {Status.OLD: 1, Status.NEW: 2}
    made.levels = {Level.HIGH: [Level.LOW]}
    made.level = Level.HIGH
    made.flags = Access.READ | Access.WRITE
    made.optional_flags = Access(0)
    made.point = Point(1, 3, Status.OLD)
    made.points = [Point(1), Point(2)]
    made.pair = Pair(1, [2])
    made.chain = Chain("a", Chain("b"))
    made.maybe = (1, 2)
    made.pairs = [(1, 2), (3, 4)]
    made.mixed = (Status.NEW, (1, 2, 3), "x")
    made.deep = {"a": [(Status.OLD, 1), None]}
    made.quoted = Status.OLD
    made.inner = Status.NEW
    made.listed = [Status.NEW]
    made.either = [Level.LOW]
    made.told = Status.NEW
    made.literal = Status.NEW
    made.sets = {Status.NEW, Status.OLD}
    made.frozen = frozenset({(1, 2), (3, 4)})
    made.points_in_set = {Point(1)}
    made.raw = bytearray(b"ab")
    made.raws = [bytearray(b"c")]
    made.counts = Counter("abca")
    made.defaults = defaultdict(list, a=[1])
    made.typed = defaultdict(int, a=1)
    made.ordered = OrderedDict(b=Status.NEW, a=Status.OLD)
    made.queue = deque([Status.NEW])
    made.user = UserId("ada")
    made.users = [UserId("bob")]
    made.entry = {"status": Status.OLD, "at": (1, 2)}
    made.final = [Status.OLD]
    return made


def test_what_a_declared_type_tells_comes_back_as_it_was(fs, home):
    here = everything()
    fs.store(f"{home}/all", here)
    assert fs.call(f"{home}/all", "shown") == here.shown()
    assert fs.get(f"{home}/all").shown() == here.shown()
    assert fs.call(f"{home}/all", "of_types") == here.of_types()
    assert fs.get(f"{home}/all").shown() == here.shown() == fs.call(f"{home}/all", "shown")


def test_it_is_so_in_another_program(fs, home, address):
    here = everything()
    here.parts = [everything()]
    fs.store(f"{home}/all", here)
    with elsewhere(), emerge.connect(address) as other:
        other.trust(f"{home}/all")
        there = other.get(f"{home}/all")
        assert type(there) is not Everything
        assert there.parts[0].shown() == everything().shown()
        there.of_types()
        there.many = [type(there.many[0]).OLD]
        other.store(f"{home}/all", there)
    there = fs.get(f"{home}/all")
    assert there.many == [Status.OLD] and there.typed == {"a": 1, "z": 2} and there.flags.value == 7


def test_it_is_so_within_other_objects_and_after_a_patch(fs, home):
    here = everything()
    here.parts = [everything()]
    fs.store(f"{home}/all", here)
    there = fs.get(f"{home}/all")
    assert there.parts[0].shown() == everything().shown()
    there.many.append(Status.NEW)
    there.point = Point(9)
    fs.store(f"{home}/all", there)
    assert fs.get(f"{home}/all").many[-1] is Status.NEW
    assert fs.call(f"{home}/all", "of_types")[0] == 9
    # Nothing of it is another by now, so nothing is stored.
    before = fs.stat(f"{home}/all").version
    fs.call(f"{home}/all", "shown")
    assert fs.stat(f"{home}/all").version == before


def test_a_value_that_the_hint_makes_another(fs, home):
    here = Everything()
    here.planet, here.point, here.maybe, here.one, here.many = [6.4e23, 3.3e6], (4, 5), [1], "new", ["old", "none"]
    here.pairs, here.counts, here.flags, here.user = [[1, 2]], {"a": 1}, 99, "plain"
    fs.store(f"{home}/all", here)
    there = fs.get(f"{home}/all")
    assert (there.planet, there.point, there.maybe, there.one) == (Planet.MARS, Point(4, 5), (1,), Status.NEW)
    assert there.many == [Status.OLD, "none"] and there.pairs == [(1, 2)] and type(there.counts) is Counter
    assert there.user.short() == "pl"
    assert fs.call(f"{home}/all", "shown") == there.shown()


class Loose(emerge.Object):
    listed: list = None
    union: Union[Status, str] = None
    two: Union[Status, Planet, list] = None
    bare: defaultdict = None
    point: tuple = None
    text: str = ""
    number: int = 0

    def take(self, name, kind):
        setattr(self, name, {"enum": Status.OLD, "tuple": Point(1), "counts": [Counter("a")]}[kind])

    def give(self):
        return [Status.OLD, Point(1), Counter("a")]


class Mixin(str, enum.Enum):
    RED = "red"


class Wrong(enum.Enum):
    ONE = (1, 2)
    TWO = [1, 2]


LOSSES = [
    ("free", Status.OLD, "free", "Status.OLD"),
    ("free", Access.READ | Access.WRITE, "free", "Access"),
    ("free", Mixin.RED, "free", "Mixin.RED"),
    ("free", Level.LOW, "free", "Level.LOW"),
    ("free", [{"a": Point(1)}], "free[0].a", "Point"),
    ("free", Counter("a"), "free", "Counter"),
    ("free", defaultdict(int), "free", "defaultdict"),
    ("free", OrderedDict(a=1), "free", "OrderedDict"),
    ("free", UserId("a"), "free", "UserId"),
    ("free", Names("a"), "free", "(store list(…) of it)"),
    ("listed", [Status.OLD], "listed[0]", "Status.OLD"),
    ("union", Status.OLD, "union", "Status.OLD"),
    ("point", Point(1), "point", "Point"),
    ("text", Mixin.RED, "text", "Mixin.RED"),
    ("number", Level.LOW, "number", "Level.LOW"),
    ("bare", defaultdict(int), "bare", "defaultdict"),
]


@pytest.mark.parametrize(("name", "value", "field", "named"), LOSSES, ids=range(len(LOSSES)))
def test_what_no_hint_tells_is_refused(fs, home, name, value, field, named):
    here = Loose()
    setattr(here, name, value)
    outer = Loose()
    outer.listed = [here]
    for stored, path in ((here, field), (outer, f"listed[0].{field}")):
        with pytest.raises(errors.UnmappableValueError) as failed:
            fs.store(f"{home}/loose", stored)
        assert failed.value.field == path
        assert named in failed.value.message and "hint" in failed.value.message
    assert not fs.exists(f"{home}/loose")


def test_what_a_method_sets_is_refused_too(fs, home):
    fs.store(f"{home}/loose", Loose())
    for kind, path in (("enum", "free"), ("tuple", "free"), ("counts", "free[0]")):
        with pytest.raises(errors.UnmappableValueError, match="hint") as failed:
            fs.call(f"{home}/loose", "take", "free", kind)
        assert failed.value.field == path
    # What a call gives is kept nowhere, and so is plain.
    assert fs.call(f"{home}/loose", "give") == ["old", [1, 2, None], {"a": 1}]
    with pytest.raises(errors.UnmappableValueError, match="hint"):
        fs.set(f"{home}/loose#free", Status.OLD)


def test_members_that_cannot_be_told_apart_are_refused(fs, home):
    scope = cell(
        "class Holder(emerge.Object):\n    wrong: Wrong = None\n",
        {"__name__": __name__, "emerge": emerge, "Wrong": Wrong},
    )
    for member, good in ((Wrong.ONE, True), (Wrong.TWO, False)):
        holder = scope["Holder"]()
        holder.wrong = member
        if good:
            fs.store(f"{home}/holder", holder)
            assert fs.get(f"{home}/holder").wrong is member
        else:
            with pytest.raises(errors.UnmappableValueError, match="Wrong.TWO"):
                fs.store(f"{home}/holder", holder)


NESTED = """
import enum
class Outer(emerge.Object):
    class Status(enum.Enum):
        NEW = "new"
    quoted: "Status" = None
    plain: Status = Status.NEW
    def use(self):
        return [self.quoted is Outer.Status.NEW, self.plain is Outer.Status.NEW]
"""


@pytest.mark.parametrize("head", ["", "from __future__ import annotations\n"], ids=["plain", "future"])
def test_an_enumeration_within_the_class(fs, home, address, head):
    outer = cell(head + NESTED)["Outer"]()
    outer.quoted = type(outer).Status.NEW
    fs.store(f"{home}/outer", outer)
    assert fs.call(f"{home}/outer", "use") == [True, True]
    assert fs.get(f"{home}/outer").use() == [True, True]
    with elsewhere(), emerge.connect(address) as other:
        other.trust(f"{home}/outer")
        assert other.get(f"{home}/outer").use() == [True, True]


def test_a_hint_whose_name_does_not_travel_tells_nothing(fs, home):
    def made():
        class Within(enum.Enum):
            ONE = 1

        class Holder(emerge.Object):
            held: Within = None

            def use(self):
                return type(self.held).__name__

        return Holder(), Within

    holder, within = made()
    holder.held = within.ONE
    try:
        fs.store(f"{home}/holder", holder)
    except errors.UnmappableValueError as error:
        assert error.field == "held" and "Within.ONE" in error.message
    else:
        assert fs.call(f"{home}/holder", "use") == "Within"


MIXED = """
import enum
from datetime import date
class Status(enum.Enum):
    NEW = "new"
class Aged:
    state: Status
    states: "list[Status]"
class Under(Aged, emerge.Object):
    date: date = None
    def use(self):
        return [self.state is Status.NEW, self.states[0].name]
class Lower(Under):
    more: dict[Status, Status] = None
"""


def test_hints_of_the_classes_above(fs, home, address):
    scope = cell(MIXED)
    new = scope["Status"].NEW
    lower = scope["Lower"]()
    lower.state, lower.states, lower.more = new, [new], {new: new}
    fs.store(f"{home}/lower", lower)
    assert fs.call(f"{home}/lower", "use") == lower.use() == [True, "NEW"]
    assert fs.get(f"{home}/lower").more == {new: new}
    with elsewhere(), emerge.connect(address) as other:
        other.trust(f"{home}/lower")
        assert other.get(f"{home}/lower").use() == [True, "NEW"]


def test_a_key_that_no_hint_tells(fs, home):
    loose = Loose()
    loose.listed = [{Status.OLD: 1}]
    with pytest.raises(errors.UnmappableValueError) as failed:
        fs.store(f"{home}/loose", loose)
    assert failed.value.field == "listed[0]"


def test_two_keys_that_the_wire_has_alike(fs, home):
    both = Everything()
    both.keys = {Status.OLD: 1, "old": 2}
    with pytest.raises(errors.UnmappableValueError) as failed:
        fs.store(f"{home}/both", both)
    assert failed.value.field == "keys"


def test_a_class_without_such_hints_converts_nothing():
    class Plain(emerge.Object):
        number: int = 0
        text: str = ""
        some: list[int] = None
        by: dict[str, list[str]] = None
        maybe: Optional[int] = None

    assert _classes.converters(Plain) == {}
    plain = Plain()
    assert _classes.fields_of(plain) is vars(plain)


class Shop(emerge.Object):
    pass


HINTS = [
    (int, "int"), (float, "float"), (bool, "bool"), (str, "text"), (bytes, "bytes"), (bytearray, "bytes"), (list[int], "list"),
    (tuple[int, str], "list"), (frozenset, "set"), (dict[Status, int], "map"), (Status, "any"), (Level, "any"), (Mixin, "any"),
    (Point, "any"), (Pair, "any"), (Entry, "any"), (UserId, "any"), (typing.NewType("Id", int), "any"), (Optional[int], "any"),
    (Annotated[int, "x"], "int"), (Annotated[Optional[int], "x"], "any"), (Literal["a"], "any"), (Counter[str], "any"),
    (defaultdict[str, int], "any"), (deque, "any"), (Shop, "object"), ("Unknown", "any"), ([int], "any"), ({"a": 1}, "any"),
    (typing.List[int], "list"), (typing.Tuple, "list"), (Any, "any"), (None, "any"), (collections.abc.Sequence[int], "any"),
]  # fmt: skip


@pytest.mark.parametrize(("hint", "name"), HINTS, ids=range(len(HINTS)))
def test_no_hint_claims_what_the_stored_value_is_not(hint, name):
    assert _hints.type_name(hint) == name


ALIASES = """
from typing import Callable, Literal, NewType, Optional, Union, get_type_hints
class Part(emerge.Object):
    n: int = 0
LIT = Literal["a", "b", None]
NUMBER = Union[int, float]
SHORT = int | None
MANY = dict[str, list[tuple[int, ...]]]
DONE = Callable[[int, str], Optional[NUMBER]]
ID = NewType("ID", int)
PARTS = Optional[list[Part]]
QUOTED = Optional["Part"]
class Holder(emerge.Object):
    lit: LIT = "a"
    number: NUMBER = 1
    short: SHORT = None
    many: MANY = None
    id: ID = 2
    def use(self, done: DONE = None) -> LIT:
        hints = get_type_hints(type(self))
        return [str(hints[each]).replace("typing.", "") for each in ("lit", "number", "many", "short")]
class Other(emerge.Object):
    parts: PARTS = None
    quoted: QUOTED = None
    def use(self):
        return [self.parts[0].n, self.quoted]
"""


def test_aliases_travel_as_what_they_are(fs, home):
    scope = cell(ALIASES)
    fs.store(f"{home}/holder", scope["Holder"]())
    there = fs.call(f"{home}/holder", "use")
    assert there == ["Literal['a', 'b', None]", "int | float", "dict[str, list[tuple[int, ...]]]", "int | None"]
    # A hint makes no need of a stored class.
    other = scope["Other"]()
    other.parts = [scope["Part"]()]
    fs.store(f"{home}/other", other)
    assert fs.call(f"{home}/other", "use") == [0, None]


def test_an_alias_of_itself_is_left_out(fs, home):
    if HAS_ALIASES:
        scope = cell(
            "type Json = dict[str, Json] | list[Json] | int\n"
            "class Holder(emerge.Object):\n    some: Json = 1\n    def use(self):\n        return self.some\n"
        )
        fs.store(f"{home}/holder", scope["Holder"]())
        assert fs.call(f"{home}/holder", "use") == 1


@pytest.mark.parametrize(
    "head", ["Some = Optional[list[Status]]", "type Some = list[Status] | None"][: 1 + HAS_ALIASES]
)
def test_an_alias(fs, home, head):
    scope = cell(
        "import enum\nfrom typing import Optional\n"
        f"class Status(enum.Enum):\n    NEW = 'new'\n{head}\n"
        "class Holder(emerge.Object):\n    some: Some = None\n"
        "    def use(self):\n        return [self.some[0] is Status.NEW, self.some[0].name]\n"
    )
    holder = scope["Holder"]()
    holder.some = [scope["Status"].NEW]
    fs.store(f"{home}/holder", holder)
    assert fs.get(f"{home}/holder").use() == fs.call(f"{home}/holder", "use") == [True, "NEW"]
