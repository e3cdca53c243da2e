"""Searches against a real node."""

from __future__ import annotations

import enum
import math
import time
from typing import NamedTuple

import pytest

import emerge
from cells import cell
from emerge import errors


@emerge.dataclass
class Part(emerge.Object):
    colour: str = ""
    price: float = 0.0

    def like(self, directory: str) -> list[str]:
        colour = self.colour
        found = emerge.fs.search(lambda o: o.colour == colour, directory=directory)
        return sorted(each.meta.name for each in found)


@emerge.dataclass
class SparePart(Part):
    spare: bool = True


LIMIT = 3


def is_cheap(o):
    """Whether it costs little."""
    return o.price < LIMIT


@pytest.fixture
def parts(fs, home):
    for at in range(5):
        cls = SparePart if at == 4 else Part
        fs.store(f"{home}/p{at}", cls(colour="red" if at % 2 else "blue", price=float(at)))
    return home


def names(found):
    """Those made within a millisecond come in any order."""
    return sorted(each.meta.name for each in found)


def in_order(found):
    return [each.meta.name for each in found]


def test_functions_of_all_forms(fs, parts):
    found = list(fs.search(lambda o: o.price < 2 and "e" in o.colour, directory=parts, order="price"))
    assert in_order(found) == ["p0", "p1"] and type(found[0]) is Part and found[1].price == 1.0
    limit = 2
    assert names(fs.search(lambda o: o.price < limit, directory=parts)) == ["p0", "p1"]
    assert names(fs.search(lambda o: o.price < LIMIT - 1, directory=parts)) == ["p0", "p1"]
    assert names(fs.search(lambda o, p: o.price < p.max, {"max": 1}, directory=parts)) == ["p0"]
    assert names(fs.search(is_cheap, directory=parts)) == ["p0", "p1", "p2"]
    assert names(fs.search("lambda o: o.price == 4", directory=parts)) == ["p4"]
    assert names(fs.search(lambda o: math.floor(o.price / 2) == 1, directory=parts)) == ["p2", "p3"]
    one, other = fs.search(lambda o: o.price < 1, directory=parts), fs.search(lambda o: o.price > 3, directory=parts)
    assert names(one) + names(other) == ["p0", "p4"]
    assert names(fs.search(directory=parts, class_=SparePart)) == ["p4"]
    assert len(list(fs.search(directory=parts, class_="Part"))) == 5
    found[1].price = 9.0
    assert fs.store(f"{parts}/p1", found[1]).meta.version == 2


def test_order_limit_pages_and_groups(fs, parts):
    search = fs.search(directory=parts, order="price", descending=True, limit=3, page_size=2)
    assert in_order(search) == ["p4", "p3", "p2"]
    first, after = search.page()
    assert in_order(first) == ["p4", "p3"]
    assert names(search.page(after)[0]) == ["p2"]
    with pytest.raises(errors.BadArgumentError, match="cursor"):
        fs.search(directory=parts).page(after)
    assert fs.search(lambda o: o.price > 1, directory=parts).count() == 3
    assert search.count() == 3
    groups = fs.search(directory=parts).group_by("colour", total=("sum", "price"), mean=("mean", "price"))
    assert [(each.key, each.count, each.values) for each in groups] == [
        ("blue", 3, {"total": 6.0, "mean": 2.0}),
        ("red", 2, {"total": 4.0, "mean": 2.0}),
    ]
    with pytest.raises(errors.BadArgumentError, match="total"):
        fs.search(directory=parts).group_by("colour", total="price")
    (some,) = fs.search(lambda o: o.price == 2, directory=parts, fields=["colour"])
    table = fs.search(
        lambda o: o.price < 2, directory=parts, order="price", fields=["price", "none"], page_size=1
    ).table()
    assert table == emerge.Table(["price", "none"], [[0, None], [1, None]])
    with pytest.raises(emerge.errors.BadArgumentError):
        fs.search(directory=parts).table()
    assert vars(some)["colour"] == "blue" and "price" not in vars(some)
    plan = fs.search(lambda o: o.price == 2, directory=parts).explain()
    assert (plan.access, plan.sandbox, plan.seen, plan.sandboxed, plan.found) == ("tree", None, 5, 0, 1)


def test_failures_are_told_and_not_fatal(fs, parts):
    search = fs.search(lambda o: o.spare and o.price / 0 > 1, directory=parts)
    assert list(search) == []
    failures = sorted(search.failures)
    assert [each.path for each in failures] == [f"{parts}/p{at}" for at in range(5)]
    assert failures[0].error.message == "AttributeError: the object has no field 'spare'"
    assert failures[4].error.message.startswith("ZeroDivisionError: ")
    assert isinstance(failures[0].error, errors.MethodFailedError)


