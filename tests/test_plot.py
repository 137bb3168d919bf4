"""The artists that each function leaves on the axes; never pixels."""

import io
import re
from itertools import pairwise

import jaxtyping
import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.colors import same_color
from matplotlib.figure import Figure

from udl import plot

PALETTE = [
    plot.INK,
    plot.MUTED,
    plot.GRID,
    plot.PAPER,
    plot.BLUE,
    plot.ORANGE,
    plot.GREEN,
    plot.PURPLE,
    plot.GOLD,
]

# Three by three unit squares: each shares edges with its neighbors in the row and the column.
SQUARES = [
    np.array([[i, j], [i + 1, j], [i + 1, j + 1], [i, j + 1]], dtype=float)
    for j in range(3)
    for i in range(3)
]


@pytest.fixture(autouse=True)
def fresh_rc():
    with mpl.rc_context():
        yield


@pytest.fixture
def ax():
    plot.style()
    return Figure(figsize=(6, 3)).subplots()


@pytest.fixture
def examples():
    rng = np.random.default_rng(4)
    x = np.sort(rng.uniform(0, 2, 7))
    return x, rng.normal(size=7), 0.5 + x


def svg(figure):
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def refused(match):
    """Expect a ValueError of the code: from here to the end of a test no type checker looks."""
    jaxtyping.config.update("jaxtyping_disable", True)
    return pytest.raises(ValueError, match=match)


def luminance(color):
    r, g, b = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in mpl.colors.to_rgb(color)
    )
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def contrast(first, second):
    dark, light = sorted([luminance(first), luminance(second)])
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("color", [c for c in PALETTE if c not in (plot.GRID, plot.PAPER)])
def test_each_color_is_legible_on_paper(color):
    # GOLD is the palest: 3 to 1 is what WCAG asks of graphics, 4.5 of text.
    assert contrast(color, plot.PAPER) > (3.0 if color == plot.GOLD else 4.0)


def test_background_is_transparent_only_in_the_book(monkeypatch):
    monkeypatch.delenv("UDL_BOOK", raising=False)
    plot.style()
    assert same_color(mpl.rcParams["figure.facecolor"], plot.PAPER)
    monkeypatch.setenv("UDL_BOOK", "1")
    plot.style()
    assert mpl.rcParams["figure.facecolor"] == "none"
    assert mpl.rcParams["savefig.facecolor"] == "none"


def test_panes_of_three_dimensions_are_transparent():
    plot.style()
    ax = Figure().add_subplot(projection="3d")
    for axis in (ax.xaxis, ax.yaxis, ax.zaxis):
        assert axis.pane.get_facecolor()[3] == 0


def test_style_asks_a_notebook_for_svg_without_a_date(monkeypatch):
    inline = pytest.importorskip("matplotlib_inline.backend_inline")
    IPython = pytest.importorskip("IPython")
    asked = []
    monkeypatch.setattr(IPython, "get_ipython", lambda: object())
    monkeypatch.setattr(
        inline, "set_matplotlib_formats", lambda *args, **kwargs: asked.append((args, kwargs))
    )
    plot.style()
    assert asked == [(("svg",), {"metadata": {"Date": None}})]


def test_svg_repeats_byte_for_byte_and_holds_only_palette_colors(examples):
    def draw():
        plot.style()
        ax = Figure().subplots()
        x, y, f = examples
        plot.axis_labels(ax, x="x (m)", y="y (s)")
        plot.data(ax, x, y, label="data")
        plot.line(ax, x, f)
        plot.residuals(ax, x, y, f)
        plot.squares(ax, x, y, f)
        grid = np.linspace(-1, 1, 9)
        plot.loss_contours(ax, grid, grid, grid[:, None] ** 2 + grid**2)
        plot.path(ax, np.array([[0.0, 0.0], [0.5, 0.5]]))
        plot.bands(ax, x[2:4], labels=["a", "b", "c"])
        plot.field(ax, grid, grid, grid[:, None] + grid**2)
        plot.cells(ax, SQUARES)
        plot.network(ax, [["1", "x"], ["f"]], weights=[[["b"], ["w"]]], captions=["in", "out"])
        ax.legend()
        return svg(ax.figure)

    first = draw()
    assert first == draw()
    assert "<dc:date>" not in first
    assert set(re.findall(r"#[0-9a-f]{6}\b", first)) <= set(PALETTE)


def test_data_rasterizes_only_many_points(ax):
    few, many = np.zeros(400), np.zeros(401)
    vector, raster = plot.data(ax, few, few), plot.data(ax, many, many)
    assert not vector.get_rasterized()
    assert raster.get_rasterized()
    # Pixels keep their color on a dark page, where INK would vanish.
    assert same_color(vector.get_facecolor()[0, :3], plot.INK)
    assert same_color(raster.get_facecolor()[0, :3], plot.MUTED)
    assert same_color(plot.data(ax, many, many, color=plot.BLUE).get_facecolor()[0, :3], plot.BLUE)


