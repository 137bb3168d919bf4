"""The backpropagation stepper: what Python hands over, and that the page computes the same.

Its words and its drawing are in node/stepper.test.mjs.
"""

import json
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from udl.autograd import trace
from udl.web import STATIC, backprop_stepper
from udl.web._backprop_stepper import FUNCTIONS, LENGTH, NAME, NESTING, NODES, ROW, graph

NEURON = "h = theta1 * x; g = h + theta0; yhat = relu(g); f = yhat - y; J = f^2"
VALUES = {"theta0": 5.0, "theta1": -1.0, "x": 2.0, "y": 1.0}
LEAVES = ("theta0", "theta1")

EVALUATE = """
import { evaluate, parse, plan } from "./stepper.mjs";
give(data.map(([source, values]) => {
  try {
    const graph = parse(source);
    const { value, grad, trouble } = evaluate(graph, values);
    if (trouble) return { trouble: trouble.text };
    return graph.nodes.map(({ name }, i) => [name, value[i], grad[i]]);
  } catch (error) {
    return { trouble: error.message };
  }
}));
"""


def rows(source, values):
    """Give name, value and gradient of each node, from udl."""
    _, root = graph(source, values)
    return [[node.name, node.data, node.grad] for node in trace(root).nodes]


def neuron(**options):
    return backprop_stepper(NEURON, VALUES, label="step", **options)


# Text without more parentheses than Python asks for, so that precedence matters.
NUMBER = st.sampled_from(["2", "3", ".5", "1.25", "1e-1"])
OPERAND = st.sampled_from(["x", "y", "w0", "x", "y"]) | NUMBER


def _longer(inner):
    sign = st.sampled_from(["", "", "", "-", "+", "--"])
    call = st.sampled_from(["", *FUNCTIONS])
    operator = st.sampled_from(["+", "-", "*", "/", "^", "**", " + ", " * "])
    return st.builds("{}{}{}{}".format, sign, inner, operator, inner) | st.builds(
        "{}{}({})".format, sign, call, inner
    )


SOURCE = st.recursive(OPERAND, _longer, max_leaves=9).map(lambda text: f"{text} + 0*x - y")
POINT = st.floats(-3, 3).map(lambda v: round(v, 3))


@settings(max_examples=12)
@given(st.lists(st.tuples(SOURCE, POINT, POINT, POINT), min_size=30, max_size=60))
def test_values_and_gradients_are_those_of_autograd(run_node, cases):
    data, expected = [], []
    for source, x, y, w0 in cases:
        values = {"x": x, "y": y} | ({"w0": w0} if "w0" in source else {})
        data.append([source, values])
        try:
            expected.append(rows(source, values))
        except ValueError:
            expected.append(None)
    assert sum(want is not None for want in expected) > len(expected) / 4
    for (source, values), want, got in zip(data, expected, run_node(EVALUATE, data), strict=True):
        if want is None:
            assert "trouble" in got, (source, values)
            continue
        assert [row[0] for row in got] == [row[0] for row in want], source
        ours = np.array([row[1:] for row in got], dtype=float)
        theirs = np.array([row[1:] for row in want], dtype=float)
        # Relative to the largest number of the graph: what cancels has lost its own digits.
        scale = max(1.0, np.abs(theirs).max())
        if scale < 1e6:
            np.testing.assert_allclose(
                ours, theirs, rtol=1e-12, atol=1e-12 * scale, err_msg=source
            )


FIXED = [
    (NEURON, VALUES),
    (NEURON, {**VALUES, "theta1": -3.0}),
    ("(relu(theta0 + theta1 * x) - y)^2", VALUES),
    ("p = x * x; s = p + x", {"x": 3.0}),
    ("sigmoid(w * x) * v - y; ", {"w": 0.5, "x": 2.0, "v": 3.0, "y": 1.0}),
    ("log(1 + exp(-a*b)) / sqrt(abs(c)) + softplus(a)^b", {"a": 0.3, "b": 1.7, "c": -2.0}),
    ("2^x + x^-2 + x^x - tanh(sin(x)*cos(x))/square(x)", {"x": 1.3}),
    ("x^0 + relu(x) + abs(x) + x^1", {"x": 0.0}),
    ("a = 2; b = a^a^a - -a**-a; J = b*J2*a", {"J2": 1.5}),
]


def test_fixed_expressions_agree_to_the_last_digits(run_node):
    got = run_node(EVALUATE, [[s, {"a": 2.0, **v}] for s, v in FIXED])
    for (source, values), ours in zip(FIXED, got, strict=True):
        want = rows(source, values)
        assert [row[0] for row in ours] == [row[0] for row in want]
        np.testing.assert_allclose(
            np.array([row[1:] for row in ours], dtype=float),
            np.array([row[1:] for row in want], dtype=float),
            rtol=1e-14,
            err_msg=source,
        )


def test_precedence_is_that_of_python(run_node):
    sources = ["-x**2", "2**3**x", "2**-x", "-2**-x", "x/4/2", "8-4-x", "2*-x", "1--x", "2+3*x",
               "-x*y**2/3", "+x-+y", "x/y*3", "(2+3)*x", "-(x+y)**2", "x**2**.5"]  # fmt: skip
    values = {"x": 1.5, "y": 0.7}
    cases = [[f"{source} + 0*x*y", values] for source in sources]
    for source, ours in zip(sources, run_node(EVALUATE, cases), strict=True):
        value = ours[-1][1]
        assert math.isclose(value, eval(source, {}, values), rel_tol=1e-14), source


