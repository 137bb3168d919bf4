"""The artists that each function leaves on the axes; never pixels."""

import io
import re

import matplotlib as mpl
import numpy as np
import pytest
from jaxtyping import TypeCheckError
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
    """Expect a ValueError; with runtime shape checks on, those refuse first."""
    checked = hasattr(plot.data, "__wrapped__")
    return pytest.raises(TypeCheckError) if checked else pytest.raises(ValueError, match=match)


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
    with pytest.raises(ValueError, match="expected finite losses that differ, got L from"):
        plot.loss_contours(ax, np.arange(4.0), np.arange(3.0), L)


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
