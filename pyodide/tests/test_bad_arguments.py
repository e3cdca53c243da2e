"""Arguments that are not what is wanted: what is wanted is said, and nothing of how it is done."""

from __future__ import annotations

import asyncio
import copy
import pickle
import sys

import pytest

import emerge
from emerge import errors


@emerge.dataclass
class Plain(emerge.Object):
    n: int = 0

    def double(self):
        return 2 * self.n


@emerge.dataclass
class Pointer(emerge.Object):
    to: emerge.Ref

    def where(self):
        return self.to.path


def run(awaitable):
    """Runs a coroutine to its end, in either host."""
    if sys.platform == "emscripten":
        from pyodide.ffi import run_sync

        return run_sync(awaitable)
    return asyncio.run(awaitable)


def test_what_is_no_number_of_seconds(fs, home):
    fs.store(f"{home}/a", Plain())
    for timeout in ("1", b"1", [1], Plain()):
        with pytest.raises(errors.BadArgumentError, match="timeout is a number of seconds") as failed:
            fs.get(f"{home}/a", timeout=timeout)
        assert failed.value.field == "timeout"
        with pytest.raises(errors.BadArgumentError, match="timeout is a number of seconds"):
            run(fs.aio.stat(f"{home}/a", timeout=timeout))
    assert fs.get(f"{home}/a", timeout=10).n == 0
    assert fs.get(f"{home}/a", timeout=10.5).n == 0


def test_what_is_no_url():
    for url in (5, b"ws://127.0.0.1", ["a"]):
        with pytest.raises(errors.BadArgumentError, match="is not the URL of a node") as failed:
            emerge.connect(url)
        assert failed.value.field == "url"


def test_what_is_stored_by_the_hundred(fs, home):
    for entries in (["/q"], [5], [("/q",)], "/q"):
        with pytest.raises(errors.BadArgumentError, match=r"a path with an object") as failed:
            fs.store_all(entries)
        assert failed.value.field == "entries" and failed.value.__context__ is None
    with pytest.raises(errors.UnmappableValueError) as lost:
        fs.store_all({f"{home}/a": 5})
    assert lost.value.__context__ is None


def test_a_body_of_the_other_kind(fs, home):
    async def soon(tx):
        await tx.store(f"{home}/a", Plain())

    with pytest.raises(errors.BadArgumentError, match=r"await fs\.aio\.transact"):
        fs.transact(soon)
    with pytest.raises(errors.BadArgumentError, match="a plain one is for fs.transact"):
        run(fs.aio.transact(lambda tx: 5))
    assert not fs.exists(f"{home}/a") and not fs.transactions()


def test_what_is_no_reference():
    for path in (5, None, "nopath", ""):
        with pytest.raises(errors.BadArgumentError, match="which begins with /") as failed:
            emerge.Ref(path)
        assert failed.value.field == "path"


def test_a_reference_that_another_program_stored(fs, home):
    held = emerge.Ref.stored("note")
    fs.store(f"{home}/a", Pointer(held))
    got = fs.get(f"{home}/a").to
    assert got.path == "note" and got == held == pickle.loads(pickle.dumps(got)) == copy.deepcopy(got)
    assert fs.call(f"{home}/a", "where") == "note"


def test_whatever_names_an_object(fs, home):
    at = f"{home}/a"
    stored = fs.store(at, Plain(4))
    meta = next(iter(fs.list(home)))
    for named in (at, emerge.Ref(at), stored, meta):
        assert fs.get(named).n == 4 and fs.exists(named) and fs.stat(named).path == at
        assert fs.call(named, "double") == fs.invoke(named, "double").result == fs.proxy(named).double() == 8
        assert fs.methods(named)[0].name == "double" and "class Plain" in fs.code(named) and "double" in fs.help(named)
        assert len(fs.history(named)) == 1 and fs.chmod(named, "u+r") >= 1
        assert [each.result for each in fs.call_each([named], "double")] == [8]
        fs.cp(named, f"{home}/b")
        fs.mv(emerge.Ref(f"{home}/b"), f"{home}/c")
        fs.rm(emerge.Ref(f"{home}/c"))
        assert fs.trust(named) is Plain
    for named in (5, None, Plain()):
        for operation in (fs.get, fs.stat, fs.exists, fs.methods, fs.history, fs.rm, fs.code):
            with pytest.raises(errors.BadArgumentError, match="a path is needed") as failed:
                operation(named)
            assert failed.value.field == "path"
