"""Private names, which Python writes with the class's name before them."""

from __future__ import annotations

import emerge
import pytest
from cells import cell
from emerge import _classes, errors


class Helper:
    __rate = 2

    def __hidden(self):
        return self.__rate

    def shown(self):
        return self.__hidden()


@emerge.dataclass
class _Private(emerge.Object):
    __number: int = 3
    __LIMIT = 4

    def __hidden(self, by=1):
        return self.__number * by

    @property
    def __size(self):
        return self.__number + 1

    @staticmethod
    def __doubled(number):
        return 2 * number

    class __Inner:
        def __hidden(self):
            return "inner"

        def shown(self):
            return self.__hidden()

    def use(self):
        return [
            self.__hidden(2),
            self.__size,
            self.__doubled(5),
            Helper().shown(),
            self.__Inner().shown(),
            self.__LIMIT,
        ]


def test_private_members(fs, home):
    fs.store(f"{home}/private", _Private(5))
    assert fs.call(f"{home}/private", "use") == _Private(5).use() == [10, 6, 10, 2, "inner", 4]
    assert fs.get(f"{home}/private") == _Private(5)


def test_a_private_method_that_was_replaced():
    scope = cell("class Two(emerge.Object):\n    def __go(self):\n        return 1\n")
    scope["Two"]._Two__go = lambda self: 2
    with pytest.raises(errors.ClassInvalidError, match="was set after the statement of Two") as failed:
        _classes.record_of(scope["Two"])
    assert failed.value.field == "Two._Two__go"
