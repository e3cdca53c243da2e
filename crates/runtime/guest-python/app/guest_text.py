"""What the text of a class says: its methods, and the names that it uses from outside."""

from __future__ import annotations

import ast
import functools
import inspect
from types import CodeType, FunctionType
from typing import Any

from emerge._names import taken
from emerge._source import own_name
from emerge.errors import ClassInvalidError

_BODY = frozenset((
    "__annotations__", "__conditional_annotations__", "__classdict__", "__static_attributes__", "__name__", "__qualname__", "__module__",
))


def class_error(message: str, field: str | None) -> ClassInvalidError:
    """Why a class cannot be kept."""
    return ClassInvalidError(message, field=field)


def free_names(code: CodeType, given: set[str]) -> list[str]:
    """Names that code takes from the module and that nobody gives."""
    # Annotations make no need: nobody has to evaluate them.
    found = taken(code, lambda inner: inner.co_name != "__annotate__", lambda used: None, _BODY)
    return [name for name in found if name not in given]


def fields_of(statement: ast.ClassDef) -> list[str]:
    """The names that a class statement annotates, but for those of the class itself and of its constructor."""
    return [
        own_name(statement.name, node.target.id)
        for node in statement.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and not _is_no_field(node.annotation)
    ]


def _is_no_field(annotation: ast.expr) -> bool:
    text = annotation.value if isinstance(annotation, ast.Constant) else ast.unparse(annotation)
    return str(text).partition("[")[0].rpartition(".")[2] in ("ClassVar", "InitVar", "KW_ONLY")


def methods_of(statement: ast.ClassDef, name: str) -> list[dict[str, Any]]:
    """The methods that a class statement defines, in order."""
    found: dict[str, dict[str, Any]] = {}
    for node in statement.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        marks = {ast.unparse(each) for each in node.decorator_list}
        if any(mark.endswith((".setter", ".deleter")) for mark in marks):
            continue
        if node.name in ("meta", "fs"):
            raise class_error(f"class {name}: {node.name!r} is not a method's name: Emerge gives it a meaning", node.name)
        static = "staticmethod" in marks or "classmethod" in marks
        params = _params(node.args)
        if "staticmethod" not in marks:
            del params[:1]
        made = own_name(name, node.name)
        found[made] = {
            "name": made,
            "params": _marked(params),
            "doc": ast.get_docstring(node),
            "is_async": isinstance(node, ast.AsyncFunctionDef),
            "is_static": static,
            "is_property": bool(marks & {"property", "cached_property", "functools.cached_property"}),
            "returns": _written(node.returns),
        }
    return list(found.values())


def made_methods(cls: type, stored: type, found: list[dict[str, Any]], fields: list[str]) -> list[dict[str, Any]]:
    """Methods that no ``def`` of the class statement names: by another name, as a lambda, by a call, of bases that are not stored."""
    known = {each["name"] for each in found} | {"meta", "fs", *fields}
    more = []
    for base in cls.__mro__:
        if base is not cls and (base is object or issubclass(base, stored)):
            continue
        for name, member in vars(base).items():
            if name in known or name.startswith("__"):
                continue
            static = isinstance(member, (staticmethod, classmethod))
            is_property = isinstance(member, (property, functools.cached_property))
            is_partial = isinstance(member, functools.partialmethod)
            function = member.__func__ if static else getattr(member, "fget", None) or getattr(member, "func", member)
            if not isinstance(function, FunctionType) and not hasattr(function, "__wrapped__"):
                continue
            try:
                # What a ``partialmethod`` gives is none of its parameters.
                signature = inspect.signature(member.__get__(None, cls) if is_partial else function, annotation_format=_forward_references())
                params = [_param(each) for each in signature.parameters.values()]
            except (TypeError, ValueError):
                continue
            if not isinstance(member, staticmethod):
                del params[:1]
            known.add(name)
            more.append({
                "name": name,
                "params": _marked(params),
                "doc": inspect.getdoc(function),
                "is_async": inspect.iscoroutinefunction(function),
                "is_static": static,
                "is_property": is_property,
                "returns": None,
            })
    return more


def _forward_references() -> Any:
    # Only what is analysed asks, and that is in the sandbox's Python: native Python may be older and has no such module.
    import annotationlib

    return annotationlib.Format.FORWARDREF


_Param = tuple[Any, list[str | None]]
"""A parameter with its kind, as ``inspect`` has it."""
_POSITIONAL, _PLAIN, _NAMED = inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
_STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}


def _param(each: inspect.Parameter) -> _Param:
    default = None if each.default is inspect.Parameter.empty else repr(each.default)
    return each.kind, [_STARS.get(each.kind, "") + each.name, default, None]


def _params(args: ast.arguments) -> list[_Param]:
    plain = [*((_POSITIONAL, each) for each in args.posonlyargs), *((_PLAIN, each) for each in args.args)]
    defaults: list[ast.expr | None] = [None] * (len(plain) - len(args.defaults)) + list(args.defaults)
    params: list[_Param] = [
        (kind, [each.arg, _written(default), _written(each.annotation)]) for (kind, each), default in zip(plain, defaults)
    ]
    if args.vararg is not None:
        params.append((inspect.Parameter.VAR_POSITIONAL, [f"*{args.vararg.arg}", None, _written(args.vararg.annotation)]))
    for each, default in zip(args.kwonlyargs, args.kw_defaults):
        params.append((_NAMED, [each.arg, _written(default), _written(each.annotation)]))
    if args.kwarg is not None:
        params.append((inspect.Parameter.VAR_KEYWORD, [f"**{args.kwarg.arg}", None, _written(args.kwarg.annotation)]))
    return params


def _marked(params: list[_Param]) -> list[list[str | None]]:
    """Parameters with the ``/`` after those that have no name for who calls, and the ``*`` before those that are given by name."""
    shown: list[list[str | None]] = []
    before: Any = None
    for kind, param in params:
        if before is _POSITIONAL and kind is not _POSITIONAL:
            shown.append(["/", None, None])
        if kind is _NAMED and before not in (_NAMED, inspect.Parameter.VAR_POSITIONAL):
            shown.append(["*", None, None])
        shown.append(param)
        before = kind
    return [*shown, ["/", None, None]] if before is _POSITIONAL else shown


def _written(part: ast.expr | None) -> str | None:
    """A default or an annotation as it is written."""
    return None if part is None else ast.unparse(part)
