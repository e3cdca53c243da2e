"""What stands for an object on the node."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Proxy:
    """Stands for an object on the node; its methods run there, with all that they are given as their arguments."""

    __slots__ = ("_call", "_path")

    def __init__(self, path: str, call: Callable[[str, str, tuple[Any, ...], dict[str, Any]], Any]) -> None:
        object.__setattr__(self, "_path", path)
        object.__setattr__(self, "_call", call)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        # Python, IPython and copy ask any object for such names.
        if name.startswith("__") or name.startswith("_repr_") or name.startswith("_ipython_"):
            raise AttributeError(name)
        path, call = self._path, self._call

        def method(*args: Any, **kwargs: Any) -> Any:
            return call(path, name, args, kwargs)

        method.__name__ = method.__qualname__ = name
        return method

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a proxy runs methods of {self._path}; get and store it to set {name}")

    def __repr__(self) -> str:
        return f"<proxy of {self._path}>"
