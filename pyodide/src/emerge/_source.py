"""The text of classes and functions: found in what Python keeps of files and cells, and seen to be the code that runs."""

from __future__ import annotations

import ast
import linecache
import os
import sys
from collections import namedtuple
from collections.abc import Iterable, Iterator
from io import StringIO
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from ._object import BEGAN, PLACES
from .errors import ClassInvalidError

_FUTURE_ANNOTATIONS = 0x1000000 if sys.version_info >= (3, 10) else 0x100000
_DEFINITIONS = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
_LITERALS = (bool, int, float, complex, str, bytes, tuple, type(None))


class Statement(NamedTuple):
    """A statement that defines a class or a function."""

    lines: list[str]
    """All of its text, its decorators first, as it stands in its file."""
    node: Any
    decorated: bool
    local: frozenset[str]
    """Names of the function that it stands in: what they stand for is not in the module."""
    codes: tuple[CodeType, ...]
    """The code of what it defines, and of what is within that."""

    @property
    def first(self) -> int:
        """The number of its first line in its file."""
        return _first(self.node)

    def text(self, *, decorators: bool = True, indent: str = "") -> str:
        """The statement as it stands alone, or in a block with an indent; what strings hold stays as it is."""
        first = self.node.lineno - self.first
        lines = self.lines if decorators else self.lines[first:]
        margin = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
        if margin == indent:
            moved = lines
        else:
            within = _within_strings(lines)
            moved = [line if at in within else _moved(line, margin, indent) for at, line in enumerate(lines, 1)]
        return "".join(moved).rstrip() + "\n"


def _moved(line: str, margin: str, indent: str) -> str:
    if not line.strip():
        return line
    return indent + (line[len(margin) :] if line.startswith(margin) else line.lstrip())


def _within_strings(lines: list[str]) -> set[int]:
    """Numbers of the lines that begin within a string."""
    import tokenize

    found: set[int] = set()
    try:
        for token in tokenize.generate_tokens(iter(lines).__next__):
            name = tokenize.tok_name[token.type]
            if token.start[0] != token.end[0] and (name == "STRING" or name.endswith("STRING_MIDDLE")):
                found.update(range(token.start[0] + 1, token.end[0] + 1))
    except (tokenize.TokenError, SyntaxError):
        pass
    return found


def _first(node: Any) -> int:
    first: int = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
    return first


def _lines_of(text: str) -> list[str]:
    """The lines of a text as Python counts them: other characters that end a line for ``str`` end none."""
    return StringIO(text).readlines()


class _File:
    """The lines of a file or cell, what they define, and the code that they compile to."""

    def __init__(self, name: str, lines: list[str]) -> None:
        self.name = name
        text = "".join(lines)
        self.given = lines
        self.lines = _lines_of(text)
        self.text = text
        self.nodes: dict[str, list[Any]] = {}
        self.lambdas: dict[int, list[Any]] = {}
        self.qualified: dict[int, str] = {}
        tree = ast.parse(text)
        self._qualify(tree, "")
        for node in ast.walk(tree):
            if isinstance(node, _DEFINITIONS):
                self.nodes.setdefault(node.name, []).append(node)
            elif isinstance(node, ast.Lambda):
                self.lambdas.setdefault(node.lineno, []).append(node)
        self._codes: dict[int, dict[tuple[str, int], list[tuple[CodeType, frozenset[str]]]]] = {}

    def _qualify(self, parent: ast.AST, prefix: str) -> None:
        for node in ast.iter_child_nodes(parent):
            within = prefix
            if isinstance(node, _DEFINITIONS):
                self.qualified[id(node)] = prefix + node.name
                within = f"{prefix}{node.name}." + ("" if isinstance(node, ast.ClassDef) else "<locals>.")
            if isinstance(node, (ast.stmt, ast.ExceptHandler, ast.match_case)):
                self._qualify(node, within)

    def codes(self, flags: int) -> dict[tuple[str, int], list[tuple[CodeType, frozenset[str]]]]:
        """What the lines compile to, by name and first line, each with the names of the function that it stands in."""
        found = self._codes.get(flags)
        if found is None:
            found = self._codes[flags] = {}
            try:
                whole = compile(
                    self.text, self.name, "exec", flags=flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
                )
            except SyntaxError:
                return found
            for code, local in _codes_with_names(whole, frozenset()):
                found.setdefault((code.co_name, code.co_firstlineno), []).append((code, local))
        return found

    def is_code(self, node: Any, code: CodeType) -> bool:
        """Whether a function's statement compiles to this code."""
        made = self.codes(code.co_flags & _FUTURE_ANNOTATIONS).get((code.co_name, _first(node)), ())
        return any(same_code(each, code) for each, _ in made)

    def has_codes(self, node: Any, codes: list[CodeType]) -> bool:
        """Whether a class's statement compiles to code that has all of these in it."""
        flags = codes[0].co_flags & _FUTURE_ANNOTATIONS if codes else 0
        for body, _ in self.codes(flags).get((node.name, _first(node)), ()):
            inner = list(_all_codes(body))
            if all(any(same_code(each, code) for each in inner) for code in codes):
                return True
        return False

    def statement(self, node: Any) -> Statement:
        """A statement's text."""
        lines = self.lines[_first(node) - 1 : node.end_lineno]
        codes = next(iter(self._codes.values()), None) or self.codes(0)
        made = codes.get((node.name, _first(node)), [])
        local = frozenset(name for _, names in made for name in names)
        inner = tuple(each for code, _ in made for each in _all_codes(code))
        return Statement(lines, node, bool(node.decorator_list), local, inner)


