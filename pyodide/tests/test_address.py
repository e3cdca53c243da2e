"""Which node a program means when it does not say all of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import emerge
from emerge import _address

CASES = json.loads((Path(__file__).resolve().parents[2] / "conformance/addresses.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_addresses(case):
    known = _address.Address(**case["remembered"]) if "remembered" in case else None
    environment = case.get("environment", {})

    def choose():
        return _address.choose(case.get("url"), case.get("token", ""), environment, lambda: known)

    if "error" in case:
        with pytest.raises(emerge.EmergeError) as caught:
            choose()
        assert (caught.value.code, caught.value.field) == (case["error"], "url")
    else:
        assert choose()._asdict() == case["expected"]


def test_what_init_remembered(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert _address.remembered() is None
    (tmp_path / "emerge").mkdir()
    file = tmp_path / "emerge/node.json"
    file.write_text('{"url": "ws://127.0.0.1:7", "token": "r"}')
    assert _address.remembered() == ("ws://127.0.0.1:7", "r")
    for broken in ("", "[]", '{"url": "ws://127.0.0.1:7"}', '{"url": "no", "token": "r"}'):
        file.write_text(broken)
        with pytest.raises(emerge.errors.BadArgumentError, match="node.json cannot be used"):
            _address.remembered()
        assert _address.resolve("http://127.0.0.1:7/?token=t") == ("ws://127.0.0.1:7", "t"), "it is not needed"


def test_a_plain_connect_finds_the_remembered_node(address, tmp_path, monkeypatch):
    url, token = _address.parse(address)
    (tmp_path / "emerge").mkdir()
    (tmp_path / "emerge/node.json").write_text(json.dumps({"url": url, "token": token}))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("EMERGE_URL", "EMERGE_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    with emerge.connect() as fs:
        assert fs.exists("/")
    with emerge.connect(url) as fs:
        assert fs.exists("/")


def test_the_link_of_the_notebook():
    with pytest.raises(emerge.errors.BadArgumentError, match="link of the node's notebook") as failed:
        emerge.connect("http://127.0.0.1:38353/#token=66d6")
    assert failed.value.field == "url"
