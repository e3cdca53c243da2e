"""The wheels as users install them: what CPython takes and what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import emerge
from conftest import ROOT

WHEEL = os.environ["EMERGE_WHEEL"]
PYODIDE_WHEEL = os.environ["EMERGE_PYODIDE_WHEEL"]
CASES = ROOT / "conformance"


def _pythons():
    """One program for each version of Python from 3.10 that is here and can make virtual environments: this one, and those on the path."""
    found = {}
    for name in (sys.executable, "python3", *(f"python3.{minor}" for minor in range(10, 20))):
        program = shutil.which(name)
        if program is None:
            continue
        asked = "import venv, sys; print(sys.version_info[1])"
        told = subprocess.run([program, "-c", asked], capture_output=True, text=True, check=False)
        if told.returncode == 0 and int(told.stdout) >= 10:
            found.setdefault(f"3.{told.stdout.strip()}", program)
    return [pytest.param(program, id=version) for version, program in found.items()]


@pytest.fixture
def fresh(request, tmp_path):
    """The Python of a new virtual environment: of this Python, or of the test's parameter."""
    subprocess.run(
        [getattr(request, "param", sys.executable), "-m", "venv", "--without-pip", str(tmp_path / "venv")], check=True
    )
    return tmp_path / "venv" / "bin" / "python"


def _pip(python, *args):
    # Its own pip would take seconds to come.
    command = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--no-index",
        "--disable-pip-version-check",
        *args,
    ]
    return subprocess.run(command, capture_output=True, text=True, check=False)


USE = """
import asyncio, importlib.resources, sys, emerge

@emerge.dataclass
class Counter(emerge.Object):
    count: int = 0

    def add(self, by: int = 1) -> int:
        self.count += by
        return self.count

with emerge.connect() as fs:
    fs.store(sys.argv[1], Counter(count=40))
    print(fs.call(sys.argv[1], "add"), asyncio.run(fs.aio.call(sys.argv[1], "add")), fs.get(sys.argv[1]).add())
print(importlib.resources.files("emerge").joinpath("py.typed").is_file(), "venv" in emerge.__file__)
"""


@pytest.mark.parametrize("fresh", _pythons(), indirect=True)
def test_the_wheel_for_cpython(fresh, address, home, fs, tmp_path):
    installed = _pip(fresh, WHEEL)
    assert installed.returncode == 0, installed.stderr
    url, _, token = address.partition("?token=")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment |= {"EMERGE_URL": url, "EMERGE_TOKEN": token}

    def run(*words):
        return subprocess.run(
            [str(fresh), *words], capture_output=True, text=True, check=False, env=environment, cwd=tmp_path
        )

    (tmp_path / "use.py").write_text(USE)
    used = run("use.py", f"{home}/counter")
    assert (used.stdout, used.stderr) == ("41 42 43\nTrue True\n", "")

    # The cases of all hosts, on the sample in each language; a file stores them as a user would.
    program = os.environ.get("EMERGE_PROGRAM", str(ROOT / "target" / "debug" / "emerge"))
    sample = 'new Sample({ count: 3, price: 2.5, name: "sample" })'
    files = {
        "sample.mjs": f'import {{ EmergeObject, float, int, text }} from "emerge-client";\n{(CASES / "Sample.mjs").read_text()}\nexport const objects = {{ "/conformance/javascript": {sample} }};\n',
        "sample.py": f'{(CASES / "Sample.py").read_text()}\nobjects = {{"/conformance/python": Sample(count=3, price=2.5, name="sample")}}\n',
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        subprocess.run(
            [program, "store", "--from", str(tmp_path / name)], check=True, env=environment, capture_output=True
        )
    module = [
        "--from",
        str(ROOT / "target/classes/sample.wasm"),
        "--json",
        '{"count": 3, "price": {"$float": 2.5}, "name": "sample"}',
    ]
    subprocess.run([program, "store", "/conformance/wasm", *module], check=True, env=environment, capture_output=True)
    read = run(str(CASES / "reader.py"), str(CASES / "cases.json"))
    passed = json.loads((CASES / "cases.json").read_text())["passed"]
    assert (read.stdout.split("\n")[-2:], read.stderr) == ([f"conformance: {passed} passed", ""], "")


def test_the_wheel_for_pyodide_is_refused(fresh, tmp_path):
    refused = _pip(fresh, PYODIDE_WHEEL)
    assert refused.returncode == 1 and "is not a supported wheel on this platform" in refused.stderr
    shutil.copy(PYODIDE_WHEEL, tmp_path)
    refused = _pip(fresh, "--find-links", str(tmp_path), "emerge")
    assert refused.returncode == 1 and "No matching distribution found for emerge" in refused.stderr
    # Both lie there, as in dist: the right one is taken.
    shutil.copy(WHEEL, tmp_path)
    assert _pip(fresh, "--find-links", str(tmp_path), "emerge").returncode == 0
    assert subprocess.run([str(fresh), "-c", "import emerge; emerge.connect"], check=False).returncode == 0


def test_both_wheels_hold_the_same_modules():
    def modules(wheel):
        names = zipfile.ZipFile(wheel).namelist()
        assert not [name for name in names if "__pycache__" in name or "tests" in name]
        return {Path(name).name for name in names if name.startswith("emerge/")}

    native, pyodide = modules(WHEEL), modules(PYODIDE_WHEEL)
    assert native - pyodide == {"_host_native.py", "_native.pyi", "_native.abi3.so"}
    assert pyodide - native == {"_core.js", "_core.wasm"}
    assert emerge.__version__ in Path(WHEEL).name and "-cp310-abi3-" in Path(WHEEL).name