def test_data_and_line_hold_their_arrays(ax, examples):
    x, y, f = examples
    np.testing.assert_array_equal(plot.data(ax, x, y).get_offsets(), np.column_stack([x, y]))
    drawn = plot.line(ax, x, f, label="model", linestyle="--")
    np.testing.assert_array_equal(drawn.get_xydata(), np.column_stack([x, f]))
    assert drawn.get_linestyle() == "--"
    assert ax.get_legend_handles_labels()[1] == ["model"]


def test_axis_labels(ax):
    plot.axis_labels(ax, x="age (years)", y="height (cm)")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("age (years)", "height (cm)")


def test_residuals_go_from_target_to_prediction(ax, examples):
    x, y, f = examples
    segments = np.array(plot.residuals(ax, x, y, f).get_segments())
    np.testing.assert_array_equal(segments[:, 0], np.column_stack([x, y]))
    np.testing.assert_array_equal(segments[:, 1], np.column_stack([x, f]))
    low, high = ax.get_ylim()
    assert low <= min(y.min(), f.min())
    assert high >= max(y.max(), f.max())


def test_squares_are_square_on_the_page_and_as_tall_as_the_residuals(ax, examples):
    x, y, f = examples
    ax.set(xlim=(-3, 8), ylim=(-4, 4))
    plot.axis_labels(ax, x="x (m)", y="y (s)")
    patches = plot.squares(ax, x, y, f)
    ax.figure.draw_without_rendering()
    for patch, r in zip(patches.get_paths(), f - y, strict=True):
        box = patch.get_extents()
        assert box.height == pytest.approx(abs(r))
        width, height = np.ptp(ax.transData.transform(box.get_points()), axis=0)
        assert width == pytest.approx(height)
    # Drawing a picture of the loss must not move the picture of the data.
    assert ax.get_xlim() == (-3, 8)


def test_loss_contours_put_phi0_on_the_horizontal_axis(ax):
    phi0, phi1 = np.linspace(-2, 2, 81), np.linspace(-1, 1, 41)
    L = (phi0[None, :] / 2) ** 2 + phi1[:, None] ** 2
    ring = plot.loss_contours(ax, phi0, phi1, L, levels=[0.25]).get_paths()[0].vertices
    np.testing.assert_allclose((ring[:, 0] / 2) ** 2 + ring[:, 1] ** 2, 0.25, atol=2e-3)
    assert np.ptp(ring[:, 0]) == pytest.approx(2 * np.ptp(ring[:, 1]), rel=1e-2)


def test_default_levels_grow_with_the_squares_and_opacity_with_the_loss(ax):
    p = np.linspace(-1, 1, 21)
    L = 3 + p[None, :] ** 2 + p[:, None] ** 2
    contours = plot.loss_contours(ax, p, p, L, levels=4)
    np.testing.assert_allclose(contours.levels, 3 + 2 * np.array([1, 4, 9, 16]) / 16)
    fill = next(c for c in ax.collections if c is not contours)
    opacity = fill.get_facecolor()[:, 3]
    assert opacity[0] == 0
    assert (np.diff(opacity) > 0).all()


def test_loss_contours_refuse_a_transposed_loss(ax):
    with refused(r"\(3, 4\), got L.shape=\(4, 3\)"):
        plot.loss_contours(ax, np.arange(4.0), np.arange(3.0), np.zeros((4, 3)))


@pytest.mark.parametrize("L", [np.ones((3, 4)), np.array([[0, 1, 2, np.nan]] * 3)])
def test_loss_contours_refuse_a_flat_or_unknown_loss(ax, L):
    with pytest.raises(ValueError, match=r"expected finite values that differ, .* got L from"):
        plot.loss_contours(ax, np.arange(4.0), np.arange(3.0), L)


@pytest.mark.parametrize("draw", [plot.loss_contours, plot.field])
@pytest.mark.parametrize("scale", [1e-300, 1e300, np.finfo(np.float64).max])
def test_ranges_that_no_picture_shows_are_refused(ax, draw, scale):
    with pytest.raises(ValueError, match=r"differ, by 1e-200 to 1e200, got . from -"):
        draw(ax, np.arange(4.0), np.arange(3.0), scale * np.linspace(-1, 1, 12).reshape(3, 4))


