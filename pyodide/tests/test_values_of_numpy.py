"""Scalars and arrays of numpy and pandas: stored as what they are, or refused by name with what to do. CPython's alone: neither is there for Pyodide."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import emerge
import numpy
import pandas
import pytest
from emerge import _travel, errors

from test_bad_arguments import Plain
from test_compose import Costs, shelf
from cells import cell
from test_what_comes_back import Holder as Kept, refused_as_it_is
from test_what_travels import Board, called


class Holder(emerge.Object):
    held = None


def holding(value):
    holder = Holder()
    holder.held = {"at": [value]}
    return holder


REFUSED = {
    "a day": (lambda: numpy.datetime64("2024-01-01"), "item"),
    "a moment without a zone": (lambda: numpy.datetime64("2024-01-01T00:00:00.000001"), "time zone"),
    "a span": (lambda: numpy.timedelta64(3, "s"), "timedelta"),
    "a masked array": (lambda: numpy.ma.array([1, 2], mask=[0, 1]), "filled"),
    "a masked value": (lambda: numpy.ma.masked, "filled"),
    "a longer float": (lambda: numpy.longdouble(1), "longdouble"),
    "a record": (lambda: numpy.array((1, 2.0), dtype="i4,f4"), "numpy.ndarray"),
    "raw bytes": (lambda: numpy.void(b"ab"), "numpy.void"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_scalars_without_a_mapping_are_named(fs, home, name):
    make, hint = REFUSED[name]
    with pytest.raises(errors.UnmappableValueError, match=hint) as failed:
        fs.store(f"{home}/held", holding(make()))
    assert failed.value.field == "held.at[0]"


def test_scalars_with_a_mapping(fs, home):
    values = [
        numpy.bool_(True),
        numpy.array(False),
        numpy.int8(3),
        numpy.float32(1.5),
        numpy.float16(2),
        numpy.str_("a"),
    ]
    holder = Holder()
    holder.held = values
    fs.store(f"{home}/held", holder)
    assert [repr(value) for value in fs.get(f"{home}/held").held] == ["True", "False", "3", "1.5", "2.0", "'a'"]


def test_times_of_pandas(fs, home):
    for value, hint in (
        (pandas.Timestamp("2024-01-01T00:00:00.000000001", tz="UTC"), "floor"),
        (pandas.Timestamp("2024-01-01"), "time zone"),
        (pandas.NaT, "None"),
        (pandas.Timedelta(5), "floor"),
        (pandas.Series([1]), "Series"),
    ):
        with pytest.raises(errors.UnmappableValueError, match=hint) as failed:
            fs.store(f"{home}/held", holding(value))
        assert failed.value.field == "held.at[0]"
    holder = Holder()
    holder.held = [pandas.Timestamp("2024-01-01T00:00:00.000001", tz="UTC"), pandas.Timedelta(5, "s")]
    fs.store(f"{home}/held", holder)
    assert fs.get(f"{home}/held").held == [datetime(2024, 1, 1, 0, 0, 0, 1, timezone.utc), timedelta(seconds=5)]


def test_arrays_of_numpy_are_named():
    scope = cell(
        "class Taker(emerge.Object):\n    def take(self):\n        return ARRAY\n",
        {**globals(), "ARRAY": numpy.arange(3)},
    )
    with pytest.raises(errors.ClassInvalidError, match="the node does not have numpy") as failed:
        _travel.class_source(scope["Taker"])
    assert failed.value.field == "ARRAY"


def test_an_array_of_numpy_in_a_hint(fs, home):
    scope = cell(
        "import numpy as np\n@emerge.dataclass\nclass Data(emerge.Object):\n    data: np.ndarray = None\n"
        "    def size(self, more: np.ndarray = None) -> np.ndarray:\n        return len(self.data)\n",
        {"__name__": "__main__", "emerge": emerge},
    )
    assert called(fs, home, scope["Data"](data=scope["np"].arange(3)), "size") == 3


def test_arrays_of_numpy_without_a_mapping(fs, home):
    for array in (numpy.array(["2024-01-01"], dtype="datetime64[D]"), numpy.array([1, "a"], dtype=object)):
        with pytest.raises(errors.UnmappableValueError, match=str(array.dtype).partition("[")[0]) as failed:
            fs.store(f"{home}/array", Board_with(array))
        assert failed.value.field == "shapes"


def Board_with(shapes):
    board = Board()
    board.shapes = shapes
    return board


def test_a_table_is_a_frame_where_pandas_is(fs, home):
    shelf(fs, f"{home}/shelf", {"a": 3})
    fs.store(f"{home}/t", Costs(at=f"{home}/shelf"))
    frame = fs.query(f"{home}/t", frames=True)
    assert isinstance(frame, pandas.DataFrame) and frame["cost"].sum() == 6.0


@pytest.mark.parametrize("shape", [(0, 3), (2, 0), (0,), (2, 0, 4)])
def test_arrays_without_elements(fs, home, shape):
    at = f"{home}/a"
    fs.store(at, Kept(numpy.zeros(shape)))
    assert fs.call(at, "add").shape == shape
    assert fs.get(at).held.shape == shape and fs.get(at).held.dtype == numpy.float64
    assert fs.call(at, "echo", numpy.zeros(shape, "int32")).shape == shape
    assert fs.call(at, "shape") == [list(shape), numpy.zeros(shape).tolist(), shape[0], numpy.zeros(shape).tolist()]


class Grid(numpy.ndarray):
    pass


def test_a_class_that_extends_arrays_is_not_stored(fs, home):
    value = numpy.zeros((1, 2)).view(Grid)
    refused_as_it_is(fs, home, value)
    # As an argument it is what it extends.
    assert fs.call(f"{home}/a", "echo", value).tolist() == [[0.0, 0.0]]


def test_numbers_of_numpy(fs, home):
    for n in range(3):
        fs.store(f"{home}/{n}", Plain(n))
    at = numpy.str_(f"{home}/1")
    assert fs.get(at, version=numpy.int64(1)).n == 1 and fs.call(at, "double") == 2 and fs.exists(at)
    assert len(list(fs.search(directory=home, limit=numpy.int64(2)))) == 2
    assert len(fs.page(home, page_size=numpy.int32(2))[0]) == 2
    assert len(fs.history(at, limit=numpy.int64(1))) == 1
    for limit in ("2", 2.5):
        with pytest.raises(errors.BadArgumentError, match="limit is a whole number") as failed:
            fs.search(limit=limit)
        assert failed.value.field == "limit"
