"""Whether a class or function is what its statement says: what was changed since does not travel by source, and is named."""

from __future__ import annotations

import ast
import enum
from collections.abc import Iterable
from types import CodeType, FunctionType, ModuleType
from typing import Any

from . import _source, _written
from ._around import of_class as around_class
from ._express import is_installed
from ._mutable import can_change
from ._names import used_at_once
from ._object import PLACES, TOGETHER, Object, place_of
from ._seen import MISSING, Seen, is_fixed
from ._written import Given, Look, alike
from .errors import ClassInvalidError

_NAMED_TUPLE = ("_make", "_replace", "_asdict")


def function(made: FunctionType, node: Any, name: str) -> list[Given]:
    """Sees that a function's defaults are those of its statement, as far as that writes them out, and gives all of them.

    Raises:
        ClassInvalidError: one is not.
    """
    given = _written.defaults(made, node)
    if given is None:
        raise _changed(f"the defaults of {name} were set after its statement", name)
    for each in given:
        if isinstance(each.expression, ast.Constant) and not alike(each.value, each.expression.value):
            raise _changed(f"the default of {each.name} in {name} was set after its statement", name)
    return given


def attributes(made: FunctionType) -> list[str]:
    """Attributes that a function has of its own, and not of what ``functools.wraps`` copied."""
    copied = getattr(getattr(made, "__wrapped__", None), "__dict__", {})
    return [name for name in made.__dict__ if name != "__wrapped__" and name not in copied]


def dispatch(name: str, value: Any) -> None:
    """Sees that a function of ``functools.singledispatch`` has the implementation alone that its statement gives it.

    Raises:
        ClassInvalidError: others were registered.
    """
    registry = getattr(value, "registry", None)
    if registry is not None and hasattr(value, "dispatch") and len(registry) > 1:
        raise ClassInvalidError(
            f"{name} dispatches on types by functions that were registered with it, which its statement does not tell: "
            "make it within the method, or choose by isinstance",
            field=name,
        )


def decorators(value: Any, node: Any, look: Look, name: str) -> None:
    """Sees that decorators would be given again what they were given, as far as what they made of a function holds that by the name
    of their parameter.

    Raises:
        ClassInvalidError: a decorator would be given something else.
    """
    held = [pair for each in _source.within(value) for pair in _cells(each)]
    for decorator in node.decorator_list:
        maker = _written.meant(decorator.func, look) if isinstance(decorator, ast.Call) else None
        if not isinstance(maker, FunctionType) or is_installed(str(maker.__globals__.get("__name__"))):
            continue
        code = maker.__code__
        parameters = code.co_varnames[: code.co_argcount]
        given = [*zip(parameters, decorator.args), *((each.arg, each.value) for each in decorator.keywords)]
        for parameter, expression in given:
            now = _written.evaluated(expression, look)
            was = [one for cell, one in held if cell == parameter and is_fixed(one)]
            if now is not MISSING and was and not any(alike(now, one) for one in was):
                raise ClassInvalidError(
                    f"{name} was made by a decorator that was given {ast.unparse(expression)}, which by now is something else: "
                    "run the statement again, or write the value",
                    field=name,
                )


def _cells(made: FunctionType) -> list[tuple[str, Any]]:
    return list(zip(made.__code__.co_freevars, map(_source.content, made.__closure__ or ())))


def stored(cls: type[Object], statement: _source.Statement, look: Look) -> None:
    """Sees that what the statement of a stored class uses when it is run is what it was: its text is run again as it is.

    Raises:
        ClassInvalidError: it is not.
    """
    for base in cls.__bases__:
        if base in PLACES and _is_extended(base, cls, statement):
            raise ClassInvalidError(
                f"{base.__name__} is not what its statement makes, but a class that a decorator made to extend that: "
                "let the decorator change the class and give it back",
                field=base.__name__,
            )
    _, _, _, _, module, within = PLACES[cls]
    then = {**module, **within}
    for name in used_at_once(statement.text(), cls.__name__):
        now = look(name)
        if name in then and name != cls.__name__ and now is not MISSING and not alike(then[name], now):
            raise ClassInvalidError(
                f"the statement of {cls.__name__} was run with {name} as it was, and by now {name} is something else: run the statement "
                "again, or write the value",
                field=name,
            )
    node = statement.node
    own = set(_written.names_of(node.body, cls.__name__))
    given = [(f"{cls.__name__}.{each.name}", each) for each in _written.attributes(cls, node)]
    for made, method in _written.methods(cls, node):
        name = f"{cls.__name__}.{method.name}"
        given += [(f"the default of {each.name} in {name}", each) for each in function(made, method, name)]
    for what, each in given:
        if isinstance(each.expression, ast.Name) and each.expression.id not in own:
            _name(each.expression.id, each.value, look, what)
        of_now(each, look, what)