@pytest.mark.parametrize("draw", [plot.loss_contours, plot.field])
@pytest.mark.parametrize("scale", [1e-199, 1e199])
def test_the_scale_of_a_surface_changes_only_its_levels(ax, draw, scale):
    p = np.linspace(-1, 1, 21)
    Z = p + np.sin(3 * p[:, None])
    one, other = draw(ax, p, p, Z), draw(ax, p, p, scale * Z)
    np.testing.assert_allclose(other.levels, scale * one.levels)
    for path, same in zip(other.get_paths(), one.get_paths(), strict=True):
        np.testing.assert_allclose(path.vertices, same.vertices, atol=1e-9)


@pytest.mark.parametrize("draw", [plot.loss_contours, plot.field])
def test_levels_are_a_number_or_heights_in_any_order(ax, draw):
    p = np.linspace(-1, 1, 21)
    Z = p + p[:, None] ** 2
    number = draw(ax, p, p, Z, levels=np.int64(5)).levels
    np.testing.assert_array_equal(number, draw(ax, p, p, Z, levels=5).levels)
    heights = draw(ax, p, p, Z, levels=np.array([1.5, -0.5, 0.0])).levels
    np.testing.assert_array_equal(heights, [-0.5, 0, 1.5])


@pytest.mark.parametrize("draw", [plot.loss_contours, plot.field])
@pytest.mark.parametrize("levels", [-1, 0, np.int64(-1), [], [np.nan], [0.0, np.inf]])
def test_levels_that_are_none_are_refused(ax, draw, levels):
    p = np.linspace(-1, 1, 21)
    match = r"expected levels >= 1 or finite heights, got levels=[-\[0]"
    with pytest.raises(ValueError, match=match):
        draw(ax, p, p, p + p[:, None], levels=levels)


@pytest.mark.parametrize("draw", [plot.data, plot.line, plot.residuals, plot.squares])
def test_shapes_that_would_broadcast_are_refused(ax, draw):
    x, column = np.zeros(3), np.zeros((3, 1))
    rest = [x] if draw in (plot.residuals, plot.squares) else []
    with refused(r"equal length, got x.shape=\(3,\), y.shape=\(3, 1\)"):
        draw(ax, x, column, *rest)
    with refused(r"y.shape=\(2,\)"):
        draw(ax, x, x[:2], *rest)


@pytest.mark.parametrize("shape", [(2,), (3, 3)])
def test_path_refuses_other_shapes(ax, shape):
    with refused(r"expected phis of shape \(T, 2\)"):
        plot.path(ax, np.zeros(shape))
    with pytest.raises(ValueError, match=r"T >= 1, got phis.shape=\(0, 2\)"):
        plot.path(ax, np.zeros((0, 2)))


def test_network_refuses_missing_texts(ax):
    with pytest.raises(ValueError, match=r"weights of shapes \[\(2, 1\)\], one text a link"):
        plot.network(ax, [["1", "x"], ["f"]], weights=[[["b"]]])


def test_path_has_no_dots_that_cover_one_another(ax):
    def dots(phis):
        ax.clear()
        plot.path(ax, phis)
        drawing = io.StringIO()
        ax.figure.savefig(drawing, format="svg")
        return drawing.getvalue().count("<use")

    ticks_and_start = dots(np.array([[0.0, 0.0], [1.0, 1.0]])) - 2
    jumps = np.tile([[0.0, 0.0], [1.0, 1.0]], (30, 1))
    assert dots(jumps) - ticks_and_start == 60
    creep = np.linspace([0.0, 0.0], [1.0, 1.0], 5000)
    assert 100 < dots(creep) - ticks_and_start < 200


def test_path_marks_its_start(ax):
    phis = np.array([[2.0, -1.0], [1.0, 0.0], [0.5, 0.25]])
    np.testing.assert_array_equal(plot.path(ax, phis).get_xydata(), phis)
    assert [artist.get_xydata().tolist() for artist in ax.lines[1:]] == [[[2.0, -1.0]]]


def test_heatmap_writes_each_value_with_contrast(ax):
    M = np.linspace(-1, 1, 25).reshape(5, 5)
    cells = plot.heatmap(ax, M, list("abcde"))
    np.testing.assert_array_equal(cells.get_array(), M)
    assert cells.get_clim() == (-1, 1)
    assert [t.get_text() for t in ax.texts] == [f"{v:.2f}" for v in M.ravel()]
    for text, value in zip(ax.texts, M.ravel(), strict=True):
        assert contrast(text.get_color(), cells.to_rgba(value)[:3]) > 4.5
    assert [t.get_text() for t in ax.get_yticklabels()] == list("abcde")
    assert [t.get_text() for t in ax.get_xticklabels()] == list("abcde")
    low, high = ax.get_ylim()
    assert low > high, "the first row belongs on top, as in the printed matrix"


