"""The ReLU explorer: its props, and that the page counts and computes as the package does.

What it does in a browser is in browser/test_interactives.py.
"""

import gzip
import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from udl import deep, regions, shallow
from udl.web import STATIC, relu_explorer

CHAPTER = np.array([[0.3, -1.0], [-1.0, 2.0], [-0.5, 0.65]]), np.array([-0.3, 2.0, -1.0, 7.0])
FOLD = np.array([[0.0, 1.0], [-1.0, 1.0], [-2.0, 1.0]]), np.array([0.0, 1.0, -2.0, 2.0])
DRAW = np.array([[0.0, 4.0], [-2.0, 8.0], [-3.0, 4.0]]), np.array([0.0, 1.0, -1.0, 2.0])
# A pair that has 16 regions: the most that three units behind three can have.
FOLD16 = np.array([[0.0, 1.0], [-10.0, 1.0], [20.0, -1.0]]), np.array([0.0, -3.0, 2.0, -2.0])
DRAW16 = np.array([[47.5, 1.0], [45.0, 1.0], [-42.5, -1.0]]), np.array([0.0, 1.0, -4.0, -1.0])


def plain(network):
    return {"theta": network[0].tolist(), "phi": network[1].tolist()}


def composed(networks):
    """Return the networks as one, one behind the other."""
    layers = [shallow.layers(*network) for network in networks]
    return layers[0] if len(layers) == 1 else deep.compose(*layers)


def fractions(networks):
    """Return the networks as one, in the decimal numbers that are written."""
    beta, Omega = [], []
    for network in networks:
        theta, phi = (
            np.array([Fraction(str(float(v))) for v in part.flat], dtype=object).reshape(
                part.shape
            )
            for part in network
        )
        if beta:  # the last linear layer and the next one become one
            b, W = beta.pop(), Omega.pop()
            beta.append(theta[:, 0] + theta[:, 1:] @ b)
            Omega.append(theta[:, 1:] @ W)
        else:
            beta.append(theta[:, 0])
            Omega.append(theta[:, 1:])
        beta.append(phi[:1])
        Omega.append(phi[None, 1:])
    return beta, Omega


def random_network(rng, D):
    return rng.normal(size=(D, 2)), rng.normal(size=1 + D)


def coarse_network(rng, D):
    """Draw numbers of few values: joints coincide, weights vanish, slopes cancel."""
    values = np.array([-1.0, -0.5, 0.0, 0.0, 0.5, 1.0])
    return rng.choice(values, (D, 2)), rng.choice(values, 1 + D)


def decimal_network(rng, D):
    """Draw tenths, which no binary number is."""
    return rng.integers(-9, 10, (D, 2)) / 10, rng.integers(-9, 10, 1 + D) / 10


def draws(kind, number, seed):
    rng = np.random.default_rng(seed)
    widths = [rng.integers(1, 7, size=rng.integers(1, 3)) for _ in range(number)]
    return [[kind(rng, D) for D in some] for some in widths]


REGIONS = """
import { regions } from "./relu.mjs";
give(data.map((networks) => {
  const { active, linear, count } = regions(networks);
  return { active, linear, count };
}));
"""


def found_by_the_page(run_node, nets):
    return run_node(REGIONS, [[plain(network) for network in networks] for networks in nets])


def bits(pattern):
    return ["".join(map(str, row.astype(int))) for row in pattern]


@pytest.mark.parametrize("kind", [random_network, coarse_network])
def test_regions_on_the_page_are_those_of_the_package(run_node, kind):
    nets = [*draws(kind, 150, seed=1), [CHAPTER], [FOLD, DRAW], [FOLD16, DRAW16]]
    for networks, page in zip(nets, found_by_the_page(run_node, nets), strict=True):
        for key, merge in ("linear", True), ("active", False):
            # Composed in fractions: products of random floats would be rounded.
            exact = regions.pieces(*fractions(networks), merge=merge)
            assert page[key]["pattern"] == bits(exact.pattern)
            for mine, theirs in [
                (page[key]["joints"], exact.joints),
                (page[key]["slope"], exact.slope[:, 0]),
                (page[key]["intercept"], exact.intercept[:, 0]),
            ]:
                expected = theirs.astype(float)
                np.testing.assert_allclose(mine, expected, rtol=1e-12, atol=1e-12)
        # These have no decimal coincidences that floats lack: floats have as many regions.
        assert page["count"] == regions.count(*composed(networks))


def test_degenerate_networks_are_among_those_compared():
    nets = draws(coarse_network, 150, seed=1)
    counts = np.array([regions.count(*composed(networks)) for networks in nets])
    units = np.array([sum(len(theta) for theta, _ in networks) for networks in nets])
    assert (counts == 1).sum() > 10
    assert (counts < 1 + units).mean() > 0.5
    assert any((network[0][:, 1] == 0).all() for networks in nets for network in networks)


def test_decimal_numbers_count_as_they_are_written(run_node):
    nets = draws(decimal_network, 150, seed=2)
    page = found_by_the_page(run_node, nets)
    counts = [regions.count(*fractions(networks)) for networks in nets]
    assert [found["count"] for found in page] == counts
    # Where it makes a difference: joints that are one in tenths and two in float64.
    twins = [(np.array([[-0.3, 1.0], [-0.9, 3.0]]), np.array([0.0, 1.0, 1.0]))]
    assert (
        found_by_the_page(run_node, [twins])[0]["count"] == 2 == regions.count(*fractions(twins))
    )
    assert regions.count(*composed(twins)) == 3
    assert relu_explorer(*twins[0], label="twins").props["regions"] == [2]


