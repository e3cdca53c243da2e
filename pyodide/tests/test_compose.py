"""Calling with names and on several, queries, mixins and migrations, against a real node."""

from __future__ import annotations


import pytest

import emerge
from emerge import errors


@emerge.dataclass
class Item(emerge.Object):
    price: float = 1.0
    count: int = 0

    def cost(self, factor=1, *, plus: float = 0.0) -> float:
        return self.price * self.count * factor + plus

    def sell(self, count: int):
        if count > self.count:
            raise ValueError(f"only {self.count} left")
        self.count -= count
        return self.count

    @classmethod
    def kind(cls, suffix):
        return cls.__name__ + suffix

    def slow(self):
        while True:
            pass


def shelf(fs, home, counts):
    for name, count in counts.items():
        fs.store(f"{home}/{name}", Item(price=2.0, count=count))


def test_arguments_by_name(fs, home):
    shelf(fs, home, {"a": 3})
    at = f"{home}/a"
    assert fs.call(at, "cost", factor=2) == 12.0 and fs.call(at, "cost", 2, plus=1.0) == 13.0
    assert fs.invoke(at, "cost", kwargs={"plus": 0.5}).result == 6.5
    assert fs.proxy(at).cost(plus=2.0) == 8.0 and fs.call(at, "kind", suffix="!") == "Item!"
    for args, kwargs, words in [
        ((), {"facto": 1}, "unexpected keyword argument 'facto'.*cost\\(factor=1, \\*, plus: float = 0.0\\)"),
        ((1, 2), {}, "takes from 1 to 2 positional.*cost\\(factor=1"),
        ((1,), {"factor": 1}, "multiple values.*cost\\(factor=1"),
    ]:
        with pytest.raises(errors.BadArgumentError, match=words):
            fs.call(at, "cost", *args, **kwargs)
    with pytest.raises(errors.BadArgumentError, match=r"kind\(suffix\)"):
        fs.call(at, "kind")
    signatures = [method.signature for method in fs.methods(at)]
    assert signatures[0] == "cost(factor=1, *, plus: float = 0.0) -> float" and "kind(suffix)" in signatures
    # What a method does wrong itself is its own failure.
    with pytest.raises(errors.MethodFailedError, match="TypeError"):
        fs.call(at, "sell", "x")


def test_a_deadline_of_its_own(fs, home):
    shelf(fs, home, {"a": 3})
    with pytest.raises(errors.DeadlineExceededError, match="longer than 200 ms"):
        fs.invoke(f"{home}/a", "slow", deadline=0.2)
    with pytest.raises(errors.BadArgumentError) as none:
        fs.invoke(f"{home}/a", "slow", deadline=0)
    assert none.value.field == "deadline"
    for timeout in (0, -1, float("nan")):
        for refused in (
            lambda: fs.stat(home, timeout=timeout),
            lambda: fs.get(home, timeout=timeout),
            lambda: fs.cp(home, f"{home}-copy", recursive=True, timeout=timeout),
        ):
            with pytest.raises(errors.BadArgumentError) as none:
                refused()
            assert none.value.field == "timeout"
    assert fs.stat(home, timeout=float("inf")).path == home


def test_calls_on_several(fs, home):
    shelf(fs, home, {"a": 3, "b": 1, "c": 5})
    seen = []
    each = list(fs.call_each(home, "sell", 2, progress=seen.append))
    assert [(one.name, one.result, one.version) for one in each] == [("a", 1, 2), ("b", None, None), ("c", 3, 2)]
    assert "only 1 left" in str(each[1].error) and each[1].path == f"{home}/b"
    assert seen[-1] == (3, 1, None, f"{home}/c")
    metas = [meta for meta in fs.list(home) if meta.name != "b"]
    named = list(fs.call_each([*metas, f"{home}/b", emerge.Ref(f"{home}/b")], "cost", kwargs={"factor": 10}))
    assert [(one.path, one.result) for one in named] == [(f"{home}/{x}", y) for x, y in zip("abc", (20.0, 20.0, 60.0))]
    with pytest.raises(errors.MethodFailedError, match="a: .*only 1 left"):
        list(fs.call_each(home, "sell", 2, atomic=True))
    assert [fs.get(f"{home}/{name}#count") for name in "abc"] == [1, 1, 3]
    assert [one.result for one in fs.call_each(home, "sell", 1, atomic=True)] == [0, 0, 2]
    with pytest.raises(errors.NotFoundError):
        list(fs.call_each([f"{home}/a", f"{home}/none"], "cost", atomic=True))
    assert [one.error.code for one in fs.call_each([f"{home}/none"], "cost")] == ["not_found"]
    assert list(fs.call_each([], "cost")) == []


