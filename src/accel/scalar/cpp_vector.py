"""C++ printer of whole vectors: every function of 32-bit and 64-bit numbers, written in the operations of
csrc/kernels/lanes.hpp.

A compiler vectorises the scalar functions of cpp.py too, but has no scalar form of what a vector unit does in one
instruction: minimum and maximum as x86 defines them, scaling by a power of two, comparison into a mask; and it cannot
leave out work that no lane of a vector needs. The bits are the same.
"""

from __future__ import annotations

from collections.abc import Iterator

from .binary_format import nearest_integer, raw
from .c_dialect import COMPARE, INFIX
from .cpp import DIALECT, TYPES, macro
from .exponential import power_factors
from .expr import FLOATS, WIDTH, Expr, schedule
from .functions import STEPS

HALVES_NODES = 64
"""Operations of a function of float32 up to which it is worth code of its own that reads and writes 16-bit floats: a
longer one takes far longer than to widen and round in passes of their own."""

LONG_NODES = 64
"""Operations of a function beyond which it is compiled in few copies: a branch in its loop is nothing beside it."""

Form = tuple[str, tuple[Expr, ...]]
"""A format string of the operands' names, and the operands."""


def vectorises(root: Expr) -> bool:
    """Whether all numbers have one width, which the lanes of one vector do, and an instruction does each step."""
    nodes = schedule(root)
    widths = {WIDTH[n.dtype] for n in nodes if n.dtype != "bool"}
    return widths in ({32}, {64}) and not any(n.op in ("convert", "idiv") for n in nodes)


def lane_type(node: Expr, width: int) -> str:
    return f"Mask<{width // 8}>" if node.dtype == "bool" else f"Vector<{TYPES[node.dtype]}>"