def _all_codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _all_codes(constant)


def _codes_with_names(owner: CodeType, local: frozenset[str]) -> Iterator[tuple[CodeType, frozenset[str]]]:
    """All code within some, each with the names of the functions around it."""
    local |= frozenset((*owner.co_varnames, *owner.co_cellvars, *owner.co_freevars))
    for code in owner.co_consts:
        if isinstance(code, CodeType):
            yield code, local
            yield from _codes_with_names(code, local)


def same_code(one: CodeType, other: CodeType) -> bool:
    """Whether two pieces of code do the same, wherever they stand."""
    return one is other or (
        one.co_name == other.co_name
        and one.co_code == other.co_code
        and one.co_names == other.co_names
        and one.co_varnames == other.co_varnames
        and one.co_freevars == other.co_freevars
        and one.co_cellvars == other.co_cellvars
        and one.co_argcount == other.co_argcount
        and one.co_kwonlyargcount == other.co_kwonlyargcount
        and one.co_posonlyargcount == other.co_posonlyargcount
        and len(one.co_consts) == len(other.co_consts)
        and all(map(_same_constant, one.co_consts, other.co_consts))
    )


def _same_constant(one: Any, other: Any) -> bool:
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return same_code(one, other)
    if type(one) is not type(other):
        return False
    return bool(one == other) if isinstance(one, frozenset) else repr(one) == repr(other)


_files: list[_File] = []
_unreadable: set[str] = set()
_MOST_FILES = 16


def forget() -> None:
    """Forgets what was read of files, to find it out again when it is asked for."""
    _files.clear()
    _unreadable.clear()


def _file(name: str, lines: list[str]) -> _File | None:
    for known in _files:
        if known.name == name and (known.given is lines or known.given == lines):
            return known
    try:
        made = _File(name, lines)
    except (SyntaxError, ValueError):
        _unreadable.add(name)
        return None
    _files.insert(0, made)
    del _files[_MOST_FILES:]
    return made


def _cached() -> Iterator[tuple[str, list[str]]]:
    """Cells, and what was typed at a prompt: the newest first."""
    entries = [*linecache.cache.items(), *getattr(linecache, "_interactive_cache", {}).items()]
    for _, entry in reversed(entries):
        if len(entry) == 4 and entry[1] is None:
            yield entry[3], entry[2]


def _versions(name: str, scope: Any) -> Iterator[_File]:
    """A file as Python has it, as it was when a class of it was made, and as it is by now."""
    seen: list[list[str]] = []
    for lines in _each_version(name, scope):
        if lines and lines not in seen:
            seen.append(lines)
            file = _file(name, lines)
            if file is not None:
                yield file


def _each_version(name: str, scope: Any) -> Iterator[list[str]]:
    yield linecache.getlines(name, scope)
    for place in list(PLACES.values()):
        if place[0] == name:
            yield place[2]
    for file, lines in _cached():
        if file == name:
            yield lines
    linecache.checkcache(name)
    yield linecache.getlines(name, scope)


