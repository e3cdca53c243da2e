"""What operations refuse before they ask the node."""

from __future__ import annotations

import dataclasses

import pytest

import emerge
from emerge import errors


@emerge.dataclass
class Pin(emerge.Object):
    n: int = 0
    text: str = ""
    tags: list = emerge.field(default_factory=list)
    secret: str = emerge.field(default="s", repr=False)
    fixed: int = emerge.field(default=7, init=False)

    def double(self) -> int:
        return self.n * 2

    @staticmethod
    def up(old):
        return {"n": old["n"] + 1}


@pytest.mark.parametrize("given", ["n", 5, [5], b"n"])
@pytest.mark.parametrize("name", ["fields", "text_fields", "groups"])
def test_several_names_are_a_list(fs, home, name, given):
    with pytest.raises(errors.BadArgumentError, match="is a list of names") as failed:
        if name == "groups":
            fs.add_user("nobody-yet", given)
        else:
            fs.search(directory=home, text="x" if name == "text_fields" else None, **{name: given}).count()
    assert failed.value.field == name


@pytest.mark.parametrize("given", ["5", float("nan"), b"5", [], object()], ids=range(5))
def test_seconds_are_a_number(fs, home, given):
    fs.store(f"{home}/a", Pin())
    with pytest.raises(errors.BadArgumentError, match="lifetime is a number of seconds"):
        fs.begin(lifetime=given)
    with pytest.raises(errors.BadArgumentError, match="deadline is a number of seconds"):
        fs.invoke(f"{home}/a", "double", deadline=given)
    assert fs.invoke(f"{home}/a", "double", deadline=float("inf")).result == 0


def test_entries_are_paths_with_objects(fs, home):
    with pytest.raises(errors.BadArgumentError) as failed:
        fs.store_all(5)
    assert failed.value.field == "entries"
    with pytest.raises(errors.BadArgumentError) as failed:
        fs.store_all({f"{home}/a": Pin()}, concurrency=0)
    assert failed.value.field == "concurrency"


def test_migrations_in_a_transaction(fs, home):
    fs.store(f"{home}/a", Pin(1))
    fs.store(f"{home}/b", Pin(2))

    @emerge.dataclass
    class Pin2(Pin):
        pass

    with fs.transaction() as tx:
        tx.migrate(f"{home}/a", Pin2, "up")
        assert [each.name for each in tx.migrate_each(home, Pin2, "up", of="Pin")] == ["b"]
    assert fs.get(f"{home}/a").n == 2 and fs.get(f"{home}/b").n == 3


def test_an_object_with_some_of_its_fields_is_shown(fs, home):
    made = Pin(1, "t")
    assert repr(made) == "Pin(n=1, text='t', tags=[], fixed=7)"
    fs.store(f"{home}/a", made)
    assert repr(fs.get(f"{home}/a")) == repr(made)
    made.tags.append(made)
    assert repr(made) == "Pin(n=1, text='t', tags=[...], fixed=7)"

    @emerge.dataclass
    class Told(Pin):
        def __repr__(self):
            return "told"

    @emerge.dataclass
    class Under(Told):
        more: int = 1

    @emerge.dataclass(repr=False)
    class Bare(Told):
        pass

    assert [repr(each()) for each in (Told, Under, Bare)] == [
        "told",
        "test_an_object_with_some_of_its_fields_is_shown.<locals>.Under(n=0, text='', tags=[], fixed=7, more=1)",
        "told",
    ]
    assert dataclasses.asdict(Pin(2))["n"] == 2


def test_whether_a_part_exists(fs, home):
    fs.store(f"{home}/a", Pin(tags=["x"]))
    there = [f"{home}/a#n", f"{home}/a#tags[0]", f"{home}/a", home]
    assert [fs.exists(each) for each in there] == [True] * 4
    assert [fs.exists(each) for each in (f"{home}/a#none", f"{home}/a#tags[1]", f"{home}/b#n")] == [False] * 3
    with pytest.raises(errors.BadArgumentError):
        fs.exists(f"{home}/a#n", timeout=0)
