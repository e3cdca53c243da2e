"""Running the source of a stored class, where that was asked for."""

from __future__ import annotations

import __future__
import linecache
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from . import _classes
from ._names import in_order
from ._object import Object
from .errors import ClassInvalidError, UnsupportedError

# Annotations may name what did not travel: nothing evaluates them where Python would do so at once.
_ANNOTATIONS = 0 if sys.version_info >= (3, 14) else __future__.annotations.compiler_flag


def class_needs(version: tuple[Any, ...]) -> list[bytes]:
    """Addresses of the classes that a version extends or uses."""
    source = version[5]
    return [base[1] for base in source[3]] + [each[2] for each in source[6] if each[1] == "class"]


def load(version: tuple[Any, ...]) -> type[Object]:
    """Defines the class of a version; those that it needs are there already."""
    name, language, text, bases, _, _, captures = version[5]
    if language != "python":
        raise UnsupportedError(f"class {name} is written in {language}; its methods run on the node: fs.call(path, …)")
    module = ModuleType(f"emerge.stored.{version[0].hex()}")
    # What ``dataclass`` makes of annotations it looks up there.
    sys.modules[module.__name__] = module
    scope = vars(module)
    early, late = in_order(name, captures)
    for base, address in bases:
        scope[base] = _classes.of_hash(address)
    for capture in early:
        _define(scope, capture)
    _run(scope, text, name)
    cls = scope.get(name)
    if not (isinstance(cls, type) and issubclass(cls, Object)):
        raise ClassInvalidError(f"the source of {name} defines no class of this name", field=name)
    _classes.adopt(cls, version[0])
    for capture in late:
        _define(scope, capture)
    _classes.find_peers(cls, captures, scope)
    return cls


def _define(scope: dict[str, Any], capture: tuple[Any, ...]) -> None:
    name, kind, *rest = capture
    if kind == "module":
        scope[name] = import_module(rest[0])
    elif kind == "member":
        value: Any = import_module(rest[0])
        for part in rest[1].split("."):
            value = getattr(value, part)
        scope[name] = value
    elif kind == "source":
        _run(scope, rest[0], name)
    elif kind == "class":
        scope[name] = _classes.of_hash(rest[0])
    else:
        scope[name] = rest[0]


def _run(scope: dict[str, Any], text: str, name: str) -> None:
    # Tracebacks, and a class that travels on, find the lines by this name.
    file = f"<stored {name} {hash(text):x}>"
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    exec(compile(text, file, "exec", flags=_ANNOTATIONS, dont_inherit=True), scope)