def test_heatmap_refuses_missing_names(ax):
    with pytest.raises(ValueError, match=r"M.shape=\(2, 2\), 1 names"):
        plot.heatmap(ax, np.eye(2), ["a"])


def test_network_links_every_pair_of_neighbours(ax):
    plot.network(ax, [["a", "b"], ["c", "d", "e"], ["f"]])
    assert len(ax.lines) == 2 * 3 + 3 * 1
    assert [t.get_text() for t in ax.texts] == list("abcdef")


def test_network_labels_links(ax):
    plot.network(ax, [["1", "x"], ["p", "q"]], weights=[[["u", ""], ["", "v"]]])
    assert len(ax.lines) == 4
    assert [t.get_text() for t in ax.texts] == ["u", "v", "1", "x", "p", "q"]


def test_network_links_nothing_to_a_constant(ax):
    plot.network(ax, [["$1$", "$x$"], ["$1$", "$h_1$", "$h_2$"], ["1", "y"]])
    # To the h from 1 and x, and to y from 1 and the h.
    assert len(ax.lines) == 4 + 3
    assert not any(tuple(line.get_xydata()[1]) == ax.patches[4].center for line in ax.lines)


def test_network_links_to_a_constant_where_the_link_has_a_weight(ax):
    plot.network(ax, [["$1$", "$x$"], ["1", "y"]], weights=[[["w", ""], ["", ""]]])
    ends = [tuple(map(tuple, line.get_xydata())) for line in ax.lines]
    one, x, constant, y = (patch.center for patch in ax.patches[::2])
    assert ends == [(one, constant), (one, y), (x, y)]


@pytest.mark.parametrize("layers", [[], [[]], [["x"], []]])
def test_network_refuses_layers_without_nodes(ax, layers):
    with pytest.raises(ValueError, match=r"layers with one node or more each, got layers=\["):
        plot.network(ax, layers)


def test_network_puts_the_first_node_of_a_layer_highest_and_layers_left_to_right(ax):
    plot.network(ax, [["a", "b"], ["c", "d", "e"]])
    places = {text.get_text(): text.get_position() for text in ax.texts}
    assert places["a"][1] > places["b"][1]
    assert places["c"][1] > places["d"][1] > places["e"][1]
    assert places["a"][0] == places["b"][0] < places["c"][0] == places["e"][0]


def test_network_hides_its_axes_and_draws_circles_round(ax):
    plot.network(ax, [["x"], ["y"]])
    assert not ax.axison
    ax.figure.draw_without_rendering()
    box = ax.patches[0].get_window_extent()
    assert box.width == pytest.approx(box.height)


@pytest.mark.parametrize("size", [(6.4, 3.8), (3.2, 2.4), (5.6, 8)])
def test_network_texts_stand_upright_just_above_their_links(size):
    plot.style()
    ax = Figure(figsize=size).subplots()
    weights = [[["a", "b", "c", "d"], ["e", "f", "g", "h"]]]
    plot.network(ax, [["1", "x"], list("pqrs")], weights=weights)
    ax.figure.draw_without_rendering()
    texts = ax.texts[: len(ax.lines)]
    assert [text.get_text() for text in texts] == list("abcdefgh")
    for line, text in zip(ax.lines, texts, strict=True):
        (start, end) = ax.transData.transform(line.get_xydata())
        assert text.get_rotation() == 0
        corners = text.get_window_extent().corners() - start
        right, up = (end - start) / np.linalg.norm(end - start)
        assert all(0 < c < np.linalg.norm(end - start) for c in corners @ [right, up])
        air = min(corners @ [-up, right]) * 72 / ax.figure.dpi
        assert 0.15 < air / text.get_size() < 0.35


def test_network_writes_captions_below_the_nodes(ax):
    plot.network(ax, [["x"], ["p", "q"], ["y"]], captions=["input", "", "output"])
    first, last = ax.texts[-2:]
    assert (first.get_text(), last.get_text()) == ("input", "output")
    nodes = [patch.center for patch in ax.patches]
    assert first.get_position()[0] == nodes[0][0]
    assert last.get_position()[0] == nodes[-1][0]
    assert first.get_position()[1] < min(y for _, y in nodes) - 0.32
    with pytest.raises(ValueError, match=r"a caption for each of 3 layers, got \['input'\]"):
        plot.network(ax, [["x"], ["p", "q"], ["y"]], captions=["input"])