def test_what_python_refuses_the_page_refuses(run_node):
    sources = ["", "2x", "(x", "x +", "x)", "relu x", "foo(x)", "x $ 2", "a = 3", "x", "1 + 2",
               "a = x; a*2", "1/0 + x", "log(0-1)*x", "(-8)^(1/3)*x", "exp(1000)*x", "x; x + 1",
               "a = x+1; x*2", "a = 1; x*2", "a = x+1; a = a*2", "relu = x + 1", "x*1e999", "x x",
               "abcdefghijklm + 1", "x == x", "x, x", "x if x else x", "[x][0] + 1", "x.real + 1",
               "relu(x, x)", "x" * 201, "*".join("x" * 50), "x @ x", "x // 2", "~x", "log(x - 1)",
               "sqrt(x*x - 1)", "'a' * x", "1_0 * x", "0x1 * x", "1j * x", "x = x + 1",
               "relu() + x", "a = b = x + 1", "relu + x", "log + x", 
               "x = 2; y = x; y + 1"]  # fmt: skip
    for source, ours in zip(
        sources, run_node(EVALUATE, [[s, {"x": 1.0}] for s in sources]), strict=True
    ):
        assert "trouble" in ours, source
        with pytest.raises(ValueError, match="expected"):
            graph(source, {"x": 1.0})


def test_limits_are_those_of_the_page(run_node):
    limits = run_node('import { LIMITS } from "./stepper.mjs"; give(LIMITS);')
    assert [limits[k] for k in ("length", "name", "nodes", "row", "nesting")] == [
        LENGTH, NAME, NODES, ROW, NESTING]  # fmt: skip
    text = neuron().props["help"]
    assert all(str(n) in text for n in (LENGTH, NODES, ROW, NESTING))


def test_props_carry_the_numbers_of_udl():
    props = neuron(
        trainable=LEAVES, task="Find $\\theta_1$.", goal={"gradient": {"theta1": 12}}
    ).props
    assert dict((name, (v, g)) for name, v, g in props["nodes"]) == {
        "theta1": (-1, 8), "x": (2, -4), "h": (-2, 4), "theta0": (5, 4), "g": (3, 4),
        "yhat": (3, 4), "y": (1, -4), "f": (2, 4), "J": (4, 1)}  # fmt: skip
    assert props["goal"] == {"kind": "gradient", "name": "theta1", "value": 12.0}
    assert "<math>" in props["task"]
    assert json.loads(json.dumps(props, allow_nan=False)) == props


def test_goals_of_the_other_kinds():
    assert neuron(goal="two-ways").props["goal"] == {"kind": "two-ways"}
    assert neuron().props["goal"] is None
    dead = backprop_stepper(
        NEURON, {**VALUES, "theta1": -3}, label="dead", trainable=LEAVES, goal="revive"
    )
    assert dead.props["goal"] == {"kind": "revive"}
    step = neuron(trainable=LEAVES, goal={"one-step": {"x": 1}})
    assert step.props["goal"] == {"kind": "one-step", "at": {"x": 1.0}}


def test_fallback_says_the_numbers(monkeypatch):
    monkeypatch.setenv("UDL_BOOK", "1")
    text = re.sub("<script.*?</script>", "", neuron()._repr_html_())
    assert "J = 4" in text
    assert "dJ/dtheta1 = 8" in text
    assert 'data-module="stepper"' in text
    assert (STATIC / "stepper.mjs").is_file()


def test_a_number_in_the_expression_may_be_overridden_or_taken():
    leaves, root = graph("x = 3; s = x * x", {})
    assert (leaves["x"].data, root.data) == (3.0, 9.0)
    assert graph("x = 3; s = x * x", {"x": 2})[1].data == 4.0


def test_refuses_expressions_and_values():
    for source, values, message in [
        ("x + y", {"x": 1}, "expected a value for 'y'"),
        ("x + 1", {"x": 1, "z": 2}, "a use for each name, got 'z'"),
        ("x + 1", {"x": math.nan}, r"expected a finite values\['x'\]"),
        ("log(x)", {"x": 0}, "data -inf at 'J'"),
        ("sqrt(x)", {"x": 0}, "grad inf at 'x'"),
        ("x\n+ 1", {"x": 1}, "expected numbers, names"),
        ("+".join(f"(a{k}*b{k})" for k in range(14)),
         {f"{n}{k}": 1 for n in "ab" for k in range(14)}, "at most 40 nodes"),
        ("True + x", {"x": 1}, "expected numbers, names"),
        ("*".join("x" * 18), {"x": 1}, "at most 16 operations"),
    ]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            graph(source, values)


def test_refuses_other_arguments():
    for options, message in [
        ({"trainable": ("w",)}, "trainable among"),
        ({"alpha": 0.0}, "alpha > 0"),
        ({"alpha": math.inf}, "finite alpha"),
        ({"start": "end"}, "start 'leaves'"),
        ({"goal": "win"}, "expected goal 'revive'"),
        ({"goal": {"win": {"x": 1}}}, "expected goal 'revive'"),
        ({"goal": {"one-step": {"x": 1}}}, "trainable leaves"),
        ({"goal": {"one-step": {}}}, "a goal for some of"),
        ({"goal": "revive"}, "trainable leaves with"),
        ({"goal": "revive", "trainable": LEAVES}, "with gradients 0"),
        ({"goal": {"gradient": {"w": 1.0}}}, "a goal for some of"),
        ({"goal": {"gradient": {"theta1": 8.0}}}, "not there at first"),
        ({"goal": {"gradient": {"theta1": 7.0, "x": 1.0}}}, "one gradient"),
    ]:
        with pytest.raises(ValueError, match=message):
            neuron(**options)
    with pytest.raises(ValueError, match="label of letters"):
        backprop_stepper(NEURON, VALUES, label="1 a")
    with pytest.raises((TypeError, ValueError)):
        backprop_stepper(NEURON, {**VALUES, "x": "2"}, label="a")