def _is_extended(base: Any, cls: type[Object], statement: _source.Statement) -> bool:
    """Whether a decorator of a class made another that extends it."""
    made_by = _source.of_class(base)
    if made_by is None or not made_by.decorated:
        return False
    if base.__name__ == cls.__name__ and (made_by.first, made_by.lines) == (statement.first, statement.lines):
        return True
    makers = _makers_of(base, made_by.node, around_class(base, made_by, Seen()).now)
    return makers is not None and makers.decorated and TOGETHER.get(place_of(cls), (None,))[0] in makers.codes


def _name(name: str, held: Any, look: Look, what: str) -> None:
    now = look(name)
    if now is MISSING or held is MISSING or alike(held, now):
        return
    raise ClassInvalidError(
        f"{what} is what {name} was, and by now {name} is something else: run the statement again, or write the value",
        field=name,
    )


def of_now(given: _written.Given, look: Look, what: str) -> None:
    """Sees that what an expression came to is of the classes that it names by now.

    Raises:
        ClassInvalidError: it is of an earlier one, whose statement was run again since.
    """
    name = _written.remade(given, look)
    if name is not None:
        raise ClassInvalidError(
            f"{what} is of {name} as it was, and by now {name} is another class: run the statement that gives it again",
            field=name,
        )


def _changed(what: str, field: str) -> ClassInvalidError:
    return ClassInvalidError(f"{what}, which its source does not tell: write it there", field=field)


def members(cls: type, class_statement: _source.Statement, look: Look) -> list[str]:
    """Sees that a class's methods, and plain values that no method of it sets, are what its statement, and who it asks to, make of them;
    gives the names of these values.

    Raises:
        ClassInvalidError: some were added, set or deleted since.
    """
    node = class_statement.node
    makers = _makers_of(cls, node, look)
    if makers is None:
        return []
    name = cls.__name__
    own = set(_written.names_of(node.body, name))
    codes = (*_source.member_codes(cls), *class_statement.codes)
    # The last of a name counts.
    defined: dict[str, Any] = {}
    for statement in _written.statements(node.body):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            defined[_source.own_name(name, statement.name)] = statement
        else:
            for given in _written.names_of([statement], name):
                defined.pop(given, None)
    of_enumeration = getattr(cls, "__members__", {})
    for each, member in _given(cls).items():
        if each in defined:
            member = of_enumeration[each].value if each in of_enumeration else member
            if not _is_own(member, defined[each], codes, makers, lambda used: vars(cls).get(used, look(used))):
                _made_again(f"{name}.{each}", name, member, defined[each], look)
                raise _changed(f"{name}.{each} was set after the statement of {name}", f"{name}.{each}")
        elif each not in own and any(not _is_made(cls, each, part, makers) for part in _outermost(member)):
            if _runs_names(node):
                raise _changed(
                    f"{name}.{each} was made by what the body of {name} runs, such as locals()", f"{name}.{each}"
                )
            raise _changed(f"{name}.{each} was added after the statement of {name}", f"{name}.{each}")
        elif each not in own and _is_added(each, member, node, makers, codes) and each not in of_enumeration:
            raise _changed(f"{name}.{each} was set after the statement of {name}", f"{name}.{each}")
    if not makers.codes:
        for statement in node.body:
            given = _source.own_name(name, getattr(statement, "name", ""))
            if given in defined and given not in vars(cls) and not _is_deleted(node, statement.name):
                raise _changed(f"{name}.{given} was deleted after the statement of {name}", f"{name}.{given}")
    values = _values(cls, node, (*codes, *makers.codes))
    for each, written in values.items():
        held = vars(cls).get(each, MISSING)
        if is_fixed(held) and not _written.alike(held, written):
            raise _changed(f"{name}.{each} was set after the statement of {name}", f"{name}.{each}")
    return list(values)


def _values(cls: type, node: Any, codes: tuple[CodeType, ...]) -> dict[str, Any]:
    """Plain values that the body of a class writes out, and no code sets: a counter is what its own methods make of it."""
    if any("setattr" in code.co_names for code in codes):
        return {}
    others = {*getattr(cls, "__members__", ()), *getattr(cls, "__dataclass_fields__", ()), *_set_by(codes)}
    return {name: value for name, value in _written.literals(node).items() if name not in others and is_fixed(value)}


def _set_by(codes: Iterable[CodeType]) -> set[str]:
    """The attributes that code sets or deletes."""
    import dis

    steps = (step for code in codes for step in dis.get_instructions(code))
    return {step.argval for step in steps if step.opname in ("STORE_ATTR", "DELETE_ATTR")}


