"""The program of the Python guest: boots once, loads classes, calls their methods, runs files."""

from __future__ import annotations

import wit_world  # type: ignore[import-not-found]

# Imported while the component is made, so that the modules are in its memory: there are no files to import from later.
_LIBRARY = """
abc annotationlib argparse array ast asyncio base64 bisect calendar cmath cmd codecs collections collections.abc colorsys configparser contextlib
contextvars copy copyreg csv dataclasses datetime decimal difflib dis enum filecmp fnmatch fractions functools gettext glob graphlib gzip hashlib
heapq hmac html html.entities html.parser http http.cookies inspect io ipaddress itertools json keyword linecache locale logging math mimetypes
numbers operator os pathlib pickle plistlib pprint queue quopri random re reprlib sched secrets shlex shutil socket statistics string
string.templatelib stringprep struct subprocess tarfile tempfile textwrap threading time tokenize tomllib traceback types typing unicodedata
urllib.parse uuid wave weakref xml.dom.minidom xml.etree.ElementTree xml.parsers.expat zipfile zlib zoneinfo
_ast_unparse _strptime encodings.ascii encodings.cp1252 encodings.cp437 encodings.hex_codec encodings.idna encodings.latin_1 encodings.utf_16
encodings.utf_32 encodings.utf_8_sig
"""
for _name in _LIBRARY.split():
    try:
        __import__(_name)
    except ImportError:
        continue

# All of the package but what other hosts have: a method may use each of its operations.
import pkgutil  # noqa: E402

import emerge  # noqa: E402

_HOSTS = ("_host_native", "_host_pyodide", "_wakers")
for _module in pkgutil.iter_modules(emerge.__path__):
    if _module.name not in _HOSTS:
        __import__(f"emerge.{_module.name}")

import guest_run  # noqa: E402 - what it imports is there by now


class WitWorld(wit_world.WitWorld):  # type: ignore[misc]
    """The exports."""

    def run(self, what: int, input: bytes, seed: int) -> bytes:
        """Does a piece of work."""
        return guest_run.run(what, input, seed)
