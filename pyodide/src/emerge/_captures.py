"""Names from around a class that it uses, and how each travels."""

from __future__ import annotations

import ast
import sys
from types import FunctionType, MethodType, ModuleType
from typing import Any

from . import _agreed, _compared, _contents, _express, _nested, _source, _texts, _written
from ._aliases import is_alias
from ._around import Around, closure_of, of_class
from ._mutable import can_change, state, travels
from ._names import BUILTINS, attribute_paths, names_in, used_at_once
from ._object import Object
from ._seen import MISSING, Seen
from .errors import ClassInvalidError, EmergeError

# What every module and class body has of its own.
_OWN = frozenset(("__name__", "__file__", "__doc__", "__qualname__", "__module__", "__class__", "__annotations__"))

_BY_VALUE = "__import__('emerge._kept', fromlist=['_']).by_value"


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
        # What is defined empty, and filled when all that it holds is there.
        self._unfilled: list[tuple[str, Any, str]] = []
        # What classes hold whose statements put in something else.
        self._contents: list[_contents.Content] = []
        # What names of ours stand for, as messages call it.
        self._titles: dict[str, str] = {}

    def ended(self) -> list[tuple[Any, ...]]:
        """The entries; those last whose definitions wait for others."""
        return [*self._entries, *self._late]

    def state(self) -> tuple[Any, ...]:
        """What has been captured by now."""
        return (
            list(self._entries), dict(self._things), dict(self._named), set(self._ready), list(self._late), dict(self.uses),
            list(self._scopes), list(self._unfilled), list(self._contents),
        )  # fmt: skip

    def restore(self, state: tuple[Any, ...]) -> None:
        """Forgets what was captured since."""
        (
            self._entries, self._things, self._named, self._ready, self._late, self.uses, self._scopes, self._unfilled,
            self._contents,
        ) = state  # fmt: skip

    def length(self) -> int:
        """How many entries there are by now."""
        return len(self._entries)

    def insert(self, at: int, entry: tuple[Any, ...]) -> None:
        """Puts an entry before others."""
        self._entries.insert(at, entry)

    def fill_later(self, name: str, value: Any, user: str) -> None:
        """Notes that something is to be filled, which holds what needs it while that is defined."""
        self._unfilled.append((name, value, user))

    def walk(
        self, text: str, name: str, around: Around, thing: Any = MISSING, given: frozenset[str] = frozenset()
    ) -> None:
        """Captures each name that the text of a class or function (``thing``) uses from outside.

        Annotations make no need: what they name travels when it can, and is left out otherwise.
        """
        needed, wished = self._names_in(text, name)
        if not self._scopes:
            own = {used: around.meant(used, self.seen) for used in needed}
            self._own = {used: value for used, value in own.items() if value is not MISSING}
            if self._cls is not None:
                self._own[self.owner] = self._cls
        self._scopes.append(around.scope)
        at_once = used_at_once(text, name)
        for used in needed:
            if used in given or used in _OWN:
                continue
            value = around.now(used, self.seen)
            if used == name:
                if thing is not MISSING and value is not MISSING and value is not thing:
                    raise ClassInvalidError(
                        f"{name} uses its own name, which by now stands for something else: run the statement of {name} again, "
                        "or give what was made since another name",
                        field=name,
                    )
            elif value is not MISSING:
                if used in at_once and id(value) in self._named and id(value) not in self._ready:
                    raise self._not_ready(value, name)
                if isinstance(value, ModuleType):
                    self._submodules(used, value, text, name)
                self.add(used, value, name)
            elif used in around.local:
                raise ClassInvalidError(
                    f"{name} uses {used}, a variable of the function that {name} was made in, and Python keeps nothing of it: "
                    f"define {used} outside of the function, or use it within a method",
                    field=used,
                )
            elif used in BUILTINS:
                self._builtin(used)
            elif used != self.owner:
                raise ClassInvalidError(f"{name} uses {used}, which is not defined", field=used)
        for used in wished:
            value = around.now(used, self.seen)
            if value is not MISSING and used not in self._things and used not in given and used != name:
                self._wish(used, value, name)
        if len(self._scopes) == 1:
            self._fill()
        self._scopes.pop()

    def _fill(self) -> None:
        put: list[tuple[Any, ...]] = []
        while self._unfilled or self._contents:
            if self._contents:
                content = self._contents.pop(0)
                name = self._free(content.name, content.value)
                self._titles[name] = content.title
                self.add(name, content.value, content.target)
                put.append(content.entry(name))
                continue
            name, value, user = self._unfilled.pop(0)
            try:
                entry = _express.fill(self, name, value, user)
            except _express.CannotError as error:
                raise self._cannot(name, value, user, error) from error
            self._entries.append(entry)
        # What is defined may register itself, which is in there already.
        self._late += put

    def contents(self, cls: type, node: Any, name: str) -> None:
        """Captures what the lists, dicts and sets of a class hold by now that its statement does not put in; ``name`` is that of the
        class."""
        if hasattr(cls, "__members__"):
            return
        found = [*_contents.held(cls, node, name, name)]
        if _is_stored(cls):
            found += _contents.of_methods(cls, node, name, name)
        for expression, content in found:
            self.seen.value(content.value, state)
            # What has a name of its own travels by that.
            if not isinstance(expression, (ast.Name, ast.Attribute)) and travels(expression, content.value):
                self._contents.append(content)

    def alone(self, function: FunctionType) -> str:
        """Captures what a function uses that is sent by itself, and gives its text.

        Raises:
            ClassInvalidError: its source cannot be found, or what it uses cannot travel.
        """
        made_by = _source.of_code(function)
        around = Around(function.__globals__, closure_of(function), made_by.local)
        places, kept = self.kept(self._defaults(function, made_by.node, "the search"), around)
        lines = _written.with_names(made_by.lines, made_by.first, places)
        around = around.more(kept)
        if isinstance(made_by, _source.Lambda):
            tree = ast.parse("".join(lines).strip(), mode="eval")
            _compared.as_kept(tree, around.now)
            text = ast.unparse(tree)
            self.walk(text, "the search", around)
            return text
        if isinstance(made_by.node, ast.AsyncFunctionDef):
            raise ClassInvalidError(f"a search takes a plain function, and {function.__name__} is a coroutine function")
        # It is what stands below its decorators; what these made of it would be another function, or none.
        text = made_by._replace(lines=lines).text(decorators=False)
        statement = ast.parse(text)
        if _compared.as_kept(statement, around.now):
            text = ast.unparse(statement)
        self.walk(text, made_by.node.name, around, function)
        return text

    def _names_in(self, text: str, name: str) -> tuple[list[str], list[str]]:
        try:
            return names_in(text, name)
        except SyntaxError as error:
            what = name if name == self.owner else f"{self.owner} uses {name}, and {name}"
            if "nonlocal" in str(error):
                raise ClassInvalidError(
                    f"{what} sets a variable of the function that it was made in ({error.msg}), which does not travel back: "
                    "keep it in a field",
                    field=name,
                ) from error
            raise ClassInvalidError(f"{what} has a source that does not compile alone: {error}", field=name) from error

    def _submodules(self, name: str, module: ModuleType, text: str, user: str) -> None:
        """Captures the modules within a package that a text names: importing the package alone does not bring them.

        Raises:
            ClassInvalidError: the module is one of the program's own.
        """
        paths = attribute_paths(text, name)
        if module.__name__ != "__main__" and not _express.is_installed(module.__name__):
            used = sorted({path[0] for path in paths}) or ["…"]
            raise ClassInvalidError(
                f"{user} uses {', '.join(f'{name}.{each}' for each in used)}, and {name} is a module of this program, which does not "
                f"travel as a whole: write from {module.__name__} import {', '.join(used)}, and use the names by themselves",
                field=name,
            )
        for path in paths:
            inner = module
            for part in path:
                within = getattr(inner, part, None)
                if not isinstance(within, ModuleType) or sys.modules.get(f"{inner.__name__}.{part}") is not within:
                    break
                inner = within
            if inner is not module:
                self.add(inner.__name__.replace(".", "__"), inner, name)

    def uses_builtins(self, text: str) -> None:
        """Notes what an expression of ours means by names of Python's own."""
        for name in names_in(text, "")[0]:
            if name in BUILTINS:
                self._builtin(name)

    def _builtin(self, name: str) -> None:
        """Notes that a name means Python's own."""
        value = BUILTINS[name]
        if self._own.get(name, self._things.setdefault(name, value)) is not value:
            raise self._two(name)

    def _two(self, name: str) -> ClassInvalidError:
        return ClassInvalidError(
            f"{self.owner} uses two different things named {name}: give one of them another name", field=name
        )

    def _namesakes(self, text: str, name: str, around: Around) -> dict[str, Any]:
        """What a function or class of another module uses by names that stand for something else here."""
        found = {}
        for used in self._names_in(text, name)[0]:
            if used == name or used in around.cells or used in _OWN:
                continue
            value = around.meant(used, self.seen)
            known = self._own.get(used, self._things.get(used, BUILTINS.get(used, value)))
            if value is not MISSING and known is not value and not _equal(known, value):
                found[used] = value
        return found

    def _free(self, name: str, value: Any) -> str:
        """A name that nothing else has."""
        while name in self._own or name in self._things and not self._is(name, value):
            name += "_"
        return name

    def _is(self, name: str, value: Any) -> bool:
        return self._things[name] is value or _equal(self._things[name], value)

    def _wish(self, name: str, value: Any, user: str) -> None:
        if isinstance(value, type) and issubclass(value, Object) or not _hinting(name, value):
            return
        kept = self.state()
        try:
            self.add(name, value, user)
        except EmergeError:
            self.restore(kept)

    def add(self, name: str, value: Any, user: str) -> None:
        """Captures one name."""
        if _is_stored(value) and (value is self._cls or value in self._bases) and name == value.__name__:
            return
        if name == self.owner and self._cls is not None:
            raise self._two(name)
        if name in self._things:
            if not self._is(name, value):
                raise self._two(name)
            return
        self._things[name] = value
        # It may put others in the place of the entries.
        made = self._entry(name, value, user)
        self._entries.extend(made)

    def place(self, value: Any, hint: str, user: str) -> str:
        """A name under which a function or class is there for an expression."""
        known = self._named.get(id(value))
        if known is not None and id(value) in self._ready:
            return known[0]
        if known is not None:
            raise self._not_ready(value, user)
        name = self._free(f"{hint}__{getattr(value, '__name__', 'made').strip('<>')}", value)
        self.add(name, value, user)
        return name

    def _not_ready(self, value: Any, user: str) -> ClassInvalidError:
        name = self._named[id(value)][0]
        return _express.NotReadyError(f"{user} and {name} need each other when they are defined", field=user)

    def is_stated(self, value: Any) -> bool:
        """Whether a value is what a statement, with its decorators, made of a function."""
        return callable(value) and _decorated("", value) is not None

    def _entry(self, name: str, value: Any, user: str) -> list[tuple[Any, ...]]:
        if isinstance(value, ModuleType):
            if value.__name__ == "__main__":
                raise self._cannot(name, value, user, _express.CannotError(""))
            if not _express.is_installed(value.__name__):
                raise ClassInvalidError(
                    f"{user} uses the module {name}, which is of this program and does not travel as a whole: import what is used of "
                    f"it, as with: from {value.__name__} import …",
                    field=name,
                )
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
            around = Around(function.__globals__, closure_of(function, self.seen), made_by.local)
            _agreed.decorators(value, made_by.node, around.now, function.__name__)
            given = self._defaults(function, made_by.node, name)
            return self._made(name, function.__name__, made_by, around, value, given, True)
        if isinstance(value, FunctionType):
            return self._function(name, value, user)
        if isinstance(value, type):
            text = self._class(name, value, user)
            # Where a search looks, fields have the values of members.
            return f"{text}{_BY_VALUE}({name})\n" if self._cls is None and hasattr(value, "__members__") else text
        raise self._cannot(name, value, user, _express.CannotError(""))

    def _function(self, name: str, value: FunctionType, user: str) -> str:
        cells = closure_of(value, self.seen)
        self.seen.size(value.__dict__)
        self.seen.function(value)
        if "__class__" in cells:
            raise ClassInvalidError(
                f"{user} uses {name}, a method that needs its class: use the class, {value.__qualname__}",
                field=name,
            )
        if value.__name__ == "<lambda>" or value.__code__.co_name == "<lambda>":
            made_by = _source.of_lambda(value)
            if made_by is None:
                raise ClassInvalidError(f"{user} uses the lambda {name}: write it with def", field=name)
            self._bare(name, value)
            return self._lambda(name, value, made_by, cells)
        statement = _source.of_function(value)
        if statement is None:
            raise _source.missing(value.__name__, value.__code__.co_filename)
        own = value.__code__.co_name
        decorators = statement.decorated and value.__globals__.get(own) is value and bool(value.__dict__)
        if not decorators:
            self._bare(name, value)
        around = Around(value.__globals__, cells, statement.local)
        given = self._defaults(value, statement.node, name)
        return self._made(name, own, statement, around, value, given, decorators)

    def _class(self, name: str, value: type, user: str) -> str:
        outer = self._scopes[-1] if self._scopes else None
        statement = _source.of_class(value, outer)
        if statement is None:
            made = _express.functional_class(self, name, value, user)
            if made is not None:
                return made
            raise _source.missing_class(value)
        around = of_class(value, statement, self.seen, outer)
        self.seen.members(value, _agreed.members(value, statement, around.now))
        if hasattr(value, "__members__"):
            _agreed.enumeration(value, statement, {**around.scope, **around.cells})
        if _is_stored(value):
            _agreed.stored(value, statement, around.now)
            self.contents(value, statement.node, name)
            statement, inner = _nested.apart(value, statement)
            around = around.more(inner)
            return self._made(name, value.__name__, statement, around, value, [], True, stored=True)
        for method in _written.statements(statement.node.body):
            if isinstance(method, (ast.FunctionDef, ast.AsyncFunctionDef)):
                member = vars(value).get(_source.own_name(value.__name__, method.name))
                _agreed.decorators(member, method, around.now, f"{value.__name__}.{method.name}")
        self.contents(value, statement.node, name)
        given = self._attributes(value, statement.node, value.__name__)
        return self._made(name, value.__name__, statement, around, value, given, True)

    def _defaults(self, made: FunctionType, node: Any, name: str) -> list[_written.Given]:
        """What a function's defaults are."""
        given = _agreed.function(made, node, name)
        if given:
            self.seen.value(made, _written.held_defaults)
            for each in given:
                if can_change(each.value):
                    self.seen.value(each.value, state)
        return [each._replace(name=f"{made.__code__.co_name.strip('<>')}__{each.name}") for each in given]

    def _attributes(self, cls: type, node: Any, name: str) -> list[_written.Given]:
        """What a class's body gives its names, its methods' defaults, and those of the classes within it; of what it makes of its
        own names nothing."""
        own = set(_written.names_of(node.body, cls.__name__))
        given = [each._replace(copied=can_change(each.value)) for each in _written.attributes(cls, node)]
        for made, method in _written.methods(cls, node):
            given += self._defaults(made, method, f"{cls.__name__}.{method.name}")
        given = [each for each in given if own.isdisjoint(_source.names_within(each.expression))]
        self.seen.members(cls, [each.name for each in given])
        for inner in node.body:
            within = vars(cls).get(getattr(inner, "name", ""))
            if isinstance(inner, ast.ClassDef) and isinstance(within, type):
                given += self._attributes(within, inner, f"{name}__{inner.name}")
        return [each._replace(name=f"{name}__{each.name}") for each in given]

    def kept(self, given: list[_written.Given], around: Around) -> tuple[list[tuple[ast.expr, str]], dict[str, Any]]:
        """The expressions that travel as what they came to, each with a name, and what the names stand for."""
        places: list[tuple[ast.expr, str]] = []
        values: dict[str, Any] = {}
        for each in given:
            _agreed.of_now(each, around.now, f"the default {each.name.replace('__', '.')}")
        for each in _written.to_keep(given, around.now):
            name = self._free(each.name, each.value)
            while name in values:
                name += "_"
            values[name] = each.value
            self._titles[name] = each.name.replace("__", ".")
            places.append((each.expression, f"{name}.copy()" if each.copied else name))
        return places, values

    def _bare(self, name: str, value: FunctionType) -> None:
        own = _agreed.attributes(value)
        if own:
            raise ClassInvalidError(
                f"the function {name} has the attribute {own[0]}, which its source does not tell: use a name or a class instead",
                field=name,
            )

    def _made(
        self,
        name: str,
        own: str,
        statement: _source.Statement,
        around: Around,
        thing: Any,
        given: list[_written.Given],
        decorators: bool,
        stored: bool = False,
    ) -> str:
        """The statement as it stands, or within a function that gives it what it sees of the function that made it."""
        places, kept = self.kept(given, around)
        statement = statement._replace(lines=_written.with_names(statement.lines, statement.first, places))
        plain = statement.text(decorators=decorators)
        if not stored:
            around = around.more(self._namesakes(plain, own, around.more(kept)))
        needed = self._names_in(plain, own)[0]
        cells = {each: value for each, value in around.cells.items() if each in needed and each != own}
        around = around.more(kept)
        if own == name and not cells:
            self.walk(plain, own, around, thing)
            return _texts.marked(plain, thing, statement.node)
        params, values = self._given(name, cells)
        self.walk(plain, own, around, thing, frozenset(params))
        body = statement.text(decorators=decorators, indent="    ")
        made = f"_make_{name}"
        text = f"def {made}({', '.join(params)}):\n{body}    return {own}\n\n\n{name} = {made}({', '.join(values)})\n"
        return _texts.marked(text, thing, statement.node)

    def _lambda(self, name: str, value: FunctionType, made_by: _source.Lambda, cells: dict[str, Any]) -> str:
        around = Around(value.__globals__, cells, made_by.local)
        places, kept = self.kept(self._defaults(value, made_by.node, name), around)
        text = "".join(_written.with_names(made_by.lines, made_by.first, places))
        around = around.more(self._namesakes(text, name, around.more(kept)))
        needed = self._names_in(text, name)[0]
        params, values = self._given(
            name, {each: cell for each, cell in around.cells.items() if each in needed and cell is not value}
        )
        self.walk(text, name, around.more(kept), value, frozenset(params))
        text = text.rstrip()
        if not params:
            return f"{name} = {text}\n"
        return f"def _make_{name}({', '.join(params)}):\n    return {text}\n\n\n{name} = _make_{name}({', '.join(values)})\n"

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
            unique = self._free(f"{name}__{each}", value)
            self.add(unique, value, name)
            params.append(each)
            values.append(unique)
        return params, values

    def _cannot(self, name: str, value: Any, user: str, why: _express.CannotError) -> ClassInvalidError:
        kind = type(value)
        if kind.__module__.partition(".")[0] == "emerge" and kind.__name__ in ("FileSystem", "AsyncFileSystem"):
            return ClassInvalidError(
                f"{user} uses {name}, a connection of this program: a method has its own, self.fs (elsewhere emerge.fs)",
                field=name,
            )
        name = self._titles.get(name, name)
        reason = f" ({why})" if str(why) else ""
        if self._cls is None:
            return ClassInvalidError(
                f"{user} uses {name}, a {kind.__module__}.{kind.__qualname__}, which cannot travel: take what is needed of it into a name "
                f"before (wanted = {name}.…), or give it as a parameter",
                field=name,
            )
        return ClassInvalidError(
            f"{user} uses {name}, a {kind.__module__}.{kind.__qualname__}, which cannot travel{reason}: {why.advice}",
            field=name,
        )


def _is_stored(value: Any) -> bool:
    return isinstance(value, type) and issubclass(value, Object) and value is not Object


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
    """The function of this name, or of one that stands for the value, within what its decorators made of it."""
    if isinstance(value, (type, MethodType)):
        return None
    for each in _source.within(value):
        own = each.__code__.co_name
        if each is not value and (own == name or each.__globals__.get(own) is value):
            statement = _source.of_function(each)
            if statement is not None and statement.decorated:
                return each, statement
    return None
