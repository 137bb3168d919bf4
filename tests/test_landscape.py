"""Planes through parameter space against quadratic bowls, PyTorch, and their own laws."""

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from udl import deep, landscape
from udl.landscape import Coordinates, Trajectory

SEEDS = st.integers(0, 10_000)
WIDTHS = st.lists(st.integers(1, 5), min_size=2, max_size=5).map(tuple)


def plane(seed: int, P: int = 6):
    """Return a center and two directions, neither orthogonal nor of length one."""
    return tuple(np.random.default_rng(seed).normal(size=(3, P)))


def bowl(phi: np.ndarray) -> float:
    return float(np.arange(1, len(phi) + 1) @ phi**2)


# ------------------------------------------------------------------ vectors and networks


def test_pack_has_the_order_of_pytorch():
    model = torch.nn.Sequential(
        torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)
    ).double()
    Omega = [model[k].weight.detach().numpy() for k in (0, 2)]
    beta = [model[k].bias.detach().numpy() for k in (0, 2)]
    expected = torch.nn.utils.parameters_to_vector(model.parameters()).detach().numpy()
    np.testing.assert_array_equal(landscape.pack(deep.layers(beta, Omega)), expected)


@given(WIDTHS, SEEDS)
def test_unpack_undoes_pack(widths, seed):
    network = deep.random_network(widths, seed)
    phi = landscape.pack(network)
    again = landscape.unpack(phi, widths)
    assert len(phi) == deep.parameter_count(widths)
    assert again.widths == widths
    for one, other in zip(
        [*network.beta, *network.Omega], [*again.beta, *again.Omega], strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_pack_is_a_copy():
    network = deep.random_network((1, 1), 0)
    phi = landscape.pack(network)
    phi[:] = 7
    assert network.Omega[0][0, 0] != 7


def test_unpack_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"expected 7 parameters .* got phi.shape=\(6,\)"):
        landscape.unpack(np.zeros(6), (1, 2, 1))
    with pytest.raises(ValueError, match="finite"):
        landscape.unpack(np.full(7, np.nan), (1, 2, 1))
    with pytest.raises(TypeError):
        landscape.unpack(np.array(["a"] * 7), (1, 2, 1))


# ------------------------------------------------------------------ random directions


@given(WIDTHS, SEEDS)
def test_each_unit_has_its_own_length(widths, seed):
    network = deep.random_network(widths, seed)
    direction = landscape.unpack(landscape.filter_normalized(network, seed), widths)
    for own, found in zip(network.Omega, direction.Omega, strict=True):
        for row, other in zip(own, found, strict=True):
            assert np.sqrt(sum(other**2)) == pytest.approx(np.sqrt(sum(row**2)))
    for own, found in zip(network.beta, direction.beta, strict=True):
        assert np.sqrt(sum(found**2)) == pytest.approx(np.sqrt(sum(own**2)))


def test_directions_of_a_row_are_uniform():
    # A random direction in the plane: each octant is as likely as any other.
    network = deep.layers([np.zeros(4000)], [np.tile([3.0, 4.0], (4000, 1))])
    rows = landscape.unpack(landscape.filter_normalized(network, 0), (2, 4000)).Omega[0]
    angle = np.arctan2(rows[:, 1], rows[:, 0])
    counts = np.histogram(angle, np.linspace(-np.pi, np.pi, 9))[0]
    assert np.abs(counts - 500).max() < 5 * np.sqrt(500)


@given(SEEDS, st.floats(0.01, 100.0))
def test_the_picture_of_a_relu_network_ignores_the_scale_of_its_layers(seed, c):
    """A hidden layer times c, the next divided by c: the same function all over the plane."""
    beta, Omega = deep.random_network((2, 4, 3, 1), seed)
    scaled = deep.layers([c * beta[0], beta[1], beta[2]], [c * Omega[0], Omega[1] / c, Omega[2]])
    x = np.random.default_rng(seed).normal(size=(5, 2))
    outputs = []
    for network in deep.layers(beta, Omega), scaled:
        rng = np.random.default_rng(seed)
        d, e = (landscape.filter_normalized(network, rng) for _ in range(2))
        phi = landscape.pack(network) + 0.7 * d - 0.4 * e
        outputs.append(deep.predict(x, *landscape.unpack(phi, (2, 4, 3, 1))))
    np.testing.assert_allclose(*outputs, rtol=1e-9, atol=1e-12)


