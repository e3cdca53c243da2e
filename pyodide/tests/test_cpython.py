"""What only CPython has: threads, an event loop beside others, Ctrl-C."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import emerge
import pytest
from emerge import errors


def test_threads_and_asyncio(fs, home, address):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda at: fs.mkdir(f"{home}/t{at:02}"), range(20)))

    async def many():
        async with emerge.connect.aio(address) as other:
            got = await asyncio.gather(*(other.aio.stat(f"{home}/t{at:02}") for at in range(20)))
            names = [meta.name async for meta in other.aio.list(home)]
            return [each.name for each in got], names

    wanted = [f"t{at:02}" for at in range(20)]
    assert asyncio.run(many()) == (wanted, wanted)


def test_nobody_there_and_a_wrong_token(address):
    with pytest.raises(errors.DisconnectedError):
        emerge.connect("ws://127.0.0.1:9")
    with pytest.raises(errors.UnauthenticatedError):
        emerge.connect(address.partition("?")[0], "wrong")


def test_without_the_extension_it_says_so():
    code = "import sys; sys.modules['emerge._native'] = None; import emerge; emerge.connect('ws://127.0.0.1:9')"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 1 and "install the wheel for CPython" in ended.stderr
