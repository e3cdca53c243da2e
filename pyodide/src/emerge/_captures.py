"""Names from around a class that it uses, and how each travels."""

from __future__ import annotations

import ast
import builtins
import sys
from collections import ChainMap
from collections.abc import Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from . import _agreed, _express, _source
from ._aliases import is_alias
from ._object import PLACES, Object
from ._seen import MISSING, Seen
from .errors import ClassInvalidError, EmergeError

_BUILTINS = frozenset(dir(builtins))
# What every module and class body has of its own.
_OWN = frozenset(("__name__", "__file__", "__doc__", "__qualname__", "__module__", "__class__", "__annotations__"))


def cells_of(cls: type, seen_by: Seen | None = None) -> dict[str, Any]:
    """What the methods of a class, made within a function, see of that function."""
    seen: dict[str, Any] = {}
    codes = _source.member_codes(cls)
    for function in _source.own_functions(cls):
        # From 3.14 on annotations are a function too, which sees the class's own dict; they make no need.
        if function.__code__.co_name != "__annotate__" and any(function.__code__ is code for code in codes):
            seen.update(closure_of(function, seen_by))
    seen.pop("__class__", None)
    return seen


def closure_of(function: FunctionType, seen_by: Seen | None = None) -> dict[str, Any]:
    """What a function sees of the one that it was made in."""
    seen = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
        if seen_by is not None:
            seen_by.cell(cell)
        try:
            seen[name] = cell.cell_contents
        except ValueError:
            continue
    return seen


def looking(cells: dict[str, Any], scope: Any) -> _agreed.Look:
    """What names stand for around a statement."""
    return lambda name: cells[name] if name in cells else scope.get(name, MISSING)


def bases_by_name(cls: type, text: str, scope: Any) -> dict[str, Any]:
    """The bases whose names stand for nothing around a class, or by now for other classes.

    Raises:
        ClassInvalidError: the class uses the name of such a base for more than to extend it.
    """
    node = ast.parse(text).body[-1]
    found: dict[str, Any] = {}
    if not isinstance(node, ast.ClassDef) or len(node.bases) != len(cls.__bases__):
        return found
    for written, base in zip(node.bases, cls.__bases__):
        if isinstance(written, ast.Name) and written.id == base.__name__:
            now = scope.get(written.id, MISSING)
            if now is not base and (now is MISSING or isinstance(now, type)) and written.id not in _BUILTINS:
                found[written.id] = now
    if found:
        node.bases = []
        used = names_in(ast.unparse(node), cls.__name__)[0]
        for name, now in found.items():
            if now is not MISSING and name in used:
                raise ClassInvalidError(
                    f"{cls.__name__} extends {name}, and uses another class of this name that was made since: "
                    f"run the statement of {cls.__name__} again",
                    field=name,
                )
    return {base.__name__: base for base in cls.__bases__ if base.__name__ in found}


