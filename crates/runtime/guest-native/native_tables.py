"""Frames and series of pandas, as tables: values that travel."""

from __future__ import annotations

import sys
from typing import Any

import emerge
from emerge import _host, _wire


def as_value(result: Any) -> Any:
    """A result in which each frame and series is a table; all else is as it was."""
    pandas = sys.modules.get("pandas")
    return result if pandas is None else _walked(result, pandas, 0)


# Deeper than this no value nests.
_DEEPEST = 64


def _walked(value: Any, pandas: Any, depth: int) -> Any:
    if isinstance(value, pandas.DataFrame):
        return _of_frame(value, pandas)
    if isinstance(value, pandas.Series):
        return _of_frame(value.to_frame("value" if value.name is None else value.name), pandas)
    if isinstance(value, pandas.Index):
        return _column("index", value, pandas)
    kind = type(value)
    if depth < _DEEPEST and kind in (list, tuple):
        return kind(_walked(each, pandas, depth + 1) for each in value)
    if depth < _DEEPEST and kind is dict:
        return {name: _walked(each, pandas, depth + 1) for name, each in value.items()}
    return _cell(value, pandas) if _is_missing(value, pandas) or isinstance(value, pandas.Timestamp) else value


def _is_missing(value: Any, pandas: Any) -> bool:
    return value is pandas.NaT or value is pandas.NA


def _of_frame(frame: Any, pandas: Any) -> emerge.Table:
    """A table of a frame's columns. An index that says anything comes before them."""
    names: list[Any] = []
    columns: list[Any] = []
    if not (type(frame.index) is pandas.RangeIndex and frame.index.name is None):
        for level in range(frame.index.nlevels):
            name = frame.index.names[level]
            names.append(("index" if frame.index.nlevels == 1 else f"level_{level}") if name is None else name)
            columns.append(frame.index.get_level_values(level))
    names += list(frame.columns)
    columns += [frame.iloc[:, at] for at in range(frame.shape[1])]
    shown = [" ".join(str(part) for part in name if part != "") if isinstance(name, tuple) else str(name) for name in names]
    for at, name in enumerate(shown):
        if name in shown[:at]:
            raise emerge.errors.UnmappableValueError(
                f"a table has no two columns of one name, and the frame has {name!r} twice", field=name
            )
    cells = [_column(name, column, pandas) for name, column in zip(shown, columns)]
    return emerge.Table(shown, [list(row) for row in zip(*cells)] if cells else [])


def _column(name: str, column: Any, pandas: Any) -> list[Any]:
    """The values of a column, as Python's own: missing ones are ``None``, but a float that is no number stays one."""
    kind = getattr(column.dtype, "kind", "O")
    if kind in "biuf" and not hasattr(column.dtype, "na_value"):
        return column.tolist()
    try:
        # Among what is no number, the float that is none is how pandas says that nothing is there.
        cells = [None if type(each) is float and each != each else _cell(each, pandas) for each in column.tolist()]
        if not _PLAIN.issuperset(map(type, cells)):
            # The column is named here; what is wrong with a whole result is told by its place in it.
            _host.host().check(_wire.dumps(cells)[0])
        return cells
    except emerge.EmergeError as error:
        error.field = error.field or name
        error.message = f"column {name!r}: {error.message}"
        raise


_PLAIN = frozenset((str, int, float, bool, bytes, type(None)))


def _cell(value: Any, pandas: Any) -> Any:
    if type(value) in _PLAIN:
        return value
    if value is pandas.NaT or value is pandas.NA:
        return None
    if isinstance(value, pandas.Timestamp):
        if value.tzinfo is None:
            # A column of moments without a zone is of UTC, as the times that the node gives.
            value = value.tz_localize("UTC")
        return _whole(value).to_pydatetime()
    if isinstance(value, pandas.Timedelta):
        return _whole(value).to_pytimedelta()
    if isinstance(value, (pandas.Interval, pandas.Period)):
        return str(value)
    return _walked(value, pandas, 1)


def _whole(value: Any) -> Any:
    if getattr(value, "nanosecond", 0) or getattr(value, "nanoseconds", 0):
        raise emerge.errors.UnmappableValueError(f"{value} has nanoseconds, and a value has microseconds: floor('us') has none")
    return value
