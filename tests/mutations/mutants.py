"""Finds what could be changed in a module, so that a test should fail."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from attrs import frozen

_SWAPPED: dict[type[ast.AST], Any] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Add,
    ast.Break: ast.Continue,
    ast.Continue: ast.Break,
}


@frozen(kw_only=True)
class Mutant:
    """A change of one place in a module."""

    path: str
    line: int
    function: str  # with its class
    before: str
    after: str
    source: str  # of the whole module with the change, in as many lines

    @property
    def lines(self) -> range:
        """The lines of the place."""
        return range(self.line, self.line + self.before.count("\n") + 1)

    def __str__(self) -> str:
        where = f"{self.path}:{self.line} {self.function}".rstrip()
        return f"{where}: {_short(self.before)}  ->  {_short(self.after)}"


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 90 else f"{line[:87]}..."


def chosen(root: Path, paths: Sequence[str], count: int, seed: int) -> list[Mutant]:
    """Choose mutants at random in modules and folders; the same seed chooses the same ones."""
    modules = {
        module
        for path in paths
        for module in ([root / path] if path.endswith(".py") else root.joinpath(path).rglob("*.py"))
    }
    found = [
        mutant
        for path in sorted(modules)
        for mutant in mutants(path.relative_to(root).as_posix(), path.read_text("utf-8"))
    ]
    return Random(seed).sample(found, min(count, len(found)))  # noqa: S311 - of no secret


def mutants(path: str, source: str) -> Iterator[Mutant]:
    """Find the mutants of a module."""
    lines = source.encode().splitlines(keepends=True)  # columns count bytes
    starts = [sum(map(len, lines[:number])) for number in range(len(lines))]
    tree = ast.parse(source)
    for function, node, after in _places(tree, ""):
        first = starts[node.lineno - 1] + node.col_offset
        last = starts[(node.end_lineno or 0) - 1] + (node.end_col_offset or 0)
        whole = b"".join(lines)
        before = whole[first:last].decode()
        breaks = "\n" * before.count("\n")
        text = f"({after}{breaks})" if isinstance(node, ast.expr) else f"{after}{breaks}"
        yield Mutant(
            path=path,
            line=node.lineno,
            function=function,
            before=before,
            after=after,
            source=(whole[:first] + text.encode() + whole[last:]).decode(),
        )


_Place = tuple[str, ast.expr | ast.stmt, str]


def _places(node: ast.AST, function: str) -> Iterator[_Place]:
    """Yield the places below a node, each with the function it is in, and with what replaces it."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        function = f"{function}.{node.name}".lstrip(".")
        parts: list[ast.AST] = [*node.body]
        if not isinstance(node, ast.ClassDef):
            if any(ast.unparse(each) == "overload" for each in node.decorator_list):
                return
            parts = [*node.args.defaults, *filter(None, node.args.kw_defaults), *node.body]
    elif isinstance(node, ast.AnnAssign):
        parts = [node.value] if node.value else []
    elif isinstance(node, ast.JoinedStr) or _is_for_type_checkers(node):
        parts = []
    else:
        parts = [*ast.iter_child_nodes(node)]
    if isinstance(node, ast.expr | ast.stmt):
        yield from ((function, node, after) for after in _replacements(node))
    for test in _tests(node):
        yield function, test, f"not ({ast.unparse(test)})"
    for part in parts:
        yield from _places(part, function)


def _is_for_type_checkers(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _tests(node: ast.AST) -> list[ast.expr]:
    match node:
        case ast.If() if not _is_for_type_checkers(node):
            return [node.test]
        case ast.While() | ast.IfExp():
            return [node.test]
        case ast.comprehension():
            return node.ifs
        case _:
            return []


def _replacements(node: ast.expr | ast.stmt) -> Iterator[str]:  # noqa: C901 - a table
    match node:
        case ast.Compare(left, [operator], comparators) if type(operator) in _SWAPPED:
            yield ast.unparse(ast.Compare(left, [_SWAPPED[type(operator)]()], comparators))
        case ast.BoolOp(operator, values):
            yield ast.unparse(ast.BoolOp(_SWAPPED[type(operator)](), values))
        case ast.BinOp(left, operator, right) if type(operator) in _SWAPPED:
            yield ast.unparse(ast.BinOp(left, _SWAPPED[type(operator)](), right))
        case ast.UnaryOp(ast.Not(), operand):
            yield ast.unparse(operand)
        case ast.Constant(bool(value)):
            yield repr(not value)
        case ast.Constant(int(value) | float(value)):
            yield repr(value + 1)
        case ast.Return(ast.expr() as value) if ast.unparse(value) != "None":
            yield "return None"
        case ast.Raise() | ast.Expr(ast.Call() | ast.Await()):
            yield "pass"
        case ast.Break():
            yield "continue"
        case ast.Continue():
            yield "break"
        case _:
            pass
