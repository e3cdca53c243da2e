"""Functions and classes of several modules, each of which means something else by one name."""

from __future__ import annotations

import linecache

import emerge

RUNS = iter(range(10_000))


def module(text, **scope):
    """Runs a text as a module of its own."""
    name = f"<module {next(RUNS)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    scope = {"__name__": name.strip("<>").replace(" ", "_"), "emerge": emerge, **scope}
    exec(compile(text, name, "exec", dont_inherit=True), scope)
    return scope


ONE = """
X = 1
LIMIT = [1]
def help_(n):
    return n + X
def get(n=0):
    return help_(n) + len(LIMIT)
class Box:
    def get(self):
        return help_(10)
pick = lambda: X
"""
TWO = """
import functools
X = 2
LIMIT = [1, 2, 3]
def help_(n):
    return n * 10 + X if n < 5 else get(n - 5)
def get(n=0):
    return help_(n) + len(LIMIT)
class Box:
    factor = X
    def get(self):
        return [help_(1), self.factor]
pick = lambda: X
@functools.lru_cache(maxsize=None)
def kept(n):
    return n if n < 2 else kept(n - 1) + X
"""


def user(one, two):
    return module(
        "X = 100\n"
        "class User(emerge.Object):\n"
        "    def use(self):\n"
        "        return [get1(), get2(), get2(7), Box1().get(), Box2().get(), pick1(), pick2(), kept(3), X]\n",
        get1=one["get"],
        get2=two["get"],
        Box1=one["Box"],
        Box2=two["Box"],
        pick1=one["pick"],
        pick2=two["pick"],
        kept=two["kept"],
    )["User"]()


def test_each_function_has_the_names_of_its_own_module(fs, home):
    one, two = module(ONE), module(TWO)
    for at, each in enumerate((user(one, two), user(two, {**one, "kept": two["kept"]}))):
        fs.store(f"{home}/user{at}", each)
        assert fs.call(f"{home}/user{at}", "use") == each.use()


def test_a_namesake_that_changes_makes_a_new_version(fs, home):
    one, two = module(ONE), module(TWO)
    each = user(one, two)
    fs.store(f"{home}/user", each)
    first = fs.stat(f"{home}/user").class_hash
    two["LIMIT"].append(4)
    one["X"] = 50
    fs.store(f"{home}/user", each)
    assert fs.stat(f"{home}/user").class_hash != first
    assert fs.call(f"{home}/user", "use") == each.use()
