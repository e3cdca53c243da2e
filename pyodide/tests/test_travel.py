"""What a class may use, and which values an object may hold: what cannot travel is named."""

from __future__ import annotations

import inspect
import sqlite3
import tempfile
import zlib

import emerge
import pytest
from emerge import _travel, errors


def counting():
    yield 1


class Turnover(emerge.Object):
    requires = ("pandas", "numpy")

    def run(self):
        return 1


class Plain(emerge.Object):
    requires: list = []


class Odd(emerge.Object):
    requires = [1]


def test_what_a_class_requires_travels_in_its_record():
    assert _travel.class_source(Turnover)[0][7:] == (None, ["pandas", "numpy"])
    # A field of that name is a field.
    assert len(_travel.class_source(Plain)[0]) == 7
    with pytest.raises(errors.ClassInvalidError, match="requires names packages") as failed:
        _travel.class_source(Odd)
    assert failed.value.field == "requires"


OPEN = tempfile.TemporaryFile()
DATABASE = sqlite3.connect(":memory:")
GENERATOR = counting()
COMPRESSOR = zlib.compressobj()
SOURCELESS = eval("lambda n: n + 1")


class Holder(emerge.Object):
    def file(self):
        return OPEN


class Asker(emerge.Object):
    def ask(self):
        return DATABASE.execute("select 1")


class Stepper(emerge.Object):
    def step(self):
        return next(GENERATOR)


class Packer(emerge.Object):
    def pack(self, data: bytes):
        return COMPRESSOR.compress(data)


class Adder(emerge.Object):
    def add(self):
        return SOURCELESS(1)


@pytest.mark.parametrize(
    ("cls", "name"),
    [(Holder, "OPEN"), (Asker, "DATABASE"), (Stepper, "GENERATOR"), (Packer, "COMPRESSOR"), (Adder, "SOURCELESS")],
)
def test_what_lives_in_this_process_alone_is_named(cls, name):
    with pytest.raises(errors.ClassInvalidError) as failed:
        _travel.class_source(cls)
    assert failed.value.field == name
    assert name in failed.value.message and cls.__name__ in failed.value.message


@emerge.dataclass
class Farm(emerge.Object):
    farms: list = emerge.field(default_factory=list)

    def grow(self, *more):
        return len(more)


UNMAPPABLE = [object(), counting, 1j, {1: "one"}, OPEN, range(3), type]


@pytest.mark.parametrize("value", UNMAPPABLE, ids=lambda value: type(value).__name__)
def test_a_value_without_a_mapping_is_named_by_its_path(fs, home, value):
    path = f"{home}/farm"
    with pytest.raises(errors.UnmappableValueError) as failed:
        fs.store(path, Farm(farms=[{}, {"owner": value}]))
    assert failed.value.field.startswith("farms[1].owner"), failed.value
    assert not fs.exists(path)
    fs.store(path, Farm())
    farm = fs.get(path)
    farm.farms = [value]
    with pytest.raises(errors.UnmappableValueError) as failed:
        fs.store(path, farm)
    assert failed.value.field.startswith("farms[0]"), failed.value
    with pytest.raises(errors.UnmappableValueError) as failed:
        fs.call(path, "grow", 1, {"deep": [value]})
    assert "[1].deep[0]" in failed.value.field, failed.value
    assert fs.stat(path).version == 1


def test_a_module_that_the_node_lacks_is_named(fs, home):
    import pytest as here_alone

    class Tester(emerge.Object):
        def run(self):
            return here_alone.__version__

    with pytest.raises(errors.ClassInvalidError) as failed:
        fs.store(f"{home}/tester", Tester())
    assert failed.value.field == "pytest"
    assert "uses the module pytest, which the node does not have" in failed.value.message


def public(kind):
    members = {name: getattr(kind, name) for name in dir(kind) if not name.startswith("_")}
    return {name: member for name, member in members.items() if callable(member)}


def test_every_operation_has_a_twin_to_be_awaited():
    plain, awaited = public(emerge.FileSystem), public(emerge.AsyncFileSystem)
    assert set(plain) == set(awaited)
    for name, method in plain.items():
        ours, theirs = (inspect.signature(each).parameters.values() for each in (method, awaited[name]))
        assert [(each.name, each.kind, each.default) for each in ours] == [
            (each.name, each.kind, each.default) for each in theirs
        ], name


def test_syntax_that_the_node_lacks_is_named_with_its_line(fs):
    from emerge import _classes

    name, language, text, *rest = _classes.record_of(Plain).source
    newer = text.replace("return self.number", "lazy import json; return self.number")
    assert newer != text
    with pytest.raises(errors.ClassInvalidError, match=r"class Plain, line \d+: .*the node has Python 3\.14"):
        asked = fs._all._ask("put_class", (name, language, newer, *rest))
        asked.send(None)


@emerge.dataclass
class Plain(emerge.Object):
    number: int = 1

    def shown(self) -> int:
        return self.number
