"""Sixteen float32 as one value of a kernel: loads, stores, arithmetic, and a sum in one fixed order.

LLVM maps them to the widest registers of the processor. Rows of matrices are whole numbers of them, and aligned. They
are reached by pointers: where an array enters an inner loop, Numba counts the references to it, which costs three
times what is done there.
"""

from __future__ import annotations

import math
import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.extending import intrinsic as _intrinsic
from numba.extending import lower_builtin, register_model, type_callable
from numba.np.arrayobj import make_array
from numpy.polynomial import Chebyshev, Polynomial

LANES = 16
TOGETHER = 4 * LANES  # an inner loop over so many is unrolled; to enter one over a row costs more than that takes
_ALIGNMENT = 64
_FLOAT = ir.FloatType()
_VECTOR = ir.VectorType(_FLOAT, LANES)
_BITS = ir.VectorType(ir.IntType(32), LANES)
_ROUNDING = 1.5 * 2.0**23
# A polynomial that is 2 ** x for |x| <= 1 / 2, to 1.02e-7 of it; the best of degree 5 comes to .75e-7.
_POWER_OF_TWO = Chebyshev.interpolate(np.exp2, 5, domain=[-0.5, 0.5]).convert(kind=Polynomial).coef.tolist()
_MOST_POWER = 126.0  # of two

intrinsic: Any = _intrinsic  # what it decorates is called without its first argument


class Lanes(types.Type):
    """The type that kernels see."""

    def __init__(self) -> None:
        super().__init__("Lanes")


lanes = Lanes()


@register_model(Lanes)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


def _arithmetic(operation: Any, instruction: str) -> None:
    """Let Python's operator mean one instruction, on two vectors or on a number and a vector."""

    @type_callable(operation)
    def typed(context: Any) -> Any:
        def of(first: Any, second: Any) -> Any:
            if lanes in (first, second) and {first, second} <= {lanes, types.float32}:
                return lanes
            return None

        return of

    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        operands = [
            value if kind is lanes else _spread(builder, value)
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        return getattr(builder, instruction)(*operands)

    for kinds in ((Lanes, Lanes), (Lanes, types.Float), (types.Float, Lanes)):
        lower_builtin(operation, *kinds)(lowered)


for _operation, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _arithmetic(_operation, _instruction)


@intrinsic
def pointer(typing: Any, array: Any) -> Any:
    """Where the numbers of an array begin; a kernel has to `keep` one that it made itself."""

    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), lowered


@intrinsic
def keep(typing: Any, arrays: Any) -> Any:
    """Do nothing, but at the end: Numba frees an array after its last use by name, which one by pointer is not."""

    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_dummy_value()

    return types.void(arrays), lowered


@intrinsic(prefer_literal=True)
def local(typing: Any, kind: Any, n: Any) -> Any:
    """Where the kernel itself has room for ``n`` numbers of a kind, a constant by name: nothing is there to `keep`."""

    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        room = ir.ArrayType(context.get_data_type(kind.dtype), n.literal_value)
        start = cgutils.alloca_once(builder, room)
        start.align = _ALIGNMENT
        return builder.bitcast(start, room.element.as_pointer())

    return types.CPointer(kind.dtype)(kind, n), lowered


@intrinsic
def load(typing: Any, start: Any, at: Any) -> Any:
    """Sixteen numbers, from number ``at`` on, which is a multiple of sixteen."""

    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = builder.load(_place(builder, *arguments))
        value.align = _ALIGNMENT
        return value

    return lanes(start, types.intp), lowered


@intrinsic
def store(typing: Any, start: Any, at: Any, value: Any) -> Any:
    """Write them there."""

    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _place(builder, *arguments[:2]), align=_ALIGNMENT)
        return context.get_dummy_value()

    return types.void(start, types.intp, lanes), lowered


@intrinsic
def zeros(typing: Any) -> Any:
    """Sixteen zeros."""

    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(_VECTOR, [0.0] * LANES)

    return lanes(), lowered


@intrinsic
def fused(typing: Any, factor: Any, other: Any, term: Any) -> Any:
    """Product of the first two plus the third, rounded once where the processor can."""

    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        operands = [
            value if kind is lanes else _spread(builder, value)
            for kind, value in zip(signature.args, arguments, strict=True)
        ]
        return builder.call(_llvm(builder, "llvm.fmuladd", 3), operands)

    return lanes(*(kind if kind is lanes else types.float32 for kind in (factor, other, term))), lowered


@intrinsic
def maximum(typing: Any, first: Any, second: Any) -> Any:
    """The larger of two, lane by lane."""

    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        left, right = arguments
        return builder.select(builder.fcmp_ordered(">", left, right), left, right)

    return lanes(lanes, lanes), lowered


