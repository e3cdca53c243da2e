"""What is put into a list, dict or set of a class or of a default after the statement that made it."""

from __future__ import annotations

import pytest

import emerge
from cells import cell
from emerge import _classes, errors

CONF = """
import collections
class Conf:
    table = {}
    items = [1]
    nested = {"a": {}}
    made = collections.defaultdict(list)
    seen = set()
    last = collections.deque(maxlen=2)
    other = both = []
    size: int = 1
    class Inner:
        words = []
    def known(self, cache={}):
        return sorted(cache)
class Reg:
    h = {}
    subs = []
    kinds = {}
    def __init_subclass__(cls):
        Reg.subs.append(cls.__name__)
        Reg.kinds[cls.__name__] = cls
class Sub(Reg):
    pass
def reg(function):
    Reg.h[function.__name__] = function
    Reg.subs.append(function.__name__)
    return function
@reg
def tri(x):
    return 3 * x + len(Reg.h)
def counted(x, cache={}, *, more=[]):
    cache[x] = 1
    more.append(x)
    return [len(cache), len(more)]
early = lambda x, cache={}: cache.setdefault(x, len(cache))
class User(emerge.Object):
    table = {}
    handlers = {}
    def use(self):
        conf = [Conf.table.get("a"), Conf.items, Conf.nested, dict(Conf.made), sorted(Conf.seen), list(Conf.last), Conf.other, Conf.both]
        return [*conf, Conf.Inner.words, Conf().known(), self.table, self.handlers["dbl"](2), self.sent()]
    def registered(self):
        return [Reg.h["tri"](2), Reg.subs, sorted(Reg.kinds), Reg.kinds["Sub"] is Sub]
    def called(self):
        return [counted(3), early(3)]
    def sent(self, to=[]):
        return to
def handler(name):
    def decorate(function):
        User.handlers[name] = function
        return function
    return decorate
@handler("dbl")
def dbl(x):
    return 2 * x
"""

PUT = """
Conf.table["a"] = 1
Conf.items.append(2)
Conf.nested["a"]["b"] = (3,)
Conf.made["x"].append(4)
Conf.seen.add(5)
Conf.last.extend([6, 7, 8])
Conf.other.append(9)
Conf.Inner.words.append("w")
Conf().known.__func__.__defaults__[0]["k"] = 1
User.table["u"] = 1
User.sent.__defaults__[0].append("t")
"""


def test_what_was_put_in_since_travels(fs, home):
    scope = cell(CONF)
    cell(PUT, scope)
    user = scope["User"]()
    fs.store(f"{home}/user", user)

    def listed(value):
        return list(map(listed, value)) if isinstance(value, (tuple, list)) else value

    expected = user.use()
    expected[2] = {"a": {"b": [3]}}
    assert fs.call(f"{home}/user", "use") == expected
    assert fs.call(f"{home}/user", "registered") == user.registered() == [7, ["Sub", "tri"], ["Sub"], True]
    scope["counted"](1), scope["counted"](2), scope["early"]("e")
    fs.store(f"{home}/user", scope["User"](), overwrite=True)
    assert fs.call(f"{home}/user", "called") == user.called() == [[3, 3], 1]


def test_what_was_put_in_makes_another_version(fs, home):
    scope = cell(CONF)
    first = _classes.record_of(scope["User"]).hash
    assert _classes.record_of(scope["User"]).hash == first
    for put in PUT.split("\n")[1:-1]:
        cell(put, scope)
        assert _classes.record_of(scope["User"]).hash != first, put
        first = _classes.record_of(scope["User"]).hash
        assert _classes.record_of(scope["User"]).hash == first


def test_as_it_was_written_it_is_not_sent_twice():
    scope = cell("class Conf:\n    t = {'a': [1]}\n    s = {2, 1}\n    e = dict()\n" + "def f(x=[1]):\n    return x\n")
    cell("class User(emerge.Object):\n    t = [1]\n    def use(self):\n        return [Conf.t, f()]\n", scope)
    entries = _classes.record_of(scope["User"]).source[6]
    assert [each[0] for each in entries if each[1] == "source"] == ["Conf", "f"]


@pytest.mark.parametrize(
    "put", ["Conf.table['a'] = Own()", "User.table['a'] = Own()", "f.__defaults__[0].append(Own())"]
)
def test_what_cannot_travel_is_named(put):
    scope = cell(
        "class Own:\n    pass\nclass Conf:\n    table = {}\ndef f(x=[]):\n    return x\n"
        "class User(emerge.Object):\n    table = {}\n    def use(self):\n        return [Conf.table, f()]\n"
    )
    _classes.record_of(scope["User"])
    cell(put, scope)
    with pytest.raises(errors.ClassInvalidError, match="cannot travel") as failed:
        _classes.record_of(scope["User"])
    name = {"C": "Conf.table", "U": "User.table", "f": "f.x"}[put[0]]
    assert failed.value.field == name
    assert name in failed.value.message


def test_a_search_sees_what_was_put_in(fs, home):
    scope = cell("@emerge.dataclass\nclass Item(emerge.Object):\n    n: int = 0\nclass Cfg:\n    wanted = {}\n")
    scope.update(fs=fs, home=home)
    for n in range(3):
        fs.store(f"{home}/{n}", scope["Item"](n))
    cell(
        "Cfg.wanted['n'] = 1\nfound = fs.search(lambda o: o.n >= Cfg.wanted.get('n', 9), directory=home).count()\n",
        scope,
    )
    assert scope["found"] == 2


def test_what_a_class_body_computes_is_what_it_was(fs, home):
    """A value by itself travels, whatever it was made of."""
    scope = cell(
        "import os, random\n"
        "class Conf:\n    HOME = os.environ.get('HOME')\n    PAIR = (os.environ.get('HOME'),)\n    DRAWN = [random.random()]\n"
        "    PATHS = dict(os.environ)\n    FIRST = DRAWN[0]\n"
        "class User(emerge.Object):\n    def use(self):\n"
        "        return [Conf.HOME, list(Conf.PAIR), Conf.DRAWN, Conf.PATHS, Conf.FIRST]\n"
    )
    fs.store(f"{home}/user", scope["User"]())
    assert fs.call(f"{home}/user", "use") == scope["User"]().use()


def test_a_class_of_several_is_filled_once(fs, home):
    """What a method has put in is there for the methods of another class that it meets later."""
    scope = cell(
        "TABLE = {}\n"
        "class Conf:\n    table = {}\n    named = TABLE\n"
        "class Reader(emerge.Object):\n    def read(self):\n        return sorted(Conf.table)\n"
        "class Writer(emerge.Object):\n    def write(self):\n        Conf.table['b'] = Conf.named['n']\n        return self.fs.get(self.other).read()\n"
        "Conf.table['a'] = 1\nTABLE['n'] = 2\n"
    )
    entries = _classes.record_of(scope["Writer"]).source[6]
    assert [each[0] for each in entries if each[1] != "module"] == ["Conf__table", "TABLE", "Conf", "Conf__table__put"]
    fs.store(f"{home}/reader", scope["Reader"]())
    writer = scope["Writer"]()
    writer.other = f"{home}/reader"
    fs.store(f"{home}/writer", writer)
    assert fs.call(f"{home}/writer", "write") == ["a", "b"]
    assert fs.call(f"{home}/reader", "read") == ["a"]
