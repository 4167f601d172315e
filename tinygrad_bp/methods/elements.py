"""Methods that act on each element by itself, under the names that PyTorch has for them."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from tinygrad_bp import rules
from tinygrad_bp.methods.calls import Calls, binary, choice, unary

__all__ = ["ElementMethods"]


class ElementMethods(Calls):
    """A table: the name, the function, what it gives."""

    __slots__ = ()

    # fmt: off

    abs        = unary(np.absolute,   "the magnitude")
    absolute   = unary(np.absolute,   "the magnitude")
    fabs       = unary(np.fabs,       "the magnitude")
    neg        = unary(np.negative,   "the value with its sign changed")
    negative   = unary(np.negative,   "the value with its sign changed")
    positive   = unary(np.positive,   "the value as it is")
    reciprocal = unary(np.reciprocal, "1 / x")
    square     = unary(np.square,     "x²")
    sqrt       = unary(np.sqrt,       "the square root")
    exp        = unary(np.exp,        "e to the power of x")
    exp2       = unary(np.exp2,       "2 to the power of x")
    expm1      = unary(np.expm1,      "exp(x) - 1")
    log        = unary(np.log,        "the natural logarithm")
    log2       = unary(np.log2,       "the logarithm to base 2")
    log10      = unary(np.log10,      "the logarithm to base 10")
    log1p      = unary(np.log1p,      "log(1 + x)")
    sin        = unary(np.sin,        "the sine")
    cos        = unary(np.cos,        "the cosine")
    tan        = unary(np.tan,        "the tangent")
    asin       = unary(np.arcsin,     "the inverse sine")
    acos       = unary(np.arccos,     "the inverse cosine")
    atan       = unary(np.arctan,     "the inverse tangent")
    sinh       = unary(np.sinh,       "the hyperbolic sine")
    cosh       = unary(np.cosh,       "the hyperbolic cosine")
    tanh       = unary(np.tanh,       "the hyperbolic tangent")
    asinh      = unary(np.arcsinh,    "the inverse hyperbolic sine")
    acosh      = unary(np.arccosh,    "the inverse hyperbolic cosine")
    atanh      = unary(np.arctanh,    "the inverse hyperbolic tangent")
    deg2rad    = unary(np.deg2rad,    "degrees as radians")
    rad2deg    = unary(np.rad2deg,    "radians as degrees")
    sinc       = unary(np.sinc,       "sin(πx) / (πx)")
    erf        = unary(rules.erf,     "the error function")

    # Flat almost everywhere: plain arrays.
    sign       = unary(np.sign,       "-1, 0 or 1, as a plain array")
    floor      = unary(np.floor,      "the whole number below, as a plain array")
    ceil       = unary(np.ceil,       "the whole number above, as a plain array")
    trunc      = unary(np.trunc,      "the whole part, as a plain array")
    logical_not = unary(np.logical_not, "whether it is 0, as a plain array")
    isnan      = unary(np.isnan,      "whether it is nan, as a plain array")
    isinf      = unary(np.isinf,      "whether it is infinite, as a plain array")
    isfinite   = unary(np.isfinite,   "whether it is finite, as a plain array")

    mul          = binary(np.multiply,      "the product of the elements")
    multiply     = binary(np.multiply,      "the product of the elements")
    true_divide  = binary(np.divide,        "the quotient")
    floor_divide = binary(np.floor_divide,  "the whole quotient, as a plain array")
    maximum      = binary(np.maximum,       "the larger of two")
    minimum      = binary(np.minimum,       "the smaller of two")
    fmax         = binary(np.fmax,          "the larger of two, leaving out nan")
    fmin         = binary(np.fmin,          "the smaller of two, leaving out nan")
    remainder    = binary(np.remainder,     "the remainder, with the divisor's sign")
    mod          = binary(np.remainder,     "the remainder, with the divisor's sign")
    fmod         = binary(np.fmod,          "the remainder, with the dividend's sign")
    atan2        = binary(np.arctan2,       "the angle of the point (other, self)")
    hypot        = binary(np.hypot,         "the length of the two sides")
    logaddexp    = binary(np.logaddexp,     "log(exp(self) + exp(other))")
    logaddexp2   = binary(np.logaddexp2,    "log2(2^self + 2^other)")
    copysign     = binary(np.copysign,      "the magnitude with the other's sign")
    logical_and  = binary(np.logical_and,   "whether neither is 0, as a plain array")
    logical_or   = binary(np.logical_or,    "whether one is not 0, as a plain array")
    logical_xor  = binary(np.logical_xor,   "whether one of them is 0, as a plain array")
    eq           = binary(np.equal,         "whether they are equal, as a plain array")
    ne           = binary(np.not_equal,     "whether they differ, as a plain array")
    lt           = binary(np.less,          "whether self < other, as a plain array")
    le           = binary(np.less_equal,    "whether self <= other, as a plain array")
    gt           = binary(np.greater,       "whether self > other, as a plain array")
    ge           = binary(np.greater_equal, "whether self >= other, as a plain array")

    # fmt: on

    arcsin, arccos, arctan, arctan2 = asin, acos, atan, atan2
    arcsinh, arccosh, arctanh = asinh, acosh, atanh

    def pow(self, exponent: Any) -> Self:
        """Return self ** exponent."""
        return self**exponent

    def rsqrt(self) -> Self:
        """Return 1 / sqrt(x), element by element."""
        return self._call(np.reciprocal, (self.sqrt(),))

    def frac(self) -> Self:
        """Return the part after the point, with the sign of x."""
        return self._call(np.fmod, (self, 1))

    def angle(self) -> Self:
        """Return the angle of complex numbers: 0 or π for real ones."""
        return self._as_written(np.angle)

    def add(self, other: Any, *, alpha: Any = None) -> Self:
        """Return self + alpha * other; alpha is 1 by default."""
        return self._call(np.add, (self, other if alpha is None else np.multiply(alpha, other)))

    def sub(self, other: Any, *, alpha: Any = None) -> Self:
        """Return self - alpha * other; alpha is 1 by default."""
        return self._call(
            np.subtract, (self, other if alpha is None else np.multiply(alpha, other))
        )

    subtract = sub

    def rsub(self, other: Any, *, alpha: Any = None) -> Self:
        """Return other - alpha * self; alpha is 1 by default."""
        return self._call(np.subtract, (other, self if alpha is None else alpha * self))

    def div(self, other: Any, *, rounding_mode: str | None = None) -> Any:
        """Return self / other; rounded, with "floor" or "trunc", it is a plain array.

        Rounded quotients of integers are integers.
        """
        return choice("rounding_mode", rounding_mode, _DIVISIONS)(self, other)

    divide = div

    def idiv(self, other: Any) -> Any:
        """Return the quotient rounded towards 0, as a plain array."""
        return self.div(other, rounding_mode="trunc")

    def lerp(self, end: Any, weight: Any) -> Self:
        """Return self + weight * (end - self)."""
        return self._call(np.add, (self, weight * self._call(np.subtract, (end, self))))

    def addcmul(self, tensor1: Any, tensor2: Any, *, value: Any = None) -> Self:
        """Return self + value * tensor1 * tensor2."""
        return self.add(tensor1 * tensor2, alpha=value)

    def addcdiv(self, tensor1: Any, tensor2: Any, *, value: Any = None) -> Self:
        """Return self + value * tensor1 / tensor2."""
        return self.add(tensor1 / tensor2, alpha=value)

    def clamp(self, min: Any = None, max: Any = None) -> Self:  # noqa: A002  (PyTorch's names)
        """Return the values limited to an interval; an end may be None. NumPy's name is clip."""
        return self._as_written(np.clip, min, max)

    def clip(self, min: Any = None, max: Any = None) -> Self:  # noqa: A002
        """Return the values limited to an interval; an end may be None."""
        return self._as_written(np.clip, min, max)

    def clamp_min(self, min: Any) -> Self:  # noqa: A002
        """Return the values, at least `min`."""
        return self._call(rules.clamp_min, (self, min))

    def clamp_max(self, max: Any) -> Self:  # noqa: A002
        """Return the values, at most `max`."""
        return self._call(rules.clamp_max, (self, max))

    def where(self, condition: Any, other: Any) -> Self:
        """Return the elements where the condition holds, and those of `other` elsewhere."""
        return self._call(np.where, (condition, self, other))

    def masked_fill(self, mask: Any, value: Any) -> Self:
        """Return the elements, with `value` where the mask is True."""
        return self._call(np.where, (mask, value, self))

    def full_like(self, value: Any, **options: Any) -> Any:
        """Return an array of this shape and dtype, filled with a value; `np.full_like`."""
        return self._as_written(np.full_like, value, **options)

    def nan_to_num(self, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> Self:
        """Return the elements, with numbers in the places of nan and infinity."""
        return self._as_written(np.nan_to_num, nan=nan, posinf=posinf, neginf=neginf)

    def round(self, decimals: int = 0) -> Any:
        """Return the values rounded, as a plain array."""
        return self._as_written(np.round, decimals=decimals)


def _truncated(a: Any, b: Any) -> Any:
    """The quotient without the part after the point; of integers an integer."""
    if np.result_type(a, b).kind in "iu":
        return np.floor_divide(np.subtract(a, np.fmod(a, b)), b)
    return np.trunc(np.divide(a, b))


_DIVISIONS: dict[str | None, Any] = {None: np.divide, "floor": np.floor_divide, "trunc": _truncated}
