"""What a class uses is looked at again at each store: when it is another, so is the class."""

from __future__ import annotations


import emerge
import pytest
from emerge import _classes, errors
from cells import cell

USER = """
import enum, collections
MULT = 2
NAMES = ["a"]
COUNTS = collections.Counter(a=1)
def helper(n):
    return inner(n) + 1
def inner(n):
    return n * MULT
class Level(enum.Enum):
    LOW = 1
class Rates:
    def rate(self):
        return 1
class User(emerge.Object):
    def use(self):
        return [helper(1), len(NAMES), dict(COUNTS), Level.LOW.value, Rates().rate()]
"""


def used(fs, home, scope, name="User"):
    fs.store(f"{home}/{name}", scope[name](), overwrite=True)
    assert fs.call(f"{home}/{name}", "use") == scope[name]().use()
    return fs.stat(f"{home}/{name}").class_hash


CHANGES = [
    "MULT = 5",
    "NAMES.append('b')",
    "NAMES[0] = 'b'; NAMES.append(NAMES)\ndel NAMES[1]; NAMES.append('c')",
    "NAMES = ['x', 'y', 'z']",
    "COUNTS['b'] = 2",
    "def inner(n):\n    return n + 40\n",
    "def helper(n):\n    return 7\n",
    "class Level(enum.Enum):\n    LOW = 4\n",
    "class Rates:\n    def rate(self):\n        return 3\n",
    "len = lambda held: 99",
]


@pytest.mark.parametrize("change", CHANGES, ids=range(len(CHANGES)))
def test_what_a_class_uses_is_looked_at_again(fs, home, change):
    scope = cell(USER)
    first = used(fs, home, scope)
    assert used(fs, home, scope) == first
    cell(change, scope)
    second = used(fs, home, scope)
    assert second != first
    assert used(fs, home, scope) == second


def test_what_is_made_again_alike_is_no_new_version(fs, home):
    scope = cell(USER)
    first = used(fs, home, scope)
    cell(USER.partition("class User")[0], scope)
    assert used(fs, home, scope) == first
    scope["NAMES"].append("b")
    assert used(fs, home, scope) != first
    scope["NAMES"].pop()
    assert used(fs, home, scope) == first


def test_a_class_that_uses_a_changed_class_changes_too(fs, home):
    scope = cell(
        "RATE = 2\n"
        "class Part(emerge.Object):\n    def cost(self):\n        return RATE\n"
        "class Whole(emerge.Object):\n    def use(self):\n        return Part().cost()\n"
        "class Larger(Whole):\n    def more(self):\n        return 1\n"
    )
    first = [used(fs, home, scope, name) for name in ("Whole", "Larger")]
    scope["RATE"] = 3
    fs.store(f"{home}/part", scope["Part"]())
    second = [used(fs, home, scope, name) for name in ("Whole", "Larger")]
    assert not set(first) & set(second)
    holder = scope["Whole"]()
    holder.parts = [scope["Part"](), scope["Part"]()]
    scope["RATE"] = 4
    fs.store(f"{home}/Whole", holder, overwrite=True)
    assert fs.call(f"{home}/Whole", "use") == 4


def test_classes_that_need_each_other_are_looked_at_again(fs, home):
    scope = cell(
        "RATE = 2\n"
        "class Ping(emerge.Object):\n    def use(self):\n        return Pong().there(2)\n"
        "class Pong(emerge.Object):\n"
        "    def there(self, n):\n        return RATE if n == 0 else Ping().back(n)\n"
        "    def use(self):\n        return self.there(0)\n"
    )
    cell("def back(self, n):\n    return Pong().there(n - 1)\n", scope)
    cell(
        "class Ping(emerge.Object):\n    def use(self):\n        return Pong().there(2)\n"
        "    def back(self, n):\n        return Pong().there(n - 1)\n",
        scope,
    )
    first = [used(fs, home, scope, name) for name in ("Ping", "Pong")]
    scope["RATE"] = 9
    assert not set(first) & {used(fs, home, scope, name) for name in ("Ping", "Pong")}


def test_what_a_function_sees_of_its_maker_is_looked_at_again(fs, home):
    def made():
        number = 1

        def more():
            nonlocal number
            number += 1

        class Local(emerge.Object):
            def use(self):
                return number

        return Local, more

    local, more = made()
    first = used(fs, home, {"Local": local}, "Local")
    more()
    assert used(fs, home, {"Local": local}, "Local") != first


