"""What only CPython has: threads, an event loop beside others, Ctrl-C."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

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


SPINNING = """
import sys, emerge

class Spinner(emerge.Object):
    count: int = 0

    def spin(self):
        while True:
            self.count += 1

    def add(self):
        self.count += 1
        return self.count

with emerge.connect(sys.argv[1]) as fs:
    fs.store(sys.argv[2], Spinner())
    print("spins", flush=True)
    try:
        fs.call(sys.argv[2], "spin", timeout=60)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print(fs.call(sys.argv[2], "add"), len(fs.history(sys.argv[2])))
"""


def test_ctrl_c_ends_a_call_and_leaves_the_connection(home, address, tmp_path):
    script = tmp_path / "spinning.py"
    script.write_text(SPINNING)
    command = [sys.executable, str(script), address, f"{home}/spinner"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        try:
            assert program.stdout.readline() == "spins\n"
            time.sleep(0.4)
            began = time.monotonic()
            program.send_signal(signal.SIGINT)
            assert program.stdout.readline() == "interrupted\n"
            assert time.monotonic() - began < 1
            # The call that was given up changed nothing and holds nothing up; one version stored, one of the second call.
            assert program.stdout.read() == "1 2\n"
            assert time.monotonic() - began < 3
        finally:
            program.kill()


def test_pip_refuses_the_wheel_of_pyodide(tmp_path):
    pack = Path(__file__).resolve().parents[1] / "pack.py"
    (tmp_path / "core").write_bytes(b"")
    packed = [sys.executable, str(pack), str(tmp_path), str(tmp_path / "core"), str(tmp_path / "core")]
    wheel = subprocess.run(packed, capture_output=True, text=True, check=True).stdout.strip()
    install = [sys.executable, "-m", "pip", "install", "--no-index", "--target", str(tmp_path / "site")]
    by_file = subprocess.run([*install, wheel], capture_output=True, text=True, check=False)
    assert by_file.returncode == 1 and "is not a supported wheel on this platform" in by_file.stderr
    by_name = subprocess.run(
        [*install, "--find-links", str(tmp_path), "emerge"], capture_output=True, text=True, check=False
    )
    assert by_name.returncode == 1 and "No matching distribution found for emerge" in by_name.stderr
    assert not (tmp_path / "site").exists()
