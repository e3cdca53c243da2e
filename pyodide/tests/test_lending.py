"""Trust on the node, which the client keeps, and marks."""

from __future__ import annotations

import sys

import pytest

import emerge
from cells import cell
from emerge import _address, errors

READER = """
@emerge.dataclass
class Reader(emerge.Object):
    n: int = 0
    def read(self, path: str) -> str:
        return self.fs.get(path).word
    def count(self) -> int:
        self.n += 1
        return self.n
"""


@emerge.dataclass
class Word(emerge.Object):
    word: str = ""


@pytest.fixture
def reader(fs, home, address):
    """The path of an object of another user's, and that user's file system."""
    name = f"user{abs(hash(home)) % 1_000_000}"
    fs.chmod(home, "rwxrwxrwx")
    fs.chmod(home.rpartition("/")[0], "o+x")
    scope = cell(READER)
    with emerge.connect(address, token=fs.add_user(name)) as other:
        other.store(f"{home}/reader", scope["Reader"]())
        other.chmod(f"{home}/reader", "rwxrwxrwx")
        fs.store(f"{home}/secret", Word(word="swordfish"))
        fs.chmod(f"{home}/secret", "rwx------")
        yield f"{home}/reader", f"{home}/secret", other
    fs.remove_user(name)


def test_trust_goes_along_with_calls_and_is_taken_back(fs, reader):
    path, secret, _ = reader
    with pytest.raises(errors.EmergeError) as error:
        fs.call(path, "read", secret)
    assert error.value.code in ("not_found", "permission_denied")
    fs.trust(path, here=False)
    (known,) = [each for each in fs.trusted() if each.name == "Reader"]
    assert len(known.hash) == 32 and not known.kept
    assert fs.call(path, "read", secret) == fs.call(path, "read", path=secret) == "swordfish"
    assert fs.invoke(path, "read", secret).result == fs.proxy(path).read(secret) == "swordfish"
    assert [each.result for each in fs.call_each([path], "read", secret)] == ["swordfish"]
    with fs.transaction() as tx:
        assert tx.call(path, "read", secret) == "swordfish"
    assert fs.distrust(known.hash) and not fs.distrust(known.hash)
    with pytest.raises(errors.EmergeError):
        fs.call(path, "read", secret)
    with pytest.raises(errors.BadArgumentError):
        fs.distrust("Reader")


def test_trust_is_kept_for_later_programs(fs, reader, address, tmp_path, monkeypatch):
    path, secret, _ = reader
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    token = _address.resolve(address).token
    if sys.platform == "emscripten":
        # A page keeps nothing.
        with emerge.connect(address, token=token) as one, pytest.raises(errors.BadArgumentError) as error:
            one.trust(path, here=False, keep=True)
        assert error.value.field == "keep" and not list(tmp_path.iterdir())
        return
    with emerge.connect(address, token=token) as one:
        one.trust(path, here=False, keep=True)
        assert one.call(path, "read", secret) == "swordfish"
    (line,) = (tmp_path / "emerge" / "trusted").read_text().splitlines()
    assert line.split(" ")[1] == "Reader"
    with emerge.connect(address, token=token) as two:
        (known,) = two.trusted()
        assert known.kept and two.call(path, "read", secret) == "swordfish"
        assert two.distrust(known.hash)
    assert (tmp_path / "emerge" / "trusted").read_text() == ""


def test_a_marked_object_runs_with_its_owner_s_rights(fs, reader, home):
    _, secret, other = reader
    box = f"{home}/box"
    fs.store(box, cell(READER.replace("Reader", "Box"))["Box"]())
    fs.chmod(box, "rws--x--x")
    assert fs.stat(box).perms == "rws--x--x"
    assert other.call(box, "read", secret) == "swordfish" and other.call(box, "count") == 1
    with pytest.raises(errors.PermissionDeniedError):
        other.get(box)
    with pytest.raises(errors.PermissionDeniedError):
        other.chmod(box, "u+s")