@pytest.mark.parametrize("size", [(6.4, 3.8), (3.2, 2.4), (4, 6)])
def test_network_keeps_texts_in_their_nodes_and_off_one_another(size):
    plot.style()
    ax = Figure(figsize=size).subplots()
    hidden = [[f"$h{mark}_{d}$" for d in range(1, 9)] for mark in ("", "'", "''")]
    captions = ["input", "hidden\nlayer 1", "hidden\nlayer 2", "hidden\nlayer 3", "output"]
    plot.network(ax, [["$x$"], *hidden, ["$y$"]], captions=captions)
    ax.figure.draw_without_rendering()
    circles = [p.get_window_extent() for p in ax.patches[::2]]
    texts = [t.get_window_extent() for t in ax.texts]
    for circle, text in zip(circles, texts, strict=False):
        assert max(text.width, text.height) < circle.width
    for left, right in pairwise(sorted(texts[-5:], key=lambda box: box.x0)):
        assert left.x1 < right.x0
    page = ax.figure.bbox
    assert all(page.x0 <= b.x0 < b.x1 <= page.x1 and page.y0 <= b.y0 for b in circles + texts)


@pytest.mark.parametrize("inputs", ["1x", "1xz"])
def test_network_places_texts_away_from_one_another_and_from_other_links(ax, inputs):
    weights = [[f"{i}{d}" for d in "pqr"] for i in inputs]
    plot.network(ax, [list(inputs), list("pqr")], weights=[weights])
    number = 3 * len(inputs)
    places = np.array([text.get_position() for text in ax.texts[:number]])
    gaps = np.linalg.norm(places[:, None] - places, axis=2)[np.triu_indices(number, 1)]
    assert gaps.min() > 0.35
    links = [line.get_xydata() for line in ax.lines]
    for (start, end), place in zip(links, places, strict=True):
        for a, b in links:
            on_link = a + np.linspace(0, 1, 1001)[:, None] * (b - a)
            if not np.array_equal([a, b], [start, end]):
                assert np.linalg.norm(on_link - place, axis=1).min() > 0.12


def test_bands_alternate_between_the_limits_and_leave_them(ax):
    ax.set(xlim=(0, 4), ylim=(-1, 6))
    ax.autoscale()
    plot.line(ax, np.array([0.0, 4.0]), np.array([-1.0, 6.0]))
    limits, extent = (ax.get_xlim(), ax.get_ylim()), ax.dataLim.frozen()
    tinted = plot.bands(ax, np.array([1.0, 1.5, 4.1]), labels=list("abcd"), color=plot.GREEN)
    ax.figure.draw_without_rendering()
    assert (ax.get_xlim(), ax.get_ylim()) == limits
    np.testing.assert_array_equal(ax.dataLim, extent)
    low, high = limits[0]
    spans = [(p.vertices[:, 0].min(), p.vertices[:, 0].max()) for p in tinted.get_paths()]
    assert spans == [(low, 1.0), (1.5, 4.1)]
    assert {(p.vertices[:, 1].min(), p.vertices[:, 1].max()) for p in tinted.get_paths()} == {
        (0, 1)
    }
    dotted = ax.collections[-1]
    assert dotted.get_linestyle() != tinted.get_linestyle()
    assert same_color(dotted.get_edgecolor()[0], plot.GREEN)
    top = tinted.get_transform().transform([(2, 1)])[0, 1]
    assert top == pytest.approx(ax.bbox.y1)
    (color,) = tinted.get_facecolor()
    assert same_color(color[:3], plot.GREEN)
    assert color[3] < 0.2
    joints = np.array(ax.collections[-1].get_segments())
    np.testing.assert_array_equal(joints[:, :, 0], [[1, 1], [1.5, 1.5], [4.1, 4.1]])
    middles = [(low + 1) / 2, 1.25, 2.8, (4.1 + high) / 2]
    assert [(t.get_text(), t.get_position()[0]) for t in ax.texts] == list(
        zip("abcd", middles, strict=True)
    )


@pytest.mark.parametrize("limits", [(0, 2), (2, 0)])
def test_bands_beyond_the_limits_are_left_out(ax, limits):
    ax.set_xlim(limits)
    tinted = plot.bands(ax, np.array([-5.0, 1.0, 9.0]), labels=list("abcd"))
    assert [np.ptp(path.vertices[:, 0]) for path in tinted.get_paths()] == [1.0]
    assert [t.get_text() for t in ax.texts] == ["b", "c"]
    assert len(ax.collections[-1].get_segments()) == 1
    assert ax.get_xlim() == limits


def test_bands_without_a_joint_are_one(ax):
    tinted = plot.bands(ax, np.array([]), labels=["all"])
    assert len(tinted.get_paths()) == len(ax.texts) == 1


@pytest.mark.parametrize("edges", [[1, 0], [1, 1], [0, np.nan], [-np.inf, 0]])
def test_bands_refuse_joints_out_of_order(ax, edges):
    with pytest.raises(ValueError, match=r"finite edges in ascending order, got edges=\["):
        plot.bands(ax, np.array(edges, dtype=float))