def _edited(file: str, name: str) -> ClassInvalidError:
    return ClassInvalidError(
        f"the source of {name} in {file} is not what runs here: it was edited after it was loaded, or {name} was changed; "
        "load it again",
        field=name,
    )


def missing(name: str, file: str) -> ClassInvalidError:
    """That there is no source of something."""
    advice = "write it in a file, a notebook cell or IPython"
    if file == "<string>":
        where = "Python keeps none of what exec runs, and before 3.13 of what is given with -c"
    elif file in _unreadable:
        where = (
            f"what is kept of {file} does not compile: IPython breaks it at characters such as a form feed or U+2028"
        )
        advice = "write these as \\x0c and \\u2028"
    elif file.startswith("<timed"):
        where = "IPython keeps none of a cell that begins with %%time"
        advice = "take that out"
    elif file != "<stdin>":
        where = f"{file} has none" if file else "no statement is known that made it"
    elif sys.version_info >= (3, 13):
        where = "Python keeps none of a program that it reads from its standard input"
    else:
        where = "Python keeps none of what it reads from its standard input, and at its plain prompt before 3.13"
    return ClassInvalidError(f"the source of {name} cannot be found ({where}): {advice}", field=name)


def _changed_since(file: str) -> bool:
    try:
        return os.stat(file).st_mtime > BEGAN
    except OSError:
        return True


def of_function(function: FunctionType) -> Statement | None:
    """The statement that made a function.

    Raises:
        ClassInvalidError: what is there by now is other code.
    """
    code = function.__code__
    name = code.co_name
    near = None
    for file in _versions(code.co_filename, function.__globals__):
        nodes = [node for node in file.nodes.get(name, ()) if not isinstance(node, ast.ClassDef)]
        nodes.sort(key=lambda node: abs(_first(node) - code.co_firstlineno))
        for node in nodes:
            if file.is_code(node, code):
                return file.statement(node)
        if near is None and nodes and _first(nodes[0]) == code.co_firstlineno:
            near = file.statement(nodes[0])
    if near is not None:
        # What rewrites code while it is imported, as pytest does with asserts, leaves the file as it is.
        if _changed_since(code.co_filename):
            raise _edited(code.co_filename, name)
        return near
    return None


class Lambda(NamedTuple):
    """The expression that made a lambda."""

    text: str
    lines: list[str]
    """It within brackets."""
    first: int
    """The number of the first of these in the node."""
    node: Any
    local: frozenset[str]
    """Names of the function that it stands in."""


def of_lambda(function: FunctionType) -> Lambda | None:
    """The expression that made a lambda, when it is alone on its line or unlike the others there."""
    code = function.__code__
    for file in _versions(code.co_filename, function.__globals__):
        nodes = file.lambdas.get(code.co_firstlineno, [])
        made = file.codes(code.co_flags & _FUTURE_ANNOTATIONS).get(("<lambda>", code.co_firstlineno), [])
        if not any(same_code(each, code) for each, _ in made):
            continue
        if len(nodes) > 1:
            nodes = [node for node in nodes if _is_lambda(node, code)]
        if len(nodes) == 1:
            text = ast.get_source_segment(file.text, nodes[0]) or ""
            local = frozenset(name for _, names in made for name in names)
            lines = _lines_of(f"({text}\n)\n")
            return Lambda(text, lines, 1, ast.parse("".join(lines), mode="eval").body, local)
    return None


def of_code(function: FunctionType) -> Statement | Lambda:
    """What made a function or lambda.

    Raises:
        ClassInvalidError: it cannot be found.
    """
    is_lambda = function.__code__.co_name == "<lambda>"
    found = of_lambda(function) if is_lambda else of_function(function)
    if found is None:
        raise missing("the lambda" if is_lambda else function.__name__, function.__code__.co_filename)
    return found


def _is_lambda(node: Any, code: CodeType) -> bool:
    alone = compile(ast.Expression(node), "<lambda>", "eval", dont_inherit=True)
    return any(same_code(each, code) for each in alone.co_consts if isinstance(each, CodeType))