def _runs_names(node: Any) -> bool:
    """Whether the body of a class may give names that no statement in it shows."""
    own = (part for statement in _written.statements(node.body) for part in ast.walk(statement))
    return any(
        isinstance(part, ast.Match) or isinstance(part, ast.Name) and part.id in ("locals", "vars", "exec")
        for part in own
    )


def _is_added(name: str, value: Any, node: Any, makers: _Makers, codes: Iterable[CodeType]) -> bool:
    """Whether a plain value was set from outside: by nothing that makes the class, and none of its own code."""
    if name.startswith("_") or makers.codes or not (is_fixed(value) or can_change(value)) or hasattr(value, "__get__"):
        return False
    return (
        not _runs_names(node) and name not in _set_by(codes) and all("setattr" not in code.co_names for code in codes)
    )


def _made_again(what: str, cls: str, member: Any, statement: Any, look: Look) -> None:
    """Sees that what decorators made of a method is not of decorators that were run again since.

    Raises:
        ClassInvalidError: it is.
    """
    for decorator in statement.decorator_list:
        written = decorator.func if isinstance(decorator, ast.Call) else decorator
        maker = _written.meant(written, look)
        if not isinstance(maker, FunctionType) or is_installed(str(maker.__globals__.get("__name__"))):
            continue
        now = list(_source.all_codes(maker.__code__))
        begins = f"{_place(maker)}.<locals>."
        made = [each for each in _outermost(member) if _place(each).startswith(begins)]
        if made and not any(_is_among(each, now) for each in made):
            raise ClassInvalidError(
                f"{what} was made by the decorator {ast.unparse(written)} as it was, which by now is another: run the statement of "
                f"{cls} again",
                field=what,
            )


def _place(made: FunctionType) -> str:
    """Where the code of a function stands; ``functools.wraps`` gives the function the name of another, but none to its code."""
    place: str = getattr(made.__code__, "co_qualname", made.__qualname__)
    return place


def _given(cls: type) -> dict[str, Any]:
    """The members of a class as its statement gave them: an enumeration keeps what makes its members by names of its own."""
    given = dict(vars(cls))
    if hasattr(cls, "__members__"):
        maker = given.pop("__new_member__", MISSING)
        given.pop("_new_member_", None)
        if maker is not MISSING and given.get("__new__") is enum.Enum.__new__:
            given["__new__"] = maker
        values = given.get("_generate_next_value_")
        if any(_bare(vars(base).get("_generate_next_value_")) is _bare(values) for base in cls.__mro__[1:]):
            given.pop("_generate_next_value_", None)
    return given


def _bare(value: Any) -> Any:
    return getattr(value, "__func__", value)


def _is_deleted(node: Any, name: str) -> bool:
    parts = (part for statement in node.body for part in ast.walk(statement) if isinstance(part, ast.Name))
    return any(isinstance(part.ctx, ast.Del) and part.id == name for part in parts)


def enumeration(cls: Any, statement: _source.Statement, scope: dict[str, Any]) -> None:
    """Sees that the statement of an enumeration makes its members on the node and in other Pythons too.

    Raises:
        ClassInvalidError: it does not.
    """
    import enum
    import functools

    name, members = cls.__name__, cls.__members__
    for part in statement.node.body:
        given = getattr(part, "name", "") or getattr(next(iter(getattr(part, "targets", ())), None), "id", "")
        is_class = isinstance(part, ast.ClassDef) and not part.decorator_list
        called = getattr(getattr(part, "value", None), "func", None)
        is_told = called is not None and "member" in ast.unparse(called)
        if given in members and (is_class or isinstance(members[given].value, functools.partial) and not is_told):
            raise ClassInvalidError(
                f"{name}.{given} is a member in this Python, and none in later ones, as on the node: write enum.member, or "
                "enum.nonmember, there",
                field=f"{name}.{given}",
            )
    if members.keys() <= _source.given_names(statement.node):
        return
    # Of members that it makes by what it runs, only running it tells.
    made: Any = None
    try:
        exec(compile(statement.text(), f"<again {name}>", "exec", dont_inherit=True), scope)
        made = scope.get(name)
    except Exception:  # noqa: BLE001 - then it makes none
        made = None
    again: Any = made.__members__ if isinstance(made, enum.EnumMeta) else {}
    if list(again) != list(members) or not all(
        alike(member.value, again[each].value) for each, member in members.items()
    ):
        raise ClassInvalidError(
            f"the statement of {name}, run again, makes other members than {name} has: write the members out",
            field=name,
        )


