"""The least-squares explorer: its props against udl, and its JavaScript against both."""

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from udl import data, linear, optim
from udl.web import STATIC, least_squares_explorer

X3, Y3 = np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 2.0])
TWELVE = data.twelve_points()
CHILDREN = data.age_height(I=60, seed=0)


def explorer(x=X3, y=Y3, **options):
    return least_squares_explorer(x, y, **({"label": "three"} | options))


# --- Props ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mean", [False, True])
def test_numbers_in_the_page_are_those_of_udl(mean):
    props = explorer(TWELVE.x, TWELVE.y, mean=mean).props
    X = linear.design_matrix(TWELVE.x)
    best = linear.least_squares(X, TWELVE.y).phi
    least = (linear.mean_squared_error if mean else linear.sum_of_squares)(X, TWELVE.y, best)
    np.testing.assert_allclose(props["minimum"], best, rtol=1e-12)
    np.testing.assert_allclose(props["least"], least, rtol=1e-12)
    np.testing.assert_allclose(props["within"], 1.01 * least, rtol=1e-12)
    np.testing.assert_array_equal(props["hessian"], linear.hessian(X, mean=mean))
    assert props["edges"]["gd"] == linear.largest_stable_rate(X, mean=mean)
    assert (props["x"], props["y"]) == (TWELVE.x.tolist(), TWELVE.y.tolist())
    assert json.loads(json.dumps(props)) == props


def grows(path):
    return np.abs(path[-100:]).max() > 1.01 * np.abs(path[300:400]).max()


@pytest.mark.parametrize("name", ["gd", "momentum", "printed"])
def test_edges_part_what_shrinks_from_what_grows(name):
    edge = explorer().props["edges"][name]
    X = linear.design_matrix(X3)
    steep, away = linear.curvatures(X)[-1], np.ones(1)

    def walk(alpha):
        if name != "printed":
            method = {"gd": optim.gradient_descent, "momentum": optim.momentum}[name]
            return optim.descend(lambda e: steep * e, away, method(alpha), 2000)
        e, m, path = away, np.zeros(1), []
        for _ in range(2000):
            e, m = e - alpha * m, 0.9 * m + 0.1 * steep * e
            path.append(e)
        return np.array(path)

    assert not grows(walk(0.995 * edge))
    assert grows(walk(1.005 * edge))


def test_picture_holds_minimum_and_start_and_slider_holds_the_edges():
    props = explorer(
        CHILDREN.x, CHILDREN.y, mean=True, start=(150, 0), optimizers=("gd", "momentum")
    ).props
    for (low, high), center, start in zip(
        props["view"], props["minimum"], props["start"], strict=True
    ):
        assert low < start < high
        assert low < center < high
    assert props["rates"][0] < props["edges"]["printed"]
    assert props["edges"]["momentum"] < props["rates"][1]


def test_a_line_through_all_points_has_a_goal_too():
    props = explorer(X3, 2 * X3 + 1, goals=("drag",)).props
    assert 0 < props["within"] < 0.1
    assert explorer(X3, 0 * X3).props["within"] > 0


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("age (years)", "height (cm)"), ("cm", "cm per year", "cm²")),
        (("input x", "output y"), ("", "", "")),
        (("time (s)", "count"), ("", "1 per s", "")),
        (("rank", "height (m)"), ("m", "m", "m²")),
    ],
)
def test_units_of_parameters_follow_from_those_of_the_data(names, expected):
    found = explorer(x_name=names[0], y_name=names[1]).props["names"]
    assert (found["intercept"], found["slope"], found["square"]) == expected


