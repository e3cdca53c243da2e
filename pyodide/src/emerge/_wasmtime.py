"""CPython: modules of classes, run by the package ``wasmtime``."""

from __future__ import annotations

import threading
from typing import Any

from ._module import Runner, check_imports, failed
from .errors import ClassInvalidError, UnsupportedError


class _Fail(Exception):
    """What a module says as it gives up."""


class _Now(threading.local):
    """What a thread's running method gets when it asks for an operation."""

    refusal = b""


class WasmtimeRunner(Runner):
    """A module, compiled by wasmtime."""

    def __init__(self, module: bytes) -> None:
        try:
            import wasmtime
        except ImportError:
            raise UnsupportedError(
                "methods of a class in WebAssembly run in CPython with the package wasmtime: pip install wasmtime, or pip install "
                "'emerge[wasm]'; on the node they run without it: fs.call(path, method)"
            ) from None
        self._wasmtime: Any = wasmtime
        self._engine = wasmtime.Engine()
        try:
            self._module = wasmtime.Module(self._engine, module)
        except wasmtime.WasmtimeError as error:
            raise ClassInvalidError(f"this is no WebAssembly module: {error}", field="module") from None
        check_imports([(each.module, each.name or "") for each in self._module.imports])
        self._now = _Now()
        self._linker = self._make_linker()

    def _make_linker(self) -> Any:
        wasmtime = self._wasmtime
        i32, i64 = wasmtime.ValType.i32(), wasmtime.ValType.i64()

        def request(caller: Any, _at: int, _size: int) -> int:
            refusal = self._now.refusal
            at = caller["emerge_alloc"](caller, len(refusal)) & 0xFFFFFFFF
            caller["memory"].write(caller, refusal, at)
            packed: int = at << 32 | len(refusal)
            return packed - (packed >> 63 << 64)

        def text(caller: Any, at: int, size: int) -> str:
            at, size = at & 0xFFFFFFFF, size & 0xFFFFFFFF
            read: bytes = bytes(caller["memory"].read(caller, at, at + size))
            return read.decode(errors="replace")

        def log(caller: Any, at: int, size: int) -> None:
            print(text(caller, at, size))

        def fail(caller: Any, at: int, size: int) -> None:
            raise _Fail(text(caller, at, size))

        linker = wasmtime.Linker(self._engine)
        for name, function, results in (("request", request, [i64]), ("log", log, []), ("fail", fail, [])):
            linker.define_func("emerge", name, wasmtime.FuncType([i32, i32], results), function, access_caller=True)
        return linker

    def run(self, request: bytes, what: str, refusal: bytes) -> bytes:
        wasmtime = self._wasmtime
        store = wasmtime.Store(self._engine)
        self._now.refusal = refusal
        try:
            exports = self._linker.instantiate(store, self._module).exports(store)
            memory = exports["memory"]
            at = exports["emerge_alloc"](store, len(request)) & 0xFFFFFFFF
            memory.write(store, request, at)
            packed = exports["emerge_call"](store, at - (at >> 31 << 32), len(request)) & 0xFFFFFFFFFFFFFFFF
            at, size = packed >> 32, packed & 0xFFFFFFFF
            return bytes(memory.read(store, at, at + size))
        except _Fail as error:
            raise failed(what, error) from None
        except (wasmtime.Trap, wasmtime.WasmtimeError, KeyError, IndexError) as error:
            raise failed(what, getattr(error, "message", None) or error) from None