def test_a_seed_repeats_and_a_generator_goes_on():
    network = deep.random_network((2, 3, 1), 0)
    rng = np.random.default_rng(5)
    first, second = (landscape.filter_normalized(network, rng) for _ in range(2))
    np.testing.assert_array_equal(first, landscape.filter_normalized(network, 5))
    assert not np.allclose(first, second)


# ------------------------------------------------------------------ directions of a path


@given(SEEDS)
def test_principal_directions_are_eigenvectors_of_the_scatter(seed):
    rng = np.random.default_rng(seed)
    path = rng.normal(size=(9, 5)) @ np.diag([5.0, 3.0, 1.0, 0.5, 0.1])
    center = rng.normal(size=5)
    found = landscape.principal_directions(path, center)
    scatter = sum(np.outer(move, move) for move in path - center)
    values, vectors = np.linalg.eigh(scatter)
    np.testing.assert_allclose(found.share, values[::-1] / values.sum(), atol=1e-12)
    for direction, axis in zip(found[:2], vectors.T[:-3:-1], strict=True):
        assert abs(direction @ axis) == pytest.approx(1, abs=1e-6)
        assert (path[0] - center) @ direction > 0
    assert found.first @ found.second == pytest.approx(0, abs=1e-12)


def test_the_center_of_a_path_is_its_end():
    path = np.random.default_rng(0).normal(size=(6, 4))
    for one, other in zip(
        landscape.principal_directions(path),
        landscape.principal_directions(path, path[-1]),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


def test_principal_directions_refuse_a_path_on_a_line():
    line = np.outer(np.arange(5.0), [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="leaves a line"):
        landscape.principal_directions(line)
    with pytest.raises(ValueError, match="leaves a line"):
        landscape.principal_directions(np.ones((4, 3)))
    with pytest.raises(ValueError, match="finite numbers in path"):
        landscape.principal_directions(np.array([[0.0, np.nan], [1.0, 0.0], [0.0, 1.0]]))
    with pytest.raises(ValueError, match="as many parameters"):
        landscape.principal_directions(line, np.zeros(2))


# ------------------------------------------------------------------ projection


@given(SEEDS, st.floats(-5, 5), st.floats(-5, 5))
def test_a_point_of_the_plane_has_its_coordinates(seed, s, t):
    center, first, second = plane(seed)
    found = landscape.project((center + s * first + t * second)[None], center, first, second)
    assert found.s[0] == pytest.approx(s, abs=1e-8)
    assert found.t[0] == pytest.approx(t, abs=1e-8)
    if s * s + t * t > 1e-6:
        assert found.outside[0] == pytest.approx(0, abs=1e-12)


@given(SEEDS)
def test_projection_is_the_least_squares_solution(seed):
    center, first, second = plane(seed)
    path = np.random.default_rng(seed + 1).normal(size=(4, 6))
    found = landscape.project(path, center, first, second)
    A = torch.tensor(np.column_stack([first, second]))
    solved = torch.linalg.lstsq(A, torch.tensor((path - center).T))
    np.testing.assert_allclose(np.stack(found[:2]), solved.solution, rtol=1e-8, atol=1e-9)
    rest = ((path - center).T - A.numpy() @ solved.solution.numpy()) ** 2
    expected = rest.sum(axis=0) / ((path - center) ** 2).sum(axis=1)
    np.testing.assert_allclose(found.outside, expected, atol=1e-10)
    assert ((0 <= found.outside) & (found.outside <= 1)).all()


def test_the_center_is_in_the_plane_and_what_is_above_it_is_not():
    center, first, second = np.zeros(3), np.array([2.0, 0, 0]), np.array([1.0, 1, 0])
    found = landscape.project(np.array([[0.0, 0, 0], [0, 0, 9], [3, 4, 5]]), center, first, second)
    np.testing.assert_allclose(found.outside, [0, 1, 0.5], atol=1e-15)


def test_a_path_that_diverged_has_no_coordinates_from_there():
    center, first, second = plane(0, 3)
    path = np.array([[1.0, 2.0, 3.0], [np.inf, 0.0, 0.0], [np.nan] * 3])
    found = landscape.project(path, center, first, second)
    for part in found:
        np.testing.assert_array_equal(np.isnan(part), [False, True, True])


@pytest.mark.parametrize(
    ("first", "second", "match"),
    [
        ([1.0, 0, 0], [0.0, 0, 0], "other than zero"),
        ([1.0, 2, 3], [-2.0, -4, -6], "parallel"),
        ([1.0, 0], [0.0, 1, 0], "equal shapes"),
        ([1.0, np.inf, 0], [0.0, 1, 0], "finite numbers in first"),
    ],
)
def test_refuses_what_makes_no_plane(first, second, match):
    first, second = np.array(first), np.array(second)
    with pytest.raises(ValueError, match=match):
        landscape.project(np.zeros((1, 3)), np.zeros(3), first, second)
    with pytest.raises(ValueError, match=match):
        landscape.grid(bowl, np.zeros(3), first, second, extent=1.0, size=3)


def test_one_parameter_makes_no_plane():
    with pytest.raises(ValueError, match="parallel"):
        landscape.project(np.zeros((1, 1)), np.zeros(1), np.ones(1), np.ones(1))


def test_project_refuses_points_of_another_space():
    with pytest.raises(ValueError, match="as many parameters in path as in center, got 2 and 6"):
        landscape.project(np.zeros((1, 2)), *plane(0))


def test_around_holds_all_points_and_the_center():
    one = Coordinates(np.array([1.0, np.nan]), np.array([2.0, np.nan]), np.zeros(2))
    other = Coordinates(np.array([-3.0]), np.array([4.0]), np.zeros(1))
    assert landscape.around(one, other, margin=0.5) == ((-5.0, 3.0), (-2.0, 6.0))
    with pytest.raises(ValueError, match="apart from the center, got t=0"):
        landscape.around(Coordinates(np.ones(1), np.zeros(1), np.zeros(1)))
    with pytest.raises(ValueError, match="margin"):
        landscape.around(one, margin=-1.0)


# ------------------------------------------------------------------ the grid


@given(SEEDS, st.floats(0.1, 5.0), st.integers(1, 4).map(lambda half: 2 * half + 1))
def test_the_grid_of_a_bowl_is_known_everywhere(seed, extent, size):
    center, first, second = plane(seed, 4)
    found = landscape.grid(bowl, center, first, second, extent=extent, size=size)
    assert found.loss[size // 2, size // 2] == found.center_loss == bowl(center)
    H = np.diag(np.arange(1.0, 5.0))
    for (j, t), (i, s) in itertools.product(enumerate(found.t), enumerate(found.s)):
        value = center @ H @ center + 2 * s * center @ H @ first + 2 * t * center @ H @ second
        value += (
            s**2 * first @ H @ first + 2 * s * t * first @ H @ second + t**2 * second @ H @ second
        )
        assert found.loss[j, i] == pytest.approx(value, rel=1e-9, abs=1e-9)
    np.testing.assert_allclose([found.s[0], found.s[-1]], [-extent, extent])


def test_an_extent_may_differ_by_axis_and_be_an_integer():
    center, first, second = plane(1)
    found = landscape.grid(bowl, center, first, second, extent=((-1, 3), (0, 5)), size=2)
    np.testing.assert_array_equal(found.s, [-1, 3])
    np.testing.assert_array_equal(found.t, [0, 5])
    np.testing.assert_array_equal(
        landscape.grid(bowl, center, first, second, extent=2, size=3).s, [-2, 0, 2]
    )


def test_a_loss_may_be_infinite_but_not_at_the_center():
    center, first, second = np.zeros(2), *np.eye(2)

    def edge(phi):
        return float(np.exp(1000 * phi[0]))

    found = landscape.grid(edge, center, first, second, extent=1.0, size=3)
    np.testing.assert_array_equal(np.isinf(found.loss[0]), [False, False, True])
    with pytest.raises(ValueError, match="finite numbers in center_loss"):
        landscape.grid(lambda phi: np.nan, center, first, second, extent=1.0, size=3)


def test_a_loss_that_writes_into_its_argument_changes_nothing():
    def careless(phi):
        value = bowl(phi)
        phi[:] = 99
        return value

    plain, other = (
        landscape.grid(loss, *plane(3), extent=1.0, size=3) for loss in (bowl, careless)
    )
    np.testing.assert_array_equal(plain.loss, other.loss)
    path = np.ones((2, 3))
    landscape.follow(careless, path, [0, 1])
    assert (path == 1).all()


@pytest.mark.parametrize(
    "extent", [0.0, -1.0, np.inf, ((1, 0), (0, 1)), ((0, 1),), ((0, 1, 2),) * 2]
)
def test_what_is_no_extent(extent):
    with pytest.raises(ValueError, match="extent="):
        landscape.grid(bowl, *plane(0), extent=extent, size=3)


def test_what_is_no_size():
    for size in (1, 0, -3):
        with pytest.raises(ValueError, match=f"size={size}"):
            landscape.grid(bowl, *plane(0), extent=1.0, size=size)


def test_grid_refuses_a_size_that_is_no_integer():
    with pytest.raises(TypeError):
        landscape.grid(bowl, *plane(0), extent=1.0, size=2.5)


# ------------------------------------------------------------------ paths and passes


def test_follow_picks_steps_and_stops_where_the_path_does():
    path = np.array([[3.0, 0], [2, 0], [1, 0], [np.nan, 0], [np.nan, 0]])
    found = landscape.follow(bowl, path, (0, 2, 4))
    assert isinstance(found, Trajectory)
    np.testing.assert_array_equal(found.steps, [0, 2])
    np.testing.assert_array_equal(found.path, [[3, 0], [1, 0]])
    np.testing.assert_array_equal(found.losses, [9, 1])
    for steps in ((), (2, 1), (0, 0), (-1, 0), (0, 5)):
        with pytest.raises(ValueError, match="ascending steps"):
            landscape.follow(bowl, path, steps)
    with pytest.raises(ValueError, match="starts at finite"):
        landscape.follow(bowl, path, [3, 4])


@given(SEEDS)
def test_the_lowest_pass_is_where_flooding_joins_two_places(seed):
    """Fill water up to a level: the two are one lake from the level of the pass on."""
    rng = np.random.default_rng(seed)
    heights = rng.permutation(30).reshape(5, 6).astype(float)
    start, end = ((int(rng.integers(5)), int(rng.integers(6))) for _ in range(2))
    height = landscape.lowest_pass(heights, start, end)

    def joined(level):
        lake = {start} if heights[start] <= level else set()
        for _ in range(30):
            lake |= {
                (j + b, i + a)
                for j, i in lake
                for b, a in ((0, 1), (1, 0), (0, -1), (-1, 0))
                if 0 <= j + b < 5 and 0 <= i + a < 6 and heights[j + b, i + a] <= level
            }
        return end in lake

    assert joined(height)
    assert not joined(height - 0.5)
    assert landscape.lowest_pass(heights, end, start) == height


def test_a_pass_goes_around_what_is_not_finite():
    wall = np.array([[0.0, np.nan, 0.0], [0.0, 5.0, 0.0]])
    assert landscape.lowest_pass(wall, (0, 0), (0, 2)) == 5
    wall[1, 1] = np.inf
    with pytest.raises(ValueError, match="a way between"):
        landscape.lowest_pass(wall, (0, 0), (0, 2))
    with pytest.raises(ValueError, match="node of a 2 x 3 grid, got end"):
        landscape.lowest_pass(wall, (0, 0), (2, 0))