@emerge.dataclass
class Cheap(emerge.Object):
    below: float = 0.0
    at: str = "/"

    def query(self, fs):
        return (item for item in fs.list(self.at) if fs.get(item.path).price < self.below)


@emerge.dataclass
class Found(emerge.Object):
    at: str = "/"

    def query(self, fs):
        return fs.search(lambda item: item.count > 1, directory=self.at)


@emerge.dataclass
class Costs(emerge.Object):
    at: str = "/"
    results: object = None

    def query(self, fs):
        return emerge.Table(["name", "cost"], [[each.name, fs.call(each.path, "cost")] for each in fs.list(self.at)])


def test_query_objects(fs, home):
    shelf(fs, f"{home}/shelf", {"a": 3, "b": 1})
    fs.store(f"{home}/dear", Item(price=9.0))
    fs.set(f"{home}/shelf/b#price", 7)
    fs.store(f"{home}/q", Cheap(below=5.0, at=f"{home}/shelf"))
    assert fs.query(f"{home}/q") == [emerge.Ref(f"{home}/shelf/a")]
    assert [item.count for item in fs.children(f"{home}/q#results")] == [3]
    kept = fs.get(f"{home}/q")
    assert kept.results_by == kept.meta.owner and kept.results_at == kept.meta.modified
    fs.set(f"{home}/shelf/b#price", 1)
    assert len(fs.get(f"{home}/q#results")) == 1 and len(fs.query(f"{home}/q")) == 2
    assert fs.history(f"{home}/q")[0].method == "query"

    fs.store(f"{home}/s", Found(at=f"{home}/shelf"))
    assert fs.query(f"{home}/s") == [emerge.Ref(f"{home}/shelf/a")]

    fs.store(f"{home}/t", Costs(at=f"{home}/shelf"))
    table = fs.query(f"{home}/t")
    assert table == emerge.Table(["name", "cost"], [["a", 6.0], ["b", 1.0]])
    assert table["cost"] == [6.0, 1.0] and table.records()[1] == {"name": "b", "cost": 1.0} and len(table) == 2
    assert fs.get(f"{home}/t#results.rows[0][1]") == 6.0 and fs.get(f"{home}/t").results == table
    with pytest.raises(errors.MethodNotFoundError):
        fs.query(f"{home}/dear")
    with pytest.raises(ValueError, match="row 1"):
        emerge.Table(["a"], [[1], []])
    with pytest.raises(ValueError, match="twice"):
        emerge.Table(["a", "a"], [])


@emerge.dataclass
class Named(emerge.Object):
    name: str = ""
    count: int = 1

    def greet(self):
        return f"I am {self.name}"

    def cost(self):
        return -1


class Loud(Named):
    def greet(self):
        return super().greet().upper()


