"""A real node for the tests. Under Pyodide its address comes from outside."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

import emerge

# What only Pyodide has; what only CPython has is not brought there.
collect_ignore = [] if sys.platform == "emscripten" else ["test_pyodide.py"]

ROOT = Path(__file__).resolve().parents[2]


def wait_for(awaitable):
    """Runs a coroutine to its end, from plain code."""
    if sys.platform == "emscripten":
        from pyodide.ffi import run_sync

        return run_sync(awaitable)
    import asyncio

    return asyncio.run(awaitable)


@pytest.fixture(scope="session")
def address(tmp_path_factory):
    given = os.environ.get("EMERGE_TEST_URL")
    if given or sys.platform == "emscripten":
        yield given
        return
    import subprocess

    program = os.environ.get("EMERGE_PROGRAM", str(ROOT / "target" / "debug" / "emerge"))
    command = [program, "node", "start", "--json", "--data", str(tmp_path_factory.mktemp("data")), "--port", "0"]
    node = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        ready = json.loads(node.stdout.readline())
        yield f"{ready['url']}?token={ready['token']}" if "token" in ready and "?" not in ready["url"] else ready["url"]
    finally:
        node.terminate()
        node.wait(20)


@pytest.fixture
def fs(address):
    with emerge.connect(address) as fs:
        yield fs


@pytest.fixture
def home(fs, request):
    """A directory of the test's own."""
    path = f"/tests/{request.node.name.replace('[', '-').replace(']', '').replace('/', '-')}"
    if fs.exists(path):
        fs.rm(path, recursive=True)
    fs.mkdir(path)
    return path


def pytest_terminal_summary(terminalreporter):
    """One line that the report of all tests reads."""
    count = {name: len(terminalreporter.stats.get(name, [])) for name in ("passed", "failed", "error")}
    terminalreporter.write_line(f"{count['passed']} passed, {count['failed'] + count['error']} failed")
