"""Values that would come back as others, and what a method does to its object that is not kept: it is carried, or named."""

from __future__ import annotations

import sys
import time
from datetime import datetime, timedelta, timezone

import pytest

import emerge
from cells import cell
from emerge import _classes, _host, _wire, errors


@emerge.dataclass
class Holder(emerge.Object):
    held: object = None
    n: int = 0

    def add(self):
        self.n += 1
        return self.held

    def echo(self, value):
        return value

    def shape(self):
        return [list(self.held.shape), self.held.tolist(), len(self.held), [list(each) for each in self.held]]

    def other(self):
        self.__class__ = Other

    def dumped(self):
        import pickle

        again = pickle.loads(pickle.dumps(self))
        return [again.n, type(again) is Holder]

    def again(self):
        self.n += 1
        self.fs.store(self.meta.path, self)

    def properties(self):
        return self.meta

    def timed(self, timeout=None, path=None, method=None, version=1):
        return [timeout, path, method, version]

    def endless(self):
        while True:
            pass


class Other(emerge.Object):
    pass


def refused_as_it_is(fs, home, value):
    """An object cannot hold it. Leaves one that could."""
    with pytest.raises(errors.UnmappableValueError, match=rf"{type(value).__name__}, which no hint tells") as failed:
        fs.store(f"{home}/a", Holder(value))
    assert failed.value.field == "held"
    fs.store(f"{home}/a", Holder())


class Stamp(datetime):
    pass


class Dur(timedelta):
    pass


@pytest.mark.parametrize(
    "value, plain",
    [
        (Stamp(2020, 1, 1, tzinfo=timezone.utc), datetime(2020, 1, 1, tzinfo=timezone.utc)),
        (Dur(1), timedelta(1)),
    ],
    ids=["datetime", "timedelta"],
)
def test_a_class_that_extends_one_of_the_library_is_not_stored(fs, home, value, plain):
    refused_as_it_is(fs, home, value)
    # As an argument it is what it extends.
    assert fs.call(f"{home}/a", "echo", value) == plain


def test_what_a_method_cannot_do_to_its_object(fs, home):
    at = f"{home}/a"
    fs.store(at, Holder(n=3))
    with pytest.raises(errors.UnmappableValueError, match="__class__ of its object to Other") as failed:
        fs.call(at, "other")
    assert failed.value.field == "__class__"
    with pytest.raises(errors.BadArgumentError, match="stored by itself when the method ends"):
        fs.call(at, "again")
    with pytest.raises(errors.UnmappableValueError, match=r"the properties of an object .*meta\.path"):
        fs.call(at, "properties")
    assert fs.call(at, "dumped") == [3, True]
    assert fs.get(at).n == 3


def test_all_that_a_proxy_is_given_is_the_methods(fs, home):
    at = f"{home}/a"
    fs.store(at, Holder())
    assert fs.proxy(at).timed(timeout=5, path=6, method=7, version=8) == [5, 6, 7, 8]
    fs.store(f"{home}/dir/b", Holder())
    assert fs.proxy(f"{home}/dir").timed(timeout=5) == {"b": [5, None, None, 1]}
    with pytest.raises(errors.DeadlineExceededError):
        fs.proxy(at, timeout=0.2).endless()

    async def soon():
        with pytest.raises(errors.DeadlineExceededError):
            await fs.aio.proxy(at, timeout=0.2).endless()
        return await fs.aio.proxy(at).timed(timeout=5)

    if sys.platform != "emscripten":
        import asyncio

        assert asyncio.run(soon())[0] == 5


def test_a_call_on_a_directory_heeds_its_timeout(fs, home):
    for name in "ab":
        fs.store(f"{home}/{name}", Holder())
    began = time.monotonic()
    with pytest.raises(errors.DeadlineExceededError):
        fs.call(home, "endless", timeout=0.3)
    assert time.monotonic() - began < 3


JAVASCRIPT = """class Tally extends EmergeObject {
  inc() { this.n += 10; return this.n; }
}"""