class _Makers:
    """What makes members of a class: decorators, metaclasses, ``__init_subclass__``, and what these use."""

    def __init__(self) -> None:
        self.codes: set[CodeType] = set()
        self.types: set[type] = set()
        self.decorated = False

    def has(self, made: FunctionType) -> bool:
        """Whether a function is one of theirs; of one that was run again too, as long as it is the same."""
        return made.__code__ in self.codes or _is_among(made, self.codes)

    def add(self, maker: Any) -> None:
        """Takes a maker in, and what it uses; what is of a library is known to keep the function that it is given."""
        if isinstance(maker, type):
            if maker not in self.types and not is_installed(maker.__module__):
                self.types.add(maker)
                for member in list(vars(maker).values()):
                    self.add(member)
        elif isinstance(maker, FunctionType):
            if maker.__code__ not in self.codes and not is_installed(str(maker.__globals__.get("__name__"))):
                self.codes.update((maker.__code__, *_source.all_codes(maker.__code__)))
                for name in _source.code_names(maker.__code__):
                    self.add(maker.__globals__.get(name))
                for cell in maker.__closure__ or ():
                    self.add(_source.content(cell))
        elif not isinstance(maker, ModuleType):
            for part in _source.within(maker):
                self.add(part)


def _makers_of(cls: type, node: Any, look: Look) -> _Makers | None:
    """What makes members of a class beside its statement; ``None`` when that is not known."""
    makers = _Makers()
    for base in cls.__mro__[1:]:
        hook = vars(base).get("__init_subclass__")
        if base is not Object:
            makers.add(getattr(hook, "__func__", None))
    for kind in type.mro(type(cls)):
        makers.add(kind)
    for decorator in node.decorator_list:
        maker = _written.meant(decorator.func if isinstance(decorator, ast.Call) else decorator, look)
        if maker is MISSING:
            return None
        makers.add(maker)
        makers.decorated = True
    return makers


def _outermost(member: Any) -> list[FunctionType]:
    """The functions that are called for a member: itself, or those that its descriptor holds."""
    found: list[FunctionType] = []
    waiting = [member]
    while waiting and len(found) < 8:
        each = waiting.pop(0)
        if isinstance(each, FunctionType):
            found.append(each)
        elif callable(each) and not isinstance(each, type) or hasattr(type(each), "__get__"):
            waiting += [getattr(each, part, None) for part in (*_source.PARTS, "__wrapped__")]
    return found


def _is_own(member: Any, statement: Any, codes: tuple[CodeType, ...], makers: _Makers, look: Look) -> bool:
    """Whether a member is what its statement and its decorators, or those of its class, make."""
    mine = [code for code in codes if code.co_name == statement.name]
    outermost = _outermost(member)
    # Code of ``python -c`` cannot be told from what ``dataclass`` makes.
    known = [each for each in outermost if _is_among(each, codes) or each.__code__.co_filename == "<string>"]
    if (
        known
        and len(known) == len(outermost)
        and any(_is_among(each, mine) or not _is_among(each, codes) for each in known)
    ):
        return True
    own = _Makers()
    own.codes, own.types = set(makers.codes), set(makers.types)
    for decorator in statement.decorator_list:
        maker = _written.meant(decorator.func if isinstance(decorator, ast.Call) else decorator, look)
        if maker is MISSING:
            return True
        own.add(maker)
        # What a class of a library makes of a function is not looked into.
        own.types.update([maker] if isinstance(maker, type) else [])
    if not outermost:
        return bool(own.codes or own.types) and not is_fixed(member)
    inner = [each for each in _source.within(member) if not is_installed(str(each.__globals__.get("__name__")))]
    holds = any(_is_among(each, mine) for each in inner)
    if not holds and not all(own.has(each) for each in inner):
        return False
    return all(
        _is_among(each, mine) or own.has(each) or (holds and is_installed(str(each.__globals__.get("__name__"))))
        for each in outermost
    )


def _is_among(made: FunctionType, codes: Iterable[CodeType]) -> bool:
    code = made.__code__
    return any(each is code or each.co_name == code.co_name and _source.same_code(each, code) for each in codes)


def _is_made(cls: type, name: str, made: FunctionType, makers: _Makers) -> bool:
    """Whether the library, or what makes members of a class, makes such a member."""
    if made.__code__.co_filename.startswith("<string>") or name in _NAMED_TUPLE and hasattr(cls, "_fields"):
        return True
    is_library = is_installed(str(made.__globals__.get("__name__"))) and (name.startswith("_") or makers.decorated)
    return is_library or makers.has(made) or name in ("__annotate__", "__annotate_func__")