def test_bands_refuse_a_matrix(ax):
    with refused(r"expected a vector, got edges.shape=\(1, 1\)"):
        plot.bands(ax, np.array([[0.5]]))


def test_bands_refuse_missing_labels(ax):
    with pytest.raises(ValueError, match="a label for each of 3 bands, got 2 labels"):
        plot.bands(ax, np.array([0.2, 0.7]), labels=["a", "b"])


def test_cells_hold_the_polygons_and_scale_opacity_with_the_value(ax):
    values = np.array([5.0, -3, 1, 1, 0, 2, 4, 3, -1])
    artist = plot.cells(ax, SQUARES, values, color=plot.GREEN, outline=plot.INK)
    for path, square in zip(artist.get_paths(), SQUARES, strict=True):
        np.testing.assert_array_equal(path.vertices[:4], square)
    faces = artist.get_facecolor()
    assert all(same_color(face[:3], plot.GREEN) for face in faces)
    assert same_color(artist.get_edgecolor()[0], plot.INK)
    slope, intercept = np.polyfit(values, faces[:, 3], 1)
    np.testing.assert_allclose(faces[:, 3], slope * values + intercept)
    assert slope > 0
    assert 0 < faces[:, 3].min() < faces[:, 3].max() < 1
    assert (ax.get_xlim(), ax.get_ylim()) == ((0, 3), (0, 3))
    assert len(ax.collections) == 1


def test_cells_of_one_value_have_one_opacity(ax):
    assert len(set(plot.cells(ax, SQUARES, np.full(9, 7.0)).get_facecolor()[:, 3])) == 1


