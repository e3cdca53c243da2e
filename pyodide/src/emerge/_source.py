"""The text of classes and functions: found in what Python keeps of files and cells, and seen to be the code that runs."""

from __future__ import annotations

import ast
import linecache
import os
import sys
from collections import namedtuple
from collections.abc import Iterable, Iterator
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any, NamedTuple

from ._compiled import DEFINITIONS, File, first_line, lines_of
from ._compiled import Statement as Statement
from ._compiled import all_codes as all_codes
from ._compiled import same_code as same_code
from ._object import BEGAN, PLACES
from .errors import ClassInvalidError

_LITERALS = (bool, int, float, complex, str, bytes, tuple, type(None))


_files: list[File] = []
_unreadable: set[str] = set()
_MOST_FILES = 16


def forget() -> None:
    """Forgets what was read of files, to find it out again when it is asked for."""
    _files.clear()
    _unreadable.clear()


def _file(name: str, lines: list[str]) -> File | None:
    for known in _files:
        if known.name == name and (known.given is lines or known.given == lines):
            return known
    try:
        made = File(name, lines)
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


def _versions(name: str, scope: Any) -> Iterator[File]:
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


def missing_class(cls: type) -> ClassInvalidError:
    """That there is no source of a class: a call made it, or it was given another name."""
    name = cls.__name__
    own = (each for each in own_functions(cls) if each.__module__ == cls.__module__)
    # What is of no file, ``dataclass`` has made.
    codes = [each.__code__ for each in own if each.__code__.co_filename != "<string>"][:1]
    place = PLACES.get(cls)
    lines = {vars(cls).get("__firstlineno__"), *(place[1:2] if place is not None else ())}
    is_kept = False
    called: tuple[int, str] | None = None
    for home in _homes(cls, codes):
        is_kept = True
        for node in (each for nodes in home.nodes.values() for each in nodes if isinstance(each, ast.ClassDef)):
            first, last = first_line(node), node.end_lineno or 0
            made = bool(codes) and first <= codes[0].co_firstlineno <= last and home.has_codes(node, codes)
            if node.name != name and (made or not lines.isdisjoint((first, node.lineno))):
                # The innermost of several.
                called = max(called or (0, ""), (first, node.name))
    if called is not None:
        why, advice = f"its statement calls it {called[1]}", f"leave it this name, or write a class statement of {name}"
    elif is_kept or place is None:
        why = "no class statement of it is known: type() and other calls leave none, nor does exec"
        advice = "write one in a file, a notebook cell or IPython"
    else:
        return missing(name, place[0])
    return ClassInvalidError(f"the source of {name} cannot be found ({why}): {advice}", field=name)


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
        nodes.sort(key=lambda node: abs(first_line(node) - code.co_firstlineno))
        for node in nodes:
            if file.made(name, first_line(node), code):
                return file.statement(node)
        if near is None and nodes and first_line(nodes[0]) == code.co_firstlineno:
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
        made = file.made("<lambda>", code.co_firstlineno, code)
        if not made:
            continue
        if len(nodes) > 1:
            nodes = [node for node in nodes if file.is_lambda(node, code)]
        # Of those that are written alike any will do.
        if nodes and len({ast.dump(node) for node in nodes}) == 1:
            text = ast.get_source_segment(file.text, nodes[0]) or ""
            local = frozenset(name for _, names in made for name in names)
            lines = lines_of(f"({text}\n)\n")
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
    unsure: list[tuple[File, Any]] = []
    named: list[tuple[File, Any]] = []
    for file in _homes(cls, codes):
        nodes = [
            node
            for node in file.nodes.get(cls.__name__, ())
            if isinstance(node, ast.ClassDef) and _has_members(node, cls, bool(codes))
        ]
        if line is not None:
            nodes.sort(key=lambda node: (not first_line(node) <= line <= node.end_lineno, abs(node.lineno - line)))
        named += [(file, node) for node in nodes if _gives(node, cls)]
        fits = [node for node in nodes if file.has_codes(node, codes)]
        alike = [node for node in fits if _alike(node, cls)]
        if alike and line is not None:
            return file.statement(_likest([(file, node) for node in alike], cls)[0][1])
        if file.name not in [known.name for known, _ in unsure]:
            unsure += [(file, node) for node in reversed(alike) if _gives(node, cls)]
        if near is None and nodes and (line is None or first_line(nodes[0]) <= line <= nodes[0].end_lineno):
            near = (file, nodes[0], bool(fits))
    if unsure:
        unsure = _likest(unsure, cls)
        _are_one(cls, unsure, outer)
        file, node = unsure[0]
        return file.statement(node)
    if near is None:
        return None
    file, node, fits_codes = near
    if not codes and not os.path.exists(file.name) and len({ast.dump(node) for _, node in named}) == 1:
        # Cells stay as they were run: its values were set since, as the node does not see.
        return named[0][0].statement(named[0][1])
    if (not fits_codes or not codes) and _changed_since(file.name):
        raise _edited(file.name, cls.__name__)
    return file.statement(node)