def test_values_on_the_page_are_those_of_the_package(run_node):
    x = np.linspace(-3, 3, 25)
    nets = [*draws(random_network, 40, seed=3), [CHAPTER], [FOLD16, DRAW16]]
    page = run_node(
        """
        import { forward, predict } from "./relu.mjs";
        give(data.nets.map((nets) => data.x.map((x) => [forward(x, nets[0]), predict(x, nets)])));
        """,
        {"x": x.tolist(), "nets": [[plain(network) for network in some] for some in nets]},
    )
    for networks, rows in zip(nets, page, strict=True):
        steps = shallow.forward(x, *networks[0])
        for key, expected in zip(("f", "h", "weighted", "y"), steps, strict=True):
            got = np.array([run[key] for run, _ in rows])
            np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)
        output = [value for _, value in rows]
        expected = steps.output
        for network in networks[1:]:
            expected = shallow.forward(expected, *network).output
        np.testing.assert_allclose(output, expected, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(
            output, deep.predict(x, *composed(networks)), rtol=1e-9, atol=1e-10
        )


@given(st.lists(st.floats(-1000, 1000), min_size=4, max_size=4))
def test_any_float_has_a_fraction(numbers):
    bias, slope, *phi = numbers
    explorer = relu_explorer(np.array([[bias, slope]]), np.array(phi), label="any")
    expected = 2 if slope != 0 and phi[1] != 0 else 1
    assert explorer.props["regions"] == [expected]


def test_props_hold_all_that_the_page_needs():
    explorer = relu_explorer(
        *FOLD,
        label="pair",
        second=DRAW,
        task="Reach $16$ <regions>.",
        x_range=(-0.5, 3.25),
        y_range=(-0.25, 1.25),
        presets={"the pair with 16": (FOLD16, DRAW16)},
        goal=16,
        hints=["Let a unit look *left* & see.", "$\\phi_1$"],
    )
    props = json.loads(json.dumps(explorer.props))
    assert (explorer.module, explorer.label, props["label"]) == ("relu", "pair", "pair")
    assert props["regions"] == [4, 4, 10]
    assert props["networks"] == [plain(FOLD), plain(DRAW)]
    assert props["presets"] == [["the pair with 16", [plain(FOLD16), plain(DRAW16)]]]
    assert (props["xRange"], props["yRange"], props["goal"]) == ([-0.5, 3.25], [-0.25, 1.25], 16)
    assert "&lt;regions&gt;" in props["task"]
    assert props["hints"][0].endswith("&amp; see.")
    assert "10 linear regions" in explorer.fallback
    assert "JavaScript" in explorer.fallback


def test_one_network_says_so():
    explorer = relu_explorer(*CHAPTER, label="one", goal="hat")
    assert explorer.props["regions"] == [4]
    assert explorer.props["yRange"] is None
    assert "A network of 3 hidden units: 4 linear regions." in explorer.fallback
    single = relu_explorer(np.array([[0.0, 1.0]]), np.array([0.0, 0.0]), label="one")
    assert "A network of 1 hidden unit: 1 linear region." in single.fallback


def test_the_widget_keeps_no_hold_on_the_arrays():
    theta, phi = (part.copy() for part in CHAPTER)
    explorer = relu_explorer(theta, phi, label="one")
    theta[:] = 0
    assert explorer.props["networks"] == [plain(CHAPTER)]


@pytest.mark.parametrize(
    ("theta", "phi", "options", "message"),
    [
        (*CHAPTER, {"label": "1x"}, "letters, digits"),
        (np.ones((3, 3)), CHAPTER[1], {}, r"theta.shape=\(D, 2\).*\(3, 3\)"),
        (np.ones((7, 2)), np.ones(8), {}, "1 to 6 units"),
        (CHAPTER[0], np.ones(3), {}, r"phi.shape=\(4,\).*\(3,\)"),
        (CHAPTER[0], np.array([0, 1, np.nan, 1]), {}, "finite numbers in phi"),
        (CHAPTER[0], np.array([0, 1, 1001.0, 1]), {}, "between -1000 and 1000.*1001"),
        (*FOLD, {"second": (DRAW[0], np.ones(2))}, r"second phi.shape=\(4,\)"),
        (*FOLD, {"x_range": (1.0, 1.0)}, "x_range"),
        (*FOLD, {"x_range": (0.0, np.inf)}, "x_range"),
        (*FOLD, {"y_range": (1.0, 0.0)}, "y_range"),
        (*FOLD, {"presets": {"two": (FOLD[0][:2], FOLD[1][:3])}}, "hidden units in preset 'two'"),
        (*FOLD, {"goal": 5}, "at most 4"),
        (*FOLD, {"goal": 4}, "does not have"),
        (*FOLD, {"goal": 0}, "goal=0"),
        (*FOLD, {"goal": "cap"}, "goal='cap'"),
        (*FOLD, {"goal": "hat", "second": DRAW}, "hat"),
        (FOLD[0][:2], FOLD[1][:3], {"goal": "hat"}, "at least 3 units"),
        (*FOLD, {"goal": 17, "second": DRAW}, "at most 16"),
    ],
)
def test_bad_values(theta, phi, options, message):
    with pytest.raises(ValueError, match=message):
        relu_explorer(theta, phi, **{"label": "bad", **options})


def test_refuses_what_is_no_number():
    with pytest.raises(TypeError, match="real numbers in theta"):
        relu_explorer(np.array([["a", "b"]]), np.ones(2), label="bad")


def test_the_module_is_small():
    source = (STATIC / "relu.mjs").read_bytes()
    assert len(gzip.compress(source, 9)) <= 15 * 1024