@pytest.mark.parametrize("width", [1e-6, 1 / 256, 1.0, 1e6])
def test_cells_without_values_differ_from_their_neighbors(ax, width):
    rng = np.random.default_rng(0)
    order = rng.permutation(36)
    # Corners computed on either side of an edge agree up to rounding only.
    noise = rng.normal(scale=1e-12, size=(36, 4, 2))
    squares = [
        width * (SQUARES[0] + [k % 6, k // 6] + e) for k, e in zip(order, noise, strict=True)
    ]
    opacity = plot.cells(ax, squares).get_facecolor()[:, 3]
    grid = opacity[np.argsort(order)].reshape(6, 6)
    assert np.abs(np.diff(grid, axis=0)).min() > 0.2
    assert np.abs(np.diff(grid, axis=1)).min() > 0.2
    np.testing.assert_array_equal(plot.cells(ax, squares).get_facecolor()[:, 3], opacity)


@pytest.mark.parametrize("first", [0, 12])
@pytest.mark.parametrize("spokes", [11, 12])
def test_cells_around_a_hub_differ_from_it_and_from_one_another(ax, first, spokes):
    turn = 2 * np.pi * np.arange(spokes + 1) / spokes
    rim = np.column_stack([np.cos(turn), np.sin(turn)])
    wheel = [np.array([a, 2 * a, 2 * b, b]) for a, b in pairwise(rim)]
    wheel.insert(first, rim[:-1])
    opacity = plot.cells(ax, wheel).get_facecolor()[:, 3].tolist()
    hub = opacity.pop(min(first, spokes))
    assert np.abs(np.array(opacity) - hub).min() > 0.1
    assert np.abs(np.diff([*opacity, opacity[0]])).min() > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_cells_with_many_neighbors_differ_across_edges(ax, seed):
    spatial = pytest.importorskip("scipy.spatial")
    rng = np.random.default_rng(seed)
    diagram = spatial.Voronoi(rng.normal(size=(150, 2)))
    inside = [k for k, r in enumerate(diagram.point_region) if -1 not in diagram.regions[r]]
    polygons = [diagram.vertices[diagram.regions[diagram.point_region[k]]] for k in inside]
    opacity = dict(zip(inside, plot.cells(ax, polygons).get_facecolor()[:, 3], strict=True))
    pairs = [(a, b) for a, b in diagram.ridge_points if a in opacity and b in opacity]
    assert min(abs(opacity[a] - opacity[b]) for a, b in pairs) > 0.1


def test_cells_hide_the_grid(ax):
    plot.cells(ax, SQUARES)
    assert not any(line.get_visible() for line in ax.get_xgridlines() + ax.get_ygridlines())


@pytest.mark.parametrize(
    "polygon",
    [
        np.array([[0, 0], [1, 0], [np.nan, 1]]),
        np.array([[0, 0], [1, 0], [np.inf, 1]]),
        np.array([[0.0, 0], [1, 0], [2, 0]]),
        np.ones((3, 2)),
    ],
)
def test_cells_refuse_corners_without_an_area(ax, polygon):
    with pytest.raises(ValueError, match=r"finite corners and a size, got corners from \("):
        plot.cells(ax, [polygon])


@pytest.mark.parametrize(
    "values", [np.zeros(8), np.array([0.0] * 8 + [np.nan]), np.array([0.0] * 8 + [np.inf])]
)
def test_cells_refuse_missing_or_unknown_values(ax, values):
    with pytest.raises(ValueError, match="a finite value for each of 9 polygons, got values="):
        plot.cells(ax, SQUARES, values)


@pytest.mark.parametrize("polygons", [[], [np.zeros((2, 2))]])
def test_cells_refuse_what_is_no_polygon(ax, polygons):
    with pytest.raises(ValueError, match=r"polygons of shape \(V, 2\), V >= 3, got shapes \["):
        plot.cells(ax, polygons)


X1, X2 = np.linspace(-2, 2, 41), np.linspace(-1, 1, 31)


def fills(ax, lines):
    """Return the opacities of the fills by color, from the band nearest to zero outwards."""
    found = {}
    for artist in ax.collections:
        if artist is not lines:
            faces = artist.get_facecolor()
            found[mpl.colors.to_hex(faces[0, :3])] = faces[:, 3]
    return found


def test_field_puts_x1_on_the_horizontal_axis_and_colors_by_sign(ax):
    F = X1[None, :] - 3 * X2[:, None] ** 2
    lines = plot.field(ax, X1, X2, F, levels=[-1.0, 1.0])
    np.testing.assert_array_equal(lines.levels, [-1, 0, 1])
    for path, level in zip(lines.get_paths(), lines.levels, strict=True):
        x1, x2 = path.vertices.T
        np.testing.assert_allclose(x1 - 3 * x2**2, level, atol=0.01)
    edges = [mpl.colors.to_hex(color) for color in lines.get_edgecolor()]
    assert edges == [plot.ORANGE, plot.INK, plot.BLUE]
    assert lines.get_linewidths()[1] > lines.get_linewidths()[0]
    found = fills(ax, lines)
    assert set(found) == {plot.BLUE, plot.ORANGE}
    assert all((np.diff(opacity) > 0).all() for opacity in found.values())


def test_field_spaces_its_lines_evenly_through_zero(ax):
    levels = plot.field(ax, X1, X2, X1 + X2[:, None] + 0.5, levels=9).levels
    assert 0.0 in levels
    assert 8 <= len(levels) <= 10
    np.testing.assert_allclose(np.diff(levels), 6 / 10)


@pytest.mark.parametrize(("sign", "color"), [(1, plot.BLUE), (-1, plot.ORANGE)])
def test_field_of_one_sign_has_one_color_and_no_line_at_zero(ax, sign, color):
    levels = [-21.0, -19.0, 0.0, 19.0, 21.0]
    lines = plot.field(ax, X1, X2, sign * (20 + X1 * X2[:, None]), levels=levels)
    assert 0 not in lines.levels
    ax.clear()
    lines = plot.field(ax, X1, X2, sign * (20 + X1 * X2[:, None]))
    found = fills(ax, lines)
    assert set(found) == {color}
    assert np.ptp(found[color]) > 0.3, "the range of the values, not their distance from zero"
    assert {mpl.colors.to_hex(c) for c in lines.get_edgecolor()} == {color}


@pytest.mark.parametrize("sign", [1, -1])
def test_field_leaves_a_plateau_of_zeros_empty_and_marks_its_border(ax, sign):
    rounding = 1e-15 * np.random.default_rng(0).normal(size=(31, 41))
    F = np.maximum(0, X1 - 0.55) + rounding
    lines = plot.field(ax, X1, X2, sign * F)
    zero = lines.levels == 0
    assert zero.sum() == 1
    (border,) = np.array(lines.get_paths(), dtype=object)[zero]
    # Zero up to the grid's 0.5, larger from 0.6 on: the line lies between.
    assert ((border.vertices[:, 0] >= 0.5) & (border.vertices[:, 0] <= 0.6)).all()
    assert mpl.colors.to_hex(lines.get_edgecolor()[zero][0]) == plot.INK
    for artist in ax.collections:
        for path in artist.get_paths():
            assert (path.vertices[:, 0] >= 0.5).all()


@pytest.mark.parametrize("sign", [1, -1])
def test_field_marks_the_border_of_a_clipped_plane_by_a_straight_line(ax, sign):
    plane = X1 + 0.7 * X2[:, None] - 0.13
    # The levels of the other sign are not there, next to the border least of all.
    levels = [-2.0, -1.0, -0.01, 0.01, 1.0, 2.0]
    lines = plot.field(ax, X1, X2, sign * np.maximum(0, plane), levels=levels)
    np.testing.assert_array_equal(lines.levels, np.sort(sign * np.array([0, 0.01, 1, 2])))
    for path, level in zip(lines.get_paths(), lines.levels, strict=True):
        x1, x2 = path.vertices.T
        np.testing.assert_allclose(sign * (x1 + 0.7 * x2 - 0.13), level, atol=1e-9)
        assert level or np.ptp(x2) == pytest.approx(2)
    fill = min((c for c in ax.collections if c is not lines), key=lambda c: c.get_zorder())
    for path in fill.get_paths():
        assert (path.vertices @ [1, 0.7] > 0.13 - 1e-9).all()


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("power", [0, 0.5, 2])
def test_field_marks_the_border_of_a_plateau_between_the_points_around_it(ax, sign, power):
    F = np.where(X1 > 0.55, np.abs(X1 - 0.55) ** power, 0) + 0 * X2[:, None]
    lines = plot.field(ax, X1, X2, sign * F)
    (border,) = np.array(lines.get_paths(), dtype=object)[lines.levels == 0]
    assert ((border.vertices[:, 0] >= 0.5 - 1e-9) & (border.vertices[:, 0] <= 0.6)).all()
    assert np.ptp(border.vertices[:, 1]) == pytest.approx(2)


def test_field_marks_a_zero_at_one_point_of_the_grid_there(ax):
    lines = plot.field(ax, X1, X2, X1**2 + X2[:, None] ** 2)
    assert lines.levels[0] == 0
    np.testing.assert_allclose(lines.get_paths()[0].vertices, 0, atol=1e-9)


def test_field_of_a_positive_function_has_no_zero_however_small_it_is(ax):
    F = np.exp(20 * (X1 + X2[:, None]))
    lines = plot.field(ax, X1, X2, F)
    assert (lines.levels > 0).all()
    assert set(fills(ax, lines)) == {plot.BLUE}
    ax.clear()
    assert plot.field(ax, X1, X2, F - F.min()).levels[0] == 0


def test_field_draws_solid_lines_and_hides_the_grid(ax):
    lines = plot.field(ax, X1, X2, -20 + X1 * X2[:, None], levels=[-20.0])
    assert lines.get_linestyle() == [(0, None)]
    assert not any(line.get_visible() for line in ax.get_xgridlines() + ax.get_ygridlines())


def test_field_marks_both_borders_of_a_plateau_of_zeros(ax):
    F = np.maximum(0, X1 - 1) - np.maximum(0, -X1 - 1) + 0 * X2[:, None]
    lines = plot.field(ax, X1, X2, F)
    borders = [
        float(np.median(path.vertices[:, 0]))
        for path, level in zip(lines.get_paths(), lines.levels, strict=True)
        if level == 0
    ]
    np.testing.assert_allclose(borders, [-1, 1], atol=0.11)


def test_fields_of_the_same_levels_share_their_colors(ax):
    levels = [-4.0, -2.0, 0.0, 2.0, 4.0]
    whole = fills(ax, plot.field(ax, X1, X2, 2 * X1 + 0 * X2[:, None], levels=levels))
    ax.clear()
    part = fills(ax, plot.field(ax, X1, X2, 0.5 * X1 + 0 * X2[:, None], levels=levels))
    assert {c: a.tolist() for c, a in whole.items()} == {c: a.tolist() for c, a in part.items()}


def test_field_refuses_a_transposed_function(ax):
    with refused(r"\(3, 4\), got F.shape=\(4, 3\)"):
        plot.field(ax, np.arange(4.0), np.arange(3.0), np.zeros((4, 3)))


@pytest.mark.parametrize("F", [np.ones((3, 4)), np.array([[0, 1, 2, np.nan]] * 3)])
def test_field_refuses_a_flat_or_unknown_function(ax, F):
    with pytest.raises(ValueError, match=r"expected finite values that differ, .* got F from"):
        plot.field(ax, np.arange(4.0), np.arange(3.0), F)


def test_field_keeps_no_corner_on_a_straight_line():
    x = np.linspace(-1, 1, 61)
    ax = Figure().subplots()
    plane = plot.field(ax, x, x, x[None, :] + 0.3 * x[:, None], levels=[-0.5, 0.5])
    for path in plane.get_paths():
        assert len(path.vertices) == 2
        np.testing.assert_allclose(np.abs(path.vertices[:, 1]), 1)  # from edge to edge
    fills = [c for c in ax.collections if c is not plane]
    assert sum(len(path.vertices) for fill in fills for path in fill.get_paths()) < 50
    round_ = plot.field(Figure().subplots(), x, x, x[None, :] ** 2 + x[:, None] ** 2, levels=[0.5])
    corners = round_.get_paths()[-1].vertices
    assert len(corners) > 60
    np.testing.assert_allclose(np.hypot(*corners.T), 0.5**0.5, rtol=1e-3)