def of_class(cls: type, outer: Any = None) -> Statement | None:
    """The statement that made a class; ``outer`` are the names around who uses it.

    Raises:
        ClassInvalidError: what is there by now is other code.
    """
    codes = member_codes(cls)
    line = vars(cls).get("__firstlineno__")
    place = PLACES.get(cls)
    if line is None and place is not None:
        line = place[1]
    if line is None and codes:
        line = codes[0].co_firstlineno
    if line is None and type(cls) is type and not hasattr(cls, "_fields") and next(iter(vars(cls))) != "__module__":
        # Of a statement that is the first that a class has: a call made this one.
        return None
    near = None
    unsure: list[tuple[_File, Any]] = []
    for file in _homes(cls, codes):
        nodes = [
            node
            for node in file.nodes.get(cls.__name__, ())
            if isinstance(node, ast.ClassDef) and _has_members(node, cls, bool(codes))
        ]
        if line is not None:
            nodes.sort(key=lambda node: (not _first(node) <= line <= node.end_lineno, abs(node.lineno - line)))
        fits = [node for node in nodes if file.has_codes(node, codes)]
        alike = [node for node in fits if _alike(node, cls)]
        if alike and line is not None:
            return file.statement(_likest([(file, node) for node in alike], cls)[0][1])
        if file.name not in [known.name for known, _ in unsure]:
            unsure += [(file, node) for node in reversed(alike) if _gives(node, cls)]
        if near is None and nodes and (line is None or _first(nodes[0]) <= line <= nodes[0].end_lineno):
            near = (file, nodes[0], bool(fits))
    if unsure:
        unsure = _likest(unsure, cls)
        _are_one(cls, unsure, outer)
        file, node = unsure[0]
        return file.statement(node)
    if near is None:
        return None
    file, node, fits_codes = near
    if (not fits_codes or not codes) and _changed_since(file.name):
        raise _edited(file.name, cls.__name__)
    return file.statement(node)


def _likest(found: list[tuple[_File, Any]], cls: type) -> list[tuple[_File, Any]]:
    """Those of some statements whose places, bases and names are those of a class, as far as any are."""
    found = [(file, node) for file, node in found if file.qualified.get(id(node)) == cls.__qualname__] or found
    found = [(file, node) for file, node in found if _extends(node, cls)] or found
    return [(file, node) for file, node in found if _gives(node, cls)] or found


def _gives(node: Any, cls: type) -> bool:
    """Whether the names that a class statement plainly gives are those that the class has."""
    annotated = [each for each in node.body if isinstance(each, ast.AnnAssign)]
    named = [getattr(each.target, "id", "") for each in annotated]
    own = vars(cls).get("__annotations__")
    targets = [target for each in node.body if isinstance(each, ast.Assign) for target in each.targets]
    given = [target.id for target in targets if isinstance(target, ast.Name)]
    given += [each.name for each in node.body if isinstance(each, _DEFINITIONS)]
    if own is not None and list(own) != [own_name(cls.__name__, each) for each in named]:
        return False
    return all(own_name(cls.__name__, each) in vars(cls) for each in given)


def _extends(node: Any, cls: type) -> bool:
    """Whether the bases that a class statement names are called as those of the class."""
    bases = [base for base in cls.__bases__ if base is not object]
    written = [each.value if isinstance(each, ast.Subscript) else each for each in node.bases]
    names = [getattr(each, "attr", getattr(each, "id", None)) for each in written]
    return names == [base.__name__ for base in bases]


def _are_one(cls: type, found: list[tuple[_File, Any]], outer: Any) -> None:
    """Sees that it is known which of some statements, the newest first, made a class that has no code to tell it by.

    Raises:
        ClassInvalidError: it is not.
    """
    name = cls.__name__
    scopes = (getattr(sys.modules.get(cls.__module__), "__dict__", {}), {} if outer is None else outer)
    is_newest = cls.__qualname__ == name and any(scope.get(name) is cls for scope in scopes)
    if not is_newest and len({ast.dump(node) for _, node in found}) > 1:
        raise ClassInvalidError(
            f"there are several statements of a class {name}, and Python before 3.13 does not tell which of them made this one: "
            "give one of them another name",
            field=name,
        )


_NAMED_TUPLES = namedtuple.__code__.co_filename


def member_codes(cls: type) -> list[CodeType]:
    """The code of the functions that a class's own statement has made."""
    found = []
    begins = f"{cls.__qualname__}."
    for function in own_functions(cls):
        code = function.__code__
        # What ``dataclass`` and its like make has another name within, or no place in a file; a named tuple has functions of the library's.
        if function.__qualname__ == begins + code.co_name and code.co_filename not in ("<string>", _NAMED_TUPLES):
            found.append(code)
    files = [code.co_filename for code in found]
    return [code for code in found if code.co_filename == max(files, key=files.count)]