class _Function:
    """Prints one expression: patterns first, then what they need, each node in the innermost block that needs it."""

    def __init__(self, root: Expr) -> None:
        self.root = root
        self.width = next(WIDTH[n.dtype] for n in schedule(root) if n.dtype != "bool")
        self.users: dict[Expr, list[Expr]] = {}
        for node in schedule(root):
            for a in dict.fromkeys(node.args):
                self.users.setdefault(a, []).append(node)
        self.forms: dict[Expr, Form] = {}
        self.count = 0

    def form(self, node: Expr) -> Form:
        if node not in self.forms:
            self.forms[node] = self._pattern(node) or self._plain(node)
        return self.forms[node]

    def text(self, name: str, arguments: list[str]) -> str:
        lines, (value,) = self._block([self.root], {}, "  ", set())
        result = lane_type(self.root, self.width)
        return f"ACCEL_LANES {result} {name}({', '.join(arguments)}) {{\n{''.join(lines)}  return {value};\n}}\n"

    def _needs(self, roots: list[Expr], known: dict[Expr, str]) -> list[Expr]:
        """Unknown nodes that the roots need, operands first, without what only rare lanes need."""
        order: dict[Expr, None] = {}
        stack: list[tuple[Expr, Iterator[Expr]]] = []
        for root in roots:
            stack.append((root, iter(self._always(root))))
            while stack:
                node, rest = stack[-1]
                following = next((a for a in rest if a not in order and a not in known), None)
                if following is None:
                    stack.pop()
                    if node not in known:
                        order.setdefault(node)
                else:
                    stack.append((following, iter(self._always(following))))
        return list(order)

    def _always(self, node: Expr) -> tuple[Expr, ...]:
        return (node.args[0], node.args[2]) if _is_rare(node) else self.form(node)[1]

    def _together(self, node: Expr, pending: list[Expr], known: dict[Expr, str]) -> list[Expr]:
        """A choice for rare lanes, and others by the same condition, none of which needs another."""
        found = [node]
        for other in pending:
            alike = _is_rare(other) and other.args[0] is node.args[0] and other is not node and other not in known
            if alike and not any(_depends(other, one) or _depends(one, other) for one in found):
                found.append(other)
        return found

    def _block(
        self, roots: list[Expr], outer: dict[Expr, str], indent: str, promised: set[Expr]
    ) -> tuple[list[str], list[str]]:
        """Statements that compute the roots, and their names; ``promised``: nodes that an enclosing block computes,
        perhaps later."""
        names = dict(outer)
        lines: list[str] = []
        pending = self._needs(roots, names)
        later = set(pending)

        def write(node: Expr) -> None:
            if node in names:
                return
            if node.op == "arg":
                names[node] = f"x{node.value}"
                return
            if not _is_rare(node):
                self.count += 1
                name, kind = f"t{self.count}", lane_type(node, self.width)
                template, operands = self.form(node)
                text = template.format(*(names[a] for a in operands))
                lines.append(f"{indent}const {kind} {name} = {text};\n")
                names[node] = name
                return
            choices = self._together(node, pending, names)
            # What the rare lanes share with the rest of this block is computed before they branch off.
            for shared in self._needs([a for choice in choices for a in choice.args[1:]], names):
                if shared in later:
                    write(shared)
            chosen = []
            for choice in choices:
                self.count += 1
                chosen.append(f"t{self.count}")
                kind = lane_type(choice, self.width)
                lines.append(f"{indent}{kind} {chosen[-1]} = {names[choice.args[2]]};\n")
            condition = names[node.args[0]]
            lines.append(f"{indent}if (any({condition})) {{\n")
            body, values = self._block([c.args[1] for c in choices], names, indent + "  ", promised | later)
            lines.extend(body)
            for choice, name, value in zip(choices, chosen, values, strict=True):
                lines.append(f"{indent}  {name} = select({condition}, {value}, {names[choice.args[2]]});\n")
            lines.append(f"{indent}}}\n")
            names.update(zip(choices, chosen, strict=True))

        for node in pending:
            write(node)
        return lines, [names[root] for root in roots]

    def _pattern(self, node: Expr) -> Form | None:
        a = node.args
        if (extreme := _ordered_extreme(node)) is not None:
            return extreme
        if node.op == "select" and a[0].op in ("lt", "gt") and set(a[0].args) == set(a[1:]) and a[1] is not a[2]:
            # a < b ? a : b is one instruction, zeros and NaN included
            smaller = (a[0].op == "lt") == (a[0].args[0] is a[1])
            return f"{'lesser' if smaller else 'greater'}({{}}, {{}})", (a[1], a[2])
        if node.op == "or" and node.dtype == "bool" and all(_is_nan_test(x) for x in a):
            return "unordered({}, {})", (a[0].args[0], a[1].args[0])
        if _is_nan_test(node):
            return "unordered({0}, {0})", (a[0],)
        if node.op == "and" and node.dtype == "bool":
            for first, second in (a, a[::-1]):
                if second.op in COMPARE and len(self.users[second]) == 1:
                    return f"{second.op}_and({{}}, {{}}, {{}})", (first, *second.args)
        if node.op == "fma":
            return self._fma(*a)
        return self._scaling(node) if node.op == "mul" else None

    def _fma(self, a: Expr, b: Expr, c: Expr) -> Form:
        if b.op == "neg":
            a, b = b, a
        product, total = a.op == "neg", c.op == "neg"
        name = {(False, False): "fma", (True, False): "fnma", (False, True): "fms", (True, True): "fnms"}
        operands = (a.args[0] if product else a, b, c.args[0] if total else c)
        return f"{name[product, total]}({{}}, {{}}, {{}})", operands

    def _scaling(self, node: Expr) -> Form | None:
        """x * first * second, where the factors are power_factors(k): x 2**k, rounded once."""
        inner, second = node.args
        if inner.op != "mul" or len(self.users[inner]) > 1 or second.op != "bitcast":
            return None
        x, first = inner.args
        for k, bits in self._rounded_numbers():
            if power_factors(k, bits) == (first, second):
                return "scale({}, {}, {})", (x, k, bits)
        return None

    def _rounded_numbers(self) -> Iterator[tuple[Expr, Expr]]:
        """What nearest_integer gave anywhere in this expression."""
        for node in schedule(self.root):
            if node.op == "sub" and node.dtype in FLOATS and node.args[0].op in ("add", "fma"):
                shifted = node.args[0]
                if shifted.op == "add" and nearest_integer(shifted.args[0])[0] is node:
                    yield nearest_integer(shifted.args[0])
                elif shifted.op == "fma" and node.args[1] is shifted.args[2]:
                    yield node, raw(shifted)

    def _plain(self, node: Expr) -> Form:
        op, dtype, args = node.op, node.dtype, node.args
        if op == "arg":
            return "", ()
        if op == "const":
            if dtype == "bool":
                return f"every<{self.width // 8}>({DIALECT.literal(node)})", ()
            return f"splat<{TYPES[dtype]}>({DIALECT.literal(node)})", ()
        if op == "bitcast":
            return f"(Vector<{TYPES[dtype]}>){{}}", args
        if op == "neg":
            return "-{}", args
        if op == "not":
            return ("inverse({})" if dtype == "bool" else "~{}"), args
        if op in ("shl", "shr"):
            if args[1].op == "const":
                return f"{{}} {'<<' if op == 'shl' else '>>'} {args[1].value}", args[:1]
            return f"{{}} {'<<' if op == 'shl' else '>>'} {{}}", args
        if op in INFIX and dtype != "bool":
            return f"{{}} {INFIX[op]} {{}}", args
        names = {"and": "both", "or": "either", "xor": "differ"} if dtype == "bool" else {}
        return f"{names.get(op, op)}({', '.join(['{}'] * len(args))})", args


