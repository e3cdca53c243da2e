"""Cells of a notebook, without one."""

from __future__ import annotations

import linecache

import emerge

RUNS = iter(range(10_000))


def cell(text, scope=None):
    """Runs a text as a notebook does."""
    name = f"<cell {next(RUNS)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    scope = {"__name__": "__main__", "emerge": emerge} if scope is None else scope
    exec(compile(text, name, "exec", dont_inherit=True), scope)
    return scope
