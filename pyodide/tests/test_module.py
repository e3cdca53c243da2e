"""Classes in WebAssembly: here, and the same module on a real node."""

from __future__ import annotations

from datetime import datetime, timezone
from decimal import Decimal
from pathlib import Path

import emerge
import pytest
from emerge import errors

CLASSES = Path(__file__).resolve().parents[2] / "target" / "classes"


@pytest.fixture(scope="module")
def account():
    return emerge.wasm_class(CLASSES / "account.wasm")


@pytest.fixture(scope="module")
def counter():
    return emerge.wasm_class((CLASSES / "counter.wasm").read_bytes())


def test_its_objects_have_the_fields_and_methods_that_the_module_declares(account):
    ada = account(owner="Ada")
    assert vars(ada) == {"owner": "Ada", "balance": 0, "rate": 0.02, "moves": [], "used": None}
    assert ada.empty and ada.deposit(500) == 500
    assert ada.withdraw(100, fee=1) == 399
    assert (ada.balance, ada.moves, ada.empty) == (399, [500, -101], False)
    assert abs((ada.used - datetime.now(timezone.utc)).total_seconds()) < 60
    assert account.sum(1, 2, 3) == 6 and account.sum() == 0
    assert ada.grown() == 399 * 1.02
    assert account.__name__ == "Account" and account.__doc__ == "A bank account."
    assert account.withdraw.__doc__ == "Takes cents off, and gives how many are left."
    assert account(owner="Bob").moves is not account(owner="Bob").moves
    with pytest.raises(TypeError, match="owner"):
        account()


def test_every_value_comes_and_goes_also_an_object_of_its_class(counter):
    one = counter()
    for value in (
        None,
        1.5,
        2**70,
        "é",
        b"\1\2",
        [1, {"a": {1}}],
        datetime(2024, 1, 2, tzinfo=timezone.utc),
        Decimal("0.5"),
    ):
        assert one.echo(value) == value and one.kept == value
    inner = one.echo(counter(count=3))
    assert isinstance(inner, counter) and inner.double == 6


def test_what_goes_wrong_is_said_and_the_object_stays_as_it_was(account, counter):
    ada = account(owner="Ada", balance=5)
    with pytest.raises(errors.LimitExceededError, match="Ada has 5 cents and wants 7") as raised:
        ada.withdraw(7)
    assert raised.value.field == "amount"
    with pytest.raises(errors.MethodFailedError, match="an amount is more than nothing"):
        ada.deposit(0)
    with pytest.raises(errors.BadArgumentError, match="amount: an integer is needed, not text"):
        ada.deposit("7")
    with pytest.raises(errors.BadArgumentError, match=r"it is called as withdraw\(amount: int, fee: int = 0\) -> int"):
        ada.withdraw()
    with pytest.raises(errors.BadArgumentError, match="takes 2 arguments, and 3 were given"):
        ada.withdraw(1, 2, 3)
    with pytest.raises(errors.BadArgumentError, match="no parameter of the name"):
        ada.withdraw(1, cents=2)
    with pytest.raises(
        errors.UnsupportedError, match=r'Account\.pay asks for an operation of fs, .* fs\.call\("/…", "pay"\)'
    ):
        ada.pay("/x", 1)
    assert vars(ada) == vars(account(owner="Ada", balance=5))
    with pytest.raises(errors.MethodFailedError, match="index out of bounds"):
        counter().panics(7)
    with pytest.raises(errors.MethodFailedError, match=r"Counter\.deep failed"):
        counter().deep(0)


def test_what_a_method_logs_is_printed(counter, capsys):
    counter().chatter(2)
    assert capsys.readouterr().out == ("0123456789" * 10 + "\n") * 2


def test_what_is_no_such_module_is_refused():
    with pytest.raises(errors.ClassInvalidError, match="does not begin as WebAssembly") as raised:
        emerge.wasm_class(b"hello")
    assert raised.value.field == "module"
    with pytest.raises(errors.ClassInvalidError, match="no section"):
        emerge.wasm_class(b"\0asm\1\0\0\0")
    with pytest.raises(errors.TooLargeError, match="4194304"):
        emerge.wasm_class(bytes(4 * 1024 * 1024 + 1))
    with pytest.raises(FileNotFoundError):
        emerge.wasm_class("/none.wasm")


def test_the_node_runs_the_same_module_with_the_same_results(fs, home, account):
    here = account(owner="Ada", balance=100)
    path, bob = f"{home}/ada", f"{home}/bob"
    fs.store(path, account(owner="Ada", balance=100))
    fs.store(bob, account(owner="Bob"))
    assert fs.call(path, "deposit", 50) == here.deposit(50)
    assert fs.call(path, "withdraw", 7, fee=1) == here.withdraw(7, fee=1)
    assert fs.call(path, "grown", 3) == here.grown(3)
    assert fs.call(path, "sum", 1, 2) == account.sum(1, 2)
    there = fs.get(path)
    assert isinstance(there, account)
    there.used = here.used = None
    assert vars(there) == vars(here)
    assert there.withdraw(1) == 141
    assert fs.store(path, there).meta.version == 4
    assert fs.call(path, "pay", bob, 41) == 100
    with pytest.raises(errors.NotFoundError):
        fs.call(path, "pay", f"{home}/none", 41)
    assert fs.get(bob).moves == [41] and fs.get(path).balance == 100
    with pytest.raises(errors.UnsupportedError, match=f'fs.call\\("{path}", "pay"\\)'):
        there.pay(bob, 1)
    assert fs.proxy(path).deposit(1) == 101
    assert fs.code(path).startswith("class Account: a WebAssembly module of ")
    assert "withdraw(amount: int, fee: int = 0) -> int" in fs.help(path)


def test_a_class_that_only_the_node_has_is_made_of_its_module_where_it_is_trusted(fs, home, counter):
    from emerge import _classes, _object

    path = f"{home}/c"
    fs.store(path, counter(count=2))
    _classes.forget(counter, _classes.record_of(counter).hash)
    del _object.NEWEST["Counter"]
    stranger = fs.get(path)
    assert type(stranger) is not counter and stranger.count == 2
    again = fs.trust(path)
    assert fs.get(path).double == 4 and isinstance(fs.get(path), again)
