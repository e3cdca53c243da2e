"""Packs the wheel for Pyodide: the package, and the client's wasm with the JavaScript that loads it.

Run by ``xtask build wheel``: ``pack.py OUT_FOLDER CORE_JS CORE_WASM``. The file's tag names Pyodide's platform, so that no
CPython installs it. The same input gives the same bytes.
"""

import base64
import hashlib
import sys
import zipfile
from pathlib import Path

VERSION = "0.1.0"
TAG = "py3-none-pyemscripten_2026_0_wasm32"


def pack(folder: Path, core_js: Path, core_wasm: Path) -> Path:
    """Writes the wheel and gives its path."""
    package = Path(__file__).parent / "src" / "emerge"
    native = {"_host_native.py", "_native.pyi"}
    files = {
        f"emerge/{path.name}": path.read_bytes()
        for path in sorted(package.iterdir())
        if path.suffix in (".js", ".py", ".pyi", ".typed") and path.name not in native
    }
    files["emerge/_core.js"] = core_js.read_bytes()
    files["emerge/_core.wasm"] = core_wasm.read_bytes()
    info = f"emerge-{VERSION}.dist-info"
    metadata = [
        "Metadata-Version: 2.1",
        "Name: emerge",
        f"Version: {VERSION}",
        "Summary: Objects with behaviour, kept under paths on a node; for Pyodide",
        "Requires-Python: >=3.10",
        "License: Apache-2.0 OR MIT",
        "",
    ]
    wheel = ["Wheel-Version: 1.0", "Generator: emerge", "Root-Is-Purelib: false", f"Tag: {TAG}", ""]
    files[f"{info}/METADATA"] = "\n".join(metadata).encode()
    files[f"{info}/WHEEL"] = "\n".join(wheel).encode()
    record = [f"{name},sha256={digest(data)},{len(data)}" for name, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"emerge-{VERSION}-{TAG}.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
    return target


def digest(data: bytes) -> str:
    """The hash as a wheel's record has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


if __name__ == "__main__":
    print(pack(*map(Path, sys.argv[1:4])))
