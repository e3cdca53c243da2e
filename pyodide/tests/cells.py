"""Cells of a notebook, without one."""

from __future__ import annotations

import ast
import contextlib
import linecache

import emerge
from emerge import _classes
from emerge._object import NAMESAKES, NEWEST, TOGETHER

RUNS = iter(range(10_000))


def cell(text, scope=None, alone=False):
    """Runs a text as a notebook does; each of its statements compiled alone, as IPython does."""
    name = f"<cell {next(RUNS)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    scope = {"__name__": "__main__", "emerge": emerge} if scope is None else scope
    units = [ast.Module([each], []) for each in ast.parse(text).body] if alone else [text]
    for unit in units:
        exec(compile(unit, name, "exec", dont_inherit=True), scope)
    return scope


@contextlib.contextmanager
def elsewhere():
    """As another program, which has none of this one's classes by now."""
    known = (_classes._by_hash, _classes._records, _classes._met, _classes._defined, NEWEST, NAMESAKES, TOGETHER)
    kept = [dict(each) for each in known]
    for each in known:
        each.clear()
    try:
        yield
    finally:
        for each, entries in zip(known, kept):
            each.clear()
            each.update(entries)
