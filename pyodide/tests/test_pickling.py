"""Objects go through ``pickle``, as to another process, and remain what they were of the node's."""

from __future__ import annotations

import copy
import pickle
from typing import get_type_hints

import emerge
import pytest
from emerge import errors


@emerge.dataclass
class Parcel(emerge.Object):
    weight: float = 1.0
    labels: list = emerge.field(default_factory=list)


def test_one_that_was_never_stored():
    again = pickle.loads(pickle.dumps(Parcel(2.0, ["a"])))
    assert again == Parcel(2.0, ["a"])
    assert again.meta is None


@pytest.mark.parametrize("through", [lambda value: pickle.loads(pickle.dumps(value)), copy.deepcopy, copy.copy])
@pytest.mark.parametrize("is_fetched", [False, True], ids=["stored", "fetched"])
def test_one_of_the_node_stays_so(fs, home, through, is_fetched):
    first = fs.store(f"{home}/p", Parcel(2.0, ["a"]))
    if is_fetched:
        first = fs.get(f"{home}/p")
    again = through(first)
    assert again == first and again.meta.version == 1 and again.meta.path == f"{home}/p"
    again.weight = 3.0
    fs.store(f"{home}/p", again)
    assert fs.get(f"{home}/p").weight == 3.0
    assert again.meta.version == 2
    # It is another object, which has not moved on.
    assert first.meta.version == 1
    first.weight = 4.0
    with pytest.raises(errors.ConflictError):
        fs.store(f"{home}/p", first)


def test_an_earlier_version_stays_one(fs, home):
    fs.store(f"{home}/p", Parcel(2.0))
    fs.set(f"{home}/p#weight", 3.0)
    again = pickle.loads(pickle.dumps(fs.get(f"{home}/p", version=1)))
    with pytest.raises(errors.ConflictError, match="not its newest"):
        fs.store(f"{home}/p", again)
    fs.store(f"{home}/p", again, overwrite=True)
    assert fs.get(f"{home}/p").weight == 2.0


def test_only_fields_are_declared():
    assert list(get_type_hints(Parcel)) == ["weight", "labels"]
