"""Classes in WebAssembly: the module that the node runs, run here. ``crates/proto/MODULE.md`` has the bytes of a call."""

from __future__ import annotations

import keyword
import os
import random
import time
from abc import ABC, abstractmethod
from copy import deepcopy
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from uuid import UUID

from . import _classes, _host, _wire
from ._host import answer
from ._object import Object, dataclass, field
from ._values import Ref
from .errors import ClassInvalidError, MethodFailedError

IMPORTS = ("request", "log", "fail")
"""What a module may import, all of ``emerge``."""

# What Python's types are of those of fields; the others take anything.
_HINTS: dict[str, Any] = {
    "bool": bool, "int": int, "float": float, "text": str, "bytes": bytes, "list": list, "map": dict, "set": set,
    "datetime": datetime, "date": date, "uuid": UUID, "decimal": Decimal, "duration": timedelta, "ref": Ref,
}  # fmt: skip


class Runner(ABC):
    """A compiled module, of which each call gets a new instance."""

    @abstractmethod
    def run(self, request: bytes, what: str, refusal: bytes) -> bytes:
        """The reply to a request.

        Args:
            request: the request.
            what: the method, for errors: ``Account.pay``.
            refusal: what the module gets when it asks for an operation.

        Raises:
            MethodFailedError: the module gave up, or was stopped.
        """


class _Running:
    """A class's module: what it says of itself, and how it is run once that is asked for."""

    def __init__(self, module: bytes, name: str, class_hash: bytes, description: bytes) -> None:
        self._module = module
        self._runner: Runner | None = None
        self.name = name
        self._hash = class_hash
        self._description = description

    def call(self, method: str, target: Object | None, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        host = _host.host()
        meta = None if target is None else target.meta
        path = "" if meta is None else meta.path
        fields = {} if target is None else _classes.fields_of(target)
        now, seed = time.time_ns() // 1000, random.getrandbits(62)
        pickled = _wire.dumps((method, path, fields, list(args), kwargs, now, seed, self._hash))[0]
        request = answer(host.module("request", self._description, pickled))
        if self._runner is None:
            self._runner = host.module_runner(self._module)
        what = f"{self.name}.{method}"
        reply = self._runner.run(request, what, _refusal(what, path or "/…", method))
        result, left = _wire.loads(answer(host.module("reply", reply)))
        if target is not None and left is not None:
            # As the node leaves it: what the class does not declare included.
            made = _classes.instance(type(target), _classes.record_of(type(target)).hash, left)
            target.__dict__.clear()
            target.__dict__.update(made.__dict__)
        return result


def _refusal(what: str, path: str, method: str) -> bytes:
    """An encoded error, after a byte that says so: ``[unsupported, message]``."""
    text = (
        f"{what} asks for an operation of fs, which a method has on the node only: run it there by "
        f'fs.call("{path}", "{method}")'
    ).encode()
    return b"\x01\x82\x18\x1b\x79" + len(text).to_bytes(2, "big") + text


def wasm_class(module: bytes | str | os.PathLike[str]) -> type[Object]:
    """The class of a module in WebAssembly, such as ``#[emerge::class]`` makes of Rust.

    Its objects have the fields and methods that the module declares, and the methods run here, each call in a new instance. What a
    method asks of ``fs`` it has on the node only: such a one is called by ``fs.call``. In CPython methods run with the package
    ``wasmtime`` (``pip install emerge[wasm]``); without it the class can be stored, fetched and called on the node all the same.

    Args:
        module: the bytes, or the path of their file.

    Raises:
        ClassInvalidError: it is no module, or describes no class.
        TooLargeError: it is larger than a class may be.
    """
    if isinstance(module, (str, os.PathLike)):
        with open(module, "rb") as file:
            module = file.read()
    return made(bytes(module))


def made(module: bytes) -> type[Object]:
    """As :func:`wasm_class`; one class for each module."""
    class_hash, source, methods, description = _wire.loads(answer(_host.host().module("about", module)))
    known = _classes.trusted(class_hash)
    if known is not None:
        return known
    name = source[0]
    running = _Running(module, name, class_hash, description)
    body: dict[str, Any] = {
        "__doc__": source[5],
        "__module__": "stored.wasm",
        "__qualname__": name,
        "__annotations__": {},
    }
    for each, kind, has_default, default, doc in source[4]:
        if keyword.iskeyword(each):
            why = f"the field {each!r} of class {name} is a word of Python, which has no attributes of such names; its methods run on the node"
            raise ClassInvalidError(why, field=each)
        body["__annotations__"][each] = _HINTS.get(kind, Any)
        # Every object has a default of its own; what has none has to be given.
        factory: Any = {"default_factory": partial(deepcopy, default)} if has_default else {}
        body[each] = field(doc=doc, kw_only=True, **factory)
    for method in methods:
        body[method[0]] = _method(running, method)
    cls: type[Object] = dataclass(eq=False)(type(name, (Object,), body))
    _classes.adopt_source(cls, class_hash, source)
    return cls


def _method(running: _Running, method: tuple[Any, ...]) -> Any:
    name, _, doc, _, is_static, is_property, *_ = method

    def on_object(self: Object, *args: Any, **kwargs: Any) -> Any:
        return running.call(name, self, args, kwargs)

    def on_class(*args: Any, **kwargs: Any) -> Any:
        return running.call(name, None, args, kwargs)

    run: Any = on_class if is_static else on_object
    run.__name__, run.__qualname__, run.__doc__ = name, f"{running.name}.{name}", doc
    if is_static:
        return staticmethod(run)
    return property(run) if is_property else run


def check_imports(imports: list[tuple[str, str]]) -> None:
    """Refuses a module that wants something that a class has not.

    Raises:
        ClassInvalidError: it does, and what.
    """
    for module, name in imports:
        if module != "emerge" or name not in IMPORTS:
            raise ClassInvalidError(
                f"the module imports {module}.{name}, and may import emerge.request, emerge.log, emerge.fail only; it has no WASI",
                field=f"{module}.{name}",
            )


def failed(what: str, why: object) -> MethodFailedError:
    """The error of a method whose module gave up, or was stopped."""
    return MethodFailedError(f"{what} failed: {why}")