def test_what_cannot_travel_is_named(fs, parts):
    handle = iter([1])
    with pytest.raises(errors.BadArgumentError, match="handle") as caught:
        fs.search(lambda o: o.price < handle, directory=parts)
    assert caught.value.field == "handle"
    with pytest.raises(errors.BadArgumentError, match="function"):
        fs.search(3)
    with pytest.raises(errors.BadArgumentError, match="SyntaxError"):
        fs.search("lambda o: o.price <", directory=parts).count()
    with pytest.raises(errors.NotFoundError):
        fs.search(directory=f"{parts}/nowhere").count()


def test_a_method_searches(fs, parts):
    assert fs.call(f"{parts}/p1", "like", parts) == ["p1", "p3"]


@emerge.dataclass
class Stamp(emerge.Object):
    serial: int = 0


def test_indexes(fs, home):
    fs.store(f"{home}/a", Stamp(serial=1))
    made = fs.create_index(Stamp, "serial", unique=True)
    assert (made.class_name, made.field, made.unique) == ("Stamp", "serial", True)
    assert made.class_id in [each.class_id for each in fs.indexes()]
    until = time.monotonic() + 30
    while not all(each.ready for each in fs.indexes()):
        assert time.monotonic() < until
    with pytest.raises(errors.NotUniqueError) as caught:
        fs.store(f"{home}/b", Stamp(serial=1))
    assert (caught.value.field, caught.value.path) == ("serial", f"{home}/a")
    with pytest.raises(errors.AlreadyExistsError):
        fs.create_index("Stamp", "serial")
    assert fs.drop_index(Stamp, "serial") and not fs.drop_index(Stamp, "serial")
    with pytest.raises(errors.ClassNotFoundError):
        fs.create_index("NoSuchClass", "serial")


@emerge.dataclass
class Label(emerge.Object):
    text: str = ""
    note: str = ""

    def like(self, words: str, directory: str) -> list[str]:
        found = emerge.fs.search_text(words, directory=directory)
        return [match.object.meta.name for match in found]


def test_text(fs, home):
    fs.store(f"{home}/a", Label(text="A red 🐎 Widget", note="cheap"))
    fs.store(f"{home}/b", Label(text="many words, and among them red and at the end a widget", note="red"))
    fs.store(f"{home}/c", Label(text="blue"))
    found = list(fs.search_text("red wid*", directory=home))
    assert sorted(match.object.text[:1] for match in found) == ["A", "m"]
    assert found[0].score >= found[1].score > 0
    first = next(match for match in found if match.object.meta.name == "a")
    assert [(each.field, [each.text[begin:end] for begin, end in each.ranges]) for each in first.highlights] == [
        ("text", ["red", "Widget"])
    ]
    assert [match.object.meta.name for match in fs.search_text('"a widget"', directory=home)] == ["b"]
    assert [each.object.note for each in fs.search_text("red", text_fields=["note"], directory=home)] == ["red"]
    assert [each.note for each in fs.search(lambda o: o.note == "red", text="widget", directory=home)] == ["red"]
    assert fs.search(text="red", directory=home).count() == 2
    page, after = fs.search_text("red", directory=home, page_size=1).page()
    rest, last = fs.search_text("red", directory=home, page_size=5).page(after)
    assert (len(page), len(rest), last) == (1, 1, None)
    assert sorted(fs.call(f"{home}/c", "like", "red", home)) == ["a", "b"]
    for bad in ("", "...", " ".join(map(str, range(33)))):
        with pytest.raises(errors.EmergeError) as caught:
            list(fs.search_text(bad))
        assert caught.value.field == "text"


class Status(enum.Enum):
    OPEN = "open"
    DONE = "done"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Place(NamedTuple):
    shelf: int
    row: int = 1


@emerge.dataclass
class Ticket(emerge.Object):
    status: Status = Status.OPEN
    level: Level = Level.LOW
    place: Place = Place(1)
    spots: tuple = ()

    def told(self):
        return self.status.value


WANTED = Status.OPEN
SOME = {Status.OPEN}
SPOT = (1, 2)


def is_open(ticket):
    return ticket.status == Status.OPEN and ticket.status in SOME


def by_pattern(ticket):
    match ticket.status:
        case Status.OPEN:
            return True
    return False


