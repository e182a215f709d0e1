"""Programs: what a pointwise kernel or an epilogue runs, and the ways to make one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from . import convert
from .expr import INTEGERS, SIGNED, WIDTH, Expr, arg, schedule
from .functions import FUNCTIONS, STEPS
from .scalar_function import ScalarFunction


@dataclass(frozen=True)
class Step:
    """A function of FUNCTIONS at the compute dtype ``dtype``, or ``cast`` to ``dtype``; ``args`` number its values."""

    function: str
    dtype: str
    args: tuple[int, ...]


@dataclass(frozen=True)
class Program:
    """Values are numbered: the inputs first, then one per step; the last is the result and has dtype ``output``.

    Each argument of a function has the step's compute dtype (the first of ``where`` is bool); a cast takes any dtype.
    results: the values that are results where there are several, of which ``output`` is the first one's dtype; such a
    program is what a pointwise kernel runs, and no epilogue. TypeError if a step does not fit.
    """

    inputs: tuple[str, ...]
    steps: tuple[Step, ...]
    output: str
    results: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for dtype in (*self.inputs, self.output):
            if dtype not in convert.DTYPES:
                raise TypeError(f"{dtype} is not a dtype")
        dtypes = self.value_dtypes()
        if any(not 0 <= value < len(dtypes) for value in self.results):
            raise TypeError(f"results {self.results}: there are {len(dtypes)} values")
        first = dtypes[self.values[0]]
        if first != self.output:
            raise TypeError(f"the result is {first}, not the output's {self.output}")

    @property
    def values(self) -> tuple[int, ...]:
        """The numbers of the results, one or several."""
        return self.results or (len(self.inputs) + len(self.steps) - 1,)

    @property
    def outputs(self) -> tuple[str, ...]:
        """The dtype of every result."""
        dtypes = self.value_dtypes()
        return tuple(dtypes[value] for value in self.values)

    def value_dtypes(self) -> tuple[str, ...]:
        """The dtype of every value."""
        dtypes = list(self.inputs)
        for step in self.steps:
            if any(not 0 <= i < len(dtypes) for i in step.args):
                raise TypeError(f"{step} uses a value that is not there yet")
            given = tuple(dtypes[i] for i in step.args)
            if step.function == "cast":
                if len(given) != 1 or step.dtype not in convert.DTYPES:
                    raise TypeError(f"{step} is not a cast")
                dtypes.append(step.dtype)
                continue
            row = _row(step.function)
            wanted = row.argument_dtypes(step.dtype)
            if given != wanted:
                raise TypeError(f"{step.function} at {step.dtype} takes {wanted}, not {given}")
            dtypes.append(row.result_dtype(step.dtype))
        return tuple(dtypes)

    def only(self, result: int) -> Program:
        """The program of one of the results alone, with the steps that it needs."""
        value, first = self.values[result], len(self.inputs)
        needed = {value}
        for number in range(value, first - 1, -1):
            if number in needed:
                needed.update(self.steps[number - first].args)
        numbers, steps = {i: i for i in range(first)}, []
        for number, step in enumerate(self.steps, first):
            if number in needed:
                numbers[number] = first + len(steps)
                steps.append(Step(step.function, step.dtype, tuple(numbers[a] for a in step.args)))
        dtype = self.outputs[result]
        if numbers[value] != first + len(steps) - 1:  # an input before others
            steps.append(Step("cast", dtype, (value,)))
        return Program(self.inputs, tuple(steps), dtype)

    def expression(self) -> Expr:
        """The (first) result over arguments 0, 1, … of the inputs' storage dtypes; its own dtype is the output's
        storage."""
        return self.expressions()[0]

    def expressions(self) -> tuple[Expr, ...]:
        """Every result, which share what they have in common."""
        return _expressions(self)


@lru_cache(maxsize=512)
def _expressions(program: Program) -> tuple[Expr, ...]:
    dtypes = program.value_dtypes()
    values = [arg(i, convert.storage(d)) for i, d in enumerate(program.inputs)]
    for step in program.steps:
        given = [values[i] for i in step.args]
        if step.function == "cast":
            values.append(convert.cast(given[0], dtypes[step.args[0]], step.dtype))
        else:
            values.append(STEPS[step.function].build(*given))
    return tuple(values[value] for value in program.values)


def _row(name: str) -> ScalarFunction:
    if name not in STEPS:
        raise TypeError(f"{name} is not a scalar function; there are {', '.join(FUNCTIONS)}")
    return STEPS[name]


def promote(*dtypes: str) -> str:
    """The dtype that these promote to: the standard's table within a kind; bool yields to numbers, integers to floats.

    float16 with bfloat16 is float32. TypeError for uint64 with a signed integer.
    """
    result = dtypes[0]
    for other in dtypes[1:]:
        result = _promote_two(result, other)
    return result


def _promote_two(a: str, b: str) -> str:
    if a == b:
        return a
    rank = {d: (0 if d == "bool" else 1 if d in INTEGERS else 2) for d in (a, b)}
    if rank[a] != rank[b]:
        return a if rank[a] > rank[b] else b
    if rank[a] == 2:
        return "float64" if "float64" in (a, b) else "float32"
    if (a in SIGNED) == (b in SIGNED):
        return max(a, b, key=WIDTH.__getitem__)
    signed, unsigned = (a, b) if a in SIGNED else (b, a)
    if WIDTH[signed] > WIDTH[unsigned]:
        return signed
    if WIDTH[unsigned] == 64:
        raise TypeError(f"{a} and {b} do not promote")
    return f"int{2 * WIDTH[unsigned]}"


class ProgramBuilder:
    """Makes a Program step by step; the casts that a function needs are added.

    build = ProgramBuilder("float32", "bfloat16")
    acc, bias = build.inputs
    program = build.finish(build.apply("gelu", build.apply("add", acc, bias)), "bfloat16")
    """

    def __init__(self, *inputs: str) -> None:
        self._input_dtypes = inputs
        self._dtypes = list(inputs)
        self._steps: list[Step] = []
        self.inputs = tuple(range(len(inputs)))
        """Numbers of the input values."""

    def cast(self, value: int, dtype: str) -> int:
        """The value as ``dtype``; itself if it is one."""
        return value if self._dtypes[value] == dtype else self._append(Step("cast", dtype, (value,)), dtype)

    def apply(self, name: str, *values: int, dtype: str | None = None) -> int:
        """``name`` of the values, cast to the compute dtype: that of ``dtype``, or of what the values promote to."""
        row = _row(name)
        if len(values) != row.arity:
            raise TypeError(f"{name} takes {row.arity} arguments, not {len(values)}")
        numbers = values[1:] if name == "where" else values
        common = dtype or promote(*(self._dtypes[v] for v in numbers))
        name = f"{name}_{common}" if f"{name}_{common}" in STEPS else name
        compute = "bool" if row.kinds == ("bool",) else convert.compute_dtype(common)
        wanted = row.argument_dtypes(compute)
        args = tuple(self.cast(v, d) for v, d in zip(values, wanted, strict=True))
        return self._append(Step(name, compute, args), row.result_dtype(compute))

    def include(self, program: Program, *values: int) -> int:
        """The result of another program applied to the values."""
        if len(values) != len(program.inputs):
            raise TypeError(f"the program takes {len(program.inputs)} inputs, not {len(values)}")
        numbers = [self.cast(v, d) for v, d in zip(values, program.inputs, strict=True)]
        for step, dtype in zip(program.steps, program.value_dtypes()[len(values) :], strict=True):
            args = tuple(numbers[i] for i in step.args)
            numbers.append(self._append(Step(step.function, step.dtype, args), dtype))
        return numbers[-1]

    def finish(self, result: int, output: str | None = None) -> Program:
        """The program whose result is this value, cast to ``output`` (None: as it is)."""
        output = output or self._dtypes[result]
        result = self.cast(result, output)
        if result != len(self._dtypes) - 1:
            self._append(Step("cast", output, (result,)), output)
        return Program(self._input_dtypes, tuple(self._steps), output)

    def _append(self, step: Step, dtype: str) -> int:
        if step in self._steps:
            return len(self._input_dtypes) + self._steps.index(step)
        self._steps.append(step)
        self._dtypes.append(dtype)
        return len(self._dtypes) - 1


@lru_cache(maxsize=4096)
def program_for(name: str, input_dtypes: tuple[str, ...], output: str | None = None) -> Program:
    """``name`` of inputs of these dtypes: computed in what they promote to, and cast to ``output``.

    ``output`` None gives the promoted dtype (float16 in, float16 out), or bool. TypeError if the function does not
    accept the promoted dtype. ``name`` may be ``cast`` with one input and an output.
    """
    build = ProgramBuilder(*input_dtypes)
    if name == "cast":
        if len(input_dtypes) != 1 or output is None:
            raise TypeError("a cast takes one input dtype and an output")
        return build.finish(0, output)
    result = build.apply(name, *build.inputs)
    if output is None:
        numbers = input_dtypes[1:] if name == "where" else input_dtypes
        output = "bool" if FUNCTIONS[name].result == "bool" else promote(*numbers)
    return build.finish(result, output)


def compose(outer: Program, *inner: Program) -> Program:
    """outer(inner[0](…), inner[1](…), …): the inputs are those of the inner programs, in order.

    compose(program_for("gelu", ("float32",), "bfloat16"), program_for("add", ("float32", "bfloat16"), "float32"))
    """
    build = ProgramBuilder(*(d for p in inner for d in p.inputs))
    results, first = [], 0
    for program in inner:
        results.append(build.include(program, *range(first, first + len(program.inputs))))
        first += len(program.inputs)
    return build.finish(build.include(outer, *results), outer.output)


def count_fma(program: Program) -> int:
    """Number of fused multiply-adds in the program; the code-generation tests compare machine code with it."""
    return sum(node.op == "fma" for node in schedule(*program.expressions()))
