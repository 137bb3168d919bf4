"""The loss landscape: what Python hands to the page, and that the page reads it alike."""

import gzip

import numpy as np
import pytest

from udl import landscape
from udl.web import STATIC, loss_landscape
from udl.web.host import script_json

RNG = np.random.default_rng(0)
CENTER, FIRST, SECOND = RNG.normal(size=(3, 7))


def valley(phi: np.ndarray) -> float:
    return float(0.03 + np.log1p((phi - CENTER) @ (phi - CENTER)) ** 2)


def two_wells(phi: np.ndarray) -> float:
    return float(1 + (phi[0] ** 2 - 1) ** 2 + phi[1] ** 2)


PLANE = landscape.grid(valley, CENTER, FIRST, SECOND, extent=2.0, size=9)
WALK = CENTER + np.cumsum(RNG.normal(size=(12, 7)), axis=0)[::-1]
PATH = landscape.follow(valley, WALK, range(12))
DECODE = """
import { between, decode, heights } from "./landscape.mjs";
"""


def test_the_page_has_the_losses_and_their_heights(run_node):
    props = loss_landscape(PLANE, {"walk": PATH}, label="a").props
    loss, height, back, inner = run_node(
        DECODE
        + """
        const loss = decode(data.plane);
        const height = heights(loss, true);
        const inner = data.at.map(([x, y]) => between(height.values, data.plane.size, x, y));
        give([loss, height.values, height.values.map(height.loss), inner]);
        """,
        {"plane": props["planes"][0], "at": (at := [[0.5, 0.25], [7.75, 6.5], [3.0, 8.0]])},
    )
    plane = props["planes"][0]
    codes = np.cumsum(np.cumsum(np.reshape(plane["code"], (9, 9)), axis=0), axis=1)
    expected = 10.0 ** (plane["low"] + plane["step"] * codes)
    np.testing.assert_allclose(np.reshape(loss, (9, 9)), expected, rtol=1e-12)
    np.testing.assert_allclose(expected, PLANE.loss, rtol=1.2e-4 * np.log(10))
    log = np.log10(expected)
    scaled = (log - log.min()) / (log.max() - log.min())
    np.testing.assert_allclose(np.reshape(height, (9, 9)), scaled, rtol=0, atol=1e-12)
    np.testing.assert_allclose(back, loss, rtol=1e-12)
    for (x, y), value in zip(at, inner, strict=True):
        j, i = min(int(y), 7), min(int(x), 7)
        b, a = y - j, x - i
        corners = scaled[j : j + 2, i : i + 2]
        assert value == pytest.approx(
            np.array([1 - b, b]) @ corners @ np.array([1 - a, a]), abs=1e-12
        )


def test_losses_below_zero_travel_too(run_node):
    def dip(phi):
        return float(phi @ phi - 3)

    plane = landscape.grid(dip, np.zeros(2), *np.eye(2), extent=2.0, size=5)
    plane.loss[1, 2] = np.nan
    props = loss_landscape(
        plane, {"one": landscape.follow(dip, np.ones((1, 2)), [0])}, label="b"
    ).props
    loss = run_node(DECODE + "give(decode(data));", props["planes"][0])
    assert loss[7] is None
    expected = plane.loss.ravel()
    keep = np.isfinite(expected)
    np.testing.assert_allclose(
        np.array(loss, dtype=float)[keep], expected[keep], atol=1.1 * 8 / 50_000 / 2
    )
    script_json(props)


def test_paths_are_projected():
    made = loss_landscape(
        {"one": PLANE, "two": PLANE._replace(first=SECOND, second=FIRST)},
        {"walk": PATH},
        label="c",
    )
    path = made.props["paths"][0]
    A = np.column_stack([FIRST, SECOND])
    solved = np.linalg.lstsq(A, (WALK - CENTER).T, rcond=None)[0]
    np.testing.assert_allclose([path["at"][0]["s"], path["at"][0]["t"]], solved, atol=1e-3)
    np.testing.assert_allclose([path["at"][1]["t"], path["at"][1]["s"]], solved, atol=1e-3)
    rest = ((WALK - CENTER).T - A @ solved) ** 2
    assert path["at"][0]["share"] == pytest.approx(
        rest.sum() / ((WALK - CENTER) ** 2).sum(), abs=1e-3
    )
    np.testing.assert_allclose(path["losses"], [valley(phi) for phi in WALK], rtol=5e-4)
    assert path["steps"] == list(range(12))


def test_a_walk_between_two_wells_climbs_the_saddle():
    center = np.array([1.0, 0.0])
    plane = landscape.grid(two_wells, center, *np.eye(2), extent=((-3, 1), (-1, 1)), size=17)
    paths = {
        name: landscape.follow(two_wells, np.array([[x, 0.9], [x, 0.0]]), [0, 1])
        for name, x in (("left", -1.0), ("right", 1.0))
    }
    walk = loss_landscape(plane, paths, label="d", walk=("left", "right")).props["walk"]
    assert walk["pass"] == 2  # at phi = 0, where (0 - 1)**2 stands on the floor of one
    assert walk["limit"] == pytest.approx(2.1)
    assert walk["nodes"] == [[4, 8], [12, 8]]
    for names in (("left", "left"), ("left", "up")):
        with pytest.raises(ValueError, match="walk"):
            loss_landscape(plane, paths, label="d", walk=names)
    paths["right"] = paths["left"]
    with pytest.raises(ValueError, match="end apart"):
        loss_landscape(plane, paths, label="d", walk=("left", "right"))


def test_texts_are_escaped_and_the_fallback_names_the_paths():
    made = loss_landscape(
        PLANE, {"<i>walk": PATH}, label="e", task="Is $L<1$? <b>", title="A <b> title"
    )
    assert "<math>" in made.props["task"]
    assert "&lt;b&gt;" in made.props["task"]
    assert "&lt;i&gt;walk" in made.fallback
    assert "<i>" not in made.fallback
    assert "<b> title" not in made.fallback
    assert repr(made) == "<landscape: A <b> title>"
    assert "udl/landscape" in made.frame()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"label": "1 b"}, "label"),
        ({"grid": {}}, "at least one plane"),
        ({"trajectories": {}}, "1 to 5 paths, got 0"),
        ({"trajectories": {str(k): PATH for k in range(6)}}, "1 to 5 paths, got 6"),
        ({"trajectories": {" ": PATH}}, "not empty"),
        ({"title": ""}, "not empty"),
        ({"grid": PLANE._replace(s=PLANE.s[:3])}, "nodes along each axis"),
        ({"grid": PLANE._replace(loss=np.ones((9, 9)))}, "losses that differ"),
        ({"grid": PLANE._replace(loss=np.full((9, 9), np.nan))}, "losses that differ"),
        (
            {"trajectories": {"a": PATH._replace(losses=PATH.losses[:2])}},
            "a step, a point and a loss",
        ),
        ({"trajectories": {"a": PATH._replace(path=PATH.path[:, :3])}}, "as many parameters"),
    ],
)
def test_refuses_what_makes_no_landscape(change, match):
    with pytest.raises(ValueError, match=match):
        loss_landscape(**{"grid": PLANE, "trajectories": {"a": PATH}, "label": "f"} | change)


def test_the_module_is_small_and_stands_alone():
    source = (STATIC / "landscape.mjs").read_text(encoding="utf-8")
    assert len(gzip.compress(source.encode(), 9)) <= 15 * 1024
    for word in ("http", "import(", "eval(", "setInterval", "innerHTML"):
        assert word not in source.replace("http://www.w3.org/2000/svg", "")