def test_task_is_escaped_and_marked_up():
    widget = explorer(task="Get $\\phi_0 < 1$ </script>")
    assert "<math>" in widget.props["task"]
    assert "</script>" not in widget.props["task"]
    assert "JavaScript" in widget.fallback


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"x": X3[:2], "y": Y3[:2]}, "3 to 400 points, got 2"),
        ({"x": np.arange(401.0), "y": np.arange(401.0)}, "3 to 400 points, got 401"),
        ({"y": np.array([1.0, np.nan, 2.0])}, r"y\[1\]=nan"),
        ({"x": np.ones(3)}, "two different values in x"),
        ({"x": 1e9 + X3}, "x that vary more"),
        ({"label": "a b"}, "after a first letter, got 'a b'"),
        (
            {"optimizers": ("gd", "newton")},
            "optimizers from gd, sgd, momentum, adam, got 'newton'",
        ),
        ({"optimizers": ("gd", "gd")}, "different optimizers"),
        ({"goals": ("win",)}, "goals from drag, edge"),
        ({"goals": ("still",)}, r"goals that can be reached, got 'still' with .*slips=False"),
        ({"goals": ("leap",), "slips": True}, "goals that can be reached, got 'leap'"),
        ({"goals": ("edge",), "optimizers": ()}, "goals that can be reached, got 'edge'"),
        ({"start": (1.0, np.inf)}, r"start\[1\]=inf"),
        ({"start": (1.0, 2.0, 3.0)}, r"two numbers, got start.shape=\(3,\)"),
        ({"seed": -1}, "seed from 0 to"),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        explorer(**options)


def test_refuse_points_that_lack_a_target():
    with pytest.raises(ValueError, match=r"equal shapes, got x.shape=\(3,\), y.shape=\(2,\)"):
        explorer(y=Y3[:2])


@pytest.mark.parametrize("options", [{"seed": 0.5}, {"seed": True}, {"goals": "drag"}])
def test_refuse_arguments_of_the_wrong_type(options):
    with pytest.raises(TypeError, match="expected"):
        explorer(**options)


def test_race_can_be_won_but_not_by_gradient_descent():
    """The goal in the chapter on gradient descent: 100 steps for children in years."""
    props = explorer(
        CHILDREN.x,
        CHILDREN.y,
        mean=True,
        start=(150.0, 0.0),
        optimizers=("gd", "momentum", "adam"),
    ).props
    X = linear.design_matrix(CHILDREN.x)

    def fewest(method, rates):
        found = []
        for rate in rates:
            path = optim.descend(
                lambda phi: linear.gradient(X, CHILDREN.y, phi, mean=True),
                np.array(props["start"]),
                method(float(rate)),
                props["race"],
            )
            losses = ((path @ X.T - CHILDREN.y) ** 2).mean(axis=1)
            found.append(np.any(losses <= props["within"]))
        return np.mean(found)

    low, high = props["rates"]
    edges = props["edges"]
    assert fewest(optim.gradient_descent, np.geomspace(low, edges["gd"], 30)) == 0
    assert fewest(optim.momentum, np.geomspace(edges["gd"], edges["momentum"], 30)) > 0.2
    assert fewest(optim.adam, np.geomspace(high / 100, high, 30)) > 0.2


# --- JavaScript against udl ----------------------------------------------------------------------

WALK = """
import { createRun, loss, gradient } from "./least-squares.mjs";
give(data.map((one) => {
  const run = createRun(one.props, { ...one.props, ...one.settings }, one.start);
  for (let k = 0; k < one.steps; k += 1) run.advance();
  return { path: run.path, losses: run.losses, gradient: gradient(one.props, one.start) };
}));
"""


def mulberry32(seed):
    """Yield numbers by the definition of the generator, on Python's integers."""
    mask = 2**32 - 1
    while True:
        seed = (seed + 0x6D2B79F5) & mask
        t = ((seed ^ (seed >> 15)) * (seed | 1)) & mask
        t ^= (t + ((t ^ (t >> 7)) * (t | 61) & mask)) & mask
        yield ((t ^ (t >> 14)) & mask) / 2**32


def drawn(I, size, seed):
    """Yield batches without end, shuffled by Fisher and Yates before each epoch."""
    random, order = mulberry32(seed), list(range(I))
    while True:
        for i in range(I - 1, 0, -1):
            j = int(next(random) * (i + 1))
            order[i], order[j] = order[j], order[i]
        for at in range(0, I, size):
            yield np.array(order[at : at + size])


