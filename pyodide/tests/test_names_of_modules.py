"""Functions and classes of several modules, each of which means something else by one name."""

from __future__ import annotations

import linecache
import types

import emerge
import pytest
from emerge import _classes, errors

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


def test_names_of_the_library_are_another_modules_own(fs, home):
    """A module's own function may have the name of one of Python's, and another's constant too."""
    own = module("def len(x):\n    return 42\ndef size(x):\n    return len(x)\n")
    biggest = module("def biggest(x):\n    return max(x)\n")
    user = module(
        "max = 10\n"
        "class User(emerge.Object):\n"
        "    def use(self):\n"
        "        return [len([1]), size([1]), len([1]), max, biggest([1, 2]), shown([3])]\n",
        size=own["size"],
        biggest=biggest["biggest"],
        shown=module("def shown(x):\n    return [len(x), max(x)]\n")["shown"],
    )["User"]()
    fs.store(f"{home}/user", user)
    assert fs.call(f"{home}/user", "use") == user.use() == [1, 42, 1, 10, 2, [1, 3]]


def test_a_helper_of_another_module_is_called_as_the_class(fs, home):
    other = module("class Item:\n    def go(self):\n        return 'helper'\ndef mk():\n    return Item()\n")
    item = module(
        "class Item(emerge.Object):\n"
        "    def go(self):\n        return 'stored'\n"
        "    def use(self):\n        return [mk().go(), Item().go()]\n",
        mk=other["mk"],
    )["Item"]()
    fs.store(f"{home}/item", item)
    assert fs.call(f"{home}/item", "use") == item.use() == ["helper", "stored"]


def test_stored_classes_that_need_each_other_by_names_of_their_own():
    """Each travels within the other as it stands, so that a name can mean one thing alone."""
    one = module(
        "def helper():\n    return 1\nclass One(emerge.Object):\n    def go(self):\n        return [helper(), Two]\n"
    )
    two = module(
        "def helper():\n    return 2\nclass Two(emerge.Object):\n    def go(self):\n        return [helper(), One]\n",
        One=one["One"],
    )
    one["Two"] = two["Two"]
    with pytest.raises(errors.ClassInvalidError, match="two different things named helper") as failed:
        _classes.record_of(one["One"])
    assert failed.value.field == "helper"
    two["helper"] = one["helper"]
    one["max"] = 3
    assert _classes.record_of(one["One"])


def test_a_class_whose_name_is_another_by_now(fs, home):
    scope = module(
        "class Node(emerge.Object):\n"
        "    def go(self, n=2):\n        return [n] + (Node().go(n - 1) if n else [])\n"
        "Old = Node\n"
    )
    _classes.record_of(scope["Old"])
    exec("class Node(Node):\n    def go(self, n=2):\n        return ['x'] + super().go(n)\n", scope)
    with pytest.raises(
        errors.ClassInvalidError, match="Node uses its own name, which by now stands for something else"
    ) as failed:
        _classes.record_of(scope["Old"])
    assert failed.value.field == "Node"


def test_a_function_whose_name_is_another_by_now():
    scope = module(
        "def down(n):\n    return [n] + (down(n - 1) if n else [])\nold = down\ndef down(n):\n    return ['new']\n"
    )
    user = module("class User(emerge.Object):\n    def use(self):\n        return old(2)\n", old=scope["old"])["User"]
    with pytest.raises(errors.ClassInvalidError, match="down uses its own name") as failed:
        _classes.record_of(user)
    assert failed.value.field == "down"


def test_a_module_within_a_package_is_imported(fs, home):
    import html.parser
    import xml.etree.ElementTree

    scope = module(
        "class User(emerge.Object):\n"
        "    def use(self):\n"
        "        return [xml.etree.ElementTree.fromstring('<a/>').tag, html.parser.HTMLParser.__name__, html.escape('<')]\n",
        xml=xml,
        html=html,
    )
    fs.store(f"{home}/user", scope["User"]())
    assert fs.call(f"{home}/user", "use") == scope["User"]().use()
    modules = [entry[2] for entry in _classes.record_of(scope["User"]).source[6] if entry[1] == "module"]
    assert {"xml.etree.ElementTree", "html.parser"} <= set(modules)


def test_a_module_within_a_package_that_the_node_lacks(fs, home):
    import logging.handlers

    scope = module(
        "class User(emerge.Object):\n    def use(self):\n        return logging.handlers.MemoryHandler\n",
        logging=logging,
    )
    with pytest.raises(
        errors.ClassInvalidError, match=r"uses the module logging\.handlers, which the node does not have"
    ):
        fs.store(f"{home}/user", scope["User"]())


def test_a_module_of_the_program_is_named_with_what_to_write():
    helpers = types.ModuleType("own_helpers")
    helpers.dbl = lambda n: 2 * n
    scope = module("def helped(n):\n    return helpers.dbl(n)\n", helpers=helpers)
    user = module("class User(emerge.Object):\n    def use(self):\n        return helped(1)\n", helped=scope["helped"])[
        "User"
    ]
    with pytest.raises(
        errors.ClassInvalidError, match="helped uses helpers.dbl.*write from own_helpers import dbl"
    ) as failed:
        _classes.record_of(user)
    assert failed.value.field == "helpers"


def test_an_import_from_the_own_package_within_a_method_is_named():
    user = module(
        "class User(emerge.Object):\n    def use(self):\n        from .helpers import f\n        return f()\n"
    )["User"]
    with pytest.raises(errors.ClassInvalidError, match=r"User imports from \.helpers") as failed:
        _classes.record_of(user)
    assert failed.value.field == ".helpers"