def test_a_base_whose_statement_is_run_again_stays_that_of_the_class(fs, home):
    base = "class Base(emerge.Object):\n    def use(self):\n        return {}\n"
    mixin = "class Mixin:\n    def mixed(self):\n        return {}\n"
    scope = cell(base.format(1) + mixin.format(1) + "class Under(Mixin, Base):\n    def own(self):\n        return 1\n")
    first = used(fs, home, scope, "Under")
    cell(base.format(2) + mixin.format(2), scope)
    assert used(fs, home, scope, "Under") == first
    assert fs.call(f"{home}/Under", "mixed") == 1
    scope = cell(base.format(1) + "class Under(Base):\n    def use(self):\n        return Base.use(self)\n")
    cell(base.format(2), scope)
    with pytest.raises(errors.ClassInvalidError, match="another class of this name") as failed:
        _classes.record_of(scope["Under"])
    assert failed.value.field == "Base"


def test_what_cannot_travel_any_more_is_named(fs, home):
    scope = cell(USER)
    first = used(fs, home, scope)
    scope["NAMES"].append(object)
    scope["NAMES"].append(open)
    scope["COUNTS"]["c"] = iter(())
    with pytest.raises(errors.ClassInvalidError) as failed:
        fs.store(f"{home}/User", scope["User"]())
    assert failed.value.field == "COUNTS"
    del scope["COUNTS"]["c"], scope["NAMES"][1:]
    assert used(fs, home, scope) == first


def test_a_default_that_is_set_later_is_named(fs, home):
    scope = cell(
        "def helper(n=1, *, by=2):\n    return n * by\n"
        "class User(emerge.Object):\n    def use(self, n=3):\n        return helper() + n\n"
    )
    used(fs, home, scope)
    for function, name, value in (
        (scope["helper"], "__defaults__", (5,)),
        (scope["helper"], "__kwdefaults__", {"by": 7}),
        (scope["User"].use, "__defaults__", (9,)),
    ):
        before = getattr(function, name)
        setattr(function, name, value)
        with pytest.raises(errors.ClassInvalidError, match="was set after its statement"):
            fs.store(f"{home}/User", scope["User"](), overwrite=True)
        setattr(function, name, before)
        used(fs, home, scope)


TASK = """
import emerge
@emerge.dataclass
class Task(emerge.Object):
    name: str = ""
"""
WITH_TAGS = (
    TASK
    + """    tags: list = emerge.field(default_factory=lambda: ["new"])
    def tag(self, name):
        self.tags.append(name)
"""
)


def test_an_object_of_before_has_what_the_factories_of_later_fields_make(fs, home):
    fs.store(f"{home}/a", cell(TASK)["Task"]("a"))
    fs.store(f"{home}/directory/b", fs.get(f"{home}/a"))
    cell(WITH_TAGS)
    fetched = fs.get(f"{home}/a")
    assert repr(fetched) == "Task(name='a', tags=['new'])"
    fetched.tag("mine")
    fs.store(f"{home}/a", fetched)
    assert fs.get(f"{home}/a").tags == fs.get(f"{home}/a#tags") == ["new", "mine"]
    assert [each.tags for each in fs.search(lambda o: o.name == "a", directory=f"{home}/directory")] == [["new"]]


def test_a_field_that_was_deleted_stays_so(fs, home):
    task = cell(WITH_TAGS)["Task"]("a")
    del task.tags
    fs.store(f"{home}/a", task)
    assert "tags" not in vars(fs.get(f"{home}/a"))


def test_an_object_of_before_is_held_against_the_class_of_now(fs, home):
    part = "@emerge.dataclass\nclass Part(emerge.Object):\n    code: {}\n    size: int = 1\n"
    scope = cell("import emerge\n" + part.format("int = 1"))
    fs.store(f"{home}/part", scope["Part"]())
    cell(part.format("str = ''"), scope)
    fetched = fs.get(f"{home}/part")
    assert type(fetched) is scope["Part"]
    for size in (1, 2):
        fetched.size = size
        with pytest.raises(errors.BadArgumentError) as refused:
            fs.store(f"{home}/part", fetched)
        assert refused.value.field == "code"
    fetched.code = "one"
    fs.store(f"{home}/part", fetched)
    assert (fs.get(f"{home}/part").code, fs.get(f"{home}/part").size) == ("one", 2)
