"""Functions made of + - * / sqrt floor and comparisons: the same to the last bit everywhere.

These operations are rounded correctly by every processor, so what is made of them in one order is
the same in Python, in NumPy and in a browser. ``math.exp`` and a browser's ``Math.exp`` are not:
their last digits differ, and training multiplies a difference in the last digit until, after some
hundred epochs, two runs have nothing in common.

``web/static/engine.mjs`` has the same text in JavaScript, and ``_many.py`` for arrays.
"""

import math

# 2^(j/16) - 1: exp(x) = 2^k 2^(j/16) exp(r), and r is so small that seven terms are enough.
ROOT = (
    0.0,
    0.04427378242741384,
    0.09050773266525766,
    0.13878863475669165,
    0.18920711500272105,
    0.24185781207348406,
    0.29683955465100964,
    0.3542555469368927,
    0.41421356237309503,
    0.4768261459394993,
    0.5422108254079409,
    0.6104903319492543,
    0.6817928305074291,
    0.7562521603732995,
    0.8340080864093424,
    0.9152065613971473,
)
STEPS = 23.083120654223414  # 16 / log(2)
STEP = 0.04332169878489367  # log(2) / 16, rounded so that n * STEP is exact
STEP_REST = 1.0291218489310676e-13
C2, C3, C4, C5, C6, C7 = (1 / math.factorial(k) for k in range(2, 8))
LOWEST = 1022
POWER = tuple(2.0**k for k in range(-LOWEST, 1024))

LN2, LN2_REST = 0.6931471805582987, 1.6465949582897082e-12
SQRT2 = 1.4142135623730951

# pi / 2 in three parts, of which the first two times a small whole number are exact.
QUARTER, QUARTER_REST = 1.5707963267341256, 6.077100506303966e-11
QUARTER_LAST = 2.0222662487959506e-21
PER_QUARTER = 0.6366197723675814
TWO_PI = 6.283185307179586


def exp(x: float) -> float:
    """Return e to the power x; 0 below -708 and infinity beyond 709."""
    if x > 709:
        return math.inf
    if x < -708:
        return 0.0
    if x != x:
        return x
    n = math.floor(x * STEPS + 0.5)
    r = (x - n * STEP) - n * STEP_REST
    root = ROOT[n & 15]
    s = r * r
    p = r + s * ((C2 + C3 * r) + s * ((C4 + C5 * r) + s * (C6 + C7 * r)))
    return POWER[(n >> 4) + LOWEST] * (1 + (root + (1 + root) * p))


def tanh(x: float) -> float:
    """Return the hyperbolic tangent, by exp(2x) - 1, so that digits do not cancel near 0."""
    a = abs(x)
    if a > 20:
        return -1.0 if x < 0 else 1.0
    if x != x:
        return x
    y = a + a
    n = math.floor(y * STEPS + 0.5)
    r = (y - n * STEP) - n * STEP_REST
    root = ROOT[n & 15]
    s = r * r
    p = r + s * ((C2 + C3 * r) + s * ((C4 + C5 * r) + s * (C6 + C7 * r)))
    power = POWER[(n >> 4) + LOWEST]
    e = power * (root + (1 + root) * p) + (power - 1)
    t = e / (e + 2)
    return -t if x < 0 else t


def sigmoid(x: float) -> float:
    """Return 1 / (1 + exp(-x))."""
    return 1 / (1 + exp(-x))


def _twice_atanh(s: float) -> float:
    """Return log((1 + s) / (1 - s)), by its series."""
    q = s * s
    total = 0.0
    for k in range(25, 1, -2):
        total = q * (1 / k + total)
    return 2 * (s + s * total)


def log(x: float) -> float:
    """Return the natural logarithm of a positive number."""
    k = 0
    while x >= SQRT2:
        x *= 0.5
        k += 1
    while x < SQRT2 / 2:
        x *= 2
        k -= 1
    return k * LN2 + (_twice_atanh((x - 1) / (x + 1)) + k * LN2_REST)


def log1p(x: float) -> float:
    """Return log(1 + x) for 0 <= x <= 1."""
    return log(1 + x) if x > 0.5 else _twice_atanh(x / (2 + x))


def _wave(x: float, quarters: int) -> float:
    """Return sin(x + quarters pi / 2), for x up to a thousand or so in size."""
    n = math.floor(x * PER_QUARTER + 0.5)
    r = ((x - n * QUARTER) - n * QUARTER_REST) - n * QUARTER_LAST
    turn = (n + quarters) % 4
    q = r * r
    value = 0.0
    if turn % 2:
        for k in range(16, 2, -2):
            value = q * (1 - value) / (k * (k - 1))
        value = 1 - q * (0.5 - 0.5 * value)
    else:
        for k in range(17, 1, -2):
            value = q * (1 - value) / (k * (k - 1))
        value = r - r * value
    return -value if turn > 1 else value


def sin(x: float) -> float:
    """Return the sine of x radians."""
    return _wave(x, 0)


def cos(x: float) -> float:
    """Return the cosine of x radians."""
    return _wave(x, 1)
