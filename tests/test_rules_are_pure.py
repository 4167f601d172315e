"""Rules are pure NumPy expressions: a reader of them may be an array, a tensor, a symbol, a trace.

The rule files are parsed. Names that hold arrays are followed from the arguments of a rule
through its assignments, and what only an ndarray could do with them is refused.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinygrad_bp
from tinygrad_bp.registry import implementation_of, rules

PACKAGE = Path(tinygrad_bp.__file__).parent
TABLES = sorted((PACKAGE / "rules").glob("*.py"))

VERBS = {"elementwise", "linear", "bilinear", "rule", "composite", "Each"}
Function = ast.FunctionDef | ast.Lambda

# Arguments of lambdas that are not arrays, and have no default that would say so.
OPTIONS = {"axis", "dtype", "i", "index", "indices_or_sections", "k", "shape", "subscripts", "tup"}
PLAIN_ATTRIBUTES = {"dtype", "ndim", "shape", "size"}
PROTOCOL_ATTRIBUTES = PLAIN_ATTRIBUTES | {"T", "mT"}
PLAIN_CALLS = {
    "np.ndim", "np.shape", "np.size", "np.result_type", "np.isscalar", "np.iscomplexobj",
    "np.broadcast_shapes", "isinstance", "len",
}  # fmt: skip
PYTHON_CALLS = {"bool", "float", "int", "max", "min", "sorted", "any", "all"}


class Purity(ast.NodeVisitor):
    """Collects what is impure in one rule."""

    def __init__(self, returns_array: set[str]) -> None:
        self.returns_array = returns_array  # functions of the module that return an array
        self.arrays: set[str] = set()
        self.faults: list[str] = []

    # --- which expressions are arrays

    def is_array(self, node: ast.AST | None) -> bool:  # noqa: PLR0911  (one for each kind)
        match node:
            case ast.Name(id=name):
                return name in self.arrays
            case ast.Attribute(value=value, attr=attr):
                return attr not in PLAIN_ATTRIBUTES and self.is_array(value)
            case ast.Call():
                name = ast.unparse(node.func)
                if name in PLAIN_CALLS:
                    return False
                return name in self.returns_array or (
                    name.startswith("np.") and any(map(self.is_array, node.args))
                )
            case ast.BinOp(left=left, right=right):
                return self.is_array(left) or self.is_array(right)
            case ast.Compare(left=left, ops=ops, comparators=others):
                if all(isinstance(op, ast.Is | ast.IsNot) for op in ops):
                    return False
                return any(map(self.is_array, [left, *others]))
            case ast.IfExp(body=body, orelse=orelse):
                return self.is_array(body) or self.is_array(orelse)
            case ast.UnaryOp(operand=value) | ast.Subscript(value=value):
                return self.is_array(value)
            case _:
                return False

    def add_arguments(self, function: Function) -> None:
        arguments = function.args
        positional = arguments.posonlyargs + arguments.args
        if isinstance(function, ast.Lambda):
            named = positional[: len(positional) - len(arguments.defaults)]
            self.arrays |= {a.arg for a in named} - OPTIONS
        else:
            for a in positional + arguments.kwonlyargs:
                if a.annotation is not None and ast.unparse(a.annotation) == "Array":
                    self.arrays.add(a.arg)

    # --- what must not be done

    def refuse(self, node: ast.AST, why: str) -> None:
        self.faults.append(f"line {getattr(node, 'lineno', 0)}: {why}: {ast.unparse(node)}")

    def decide(self, test: ast.expr) -> None:
        operands = test.values if isinstance(test, ast.BoolOp) else [test]
        for operand in operands:
            plain = operand.operand if isinstance(operand, ast.UnaryOp) else operand
            if self.is_array(plain):
                self.refuse(operand, "branches on values")

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.add_arguments(node)
        self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        self.add_arguments(node)
        self.generic_visit(node)

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.assign(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.visit(node.value)
            self.assign(node.target, node.value)

    def assign(self, target: ast.expr, value: ast.expr) -> None:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, its in zip(target.elts, value.elts, strict=False):
                self.assign(one, its)
        elif isinstance(target, ast.Subscript | ast.Attribute):
            self.refuse(target, "assigns to an item")
        elif isinstance(target, ast.Name) and self.is_array(value):
            self.arrays.add(target.id)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.refuse(node, "works in place")

    def visit_Delete(self, node: ast.Delete) -> None:
        self.refuse(node, "deletes")

    def visit_If(self, node: ast.If) -> None:
        self.decide(node.test)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.decide(node.test)
        self.generic_visit(node)

    def visit_While(self, node: ast.While) -> None:
        self.decide(node.test)
        self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> None:
        self.decide(node.test)
        self.generic_visit(node)

    def visit_comprehension(self, node: ast.comprehension) -> None:
        for test in node.ifs:
            self.decide(test)
        self.generic_visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        self.decide(node)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if self.is_array(node.value) and node.attr not in PROTOCOL_ATTRIBUTES:
            self.refuse(node, "leaves NumPy's protocols")
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = ast.unparse(node.func)
        if any(k.arg == "out" for k in node.keywords):
            self.refuse(node, "writes to out=")
        if name in PYTHON_CALLS and any(map(self.is_array, node.args)):
            self.refuse(node, "takes a Python value out of an array")
        if name.startswith("np.") and node.args and all(map(_is_constant, node.args)):
            self.refuse(node, "makes a NumPy scalar of a constant, which is a strong float64")
        self.generic_visit(node)


def _is_constant(node: ast.expr) -> bool:
    """A number made of literals and named constants such as math.pi."""
    match node:
        case ast.Constant(value=value):
            return isinstance(value, int | float)
        case ast.Attribute(value=ast.Name(id=module)):
            return module in ("math", "np")
        case ast.UnaryOp(operand=value):
            return _is_constant(value)
        case ast.BinOp(left=left, right=right):
            return _is_constant(left) and _is_constant(right)
        case _:
            return False


def faults_in(node: Function, module: ast.Module) -> list[str]:
    returns_array = {
        f.name
        for f in ast.walk(module)
        if isinstance(f, ast.FunctionDef) and f.returns and ast.unparse(f.returns) == "Array"
    }
    visitor = Purity(returns_array)
    visitor.visit(node)
    return visitor.faults


# Bodies that write, into an array of their own making, or read bits; every other one is an
# expression.
OPAQUE = {
    "_added", "only_where", "overlap_add", "scatter_add",
    "convolve_windows", "convolve_transposed", "correlate_windows", "_columns", "_examples_last",
    "first_of_largest", "put_into_windows",
}  # fmt: skip


def rules_of(module: ast.Module) -> Iterator[Function]:
    """The lambdas given to the verbs, and every function: bodies of primitives among them."""
    for statement in module.body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in VERBS:
                yield from (n for n in ast.walk(node) if isinstance(n, ast.Lambda))
        if isinstance(statement, ast.FunctionDef) and statement.name not in OPAQUE:
            yield statement


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.name)
def test_rule_tables_are_pure(path: Path) -> None:
    module = ast.parse(path.read_text(encoding="utf-8"))
    assert [fault for f in rules_of(module) for fault in faults_in(f, module)] == []


def test_every_file_that_states_a_formula_is_read() -> None:
    """Rules and primitives are registered in these files alone."""
    homes = {f.__module__ or "" for f in rules if implementation_of(f) is not None}
    ours = {name for name in homes if name.startswith("tinygrad_bp.")}
    # Examples in docstrings, and what the checker registers, are no rules of the library.
    apart = ("tinygrad_bp.registry", "tinygrad_bp.gradcheck")
    assert [n for n in ours if not n.startswith(("tinygrad_bp.rules.", *apart))] == []
    known = {*TABLES, PACKAGE / "registry.py", *(PACKAGE / "gradcheck").rglob("*.py")}
    others = [path for path in PACKAGE.rglob("*.py") if path not in known]
    verbs = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in others
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in VERBS - {"rule", "Each"}
    ]
    assert verbs == []


FUNCTION = "def f(g: Array) -> Array:\n    "

IMPURE = {
    "out": "elementwise(np.exp, lambda g, y, x: np.multiply(g, y, out=g))",
    "method": "linear(np.sum, lambda g, y, x: g.sum(axis=0))",
    "dot": "bilinear(np.dot, lambda g, y, a, b: g.dot(b))",
    "method of an expression": "linear(np.sum, lambda g, y, x: (g * x).sum())",
    "item": "elementwise(np.exp, lambda g, y, x: g.item())",
    "float": "elementwise(np.exp, lambda g, y, x: float(g))",
    "scalar": "elementwise(np.log2, lambda g, y, x: g / (x * np.log(2)))",
    "scalar of pi": "elementwise(np.sinc, lambda g, y, x: g * np.sqrt(2 * math.pi))",
    "strong number": "elementwise(np.exp, lambda g, y, x: g * np.float64(2))",
    "value decides": "elementwise(np.absolute, lambda g, y, x: g if x > 0 else -g)",
    "value decides after not": "elementwise(np.absolute, lambda g, y, x: g if not x else -g)",
    "value decides in and": "elementwise(np.absolute, lambda g, y, x: x.ndim and x > 0 and g)",
    "reduced value decides": "elementwise(np.exp, lambda g, y, x: g if np.any(x > 0) else y)",
    "statement decides": FUNCTION + "if np.all(g):\n        return g\n    return g",
    "local decides": FUNCTION + "h = g * 2\n    return h if h > 0 else g",
    "loop decides": FUNCTION + "while g > 0:\n        pass",
    "maximum decides": FUNCTION + "return g * max(g, 0)",
    "item assignment": FUNCTION + "h = np.ones_like(g)\n    h[0] = 1\n    return h",
    "in place": FUNCTION + "g *= 2\n    return g",
    "in place on an item": FUNCTION + "g[0] += 2\n    return g",
    "helper": "def h(g: Array) -> Array: ...\n" + FUNCTION + "return h(g).sum()",
}  # fmt: skip

PURE = {
    "shape decides": FUNCTION + "return g if g.ndim == 2 else g[0]",
    "None decides": "def f(g: Array, h: Array = None) -> Array:\n    return g if h is None else h",
    "option decides": "linear(np.sum, lambda g, y, x, axis=None: g if axis is None else g[None])",
    "type decides": FUNCTION + "return g if isinstance(g, list) else g * 2",
    "math": "elementwise(np.log2, lambda g, y, x: g / (x * math.log(2)))",
    "attributes": "bilinear(np.dot, lambda g, y, a, b: np.reshape(g @ b.T, a.shape))",
    "string": "def f(i: int, g: Array, s: str) -> Array:\n    return np.einsum(','.join(s), g)",
    "axes": "linear(np.flip, lambda g, y, x: np.flip(np.moveaxis(g, (0, 1), (1, 0)), 0))",
}


def faults_of_source(source: str) -> list[str]:
    module = ast.parse(source)
    return [fault for f in rules_of(module) for fault in faults_in(f, module)]


@pytest.mark.parametrize("source", IMPURE.values(), ids=IMPURE)
def test_impure_rule_is_caught(source: str) -> None:
    assert faults_of_source(source)


@pytest.mark.parametrize("source", PURE.values(), ids=PURE)
def test_pure_rule_passes(source: str) -> None:
    assert faults_of_source(source) == []


TAKES = {"np.arange": 3, "np.full": 2}
"""How many arguments stand before the dtype, if not one."""


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.stem)
def test_constants_made_beside_an_array_name_their_dtype(path: Path) -> None:
    """In Dask's functions another option comes second, and a dtype there is ignored."""
    made = [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and any(k.arg == "like" for k in node.keywords)
    ]
    wrong = [
        ast.unparse(node)
        for node in made
        if len(node.args) > TAKES.get(ast.unparse(node.func), 1)
        and not any(isinstance(arg, ast.Starred) for arg in node.args)
    ]
    assert not wrong