def own_functions(cls: type) -> Iterator[FunctionType]:
    """Functions among a class's own members: methods, and those within what decorators made of them."""
    for member in list(vars(cls).values()):
        # Data is looked into no further.
        if not isinstance(member, type) and (callable(member) or hasattr(member, "__get__")):
            yield from within(member)


PARTS = ("__func__", "fget", "fset", "fdel", "func")
_MOST_WITHIN = 32


def within(value: Any) -> Iterator[FunctionType]:
    """A function, or those within what decorators made of it: held by a closure, as ``__wrapped__``, or as an attribute."""
    waiting: list[Any] = [value]
    seen: dict[int, Any] = {}
    while waiting and len(seen) < _MOST_WITHIN:
        each = waiting.pop(0)
        if each is None or id(each) in seen:
            continue
        seen[id(each)] = each
        if isinstance(each, FunctionType):
            yield each
            waiting += map(content, each.__closure__ or ())
        elif not isinstance(each, (ModuleType, type)):
            waiting += [getattr(each, part, None) for part in PARTS]
            waiting += [inner for inner in getattr(each, "__dict__", {}).values() if callable(inner)]
        wrapped = getattr(each, "__wrapped__", None)
        if wrapped is not None:
            waiting.insert(0, wrapped)


def code_names(code: CodeType) -> Iterator[str]:
    """Names that code, and what is within it, uses."""
    yield from code.co_names
    for inner in _all_codes(code):
        yield from inner.co_names


def content(cell: CellType) -> Any:
    """What a cell holds; ``None`` when it is empty."""
    try:
        return cell.cell_contents
    except ValueError:
        return None


def own_name(cls: str, name: str) -> str:
    """A name within a class statement as Python has it: a private one with the class's name before it."""
    owner = cls.lstrip("_")
    private = name.startswith("__") and not name.endswith("__") and "." not in name and owner
    return f"_{owner}{name}" if private else name


def _has_members(node: Any, cls: type, has_codes: bool) -> bool:
    """Whether a class statement gives the members of an enumeration, or what code tells it by makes them: one that a call made is like
    none."""
    members = getattr(cls, "__members__", {}).keys()
    named = given_names(node)
    return members <= named or has_codes and not named.isdisjoint(("vars", "locals"))


def given_names(node: Any) -> set[str]:
    """The names in a class statement, of what it defines too."""
    named = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return named | {part.name for part in ast.walk(node) if isinstance(part, _DEFINITIONS)}


def _alike(node: Any, cls: type) -> bool:
    """Whether the plain values that a class statement gives are those of the class."""
    for statement in node.body:
        if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
            target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign) and statement.value is not None:
            target, value = statement.target, statement.value
        else:
            continue
        if isinstance(target, ast.Name):
            try:
                wanted = ast.literal_eval(value)
            except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
                continue
            held = vars(cls).get(own_name(cls.__name__, target.id), wanted)
            held = getattr(held, "value", held) if hasattr(type(held), "__members__") else held
            if isinstance(held, _LITERALS) and (type(held) is not type(wanted) or repr(held) != repr(wanted)):
                return False
    return True


def _homes(cls: type, codes: list[CodeType]) -> Iterator[_File]:
    """Where a class may have been written."""
    place = PLACES.get(cls)
    if place is not None:
        file = _file(place[0], place[2]) if place[2] else None
        if file is not None:
            yield file
        yield from _versions(place[0], place[3])
        return
    module = sys.modules.get(cls.__module__)
    if codes:
        yield from _versions(codes[0].co_filename, vars(module) if module is not None else None)
        return
    name = getattr(module, "__file__", None)
    if isinstance(name, str):
        yield from _versions(name, vars(module))
    # A class without methods tells of no file.
    for name, lines in _cached():
        file = _file(name, lines) if any(cls.__name__ in line for line in lines) else None
        if file is not None:
            yield file


def names_of(nodes: Iterable[Any]) -> list[str]:
    """Names that annotations use, those within strings too."""
    found: dict[str, None] = {}
    for node in nodes:
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                found[part.id] = None
            elif isinstance(part, ast.Constant) and isinstance(part.value, str):
                try:
                    found.update(dict.fromkeys(names_of([ast.parse(part.value, mode="eval")])))
                except (SyntaxError, ValueError):
                    continue
    return list(found)