@pytest.mark.parametrize("mean", [False, True])
def test_200_steps_agree_with_udl_optim(run_node, mean):
    methods = {
        "gd": optim.gradient_descent,
        "sgd": optim.gradient_descent,
        "momentum": optim.momentum,
        "adam": optim.adam,
    }
    cases, expected = [], []
    for points in (TWELVE, CHILDREN):
        x, y, X = points.x, points.y, linear.design_matrix(points.x)
        props = explorer(x, y, mean=mean, seed=7, optimizers=tuple(methods)).props
        for name, method in methods.items():
            for share in (0.3, 0.9, 1.1) if name != "adam" else (1.0, 100.0):
                alpha, start = share * props["edges"]["gd"], np.array([1.6, -0.8])
                if name == "sgd":
                    alpha *= 0.2
                rows = drawn(len(x), 5, seed=7)
                phi, state = start, (optimizer := method(alpha)).init(start)
                path, losses = [start], []
                for _ in range(200):
                    at = next(rows) if name == "sgd" else slice(None)
                    phi, state = optimizer.step(
                        phi, linear.gradient(X[at], y[at], phi, mean=mean), state
                    )
                    path.append(phi)
                score = linear.mean_squared_error if mean else linear.sum_of_squares
                losses = [score(X, y, phi) for phi in path]
                settings = {"optimizer": name, "alpha": alpha, "batch": 5}
                cases.append(
                    {"props": props, "settings": settings, "start": [1.6, -0.8], "steps": 200}
                )
                expected.append((path, losses, linear.gradient(X, y, start, mean=mean)))
    for case, found, (path, losses, slope) in zip(
        cases, run_node(WALK, cases), expected, strict=True
    ):
        # JSON has whole numbers too long for an integer of NumPy, so floats are asked for.
        told = f"{case['settings']}"
        size = np.abs(path).max()
        np.testing.assert_allclose(
            np.array(found["path"], float), path, rtol=1e-12, atol=1e-12 * size, err_msg=told
        )
        np.testing.assert_allclose(
            np.array(found["losses"], float),
            losses,
            rtol=1e-12,
            atol=1e-12 * max(losses),
            err_msg=told,
        )
        np.testing.assert_allclose(found["gradient"], slope, rtol=1e-12)


def as_printed(name, gradient, phi, alpha, steps):
    """ELTE's slides 951-979, with beta_0 = 0.9 and beta_1 = beta_2 = 0.999."""
    m, v, m_hat, path = np.zeros(2), np.zeros(2), np.zeros(2), [phi]
    for t in range(1, steps + 1):
        g, old_m, old_m_hat = gradient(phi), m, m_hat
        m = 0.9 * m + (1 - 0.9) * g
        v = 0.999 * v + (1 - 0.999) * g**2
        m_hat, v_hat = m / (1 - 0.999**t), v / (1 - 0.999**t)
        if name == "momentum":
            phi = phi - alpha * old_m
        else:
            phi = phi - alpha * old_m_hat / (np.sqrt(v_hat) + 1e-8)
        path.append(phi)
    return np.array(path)


@pytest.mark.parametrize("name", ["momentum", "adam"])
def test_200_steps_as_printed_agree_with_the_slides(run_node, name):
    X, start = linear.design_matrix(TWELVE.x), np.array([1.6, -0.8])
    props = explorer(TWELVE.x, TWELVE.y, optimizers=(name,), slips=True).props
    alpha = 0.9 * props["edges"]["printed"]
    expected = as_printed(
        name, lambda phi: linear.gradient(X, TWELVE.y, phi), start, alpha, steps=200
    )
    case = {
        "props": props,
        "settings": {"optimizer": name, "alpha": alpha, "printed": True},
        "start": start.tolist(),
        "steps": 200,
    }
    path = np.array(run_node(WALK, [case])[0]["path"])
    assert np.array_equal(path[1], start)
    np.testing.assert_allclose(path, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


def test_contours_and_first_state_come_from_props(run_node):
    props = explorer(CHILDREN.x, CHILDREN.y, mean=True, start=(150, 0)).props
    X = linear.design_matrix(CHILDREN.x)
    script = """
    import { ellipse, initial, levels } from "./least-squares.mjs";
    give({ state: initial(data), rings: levels(data.least, 3000).map((level) =>
      [level, ellipse(data.minimum, data.hessian, level - data.least, 16)]) });
    """
    found = run_node(script, props)
    assert len(found["rings"]) >= 5
    for level, ring in found["rings"]:
        for phi in ring:
            np.testing.assert_allclose(
                linear.mean_squared_error(X, CHILDREN.y, np.array(phi)), level, rtol=1e-9
            )
    assert found["state"]["start"] == [150.0, 0.0]
    assert found["state"]["alpha"] < props["edges"]["gd"]


def test_it_is_light():
    source = Path(STATIC / "least-squares.mjs").read_bytes()
    assert len(gzip.compress(source, 9)) <= 15 * 1024
