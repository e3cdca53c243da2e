"""Classes of several modules that have one name: a fetched object is of the one that it was stored as, and none is guessed."""

from __future__ import annotations

import sys
import types

import emerge
import pytest
from cells import cell, elsewhere
from emerge import _classes, errors


def module(monkeypatch, tmp_path, name, said):
    """A module with a class Item."""
    (tmp_path / f"{name}.py").write_text(
        "import emerge\n@emerge.dataclass\nclass Item(emerge.Object):\n    price: float = 1.0\n"
        f"    def said(self):\n        return {said!r}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return __import__(name)


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """No class of the name is there from another test."""
    from emerge import _object

    for names in (_object.NEWEST, _object.NAMESAKES, _classes._defined):
        names.pop("Item", None)
    for classes in (_classes._by_hash, _classes._met):
        monkeypatch.setattr(_classes, "_by_hash" if classes is _classes._by_hash else "_met", {})


def test_an_object_stays_of_the_class_that_it_was_stored_as(fs, home, monkeypatch, tmp_path):
    shop = module(monkeypatch, tmp_path, "namesake_shop", "shop")
    fs.store(f"{home}/shop", shop.Item(5.0))
    blog = module(monkeypatch, tmp_path, "namesake_blog", "blog")
    item = fs.get(f"{home}/shop")
    assert type(item) is shop.Item and item.said() == "shop"
    item.price = 6.0
    fs.store(f"{home}/shop", item)
    assert fs.call(f"{home}/shop", "said") == "shop"
    fs.store(f"{home}/blog", blog.Item(2.0))
    assert [type(fs.get(f"{home}/{name}")) for name in ("shop", "blog")] == [shop.Item, blog.Item]


def test_a_version_that_was_fetched_as_the_only_class_of_its_name(fs, home, monkeypatch, tmp_path):
    shop = module(monkeypatch, tmp_path, "namesake_shop", "shop")
    fs.store(f"{home}/shop", shop.Item(5.0))
    _classes._by_hash.clear()
    assert type(fs.get(f"{home}/shop")) is shop.Item
    module(monkeypatch, tmp_path, "namesake_blog", "blog")
    assert type(fs.get(f"{home}/shop")) is shop.Item


def test_none_is_guessed(fs, home, monkeypatch, tmp_path):
    shop = module(monkeypatch, tmp_path, "namesake_shop", "shop")
    fs.store(f"{home}/shop", shop.Item(5.0))
    _classes._by_hash.clear()
    blog = module(monkeypatch, tmp_path, "namesake_blog", "blog")
    item = fs.get(f"{home}/shop")
    assert type(item) not in (shop.Item, blog.Item) and item.price == 5.0
    with pytest.raises(errors.PermissionDeniedError, match=r"fs\.define"):
        item.price = 7.0
    fs.define(blog.Item)
    assert type(fs.get(f"{home}/shop")) is blog.Item
    fs.define(shop.Item)
    assert type(fs.get(f"{home}/shop")) is shop.Item


def test_a_statement_that_is_run_again_replaces_its_own_class_only(fs, home, monkeypatch, tmp_path):
    shop = module(monkeypatch, tmp_path, "namesake_shop", "shop")
    blog = module(monkeypatch, tmp_path, "namesake_blog", "blog")
    assert isinstance(blog, types.ModuleType)
    fs.store(f"{home}/shop", shop.Item(5.0))
    fs.store(f"{home}/blog", blog.Item(5.0))
    again = module(monkeypatch, tmp_path, "namesake_shop", "shop again")
    assert type(fs.get(f"{home}/shop")) is again.Item is not shop.Item
    assert type(fs.get(f"{home}/blog")) is blog.Item


def make(rate):
    class Same(emerge.Object):
        def go(self):
            return rate

    return Same


def test_classes_that_one_statement_made_each_have_their_own_objects(fs, home):
    one, two = make(1), make(2)
    fs.store(f"{home}/1", one())
    fs.store(f"{home}/2", two())
    assert [type(fs.get(f"{home}/{each}")) for each in "12"] == [one, two]
    fs.store(f"{home}/1", fs.get(f"{home}/1"))
    assert [fs.call(f"{home}/{each}", "go") for each in "12"] == [1, 2]
    fs.define(one)
    assert type(fs.get(f"{home}/2")) is one
    fs.store(f"{home}/3", make(3)())
    assert [fs.get(f"{home}/{each}").go() for each in "123"] == [1, 1, 3]


def test_a_class_of_such_that_this_program_has_not_stored(fs, home):
    fs.store(f"{home}/1", make(1)())
    fs.store(f"{home}/2", make(2)())
    with elsewhere():
        # Before they are there, what is fetched shows its fields only.
        assert type(fs.get(f"{home}/1")).__module__.startswith("emerge.")
        one, two = make(1), make(2)
        assert [type(fs.get(f"{home}/{each}")) for each in "12"] == [one, two]
        # Made again, and so the same.
        again = make(1)
        assert type(fs.get(f"{home}/1")) is again


def test_classes_of_a_loop_and_a_cell_that_is_run_again(fs, home):
    text = "found = []\nfor rate in (1, 2):\n    class Looped(emerge.Object):\n        def go(self, rate=rate): return rate\n    found.append(Looped)\n"
    scope = {"__name__": "__main__", "emerge": emerge}
    text += "class Plain(emerge.Object):\n    def go(self): return 1\n"
    one, two = cell(text, scope)["found"]
    fs.store(f"{home}/plain", scope["Plain"]())
    with pytest.raises(errors.ClassInvalidError, match="rate"):
        fs.store(f"{home}/1", one())
    fs.store(f"{home}/2", two())
    assert type(fs.get(f"{home}/2")) is two
    cell(text, scope)
    assert type(fs.get(f"{home}/2")) is scope["Looped"] is not two
    assert type(fs.get(f"{home}/plain")) is scope["Plain"]