@pytest.mark.parametrize(
    ("function", "is_native"),
    [
        (lambda o: o.status == Status.OPEN, True),
        (lambda o: Status.OPEN == o.status, True),
        (lambda o: o.status is Status.OPEN, True),
        (lambda o: o.status is not Status.DONE, True),
        (lambda o: o.status != Status.DONE, True),
        (lambda o: o.status in (Status.OPEN, None), True),
        (lambda o: o.status not in {Status.DONE}, True),
        (lambda o: o.status == Status.OPEN.value, True),
        (lambda o: o.status == WANTED, True),
        (lambda o: o.status in SOME, True),
        (lambda o: o.level == Level.LOW, True),
        (lambda o: o.level < Level.HIGH, True),
        (lambda o: o.place == (1, 1), True),
        (lambda o: o.place == Place(1), False),
        (lambda o: o.spots == SPOT, True),
        (lambda o: (o.place[0], o.place[1]) == (1, 1), False),
        (lambda o: divmod(o.place[0], 2) == (0, 1), False),
        (lambda o: is_open(o), False),
        (lambda o: Status(o.status) is Status.OPEN, False),
        (lambda o: Status[o.status.upper()] == WANTED, False),
        (by_pattern, False),
    ],
)
def test_members_and_tuples_are_compared_as_they_are_kept(fs, home, function, is_native):
    fs.store(f"{home}/open", Ticket(spots=(1, 2)))
    fs.store(f"{home}/done", Ticket(Status.DONE, Level.HIGH, Place(2), (1,)))
    search = fs.search(function, directory=home)
    assert [ticket.meta.name for ticket in search] == ["open"]
    assert search.failures == []
    assert (search.explain().sandbox is None) == is_native


FACTOR = 5


def scaled(value):
    return value * FACTOR


def scaled_more(value):
    return scaled(value) + LIMIT


def test_functions_that_a_search_calls_have_their_values(fs, home):
    for n in range(4):
        fs.store(f"{home}/{n}", Part(price=float(n)))
    found = fs.search(lambda o: scaled(o.price) < FACTOR * 2 and scaled_more(o.price) < 100, directory=home)
    assert sorted(part.price for part in found) == [0.0, 1.0]
    assert found.failures == []
    # The node knows what the function itself names without them.
    assert fs.search(lambda o: o.price < FACTOR, directory=home).explain().sandbox is None


def test_two_that_are_written_alike_in_one_line(fs, home):
    fs.store(f"{home}/a", Part(price=2.0))
    first, second = fs.search(lambda o: o.price > 1, directory=home).count(), fs.search(lambda o: o.price > 1, directory=home).count()  # fmt: skip
    assert (first, second) == (1, 1)
    limits = [fs.search(lambda o, n=n: o.price > n, directory=home).count() for n in (1, 2)] + [fs.search(lambda o, n=n: o.price > n, directory=home).count() for n in (1,)]  # fmt: skip
    assert limits == [1, 0, 1]


def test_an_object_of_some_fields_has_no_others(fs, home):
    fs.store(f"{home}/t", Ticket(Status.DONE, Level.HIGH))
    (part,) = fs.search(directory=home, fields=["status"])
    assert repr(part) == "Ticket(status=<Status.DONE: 'done'>)"
    assert part.meta.path == f"{home}/t" and fs.get(part.meta.path).level is Level.HIGH
    with pytest.raises(AttributeError, match=r"level is none of them: fs.get\("):
        _ = part.level
    with pytest.raises(errors.PermissionDeniedError, match="can only be read"):
        part.status = Status.OPEN
    with pytest.raises(errors.UnmappableValueError, match="some of its fields cannot be stored"):
        fs.store(f"{home}/other", part)
    assert [each.result for each in fs.call_each([part], "told")] == ["done"]


def test_what_a_search_does_not_see_is_no_silent_nothing(fs, home):
    fs.store(f"{home}/t", Ticket())
    for function in (
        lambda o: isinstance(o, Ticket),
        lambda o: o.__class__ is Ticket,
        lambda o: not isinstance(o, Part),
    ):
        search = fs.search(function, directory=home)
        assert list(search) == []
        (failure,) = search.failures
        assert "give it class_=" in failure.error.message
    wanted = Part("red")
    with pytest.raises(errors.BadArgumentError, match=r"wanted = wanted\.…\), or give it as a parameter") as failed:
        fs.search(lambda o: o.colour == wanted.colour, directory=home)
    assert failed.value.field == "wanted"


def test_functions_with_decorators(fs, home):
    scope = cell(
        "import functools\n"
        "def noted(function):\n    return function\n"
        "def turned(function):\n    @functools.wraps(function)\n    def wrapper(*args):\n        return not function(*args)\n    return wrapper\n"
        "@emerge.dataclass\nclass Decorated(emerge.Object):\n    n: int = 0\n"
        "@noted\ndef small(o):\n    return o.n < 1\n"
        "@turned\ndef large(o):\n    return o.n < 1\n"
        "class Held:\n    @staticmethod\n    def small(o):\n        return o.n < 1\n"
        "async def soon(o):\n    return True\n"
    )
    for n in range(3):
        fs.store(f"{home}/{n}", scope["Decorated"](n))

    def found(wanted):
        return sorted(each.n for each in fs.search(wanted, directory=home))

    assert found(scope["small"]) == found(scope["Held"].small) == found(vars(scope["Held"])["small"]) == [0]
    assert found(scope["large"]) == [1, 2]
    for wanted, why in (
        (scope["soon"], "coroutine function"),
        (len, "lambda o: … may call it"),
        (5, "a function, or the text"),
    ):
        with pytest.raises(errors.BadArgumentError, match=why):
            fs.search(wanted)
