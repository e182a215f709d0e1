"""Reading PTX."""

import pytest

from accel.ptx.parse import Brace, Declaration, Instruction, Label, Operation, decode, elements, parse

MODULE = """// a comment { with a brace
.version 8.0
.extern .func (.param .b32 r) elsewhere(.param .b64 a, .param .b64 b);
.visible .func (.param .align 8 .b8 r[12]) helper(.param .b32 a) { ret; }
.global .align 4 .b32 table[2] = {1, 2}; /* another;
comment } */
.extern .shared .align 16 .b8 smem[];
.visible .entry kernel(
    .param .u64 .ptr .global .align 1 kernel_0,
    .param .u32 kernel_1
)
.reqntid 128
{
    .reg .b32 %r<5>;
    .loc 1 7 3
$L1: @!%p1 mad.lo.s32   %r1, %r2, -3,
        %r3;
    { .reg .pred q; mov.b64 {%r1, %r2}, %rd1; }
    call.uni (r0), helper, (p0, p1);
    ret;
}
"""


def test_module() -> None:
    module = parse(MODULE)
    assert set(module.functions) == {"helper", "kernel"} and module.entry.name == "kernel" and module.threads == 128
    assert module.entry.params == (("kernel_0", 8), ("kernel_1", 4))
    assert module.functions["helper"].results == (("r", 12),) and module.functions["helper"].params == (("a", 4),)
    assert [v[:4] for v in module.variables] == [("global", "b32", "table", "2"), ("shared", "b8", "smem", "")]
    assert [type(s) for s in module.entry.body] == [
        *(Declaration, Label, Operation, Brace, Declaration, Operation, Brace, Operation, Operation)
    ]
    assert parse(MODULE) is module  # read once


def test_operations() -> None:
    text = "@!%p1 mad.lo.s32 %r1, %r2, -3, %r3"
    assert parse(MODULE).entry.body[2] == Operation(text, "%p1", True, "mad.lo.s32", ("%r1", "%r2", "-3", "%r3"))
    assert decode("ld.global.v2.b32 { %r1, %r2 }, [ %rd1 + 4 ]").args == ("{ %r1, %r2 }", "[ %rd1 + 4 ]")
    assert decode("call (r), f, (a, b)").args == ("(r)", "f", "(a, b)")
    assert decode("ret").args == () and decode("@%p ret").guard == "%p"
    assert elements("{ %r1, %r2 }") == ["%r1", "%r2"] and elements("%r1") == ["%r1"]


def test_modifiers_are_taken_off() -> None:
    ins = Instruction(decode("cvt.rn.ftz.sat.f16.f32 %h1, %r1"), {})
    assert ins.op == "cvt" and ins.pick(("rz", "rn")) == "rn" and ins.flag("ftz") and not ins.flag("ftz")
    assert ins.types(2) == ["f16", "f32"] and ins.mods == ["sat"]
    assert ins.pick(("rz",), None) is None
    with pytest.raises(NotImplementedError):
        ins.pick(("rz",))
    with pytest.raises(NotImplementedError):
        ins.types()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no .entry"),
        (".visible .func f() { ret; }", "no .entry"),
        (".visible .entry k() { ret; ", "no closing brace"),
        (".visible .entry k(.param .texref t) { ret; }", "cannot read the PTX parameter '.param .texref t'"),
    ],
)
def test_what_is_no_module(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text)