def _likest(found: list[tuple[File, Any]], cls: type) -> list[tuple[File, Any]]:
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
    given += [each.name for each in node.body if isinstance(each, DEFINITIONS)]
    if own is not None and list(own) != [own_name(cls.__name__, each) for each in named]:
        return False
    return all(own_name(cls.__name__, each) in vars(cls) for each in given)


def _extends(node: Any, cls: type) -> bool:
    """Whether the bases that a class statement names are called as those of the class."""
    bases = [base for base in cls.__bases__ if base is not object]
    written = [each.value if isinstance(each, ast.Subscript) else each for each in node.bases]
    names = [getattr(each, "attr", getattr(each, "id", None)) for each in written]
    return names == [base.__name__ for base in bases]


def _are_one(cls: type, found: list[tuple[File, Any]], outer: Any) -> None:
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
    for inner in all_codes(code):
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
    return named | {part.name for part in ast.walk(node) if isinstance(part, DEFINITIONS)}


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


def _homes(cls: type, codes: list[CodeType]) -> Iterator[File]:
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


def names_of(hints: Iterable[ast.expr], metadata: bool = True) -> list[str]:
    """Names that hints use, those within texts too; ``metadata`` says whether those that ``Annotated`` is given besides its type count."""
    found = _Hinted(metadata)
    for hint in hints:
        found.visit(hint)
    return list(found.names)


def names_within(expression: ast.AST) -> list[str]:
    """Names that an expression uses and does not give itself, as the parameters of a lambda."""
    parts = list(ast.walk(expression))
    given = {part.arg for part in parts if isinstance(part, ast.arg)}
    given |= {part.id for part in parts if isinstance(part, ast.Name) and not isinstance(part.ctx, ast.Load)}
    return list(dict.fromkeys(part.id for part in parts if isinstance(part, ast.Name) and part.id not in given))


class _Hinted(ast.NodeVisitor):
    """Finds the names in a hint. A text is one too, but for those that ``Literal`` lists and ``Annotated`` is given."""

    def __init__(self, metadata: bool) -> None:
        self.names: dict[str, None] = {}
        self._metadata = metadata

    def visit_Name(self, node: ast.Name) -> None:
        self.names[node.id] = None

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            try:
                parsed = ast.parse(node.value, mode="eval")
            except (SyntaxError, ValueError):
                return
            # It is evaluated as a whole or not at all.
            within = _Hinted(True)
            within.visit(parsed)
            self.names.update(within.names)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)
        word = getattr(node.value, "attr", getattr(node.value, "id", None))
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if word == "Annotated":
            self.visit(parts[0])
        elif word != "Literal":
            self.visit(node.slice)
            return
        if word == "Literal" or self._metadata:
            for part in parts[word == "Annotated" :]:
                self.names.update(dict.fromkeys(names_within(part)))