def test_a_class_of_the_same_name_in_another_language(fs, home):
    fields = [("n", "int", True, 0, None)]
    source = ("Tally", "javascript", JAVASCRIPT, [], fields, None, [])
    version = _wire.loads(_host.answer(fs._connection.ask(_wire.dumps(("put_class", source))[0], None)))
    ask = _wire.dumps(("store", f"{home}/js", version[0], {"n": 1}, "put"))[0]
    _host.answer(fs._connection.ask(ask, None))
    scope = cell(
        "@emerge.dataclass\nclass Tally(emerge.Object):\n    n: int = 0\n"
        "    def inc(self):\n        self.n += 1\n        return self.n\n"
    )
    got = fs.get(f"{home}/js")
    assert type(got) is not scope["Tally"] and got.n == 1
    with pytest.raises(errors.UnsupportedError):
        got.inc()
    with pytest.raises(errors.PermissionDeniedError):
        got.n = 5
    assert not isinstance(next(iter(fs.search(lambda o: o.n == 1, directory=home))), scope["Tally"])
    fs.store(f"{home}/py", scope["Tally"](2))
    assert isinstance(fs.get(f"{home}/py"), scope["Tally"])
    assert fs.call(f"{home}/js", "inc") == 11 and fs.call(f"{home}/py", "inc") == 3
    # Who says so means it.
    fs.define(scope["Tally"])
    assert isinstance(fs.get(f"{home}/js"), scope["Tally"])


def test_an_earlier_version_of_a_class_is_still_the_programs(fs, home):
    text = "@emerge.dataclass\nclass EditedSince(emerge.Object):\n    n: int = 0\n"
    scope = cell(text)
    fs.store(f"{home}/a", scope["EditedSince"](1))
    first = _classes.record_of(scope["EditedSince"]).hash
    _classes._by_hash.pop(first)
    _classes._records.clear()
    again = cell(f"{text}    more: int = 2\n")["EditedSince"]
    got = fs.get(f"{home}/a")
    assert type(got) is again and got.n == 1


class Answers(emerge.Object):
    def __init__(self, **data):
        self.data = data

    def __getattr__(self, name):
        return self.__dict__["data"][name]


class Always(emerge.Object):
    def __getattr__(self, name):
        return 42


def test_a_class_that_answers_whatever_it_is_asked_for(fs, home):
    for made in (Answers(a=1), Always()):
        at = f"{home}/{type(made).__name__}"
        assert made.meta is None
        fs.store(at, made)
        got = fs.get(at)
        assert got.meta.path == at and made.meta.version == 1
        assert got.a in (1, 42)
        fs.store(f"{home}/holder", Holder([made]), overwrite=True)
        assert fs.get(f"{home}/holder").held[0].a in (1, 42)
        got.more = 1
        fs.store(at, got)
        assert fs.get(at).more == 1


if sys.version_info >= (3, 12):

    def test_generic_aliases(fs, home):
        scope = cell(
            "import enum\nclass Kind(enum.Enum):\n    A = 'a'\n"
            "type Pair[T] = tuple[T, T]\ntype Maybe[T] = T | None\ntype Map[K, V] = dict[K, list[V]]\ntype Turned[A, B] = tuple[B, A]\n"
            "class User(emerge.Object):\n    p: Pair[int]\n    m: Maybe[Kind]\n    d: Map[str, Kind]\n    t: Turned[int, Kind]\n"
            "    def use(self):\n        return repr([self.p, self.m, self.d, self.t])\n"
            "    def put(self):\n        self.p, self.n = self.p, 1\n"
        )
        user = scope["User"]()
        cell("user.p, user.m, user.d, user.t = (1, 2), Kind.A, {'x': [Kind.A]}, (Kind.A, 1)", scope | {"user": user})
        fs.store(f"{home}/a", user)
        assert fs.call(f"{home}/a", "use") == user.use()
        fs.call(f"{home}/a", "put")
        got = fs.get(f"{home}/a")
        assert [got.p, got.m, got.d, got.t] == [user.p, user.m, user.d, user.t]
