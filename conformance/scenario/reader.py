"""Runs the scenario with the Python package, in CPython or in Pyodide, after the classes of ``classes.py`` are defined.

``python reader.py DIRECTORY`` with ``EMERGE_URL`` and ``EMERGE_TOKEN``; the directory is one of the host's own.
"""

import json
import sys

import emerge


class Reader:
    """The steps, each by the name of its ``op``."""

    def __init__(self, fs, other, classes, base):
        self.fs, self.other, self.classes, self.base = fs, other, classes, base
        self.name = base[1:].replace("/", "-")

    def at(self, value):
        return value.replace("~", self.base) if isinstance(value, str) else value

    def made(self, step):
        return self.classes[step["class"]](**{name: self.at(value) for name, value in step["fields"].items()})

    def store(self, step):
        return self.fs.store(self.at(step["path"]), self.made(step)).meta.version

    def call(self, step):
        return self.fs.call(self.at(step["path"]), step["method"], *map(self.at, step["args"]))

    def call_each(self, step):
        return {each.name: each.result for each in self.fs.call_each(self.at(step["path"]), step["method"])}

    def local(self, step):
        return getattr(self.fs.get(self.at(step["path"])), step["method"])()

    def proxy(self, step):
        return getattr(self.fs.proxy(self.at(step["path"])), step["method"])()

    def query(self, step):
        return self.fs.query(self.at(step["path"]))

    def read(self, step):
        return self.other.get(self.at(step["path"]))

    def search(self, step):
        found = self.fs.search(step["python"], directory=self.at(step["path"]), order=step["order"])
        return [each.meta.name for each in found]

    def list(self, step):
        return [each.name for each in self.fs.list(self.at(step["path"]))]

    def get(self, step):
        got = self.fs.get(self.at(step["path"]))
        return {"class": got.meta.class_name, **vars(got)} if isinstance(got, emerge.Object) else got

    def mixin(self, step):
        mixed = self.fs.mixin(*(self.at(step[name]) for name in ("path", "other", "to")))
        return [clash.name for clash in mixed.clashes]

    def add(self, step):
        self.fs.store(self.at(step["to"]), self.made(step))
        return self.fs.add(self.at(step["path"]), step["field"], self.at(step["to"]))

    def remove(self, step):
        return self.fs.rm(self.at(step["path"]))

    def edit(self, step):
        found = self.fs.get(self.at(step["path"]))
        setattr(found, step["field"], step["value"])
        return self.fs.store(self.at(step["path"]), found).meta.version

    def diff(self, step):
        changes = self.fs.diff(self.at(step["path"]), step["from"], step["to"]).fields
        return [[each.field, each.old, each.new] for each in changes]

    def restore(self, step):
        return self.fs.restore(self.at(step["path"]), step["version"])

    def transaction(self, step):
        with self.fs.transaction(name=self.name) as tx:
            tx.store(self.at(step["path"]), self.made(step))
            self.other.open(self.name).call(self.at(step["other"]), step["method"])

    def exists(self, step):
        return self.fs.exists(self.at(step["path"]))

    def open(self, step):
        return [each.name for each in self.fs.transactions() if each.name == self.name]


def plain(value):
    return {"columns": list(value.columns), "rows": [list(row) for row in value.rows]} if isinstance(value, emerge.Table) else value


def run_scenario(scenario, classes, base):
    """How many steps passed, and what did not."""
    passed, failed = 0, []
    with emerge.connect() as fs, emerge.connect() as other:
        reader = Reader(fs, other, classes, base)
        for step in scenario["steps"]:
            wanted = step["fails"] if "fails" in step else step["gives"]
            try:
                got = plain(getattr(reader, step["op"])(step))
            except emerge.EmergeError as error:
                got = error.code if "fails" in step else str(error)
            if got == wanted:
                passed += 1
            else:
                failed.append(f"{step['name']}: {wanted} was expected, {got} came")
    return passed, failed


def main(text, classes, base):
    """Runs the text of ``steps.json`` and prints how many steps passed."""
    scenario = json.loads(text)
    passed, failed = run_scenario(scenario, classes, base)
    print(*failed, f"scenario: {passed} passed", sep="\n")
    return 0 if passed == scenario["passed"] and not failed else 1


if __name__ == "__main__" and sys.platform != "emscripten":
    from pathlib import Path

    import classes as defined

    steps = Path(__file__).with_name("steps.json").read_text(encoding="utf-8")
    sys.exit(main(steps, vars(defined), sys.argv[1]))
