"""Objects of JavaScript classes, from Python, on a real node."""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import emerge
import pytest
from emerge import _classes, _host, _wire, errors

SOURCE = """class Shelf extends EmergeObject {
  /** How much it is worth. */
  total() { return this.price * this.count; }
  take(n) { this.count -= n; return this.count; }
  echo(value) { return value; }
  fail() { throw new Error("no more"); }
}"""


class Shelf(emerge.Object):
    pass


def shelf(**fields):
    made = Shelf()
    vars(made).update(fields)
    return made


@pytest.fixture(autouse=True)
def javascript(fs):
    fields = [("price", "float", True, 0.0, None), ("count", "int", True, 0, None)]
    fields += [(f"v{at}", "any", False, None, None) for at in range(20)]
    source = ("Shelf", "javascript", SOURCE, [], fields, None, [])
    version = _wire.loads(_host.answer(fs._connection.ask(_wire.dumps(("put_class", source))[0], None)))
    assert version[0] == _host.host().class_hash(_wire.dumps(source)[0])
    _classes.adopt(Shelf, version[0])
    _classes.define(Shelf)


def test_store_call_get_history(fs, home):
    path = f"{home}/s"
    stored = fs.store(path, shelf(price=3.0, count=10))
    assert stored.meta.version == 1 and stored.meta.path == path
    assert fs.call(path, "total") == 30
    assert fs.proxy(path).take(4) == 6
    assert fs.get(path).count == 6 and fs.get(path, version=1).count == 10
    assert [each.method for each in fs.history(path)] == ["take", None]
    assert [each.name for each in fs.methods(path)] == ["total", "take", "echo", "fail"]
    assert fs.code(path) == SOURCE and "total()" in fs.help(path)
    with pytest.raises(errors.UnsupportedError, match="javascript"):
        fs.trust(path)


def test_patches_and_conflicts(fs, home):
    path = f"{home}/s"
    fs.store(path, shelf(v0=1, v1=[1]))
    one, other = fs.get(path), fs.get(path)
    one.v0 = 2
    fs.store(path, one)
    other.v1.append(2)
    with pytest.raises(errors.ConflictError):
        fs.store(path, other)
    fs.store(path, other, overwrite=True)
    assert (fs.get(path).v0, fs.get(path).v1) == (2, [1, 2])
    old = fs.get(path, version=1)
    with pytest.raises(errors.ConflictError, match="newest"):
        fs.store(path, old)
    assert fs.store(path, old, overwrite=True).meta.version == 4
    with pytest.raises(errors.AlreadyExistsError):
        fs.store(path, shelf(), create=True)


def test_values_keep_their_types(fs, home):
    values = [
        None, True, -(10**40), 1.0, "\U0001f600", b"\0\xff", [1, [2.0]], {"b": 1, "a": {}}, {1, 2},
        datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc), date(2024, 2, 29), UUID(int=7), Decimal("-1.50"),
        timedelta(days=-1, microseconds=3), emerge.Ref("/a"),
    ]  # fmt: skip
    fs.store(f"{home}/v", shelf(**{f"v{at}": value for at, value in enumerate(values)}))
    back = vars(fs.get(f"{home}/v"))
    for at, value in enumerate(values):
        assert back[f"v{at}"] == value and type(back[f"v{at}"]) is type(value)
    assert list(back["v7"]) == ["b", "a"]


def test_arrays_and_embedded_objects(fs, home):
    import array

    fs.store(f"{home}/o", shelf(v0=array.array("d", [1.0, 2.0]), v1=shelf(price=2.0)))
    back = fs.get(f"{home}/o")
    assert list(back.v0) == [1.0, 2.0]
    assert type(back.v1) is Shelf and back.v1.price == 2.0


def test_directories(fs, home):
    for at in range(3):
        fs.store(f"{home}/d/i{at}", shelf(price=float(at), count=2))
    assert [meta.name for meta in fs.list(f"{home}/d", page_size=2)] == ["i0", "i1", "i2"]
    assert fs.call(f"{home}/d", "total") == {"i0": 0, "i1": 2, "i2": 4}
    fs.cp(f"{home}/d", f"{home}/e", recursive=True)
    fs.mv(f"{home}/e/i0", f"{home}/f")
    assert fs.stat(f"{home}/f").class_name == "Shelf"
    with pytest.raises(errors.DirectoryNotEmptyError):
        fs.rm(f"{home}/e")
    fs.rm(f"{home}/e", recursive=True)
    assert not fs.exists(f"{home}/e")


def test_errors_by_code(fs, home):
    fs.store(f"{home}/x", shelf())
    with pytest.raises(errors.NotFoundError) as failed:
        fs.get(f"{home}/nothing")
    assert failed.value.code == "not_found"
    with pytest.raises(errors.MethodFailedError, match="no more"):
        fs.call(f"{home}/x", "fail")
    with pytest.raises(errors.MethodNotFoundError):
        fs.call(f"{home}/x", "nothing")
    with pytest.raises(errors.UnmappableValueError) as failed:
        fs.store(f"{home}/x", shelf(v1=[{"size": 1j}]))
    assert failed.value.field == "v1[0].size"
