"""Mutants of a solution: copies with one small mistake each, of the kinds that people make.

A mutant is named by the line it changes, before and after: `return votes.sum(axis=1) -> return votes.sum(axis=0)`.
"""

import ast
import copy
from collections.abc import Iterator

BINARY = {
    ast.Add: [ast.Sub], ast.Sub: [ast.Add], ast.Mult: [ast.Div], ast.Div: [ast.Mult], ast.Pow: [ast.Mult], ast.FloorDiv: [ast.Div],
    ast.BitAnd: [ast.BitOr], ast.BitOr: [ast.BitAnd], ast.MatMult: [ast.Mult],
}  # fmt: skip
COMPARISONS = {
    ast.Lt: [ast.LtE, ast.Gt], ast.LtE: [ast.Lt], ast.Gt: [ast.GtE, ast.Lt], ast.GtE: [ast.Gt, ast.LtE], ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq], ast.Is: [ast.IsNot], ast.In: [ast.NotIn],
}  # fmt: skip
FUNCTIONS = {
    "sum": "mean", "mean": "sum", "max": "min", "min": "max", "amax": "amin", "any": "all", "all": "any", "std": "var", "minimum": "maximum",
    "maximum": "minimum", "round": "int", "argsort": "sort", "zeros": "ones", "softmax": "sigmoid", "permutation": "sort",
}  # fmt: skip
STEPS = {
    "sqrt", "abs", "round", "copy", "clamp", "masked_fill", "softmax", "relu", "float", "accumulate", "permutation", "unique", "minimum",
    "maximum", "where", "argsort", "transpose", "unsqueeze", "stack", "zero_grad", "to", "item",
}  # fmt: skip
"""Calls that can be left out: what remains is what they were called on, or their first argument."""
RETURNED = {
    "rounded": "__import__('numpy').round({0}, 2)", "as a list": "list({0})", "as float64": "({0}).double()",
    "negated": "-({0})", "doubled": "2 * ({0})",
}  # fmt: skip


def mutants(source: str) -> dict[str, str]:
    """Name -> source of the mutants of a cell with one function definition."""
    tree = ast.parse(source)
    original, found = ast.unparse(tree), {}
    for mutate in _changes(tree):
        changed = copy.deepcopy(tree)
        mutate(changed)
        text = ast.unparse(ast.fix_missing_locations(changed))
        if text != original:
            found[_difference(original, text)] = text
    return found


def _difference(before: str, after: str) -> str:
    """The first line that differs, before and after."""
    old, new = before.splitlines(), after.splitlines()
    at = next((i for i, (a, b) in enumerate(zip(old, new)) if a != b), min(len(old), len(new)) - 1)
    if len(new) < len(old):
        return f"{old[at].strip()} -> (left out)"
    return f"{old[at].strip()} -> {new[at].strip()}"


def _changes(tree) -> Iterator:
    """Functions that make one change each in a copy of the tree; a node is found again by its place in `ast.walk`."""
    function = _function_of(tree)
    parameters = [argument.arg for argument in function.args.args]
    inside = {id(node) for statement in function.body for node in ast.walk(statement)}
    for place, node in enumerate(ast.walk(tree)):
        if id(node) in inside:
            for edit in _edits(node, parameters):
                yield lambda copied, place=place, edit=edit: edit(list(ast.walk(copied))[place])
        statements = getattr(node, "body", []) if isinstance(node, (ast.FunctionDef, ast.For, ast.If)) else []
        for at, statement in enumerate(statements):
            if (
                len(statements) > 1
                and isinstance(statement, (ast.Assign, ast.AugAssign, ast.For))
                or _is_call(statement)
            ):
                yield lambda copied, place=place, at=at: list(ast.walk(copied))[place].body.pop(at)


def _function_of(tree):
    return next(node for node in tree.body if isinstance(node, ast.FunctionDef))


def _is_call(node) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Call)


def _edits(node, parameters: list[str]) -> Iterator:
    """Functions that edit the node in place."""
    if isinstance(node, ast.BinOp):
        for other in BINARY.get(type(node.op), []):
            yield lambda node, other=other: setattr(node, "op", other())
        yield lambda node: _become(node, node.left)
        yield lambda node: _become(node, node.right)
    elif isinstance(node, ast.Compare):
        for other in COMPARISONS.get(type(node.ops[0]), []):
            yield lambda node, other=other: setattr(node, "ops", [other()])
    elif isinstance(node, ast.Constant):
        yield from _other_constants(node)
    elif isinstance(node, ast.UnaryOp):
        yield lambda node: _become(node, node.operand)
    elif isinstance(node, ast.IfExp):
        yield lambda node: _become(node, node.body)
        yield lambda node: _become(node, node.orelse)
    elif isinstance(node, ast.Call):
        yield from _other_calls(node)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id in parameters:
        for other in parameters:
            if other != node.id:
                yield lambda node, other=other: setattr(node, "id", other)
    elif isinstance(node, ast.Return) and node.value is not None:
        for how in RETURNED.values():
            yield lambda node, how=how: setattr(node, "value", _expression(how.format(ast.unparse(node.value))))
        if isinstance(node.value, ast.Tuple):
            yield lambda node: node.value.elts.reverse()
    elif isinstance(node, ast.Slice) and node.lower is not None and node.upper is not None:
        yield lambda node: setattr(node, "lower", None)
        yield lambda node: setattr(node, "upper", None)


def _other_constants(node) -> Iterator:
    value = node.value
    if isinstance(value, bool):
        yield lambda node: setattr(node, "value", not value)
    elif isinstance(value, int):
        for other in {value + 1, value - 1, -value} - {value}:
            yield lambda node, other=other: setattr(node, "value", other)
    elif isinstance(value, float):
        for other in {value * 1.5, value + 1, 0.0} - {value}:
            yield lambda node, other=other: setattr(node, "value", other)


def _other_calls(node) -> Iterator:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in FUNCTIONS:
        field = "attr" if isinstance(node.func, ast.Attribute) else "id"
        yield lambda node: setattr(node.func, field, FUNCTIONS[name])
    if name in STEPS:
        method = isinstance(node.func, ast.Attribute) and not _is_module(node.func.value)
        if method:
            yield lambda node: _become(node, node.func.value)
        elif node.args:
            yield lambda node: _become(node, node.args[-1 if name == "where" else 0])
    if len(node.args) == 2 and not any(isinstance(argument, ast.Starred) for argument in node.args):
        yield lambda node: node.args.reverse()
    for place in range(len(node.keywords)):
        yield lambda node, place=place: node.keywords.pop(place)


def _is_module(node) -> bool:
    return ast.unparse(node) in ("np", "torch", "math", "np.maximum", "np.minimum", "torch.nn.functional")


def _become(node, other) -> None:
    """Put `other` in the place of `node`, which keeps its identity in the tree."""
    node.__class__, node.__dict__ = other.__class__, dict(other.__dict__)


def _expression(source: str):
    return ast.parse(source, mode="eval").body