def _depends(node: Expr, on: Expr) -> bool:
    return on in schedule(node)


def _is_rare(node: Expr) -> bool:
    return node.op == "select" and bool(node.value)


def _ordered_extreme(node: Expr) -> Form | None:
    """The larger or smaller of ordered floats, of zeros too: a == b ? the sign bits joined : a > b ? a : b."""
    if node.op != "select" or node.args[0].op != "eq" or node.args[1].op != "bitcast" or node.args[2].op != "select":
        return None
    equal, joined, unequal = node.args
    bits, less = joined.args[0], unequal.args[0]
    x, y = equal.args
    sides = [side.args[0] for side in bits.args if side.op == "bitcast"]
    if (
        less.op not in ("lt", "gt")
        or {x, y} != set(less.args)
        or {x, y} != set(unequal.args[1:])
        or {x, y} != set(sides)
    ):
        return None
    smaller = (less.op == "lt") == (less.args[0] is unequal.args[1])
    if x.dtype not in FLOATS or bits.op != ("or" if smaller else "and"):
        return None
    return f"{'smaller' if smaller else 'larger'}({{}}, {{}})", (x, y)


def _is_nan_test(node: Expr) -> bool:
    return node.op == "ne" and node.args[0] is node.args[1] and node.args[0].dtype in FLOATS


def functions() -> dict[str, str]:
    """By the name of each function, accel_lanes_<function>_<dtype> of the dtypes of which it can be printed."""
    texts: dict[str, list[str]] = {}
    for row in STEPS.values():
        for dtype in row.dtypes:
            root = row.expression(dtype)
            if not _printed(dtype, root):
                continue
            types = [f"Mask<{WIDTH[dtype] // 8}>" if d == "bool" else f"Vector<{TYPES[d]}>"
                     for d in row.argument_dtypes(dtype)]  # fmt: skip
            arguments = [f"{kind} x{i}" for i, kind in enumerate(types)]
            texts.setdefault(row.name, []).append(_Function(root).text(f"accel_lanes_{row.name}_{dtype}", arguments))
    return {name: "\n".join(parts) for name, parts in texts.items()}


def function_tables() -> str:
    """ACCEL_VECTOR_FUNCTIONS(X) lists X(function, dtype, is_long) of what `functions` prints, ACCEL_SCALAR_FUNCTIONS(X)
    lists X(function, dtype) of all others; ACCEL_HALVES_FUNCTIONS(X) lists X(function) of those of float32 to float32
    that are short."""
    vector, scalar, halves = [], [], []
    for row in STEPS.values():
        for dtype in row.dtypes:
            root = row.expression(dtype)
            if not _printed(dtype, root):
                scalar.append(f"X({row.name}, {dtype})")
                continue
            vector.append(f"X({row.name}, {dtype}, {str(len(schedule(root)) > LONG_NODES).lower()})")
            if {dtype, root.dtype, *row.argument_dtypes(dtype)} == {"float32"} and len(schedule(root)) <= HALVES_NODES:
                halves.append(f"X({row.name})")
    tables = {"ACCEL_VECTOR_FUNCTIONS": vector, "ACCEL_SCALAR_FUNCTIONS": scalar, "ACCEL_HALVES_FUNCTIONS": halves}
    return "\n".join(macro(name, entries) for name, entries in tables.items())


def _printed(dtype: str, root: Expr) -> bool:
    return dtype != "bool" and vectorises(root)
