"""Values that Python has no type of its own for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from .errors import BadArgumentError


class Ref:
    """A reference to another object, by its path.

    Raises:
        BadArgumentError: it is none.
    """

    __slots__ = ("path",)

    path: str

    def __init__(self, path: str) -> None:
        if not isinstance(path, str) or not path.startswith("/"):
            raise BadArgumentError(f"a reference has a path, which begins with /, not {path!r:.50}", field="path")
        object.__setattr__(self, "path", path if type(path) is str else str.__str__(path))

    @classmethod
    def stored(cls, path: str) -> Ref:
        """One that an object holds, whatever it says: other languages, and earlier versions, store others too."""
        made = cls.__new__(cls)
        object.__setattr__(made, "path", path)
        return made

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a Ref does not change; make another")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ref) and other.path == self.path

    def __hash__(self) -> int:
        return hash((Ref, self.path))

    def __repr__(self) -> str:
        return f"Ref({self.path!r})"

    def __reduce__(self) -> tuple[Callable[[str], Ref], tuple[str]]:
        return Ref.stored, (self.path,)


class EmptyArray:
    """An array without elements that has several dimensions, such as 0 × 3, where there is no numpy: a ``memoryview`` has no such shape."""

    __slots__ = ("dtype", "shape")

    dtype: str
    shape: tuple[int, ...]

    def __init__(self, dtype: str, shape: tuple[int, ...]) -> None:
        self.dtype, self.shape = dtype, shape

    def __len__(self) -> int:
        return self.shape[0]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.tolist())

    def __getitem__(self, at: int) -> Any:
        return self.tolist()[at]

    def tolist(self) -> list[Any]:
        """The rows, and their rows: lists of which some hold nothing."""
        rows: list[Any] = []
        for length in reversed(self.shape[: self.shape.index(0) + 1]):
            rows = [list(rows) for _ in range(length)]
        return rows

    def tobytes(self) -> bytes:
        """Nothing."""
        return b""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EmptyArray) and (other.dtype, other.shape) == (self.dtype, self.shape)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"EmptyArray({self.dtype!r}, {self.shape!r})"


class Table:
    """Columns and rows, as many values in each row as there are columns: the result of a query, for example.

    ::

        emerge.Table(["name", "cost"], [["widget1", 30.0], ["widget2", 2.0]])

    Args:
        columns: the names of the columns, none twice.
        rows: the rows, each a sequence of values.

    Raises:
        ValueError: a row has another number of values, or a name stands twice.
    """

    __slots__ = ("columns", "rows")

    columns: list[str]
    rows: list[list[Any]]

    def __init__(self, columns: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
        self.columns = list(columns)
        self.rows = [list(row) for row in rows]
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("a column stands twice in a table")
        for at, row in enumerate(self.rows):
            if len(row) != len(self.columns):
                raise ValueError(f"a table of {len(self.columns)} columns has {len(row)} values in row {at}")

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[list[Any]]:
        return iter(self.rows)

    def __getitem__(self, column: str) -> list[Any]:
        """The values of one column."""
        try:
            at = self.columns.index(column)
        except ValueError:
            raise KeyError(f"{column}: the table has {', '.join(self.columns)}") from None
        return [row[at] for row in self.rows]

    def records(self) -> list[dict[str, Any]]:
        """Each row as a dict of its values by the names of their columns."""
        return [dict(zip(self.columns, row)) for row in self.rows]

    def to_pandas(self) -> Any:
        """A ``pandas.DataFrame``.

        Raises:
            ImportError: this Python has no pandas.
        """
        from importlib import import_module

        return import_module("pandas").DataFrame(self.rows, columns=self.columns)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and (other.columns, other.rows) == (self.columns, self.rows)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Table({self.columns!r}, {self.rows!r})"

    def _repr_html_(self) -> str:
        from html import escape

        head = "".join(f"<th>{escape(name)}</th>" for name in self.columns)
        shown = ("".join(f"<td>{escape(str(value))}</td>" for value in row) for row in self.rows)
        return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in shown)}</table>"
