"""What stands for the packages of native Python while a class that requires them is analysed where they are not."""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType
from typing import Any


def stand_in(known: dict[bytes, Any]) -> None:
    """Lets a class be read that requires packages, which are not here: it will be evaluated with them where it runs."""
    packages = {package for source in known.values() for package in (source[8] if len(source) > 8 else ())}
    if packages:
        sys.meta_path.append(_Packages(frozenset(package.partition(".")[0] for package in packages)))


class _Packages:
    """Finds packages that are not here, and all their modules, as ones of which every name stands for something."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name.partition(".")[0] not in self._names:
            return None
        return ModuleSpec(name, self, is_package=True)

    def create_module(self, spec: Any) -> ModuleType:
        return _StandIn(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        module.__path__ = []


class _StandIn(ModuleType):
    """A module that is not here."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Unknown(f"{self.__name__}.{name}")


class _Unknown:
    """What such a module would have: something that can be named, called and asked for more while a class statement runs."""

    def __init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return _Unknown(f"{self.__name__}.{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # A decorator leaves the function that it is given.
        if len(args) == 1 and not kwargs and isinstance(args[0], (FunctionType, type)):
            return args[0]
        return self

    def __getitem__(self, key: Any) -> Any:
        return self

    def __or__(self, other: Any) -> Any:
        return self

    __ror__ = __or__
