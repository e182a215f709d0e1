"""The table of instructions: opcode without modifiers to the function that builds its step."""

from collections.abc import Callable
from typing import TypeVar

from ..machine import Machine, Step
from ..parse import Instruction

Builder = Callable[[Machine, Instruction], Step]
B = TypeVar("B", bound=Builder)

BUILDERS: dict[str, Builder] = {}


def instruction(*opcodes: str) -> Callable[[B], B]:
    """Registers a builder, which raises NotImplementedError for forms not supported, or leaves their modifiers."""

    def register(builder: B) -> B:
        for opcode in opcodes:
            if opcode in BUILDERS:
                raise ValueError(f"{opcode} has a builder already")
            BUILDERS[opcode] = builder
        return builder

    return register
