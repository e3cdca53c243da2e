"""Scalars and arrays of numpy and pandas: stored as what they are, or refused by name with what to do."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import emerge
import pytest
from emerge import errors

numpy = pytest.importorskip("numpy")


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
    pandas = pytest.importorskip("pandas")
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