@intrinsic
def total(typing: Any, value: Any) -> Any:
    """The sum of all sixteen: halves onto each other until one is left."""

    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (left,) = arguments
        width = LANES
        while width > 1:
            width //= 2
            low, high = (
                builder.shuffle_vector(
                    left, left, ir.Constant(ir.VectorType(ir.IntType(32), width), list(range(first, first + width)))
                )
                for first in (0, width)
            )
            left = builder.fadd(low, high)
        return builder.extract_element(left, ir.Constant(ir.IntType(32), 0))

    return types.float32(lanes), lowered


@intrinsic
def inverse_root(typing: Any, value: Any) -> Any:
    """1 / sqrt of numbers well inside of the range of float32, to two roundings: three steps of Newton's method."""

    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (number,) = arguments
        magic, one = (ir.Constant(_BITS, [bits] * LANES) for bits in (0x5F3759DF, 1))
        near = builder.bitcast(builder.sub(magic, builder.lshr(builder.bitcast(number, _BITS), one)), _VECTOR)
        half = builder.fmul(number, ir.Constant(_VECTOR, [-0.5] * LANES))
        threehalves = ir.Constant(_VECTOR, [1.5] * LANES)
        for _ in range(3):
            square = builder.fmul(near, near)
            near = builder.fmul(near, builder.call(_llvm(builder, "llvm.fmuladd", 3), [half, square, threehalves]))
        return near

    return lanes(lanes), lowered


@intrinsic
def prefetch(typing: Any, start: Any, at: Any) -> Any:
    """Ask for the 64 bytes there, to be written."""

    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
        function = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag]), "llvm.prefetch.p0i8"
        )
        write, near, data = (ir.Constant(flag, number) for number in (1, 3, 1))
        builder.call(function, [builder.bitcast(_place(builder, *arguments), byte), write, near, data])
        return context.get_dummy_value()

    return types.void(start, types.intp), lowered


def _place(builder: Any, start: Any, at: Any) -> Any:
    """Where the sixteen numbers from number ``at`` on begin."""
    return builder.bitcast(builder.gep(start, [at]), _VECTOR.as_pointer())


def _spread(builder: Any, number: Any) -> Any:
    """One number in all lanes."""
    single = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(single, single, ir.Constant(_BITS, [0] * LANES))


def _llvm(builder: Any, name: str, n_arguments: int, of: Any = _VECTOR) -> Any:
    """An intrinsic function of LLVM on sixteen floats, or on one."""
    kind = ir.FunctionType(of, [of] * n_arguments)
    return cgutils.get_or_insert_function(builder.module, kind, f"{name}.{'f32' if of is _FLOAT else f'v{LANES}f32'}")


@intrinsic
def aligned(typing: Any, array: Any) -> Any:
    """Where the first sixteen numbers of an array that vectors may be at begin: it has sixteen more than are used.

    To `keep`, as with `pointer`.
    """

    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start = make_array(signature.args[0])(context, builder, arguments[0]).data
        bits = ir.IntType(64)
        number = builder.add(builder.ptrtoint(start, bits), ir.Constant(bits, _ALIGNMENT - 1))
        return builder.inttoptr(builder.and_(number, ir.Constant(bits, -_ALIGNMENT)), start.type)

    return types.CPointer(array.dtype)(array), lowered


@intrinsic
def logistic(typing: Any, value: Any) -> Any:
    """1 / (1 + exp(-x)) to a few roundings, of sixteen numbers or of one; NaN stays NaN."""

    def lowered(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (number,) = arguments
        bits = _BITS if value is lanes else ir.IntType(32)

        def constant(value: float, kind: Any = number.type) -> Any:
            return ir.Constant(kind, [value] * LANES if isinstance(kind, ir.VectorType) else value)

        power = builder.fmul(number, constant(-1 / math.log(2)))
        for comparison, bound in ((">", _MOST_POWER), ("<", -_MOST_POWER)):
            beyond = builder.fcmp_ordered(comparison, power, constant(bound))
            power = builder.select(beyond, constant(bound), power)
        rounded = builder.fadd(power, constant(_ROUNDING))  # the lower bits of this are the nearest integer
        rest = builder.fsub(power, builder.fsub(rounded, constant(_ROUNDING)))
        terms = [constant(factor) for factor in _POWER_OF_TWO]
        while len(terms) > 1:  # pairs, then pairs of pairs (Estrin 1960): each waits for three sums, not for five
            paired = [
                builder.call(_llvm(builder, "llvm.fmuladd", 3, number.type), [above, rest, below])
                for below, above in zip(terms[::2], terms[1::2], strict=False)
            ]
            terms = paired + terms[2 * len(paired) :]
            rest = builder.fmul(rest, rest)
        (series,) = terms
        shift, one = constant(23, bits), constant(127 << 23, bits)
        scale = builder.bitcast(builder.add(builder.shl(builder.bitcast(rounded, bits), shift), one), number.type)
        return builder.fdiv(constant(1.0), builder.fadd(constant(1.0), builder.fmul(series, scale)))

    return (lanes(lanes) if value is lanes else types.float32(types.float32)), lowered