def test_two_objects_become_one(fs, home):
    shelf(fs, home, {"item": 3})
    fs.store(f"{home}/ada", Loud(name="Ada", count=7))
    mixed = fs.mixin(f"{home}/item", f"{home}/ada", f"{home}/both")
    assert (mixed.version, mixed.cls.name) == (1, "ItemLoud")
    assert mixed.clashes == (("count", "field", "Item", "Loud"), ("cost", "method", "Item", "Named"))
    both = f"{home}/both"
    assert fs.call(both, "cost", plus=1.0) == 7.0 and fs.call(both, "greet") == "I AM ADA"
    assert fs.call(both, "sell", 1) == 2 and fs.get(f"{both}#name") == "Ada"
    assert "cost" in fs.help(both) and "greet" in [each.name for each in fs.methods(both)]
    trusted = fs.trust(both)
    here = fs.get(both)
    assert type(here) is trusted and here.greet() == "I AM ADA" and here.cost() == 4.0
    other = fs.mixin(f"{home}/ada", f"{home}/item", f"{home}/other", name="Other")
    assert other.cls.name == "Other" and fs.call(f"{home}/other", "cost") == -1 and fs.get(f"{home}/other").count == 7

    fs.store(f"{home}/plain", Named(name="Bob"))
    for first, second, name, words in [
        ("item", "item", None, "nothing to mix"),
        ("plain", "ada", None, "Loud inherits from Named already"),
        ("item", "ada", "Item", "inherit from itself"),
    ]:
        with pytest.raises(errors.ClassInvalidError, match=words):
            fs.mixin(f"{home}/{first}", f"{home}/{second}", f"{home}/bad", name=name)
    with pytest.raises(errors.AlreadyExistsError):
        fs.mixin(f"{home}/item", f"{home}/ada", both)
    with pytest.raises(errors.NotFoundError):
        fs.mixin(f"{home}/item", f"{home}/none", f"{home}/bad")


def first_version():
    @emerge.dataclass
    class Person(emerge.Object):
        name: str = ""

    return Person


def second_version():
    @emerge.dataclass
    class Person(emerge.Object):
        first: str = ""
        last: str = ""
        visits: int = 0

        def full(self):
            return f"{self.first} {self.last}"

        @staticmethod
        def from_name(old):
            first, _, last = old["name"].partition(" ")
            if not last:
                raise ValueError(f"{old['name']} has one name")
            return {"first": first, "last": last}

    return Person


def swap(old):
    return {"first": old["last"], "last": old["first"]}


def test_objects_get_another_class(fs, home):
    Old, New = first_version(), second_version()
    for name in ("Ada Lovelace", "Bob", "Cleo Kay"):
        fs.store(f"{home}/{name[0]}", Old(name=name))
    fs.store(f"{home}/item", Item())
    assert fs.migrate(f"{home}/A", New, "from_name") == 2
    assert fs.call(f"{home}/A", "full") == "Ada Lovelace" and fs.get(f"{home}/A#visits") == 0
    assert fs.migrate(f"{home}/A", New) is None
    assert fs.get(f"{home}/A#name", version=1) == "Ada Lovelace" and fs.history(f"{home}/A")[0].method == "migrate"
    seen = []
    each = list(fs.migrate_each(home, New, "from_name", progress=seen.append))
    assert [(one.name, one.version) for one in each] == [("B", None), ("C", 2)]
    assert "Bob has one name" in str(each[0].error) and seen[-1][:2] == (2, 1)
    assert fs.stat(f"{home}/item").class_name == "Item"
    assert fs.migrate(f"{home}/B", New, lambda old: {"first": old["name"], "last": "?"}) == 2
    assert fs.call(f"{home}/B", "full") == "Bob ?"
    fs.store(f"{home}/D", Old(name="Dora"))
    assert fs.migrate(f"{home}/D", New) == 2 and fs.get(f"{home}/D#name") == "Dora"
    with pytest.raises(errors.MethodNotFoundError, match="from_nobody"):
        fs.migrate(f"{home}/item", New, "from_nobody")
    with pytest.raises(errors.BadArgumentError, match="not the new fields"):
        fs.migrate(f"{home}/item", New, lambda old: 3)
    with pytest.raises(errors.EmergeError, match="nowhere"):
        fs.migrate(f"{home}/item", New, "lambda old: nowhere")
    assert fs.stat(f"{home}/item").version == 1
    fs.store(f"{home}/E", Old(name="E"))
    assert [one.version for one in fs.migrate_each(home, Item, "def f(old):\n    return {}\n", of="Person")] != []
