"""Against a real node."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest

import emerge
from emerge import errors


@emerge.dataclass
class InventoryItem(emerge.Object):
    """A thing on a shelf."""

    unit_price: float = 0.0
    quantity_on_hand: int = 0

    def total_cost(self) -> float:
        return self.unit_price * self.quantity_on_hand

    def sell(self, count: int) -> int:
        self.quantity_on_hand -= count
        return self.quantity_on_hand

    def fail(self):
        print("about to fail")
        raise ValueError("no more")


class Free(emerge.Object):
    pass


def free(**fields):
    made = Free()
    vars(made).update(fields)
    return made


def test_store_call_get(fs, home):
    path = f"{home}/widget1"
    item = fs.store(path, InventoryItem(unit_price=3.0, quantity_on_hand=10))
    assert item.meta.version == 1 and item.meta.path == path
    assert fs.call(path, "total_cost") == 30.0
    got = fs.get(path)
    assert type(got) is InventoryItem and got == item and got.total_cost() == 30.0
    assert fs.proxy(path).sell(4) == 6
    assert fs.get(path).quantity_on_hand == 6
    assert fs.get(path, version=1).quantity_on_hand == 10
    assert [each.method for each in fs.history(path)] == ["sell", None]
    assert "total_cost" in [each.name for each in fs.methods(path)]
    assert "class InventoryItem(emerge.Object)" in fs.code(path)
    assert "unit_price: float" in fs.help(path)


@emerge.dataclass
class Edited(emerge.Object):
    text: str = ""

    def undo(self) -> int:
        """Back to the first version, within a method."""
        changed = [each.field for each in emerge.fs.diff(self.meta.path, 1).fields]
        emerge.fs.restore(self.meta.path, 1)
        return changed


def test_versions_are_compared_and_come_back(fs, home):
    path = f"{home}/edited"
    item = fs.store(path, Edited(text="first"))
    began = datetime.now(timezone.utc)
    item.text, item.more = "second", 2
    fs.store(path, item)
    diff = fs.diff(path, 1)
    assert (diff.old.version, diff.new.version, diff.old_class, diff.new_class) == (1, 2, None, None)
    assert diff.fields == (("text", "changed", "first", "second"), ("more", "added", None, 2))
    assert [each.kind for each in fs.diff(path, 2, 1).fields] == ["changed", "removed"]
    assert fs.diff(path, 2, datetime.now(timezone.utc) + timedelta(days=1)).fields == ()
    assert fs.get(path, version=began).text == "first"
    with pytest.raises(errors.NotFoundError, match="not there at that moment"):
        fs.get(path, version=began - timedelta(days=1))
    with pytest.raises(errors.NotFoundError, match="version 9"):
        fs.restore(path, 9)
    with pytest.raises(errors.ConflictError):
        fs.restore(path, 1, base=1)
    with pytest.raises(errors.BadArgumentError, match="time zone"):
        fs.get(path, version="1")
    assert fs.restore(path, 1, base=2) == 3
    assert vars(fs.get(path)) == {"text": "first"}
    assert [each.restored for each in fs.history(path)] == [1, None, None]
    fs.restore(path, 2)
    assert fs.call(path, "undo") == ["text", "more"]
    assert fs.get(path).text == "first" and fs.history(path)[0].restored == 1


def test_a_diff_tells_when_the_class_is_another(fs, home):
    path = f"{home}/changed"
    fs.store(path, free(a=1))
    fs.store(path, Edited(text="now"), overwrite=True)
    diff = fs.diff(path, 1)
    assert (diff.old_class.name, diff.new_class.name) == ("Free", "Edited")
    assert diff.new_class.hash == fs.get(path).meta.class_hash and diff.new_class.version == 1


def test_only_changes_are_sent_and_conflicts_are_told(fs, home):
    path = f"{home}/a"
    fs.store(path, free(a=1, b=[1]))
    one, other = fs.get(path), fs.get(path)
    one.a = 2
    fs.store(path, one)
    other.b.append(2)
    with pytest.raises(errors.ConflictError):
        fs.store(path, other)
    fs.store(path, other, overwrite=True)
    assert vars(fs.get(path)) == {"a": 2, "b": [1, 2]}
    del other.b
    fs.store(path, other)
    assert vars(fs.get(path)) == {"a": 2}
    with pytest.raises(errors.AlreadyExistsError):
        fs.store(path, free(), create=True)


def test_values_of_every_kind(fs, home):
    values = {
        "none": None, "big": -(10**40), "nan_free": 1.0, "text": "\U0001f600", "bytes": b"\0\xff", "list": [1, [2.0]],
        "map": {"b": 1, "a": {}}, "set": {1, 2}, "moment": datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc),
        "day": date(2024, 2, 29), "uuid": UUID(int=7), "decimal": Decimal("-1.50"), "delta": timedelta(days=-1, microseconds=3),
        "ref": emerge.Ref("/a"),
    }  # fmt: skip
    fs.store(f"{home}/v", free(**values))
    back = vars(fs.get(f"{home}/v"))
    assert back == values and list(back["map"]) == ["b", "a"]
    assert {name: type(value) for name, value in back.items()} == {name: type(value) for name, value in values.items()}


def test_arrays_and_embedded_objects(fs, home):
    import array

    inner = InventoryItem(unit_price=1.0)
    fs.store(f"{home}/o", free(array=array.array("d", [1.0, 2.0]), inner=inner))
    back = fs.get(f"{home}/o")
    assert list(back.array) == [1.0, 2.0]
    assert back.inner == inner


def test_directories(fs, home):
    for at in range(3):
        fs.store(f"{home}/d/i{at}", InventoryItem(unit_price=float(at), quantity_on_hand=2))
    assert [meta.name for meta in fs.list(f"{home}/d", page_size=2)] == ["i0", "i1", "i2"]
    assert fs.call(f"{home}/d", "total_cost") == {"i0": 0.0, "i1": 2.0, "i2": 4.0}
    fs.cp(f"{home}/d", f"{home}/e", recursive=True)
    fs.mv(f"{home}/e/i0", f"{home}/f")
    assert fs.stat(f"{home}/f").class_name == "InventoryItem"
    with pytest.raises(errors.DirectoryNotEmptyError):
        fs.rm(f"{home}/e")
    fs.rm(f"{home}/e", recursive=True)
    assert not fs.exists(f"{home}/e")


@emerge.dataclass
class Farm(emerge.Object):
    name: str = ""
    acres: float = 1.0

    def grow(self, by: float) -> float:
        self.acres += by
        return self.acres


@emerge.dataclass
class Customer(emerge.Object):
    name: str = ""
    farms: list = emerge.field(default_factory=list)
    best: Farm | None = None
    address: dict = emerge.field(default_factory=dict)

    def names(self):
        return [self.fs.get(farm).name for farm in self.farms]

    def plant(self, path):
        self.fs.add(self.meta.path + "#address", "trees", path)
        return [child.name for child in self.fs.children(self.meta.path, "address.trees")]


def test_paths_into_objects_and_children(fs, home):
    at, farms = f"{home}/c0", f"{home}/farms"
    fs.store(at, Customer(name="Ada", best=Farm(name="Best"), address={"city": "Ulm", "odd name": [1, 2]}))
    hill = fs.store(f"{farms}/hill", Farm(name="Hill", acres=3.0))
    fs.store(f"{farms}/moor", Farm(name="Moor"))
    assert fs.add(at, "farms", [hill, f"{farms}/moor"]) == 2
    assert fs.add(at, "farms", {f"{farms}/dale": Farm(name="Dale")}) == 3
    customer = fs.get(at)
    assert customer.farms == [emerge.Ref(f"{farms}/{name}") for name in ("hill", "moor", "dale")]
    assert fs.get(customer.farms[0]).acres == 3.0 and fs.stat(customer.farms[0]).class_name == "Farm"
    assert fs.get(f"{at}#farms[2].name") == "Dale" and fs.get(f'{at}#address["odd name"][1]') == 2
    farm = fs.get(f"{at}#farms[0]")
    assert type(farm) is Farm and farm.meta.path == f"{farms}/hill"
    farm.acres = 5.0
    fs.store(f"{farms}/hill", farm)
    best = fs.get(f"{at}#best")
    assert type(best) is Farm and best.meta is None and best.name == "Best"

    assert fs.call(customer.farms[0], "grow", 2.0) == 7.0 and fs.call(f"{at}#best", "grow", 2.0) == 3.0
    assert fs.get(f"{at}#best.acres") == 3.0 and fs.call(at, "names") == ["Hill", "Moor", "Dale"]
    assert fs.set(f"{at}#farms[1].acres", 8) == 2 and fs.get(f"{farms}/moor#acres") == 8.0
    assert fs.set(f"{at}#address.city", "Bonn", base=4) == 5
    with pytest.raises(errors.ConflictError):
        fs.set(f"{at}#address.city", "Ulm", base=4)
    with pytest.raises(errors.BadArgumentError, match='"acres" is declared float'):
        fs.set(f"{farms}/moor#acres", "many")

    fs.rm(f"{farms}/moor")
    children = fs.children(at, "farms")
    assert [child and child.name for child in children] == ["Hill", None, "Dale"]
    assert children[2].meta.path == f"{farms}/dale"
    with pytest.raises(errors.NotFoundError, match="refers to .*/moor") as failed:
        fs.get(f"{at}#farms[1]")
    assert (failed.value.path, failed.value.field) == (f"{farms}/moor", "farms[1]")
    with pytest.raises(errors.BadPathError, match="at character 6"):
        fs.get(f"{at}#farms.[0]")
    with pytest.raises(errors.AlreadyExistsError):
        fs.add(at, "farms", f"{farms}/dale")
    with pytest.raises(errors.BadArgumentError, match="a path is needed"):
        fs.add(at, "farms", Farm())
    with pytest.raises(errors.UnmappableValueError):
        fs.add(at, "farms", {f"{farms}/x": 1})
    assert fs.call(at, "plant", f"{farms}/dale") == ["Dale"]


def test_errors_by_code(fs, home):
    fs.store(f"{home}/x", InventoryItem())
    with pytest.raises(errors.NotFoundError) as failed:
        fs.get(f"{home}/nothing")
    assert failed.value.code == "not_found"
    with pytest.raises(errors.MethodNotFoundError):
        fs.call(f"{home}/x", "nothing")
    with pytest.raises(errors.MethodFailedError) as failed:
        fs.call(f"{home}/x", "fail")
    assert "no more" in str(failed.value) and 'raise ValueError("no more")' in (failed.value.trace or "")
    assert failed.value.log is None
    with pytest.raises(errors.MethodFailedError) as failed:
        fs.invoke(f"{home}/x", "fail", log=True)
    assert failed.value.log == "about to fail\n"
    with pytest.raises(errors.UnmappableValueError) as failed:
        fs.store(f"{home}/x", free(farms=[{"size": 1j}]))
    assert failed.value.field == "farms[0].size"


def test_what_only_the_node_knows_is_not_run(fs, home, address):
    fs.store(f"{home}/x", InventoryItem(unit_price=2.0, quantity_on_hand=2))
    from emerge import _classes

    lineage_class = _classes._by_name.pop("InventoryItem")
    places, _classes.PLACES = _classes.PLACES, {}
    known = dict(_classes._by_hash)
    _classes._by_hash.clear()
    try:
        item = fs.get(f"{home}/x")
        assert item.unit_price == 2.0 and type(item).__name__ == "InventoryItem"
        with pytest.raises(errors.UnsupportedError, match=r"fs\.call"):
            item.total_cost()
        with pytest.raises(errors.PermissionDeniedError):
            item.unit_price = 3.0
    finally:
        _classes.PLACES = places
        _classes._by_hash.update(known)
        _classes._by_name["InventoryItem"] = lineage_class
