"""Runs the cases with the Python package, in CPython or in Pyodide: ``python reader.py cases.json`` with ``EMERGE_URL`` and ``EMERGE_TOKEN``."""

import base64
import datetime
import decimal
import json
import math
import sys
import uuid

import emerge

CODES = {"int32": "i", "float64": "d"}


def native(tagged):
    """The value of a tagged JSON."""
    if isinstance(tagged, list):
        return [native(item) for item in tagged]
    if not isinstance(tagged, dict):
        return tagged
    if len(tagged) == 1:
        ((tag, inner),) = tagged.items()
        if tag in READERS:
            return READERS[tag](inner)
    return {key: native(value) for key, value in tagged.items()}


READERS = {
    "$int": int,
    "$float": float,
    "$bytes": base64.b64decode,
    "$set": lambda items: {hashable(native(item)) for item in items},
    "$datetime": lambda text: datetime.datetime.fromisoformat(text.replace("Z", "+00:00")),
    "$date": datetime.date.fromisoformat,
    "$uuid": uuid.UUID,
    "$decimal": decimal.Decimal,
    "$duration": lambda text: datetime.timedelta(microseconds=round(float(text[2:-1]) * 1e6)),
    "$ref": emerge.Ref,
    "$table": lambda it: emerge.Table(it["columns"], [native(row) for row in it["rows"]]),
    "$array": lambda it: shaped(memoryview(bytearray(base64.b64decode(it["data"]))), CODES[it["dtype"]], it["shape"]),
    "$object": lambda it: Held(native(it["fields"])),
}


class Held:
    """Fields of an embedded object, of whatever class."""

    def __init__(self, fields):
        vars(self).update(fields)


def hashable(value):
    """What a set takes for a list."""
    return tuple(map(hashable, value)) if isinstance(value, list) else value


def shaped(view, code, shape):
    """A typed array of one or more dimensions."""
    return view.cast(code) if len(shape) == 1 else view.cast(code, shape)


def shown(value):
    """One text for equal values; NaN equals itself, keys keep their order."""
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key!r}: {shown(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, (set, frozenset)):
        return f"set {sorted(map(shown, value))}"
    if isinstance(value, datetime.datetime):
        return f"moment {value.astimezone(datetime.timezone.utc).isoformat()}"
    if isinstance(value, emerge.Table):
        return f"table {shown(value.columns)} {shown(value.rows)}"
    if isinstance(value, memoryview) or hasattr(value, "dtype"):
        return f"array {value.tolist()}"
    if isinstance(value, (Held, emerge.Object)):
        return f"object {shown(dict(vars(value)))}"
    return f"{type(value).__name__} {value!r}"


async def run_cases(fs, file):
    """How many cases passed, and what did not."""
    passed, failed = 0, []
    for language in file["languages"]:
        for test in file["cases"]:
            path = test.get("path", f"/conformance/{language}")
            wanted = test.get("error") or shown(native(test.get("results", {}).get(language, test["result"])))
            try:
                if "get" in test:
                    got = shown(getattr(await fs.aio.get(path), test["get"]))
                elif "place" in test:
                    got = shown(await fs.aio.get(f"{path}#{test['place']}"))
                else:
                    kwargs = native(test.get("kwargs", {}))
                    args = [await fs.aio.call(path, test["from"])] if "from" in test else map(native, test["args"])
                    got = shown(await fs.aio.call(path, test["method"], *args, **kwargs))
            except emerge.EmergeError as error:
                got = error.code
            if got == wanted:
                passed += 1
            else:
                failed.append(f"{language}: {test['name']}: {wanted} was expected, {got} came")
    return passed, failed


async def main(text):
    """Runs the cases of the text of ``cases.json`` and prints how many passed."""
    file = json.loads(text)
    async with emerge.connect.aio() as fs:
        passed, failed = await run_cases(fs, file)
    print(*failed, f"conformance: {passed} passed", sep="\n")
    return 0 if passed == file["passed"] and not failed else 1


if __name__ == "__main__" and sys.platform != "emscripten":
    import asyncio

    with open(sys.argv[1], encoding="utf-8") as cases:
        sys.exit(asyncio.run(main(cases.read())))
