"""Cells of which each statement is compiled alone, as IPython and Jupyter do: code differs where an import stands beside it."""

from __future__ import annotations

import pytest
from cells import cell

CELLS = {
    "a module": "import math\nclass A(emerge.Object):\n    def go(self): return math.floor(2.5)\n",
    "a member": "from datetime import date\nclass A(emerge.Object):\n    def go(self): return date.fromordinal(1).year + 1\n",
    "imported after": "class A(emerge.Object):\n    def go(self): return math.floor(2.5)\nimport math\n",
    "a helper": "import math\ndef two(): return math.floor(2.5)\nclass A(emerge.Object):\n    def go(self): return two()\n",
    "a helper of a function": (
        "import math\ndef maker(by):\n    def two(): return math.floor(2.5) + by\n    return two\ntwo = maker(0)\n"
        "class A(emerge.Object):\n    def go(self): return two()\n"
    ),
    "a lambda": "import math\ntwo = lambda: math.floor(2.5)\nclass A(emerge.Object):\n    def go(self): return two()\n",
    "two lambdas": (
        "import math\ntwo, three = lambda: math.floor(2.5), lambda: math.ceil(2.5)\n"
        "class A(emerge.Object):\n    def go(self): return two() * three() // 3\n"
    ),
    "a decorator": (
        "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def g(self): return functools.reduce(int.__add__, [f(self)] * 2)\n"
        "    return g\nclass A(emerge.Object):\n    @twice\n    def go(self): return 1\n"
    ),
    "a condition": "import math\nif True:\n    class A(emerge.Object):\n        def go(self): return math.floor(2.5)\n",
    "a condition with the import": (
        "if True:\n    import math\n    class A(emerge.Object):\n        def go(self): return math.floor(2.5)\n"
    ),
    "a class of a function": (
        "import math\ndef make(n):\n    class A(emerge.Object):\n        def go(self): return math.floor(n + 0.5)\n    return A\nA = make(2)\n"
    ),
    "a plain class": (
        "import math\nclass P:\n    def two(self): return math.floor(2.5)\nclass A(emerge.Object):\n    def go(self): return P().two()\n"
    ),
}


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize("name", CELLS)
def test_a_cell_that_imports_what_it_uses(fs, home, name, alone):
    made = cell(CELLS[name], alone=alone)["A"]()
    fs.store(f"{home}/a", made)
    assert fs.call(f"{home}/a", "go") == made.go() == 2


def test_a_search_for_what_a_cell_imports(fs, home):
    scope = cell(
        "import math\n@emerge.dataclass\nclass A(emerge.Object):\n    n: int = 4\nwanted = lambda a: math.sqrt(a.n) == 2\n",
        alone=True,
    )
    fs.store(f"{home}/a", scope["A"]())
    assert [each.n for each in fs.search(scope["wanted"], directory=home)] == [4]
