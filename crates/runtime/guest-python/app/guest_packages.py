"""Packages of pure Python that the operator added to the node: imported from memory, for there are no files."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import linecache
import sys
from collections.abc import Sequence
from types import CodeType, ModuleType


class _Packages(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds and loads modules by their full names."""

    def __init__(self, texts: dict[str, tuple[bool, str]]) -> None:
        self._texts = texts

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The way to a module; none when it is no package's."""
        if fullname not in self._texts:
            return None
        file = self._file(fullname)
        spec = importlib.machinery.ModuleSpec(fullname, self, origin=file, is_package=self.is_package(fullname))
        spec.has_location = True
        return spec

    def is_package(self, fullname: str) -> bool:
        """Whether a module has modules below it."""
        return self._texts[fullname][0]

    def get_source(self, fullname: str) -> str:
        """A module's text."""
        return self._texts[fullname][1]

    def get_code(self, fullname: str) -> CodeType:
        """A module's code. Its lines are known to tracebacks from then on."""
        file, text = self._file(fullname), self._texts[fullname][1]
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        return compile(text, file, "exec", dont_inherit=True)

    def _file(self, fullname: str) -> str:
        return f"packages/{fullname.replace('.', '/')}" + ("/__init__.py" if self._texts[fullname][0] else ".py")


def add(parts: list[bytes]) -> None:
    """Makes modules importable: of each its name, 1 when it is a package or else 0, and its text in UTF-8."""
    if parts:
        names, kinds, texts = parts[::3], parts[1::3], parts[2::3]
        found = {
            name.decode(): (kind == b"\1", text.decode()) for name, kind, text in zip(names, kinds, texts, strict=True)
        }
        # After the library's own: none of its modules can be replaced.
        sys.meta_path.append(_Packages(found))