class Captures:
    """Names from around a class, or a function that is sent by itself (no owner), in the order in which they are to be defined.

    Entries are those of a class's record, but for the stored classes, which stand for themselves.
    """

    def __init__(self, owner: type[Object] | None, peers: frozenset[type[Object]] = frozenset()) -> None:
        self.owner = "a search" if owner is None else owner.__name__
        self.uses: dict[type[Object], None] = {}
        self.seen = Seen()
        self._cls = owner
        self._peers = peers
        bases = () if owner is None else owner.__bases__
        self._bases = {base for base in bases if base is not Object and issubclass(base, Object)}
        self._entries: list[tuple[Any, ...]] = []
        self._things: dict[str, Any] = {}
        # Names that the owner itself uses: its text stays as it is, so what else has such a name gets another.
        self._own: dict[str, Any] = {}
        # The first name of each function and class, by its identity, and whether its definition is in the entries by now.
        self._named: dict[int, tuple[str, Any]] = {}
        self._ready: set[int] = set()
        self._late: list[tuple[Any, ...]] = []
        self._scopes: list[Any] = []

    def ended(self) -> list[tuple[Any, ...]]:
        """The entries; those last whose definitions wait for others."""
        return [*self._entries, *self._late]

    def walk(
        self, text: str, name: str, scope: Any, cells: dict[str, Any], given: frozenset[str] = frozenset()
    ) -> None:
        """Captures each name that a class or function text uses from outside.

        Annotations make no need: what they name travels when it can, and is left out otherwise.
        """
        try:
            needed, wished = names_in(text, name)
        except SyntaxError as error:
            raise ClassInvalidError(f"the source of {name} does not compile alone: {error}", field=name) from error
        if not self._scopes:
            self._own = {used: value for used, value in self._values(needed, scope, cells) if value is not MISSING}
        self._scopes.append(scope)
        for used in needed:
            if used in given or used == name or used in _OWN:
                continue
            value = cells[used] if used in cells else self.seen.name(scope, used)
            if value is not MISSING:
                self.add(used, value, name)
            elif used not in _BUILTINS and used != self.owner:
                raise ClassInvalidError(f"{name} uses {used}, which is not defined", field=used)
        for used in wished:
            value = cells[used] if used in cells else self.seen.name(scope, used)
            if value is not MISSING and used not in self._things and used not in given and used != name:
                self._wish(used, value, name)
        self._scopes.pop()

    def _values(self, names: list[str], scope: Any, cells: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        for name in names:
            yield name, cells[name] if name in cells else self.seen.name(scope, name)

    def _namesakes(self, text: str, name: str, scope: Any, cells: dict[str, Any]) -> dict[str, Any]:
        """What a function or class of another module uses by names that stand for something else here."""
        try:
            needed = names_in(text, name)[0]
        except SyntaxError:
            return {}
        found = {}
        for used, value in self._values([each for each in needed if each != name and each not in cells], scope, cells):
            known = self._own.get(used, self._things.get(used, value))
            if value is not MISSING and used not in _OWN and known is not value and not _equal(known, value):
                found[used] = value
        return found

    def _wish(self, name: str, value: Any, user: str) -> None:
        if isinstance(value, type) and issubclass(value, Object) or not _hinting(name, value):
            return
        depth = len(self._scopes)
        kept = (
            list(self._entries), dict(self._things), dict(self._named), set(self._ready), list(self._late), dict(self.uses)
        )  # fmt: skip
        try:
            self.add(name, value, user)
        except EmergeError:
            del self._scopes[depth:]
            self._entries, self._things, self._named, self._ready, self._late, self.uses = kept

    def add(self, name: str, value: Any, user: str) -> None:
        """Captures one name."""
        if name == self.owner or _is_stored(value) and value in self._bases and name == value.__name__:
            return
        if name in self._things:
            if self._things[name] is not value and not _equal(self._things[name], value):
                raise ClassInvalidError(
                    f"{self.owner} uses two different things named {name}: give one of them another name", field=name
                )
            return
        self._things[name] = value
        self._entries.extend(self._entry(name, value, user))

    def place(self, value: Any, hint: str, user: str) -> str:
        """A name under which a function or class is there for an expression."""
        known = self._named.get(id(value))
        if known is not None and id(value) in self._ready:
            return known[0]
        if known is not None:
            raise ClassInvalidError(f"{user} and {known[0]} need each other when they are defined", field=user)
        name = f"{hint}__{value.__name__.strip('<>')}"
        self.add(name, value, user)
        return name

    def _entry(self, name: str, value: Any, user: str) -> list[tuple[Any, ...]]:
        if isinstance(value, ModuleType):
            if value.__name__ == "__main__":
                raise self._cannot(name, value, user, None)
            return [(name, "module", value.__name__)]
        member = _express.library_member(name, value)
        if member is not None:
            return [(name, "member", *member)]
        if value is self._cls:
            return [(name, "source", f"{name} = {self.owner}\n")]
        if _is_stored(value):
            self.uses[value] = None
            if value not in self._peers:
                return [(name, "class", value)]
        is_code = isinstance(value, (FunctionType, type)) or callable(value) and _decorated(name, value) is not None
        if is_code and not is_alias(value):
            return self._code(name, value, user)
        try:
            return _express.entry(self, name, value, user)
        except _express.CannotError as error:
            raise self._cannot(name, value, user, error) from error

    def _code(self, name: str, value: Any, user: str) -> list[tuple[Any, ...]]:
        """A function or class by its source."""
        known = self._named.get(id(value))
        if known is not None:
            alias = (name, "source", f"{name} = {known[0]}\n")
            if id(value) in self._ready:
                return [alias]
            self._late.append(alias)
            return []
        self._named[id(value)] = (name, value)
        text = self._text(name, value, user)
        self._ready.add(id(value))
        return [(name, "source", text)]

    def _text(self, name: str, value: Any, user: str) -> str:
        origin = _decorated(name, value)
        if origin is not None:
            # What the name stands for is what its statement made, decorators included.
            function, made_by = origin
            _agreed.dispatch(name, value)
            if hasattr(value, "registry"):
                self.seen.size(value.registry)
            cells = closure_of(function, self.seen)
            _agreed.function(function, made_by.node, looking(cells, function.__globals__), name)
            return self._made(name, function.__name__, made_by, function.__globals__, cells, True)
        if isinstance(value, FunctionType):
            cells = closure_of(value, self.seen)
            self.seen.size(value.__dict__)
            self.seen.defaults(value)
            if "__class__" in cells:
                raise ClassInvalidError(
                    f"{user} uses {name}, a method that needs its class: use the class, {value.__qualname__}",
                    field=name,
                )
            if value.__name__ == "<lambda>" or value.__code__.co_name == "<lambda>":
                lambda_text = _source.of_lambda(value)
                if lambda_text is None:
                    raise ClassInvalidError(f"{user} uses the lambda {name}: write it with def", field=name)
                self._bare(name, value)
                return self._lambda(name, value, lambda_text, cells)
            statement = _source.of_function(value)
            if statement is None:
                raise _source.missing(value.__name__, value.__code__.co_filename)
            own = value.__code__.co_name
            _agreed.function(value, statement.node, looking(cells, value.__globals__), name)
            decorators = statement.decorated and value.__globals__.get(own) is value and bool(value.__dict__)
            if not decorators:
                self._bare(name, value)
            cells = {each: cell for each, cell in cells.items() if cell is not value or each != own}
            return self._made(name, own, statement, value.__globals__, cells, decorators)
        if isinstance(value, type):
            self.seen.members(value)
            statement = _source.of_class(value)
            if statement is None:
                made = _express.functional_class(self, name, value, user)
                if made is not None:
                    return made
                raise _source.missing(value.__name__, _file_of(value))
            scope = self._scope_of(value)
            cells = {**bases_by_name(value, statement.text(), scope), **cells_of(value, self.seen)}
            _agreed.class_(value, statement.node, looking(cells, scope))
            return self._made(name, value.__name__, statement, scope, cells, True, _is_stored(value))
        raise self._cannot(name, value, user, None)

    def _bare(self, name: str, value: FunctionType) -> None:
        own = _agreed.attributes(value)
        if own:
            raise ClassInvalidError(
                f"the function {name} has the attribute {own[0]}, which its source does not tell: use a name or a class instead",
                field=name,
            )

    def _scope_of(self, cls: type) -> Any:
        """The names around a class statement."""
        if cls in PLACES:
            return PLACES[cls][3]
        codes = _source.member_codes(cls)
        for function in _source.own_functions(cls):
            if any(function.__code__ is code for code in codes):
                return function.__globals__
        module = sys.modules.get(cls.__module__)
        scope = vars(module) if module is not None else {}
        # A class of a notebook that runs its cells in a dict of its own is where who uses it found it.
        return ChainMap(scope, self._scopes[-1]) if cls.__module__ == "__main__" and self._scopes else scope

    def _made(
        self,
        name: str,
        own: str,
        statement: _source.Statement,
        scope: Any,
        cells: dict[str, Any],
        decorators: bool,
        stored: bool = False,
    ) -> str:
        """The statement as it stands, or within a function that gives it what it sees of the function that made it."""
        plain = statement.text(decorators=decorators)
        cells = {each: value for each, value in cells.items() if each != own}
        if not stored:
            cells.update(self._namesakes(plain, own, scope, cells))
        if own == name and not cells:
            self.walk(plain, own, scope, {})
            return plain
        params, values = self._given(name, cells)
        self.walk(plain, own, scope, cells, frozenset(params))
        body = statement.text(decorators=decorators, indent="    ")
        made = f"_make_{name}"
        return f"def {made}({', '.join(params)}):\n{body}    return {own}\n\n\n{name} = {made}({', '.join(values)})\n"

    def _lambda(self, name: str, value: FunctionType, text: str, cells: dict[str, Any]) -> str:
        _agreed.function(value, ast.parse(f"({text}\n)", mode="eval").body, looking(cells, value.__globals__), name)
        cells = {**cells, **self._namesakes(f"({text}\n)\n", name, value.__globals__, cells)}
        params, values = self._given(name, {each: cell for each, cell in cells.items() if cell is not value})
        self.walk(f"({text}\n)\n", name, value.__globals__, cells, frozenset(params))
        if not params:
            return f"{name} = ({text}\n)\n"
        return f"def _make_{name}({', '.join(params)}):\n    return ({text}\n)\n\n\n{name} = _make_{name}({', '.join(values)})\n"

    def _given(self, name: str, cells: dict[str, Any]) -> tuple[list[str], list[str]]:
        """What a function that was made within another sees of that one: parameters, and names that are theirs."""
        params, values = [], []
        for each, value in cells.items():
            known = self._named.get(id(value))
            if known is not None and id(value) not in self._ready:
                # It is being defined, and uses this one: as a name of the module it is there when it is called.
                if known[0] != each:
                    raise ClassInvalidError(f"{name} and {known[0]} hold each other, and cannot travel", field=name)
                continue
            unique = f"{name}__{each}"
            self.add(unique, value, name)
            params.append(each)
            values.append(unique)
        return params, values

    def _cannot(self, name: str, value: Any, user: str, why: Exception | None) -> ClassInvalidError:
        kind = type(value)
        reason = f" ({why})" if why is not None and str(why) else ""
        return ClassInvalidError(
            f"{user} uses {name}, a {kind.__module__}.{kind.__qualname__}, which cannot travel{reason}: "
            "modules, functions, classes and plain values can; make it within the method",
            field=name,
        )


def _is_stored(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Object) and value is not Object


def _file_of(cls: type) -> str:
    codes = _source.member_codes(cls)
    return codes[0].co_filename if codes else ""


def _hinting(name: str, value: Any) -> bool:
    """Whether what an annotation names is worth to travel: types that say how a field is kept, and the library's words."""
    if isinstance(value, ModuleType):
        return _express.is_standard(value.__name__)
    member = _express.library_member(name, value)
    if member is not None:
        return _express.is_standard(member[0])
    return isinstance(value, type) or is_alias(value)


def _equal(one: Any, other: Any) -> bool:
    return (
        type(one) is type(other) and isinstance(one, (bool, int, float, str, bytes, tuple)) and repr(one) == repr(other)
    )


def _decorated(name: str, value: Any) -> tuple[FunctionType, _source.Statement] | None:
    """The function of this name within what its decorators made of it."""
    if isinstance(value, type):
        return None
    waiting, seen = [value], 0
    while waiting and seen < 32:
        each = waiting.pop(0)
        seen += 1
        if isinstance(each, FunctionType):
            if each is not value and each.__code__.co_name == name:
                statement = _source.of_function(each)
                if statement is not None and statement.decorated:
                    return each, statement
            waiting += closure_of(each).values()
        elif not isinstance(each, (ModuleType, type)):
            waiting += [getattr(each, part, None) for part in ("func", "__func__")]
            waiting += [inner for inner in getattr(each, "__dict__", {}).values() if callable(inner)]
        wrapped = getattr(each, "__wrapped__", None)
        if wrapped is not None:
            waiting.insert(0, wrapped)
    return None


class _Bare(ast.NodeTransformer):
    """Takes the annotations out of a text, and keeps them."""

    def __init__(self) -> None:
        self.annotations: list[ast.expr] = []

    def _take(self, annotation: ast.expr | None) -> None:
        if annotation is not None:
            self.annotations.append(annotation)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> Any:
        self._take(node.annotation)
        if node.value is None:
            return ast.copy_location(ast.Pass(), node)
        self.generic_visit(node)
        return ast.copy_location(ast.Assign(targets=[node.target], value=node.value), node)

    def visit_arg(self, node: ast.arg) -> Any:
        self._take(node.annotation)
        node.annotation = None
        return node

    def _function(self, node: Any) -> Any:
        self._take(node.returns)
        node.returns = None
        self.generic_visit(node)
        return node

    visit_FunctionDef = _function
    visit_AsyncFunctionDef = _function


def names_in(text: str, name: str) -> tuple[list[str], list[str]]:
    """Names that a text takes from outside: those that its code needs, and those that its annotations alone use."""
    bare = _Bare()
    tree = ast.fix_missing_locations(bare.visit(ast.parse(text)))
    needed = _outside(compile(tree, name, "exec", dont_inherit=True), name)
    wished = _source.names_of(bare.annotations)
    return needed, [each for each in wished if each not in needed and each not in _BUILTINS]


def _outside(code: CodeType, name: str) -> list[str]:
    """Names that a module's code and all code within it take from the module or the builtins."""
    import dis

    found: dict[str, None] = {}

    def walk(code: CodeType) -> None:
        stored: set[str] = set()
        for step in dis.get_instructions(code):
            used = step.argval
            if step.opname in ("STORE_NAME", "DELETE_NAME"):
                stored.add(used)
            elif step.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                raise ClassInvalidError(f"{name} sets the global {used}, which does not travel back", field=used)
            elif (
                step.opname == "LOAD_GLOBAL"
                or step.opname == "LOAD_FROM_DICT_OR_GLOBALS"
                or step.opname == "LOAD_NAME"
                and used not in stored
            ):
                found[used] = None
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                walk(constant)

    walk(code)
    return list(found)


# When source that a class uses is to be defined: before the class, or after it.

_RUN_AT_ONCE = frozenset(("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>"))
_OPTIMIZED = 1


def in_order(owner: str, entries: list[tuple[Any, ...]]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Entries that are defined before a class, and those that use it when they are defined, which come after it."""
    late_names = {owner}
    early, late = [], []
    for entry in entries:
        if entry[1] == "source" and any(name in entry[2] for name in late_names) and late_names & _at_once(entry[2]):
            late_names.add(entry[0])
            late.append(entry)
        else:
            early.append(entry)
    return early, late


def _at_once(text: str) -> set[str]:
    """Names that a text uses when it is run, and not only when what it defines is called."""
    found: set[str] = set()

    def walk(code: CodeType) -> None:
        found.update(code.co_names)
        for constant in code.co_consts:
            if isinstance(constant, CodeType) and (
                not constant.co_flags & _OPTIMIZED or constant.co_name in _RUN_AT_ONCE
            ):
                walk(constant)

    bare = _Bare()
    walk(compile(ast.fix_missing_locations(bare.visit(ast.parse(text))), "<captured>", "exec", dont_inherit=True))
    return found
