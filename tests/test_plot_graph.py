"""Computational graphs as they stand on the page: what overlaps, what points where."""

import io
import re
from itertools import combinations, pairwise

import matplotlib as mpl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import same_color
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch, PathPatch
from matplotlib.transforms import Bbox

from udl import plot

# J = (relu(theta_0 + theta_1 x) - y)^2, leaves first, and as it is traced.
NEURON = (
    [r"$\theta_0$", r"$\theta_1$", "$x$", "$y$", "$h$", "$g$", r"$\hat{y}$", "$f$", "$J$"],
    [(), (), (), (), (1, 2), (0, 4), (5,), (6, 3), (7,)],
)
TRACED = (
    [r"$\theta_1$", "$x$", "$h$", r"$\theta_0$", "$g$", r"$\hat{y}$", "$y$", "$f$", "$J$"],
    [(), (), (0, 1), (), (2, 3), (4,), (), (5, 6), (7,)],
)
CHAIN = (
    ["$x$", *(f"${c}_{k}$" for k in range(4) for c in "fh"), r"$\ell$"],
    [(), *((k,) for k in range(9))],
)
TWICE = (["$x$", "$p = x x$", "$s = p + x$"], [(), (0, 0), (1, 0)])
WIDE = (
    ["$x$", "$w_1$", "$w_2$", "$b$", "$w_1x$", "$w_2x$", "relu", "tanh", "+", "+", "exp", "$L$"],
    [(), (), (), (), (0, 1), (0, 2), (4,), (5,), (6, 7), (8, 3), (9,), (10, 6, 0)],
)


@pytest.fixture(autouse=True)
def fresh_rc():
    with mpl.rc_context():
        plot.style()
        yield


class Drawn:
    """A graph on a page: its nodes, texts and arrows in pixels, each by the node's position."""

    def __init__(self, labels, parents, size=(5.6, 2.6), ax=None, **options):
        self.ax = Figure(figsize=size).subplots() if ax is None else ax
        self.parents = parents
        plot.graph(self.ax, labels, parents, **options)
        self.ax.figure.draw_without_rendering()
        patches = list(self.ax.patches)
        self.arrows = [p for p in patches if isinstance(p, FancyArrowPatch)]
        self.nodes = [p for p in patches if p not in self.arrows]
        self.boxes = [node.get_window_extent() for node in self.nodes]
        self.labels, self.above, self.below = (self.ax.texts[k::3] for k in range(3))
        self.links = [(p, child) for child, group in enumerate(parents) for p in sorted(group)]

    @property
    def places(self):
        return np.array([(b.x0 + b.x1, b.y0 + b.y1) for b in self.boxes]) / 2

    def ink(self):
        """Return the boxes of all texts that are not empty, each with its node."""
        texts = zip(range(len(self.nodes)), self.labels, self.above, self.below, strict=True)
        return [
            (node, k, text.get_window_extent())
            for node, *three in texts
            for k, text in enumerate(three)
            if text.get_text()
        ]

    def line(self, arrow):
        """Return the line of an arrow, and the tip of its head."""
        path = arrow.get_path().transformed(arrow.get_transform())
        line, *head = path.to_polygons(closed_only=False)
        tip = max(np.vstack(head), key=lambda point: point[0])
        fine = [np.linspace(a, b, 8, endpoint=False) for a, b in pairwise(line)]
        return np.vstack([*fine, line[-1:], [tip]])

    def ends(self):
        """Return which nodes each arrow leads from and to: those that its ends touch."""
        lines = [self.line(arrow) for arrow in self.arrows]
        return [tuple(self.touched(line[k]) for k in (0, -1)) for line in lines]

    def touched(self, point):
        points = self.ax.figure.dpi / 72
        gaps = [np.linalg.norm(outline(n) - point, axis=1).min() / points for n in self.nodes]
        assert min(gaps) < 1.5  # the stroke around the head of an arrow is as long
        return int(np.argmin(gaps))


def outline(node):
    (polygon,) = node.get_path().transformed(node.get_transform()).to_polygons()
    return np.vstack([np.linspace(a, b, 9) for a, b in pairwise(polygon)])


def grown(box, by):
    return Bbox.from_extents(box.x0 - by, box.y0 - by, box.x1 + by, box.y1 + by)


def check_the_page(drawn):
    """Hold what must hold in every drawing that has room enough."""
    ink, page = drawn.ink(), drawn.ax.figure.bbox
    for node, k, box in ink:
        for other, shape in enumerate(drawn.boxes):
            if k == 0 and other == node:  # inside its node
                assert shape.x0 < box.x0 < box.x1 < shape.x1
                assert shape.y0 < box.y0 < box.y1 < shape.y1
            else:
                assert not box.overlaps(grown(shape, -0.5))
        assert page.x0 - 1 < box.x0 < box.x1 < page.x1 + 1
        assert page.y0 - 1 < box.y0 < box.y1 < page.y1 + 1
    for (_, _, one), (_, _, other) in combinations(ink, 2):
        assert not one.overlaps(other)
    for one, other in combinations(drawn.boxes, 2):
        assert not one.overlaps(other)
    for arrow in drawn.arrows:
        line = drawn.line(arrow)
        assert (np.diff(line[:, 0]) > -0.5).all()  # never back
        for _, _, box in ink:
            assert not box.count_contains(line)
        for shape in drawn.boxes:
            # Its ends touch the outlines of two nodes, which its inner part leaves alone.
            assert not grown(shape, -0.2 * shape.height).count_contains(line)
    assert sorted(drawn.ends()) == sorted(drawn.links)
    assert min(text.get_fontsize() for text in drawn.ax.texts) >= 8


FULL = {"above": ["-12.34"] * 12, "below": ["0.001"] * 12}


@pytest.mark.parametrize("height", [2.2, 2.6, 3.6, 5.0])
@pytest.mark.parametrize("graph", [NEURON, TRACED, CHAIN, TWICE])
def test_graphs_of_the_book_are_clear_at_the_width_of_a_page(graph, height):
    count = len(graph[0])
    check_the_page(Drawn(*graph, size=(5.6, height)))
    check_the_page(Drawn(*graph, size=(5.6, height), above=["-2.5"] * count, below=["8"] * count))
    texts = {name: texts[:count] for name, texts in FULL.items()}
    check_the_page(Drawn(*graph, size=(5.6, height), **texts))


def test_a_wide_graph_of_twelve_nodes_is_clear():
    check_the_page(Drawn(*WIDE, size=(5.6, 3.4), **FULL))


@st.composite
def graphs(draw):
    count = draw(st.integers(1, 9))
    return [()] + [
        tuple(draw(st.lists(st.integers(0, k - 1), max_size=3))) for k in range(1, count)
    ]


@settings(max_examples=25)
@given(parents=graphs())
def test_every_graph_is_clear_where_there_is_room(parents):
    labels = [f"$v_{k}$" for k in range(len(parents))]
    values = [f"{k / 3:.1f}" for k in range(len(parents))]
    drawn = Drawn(labels, parents, size=(14, 14), above=values, below=values)
    check_the_page(drawn)
    x = drawn.places[:, 0]
    for child, group in enumerate(parents):
        assert all(x[parent] < x[child] for parent in group)


def test_three_graphs_in_one_figure_are_clear():
    axs = Figure(figsize=(5.6, 7.4)).subplots(3, 1)
    texts = {name: texts[:9] for name, texts in FULL.items()}
    for ax in axs:
        Drawn(*NEURON, ax=ax, **texts)
    for ax in axs:
        ax.clear()
        check_the_page(Drawn(*NEURON, ax=ax, **texts))


# Nodes.


def test_leaves_are_boxes_and_results_round():
    drawn = Drawn(*NEURON)
    for node, group, box in zip(drawn.nodes, drawn.parents, drawn.boxes, strict=True):
        assert isinstance(node, PathPatch if group else FancyBboxPatch)
        assert same_color(node.get_edgecolor(), plot.GREEN if group else plot.MUTED)
        if group:  # a circle: every point of the outline is as far from the middle
            middle = np.array([box.x0 + box.x1, box.y0 + box.y1]) / 2
            radii = np.linalg.norm(outline(node) - middle, axis=1)
            np.testing.assert_allclose(radii, box.width / 2, rtol=0.01)


def test_round_nodes_take_a_color():
    drawn = Drawn(*TWICE, color=plot.PURPLE)
    assert same_color(drawn.nodes[1].get_edgecolor(), plot.PURPLE)
    assert same_color(drawn.nodes[0].get_edgecolor(), plot.MUTED)


def test_a_long_label_makes_a_node_longer_and_no_higher():
    drawn = Drawn(["$x$", "a rather long label"], [(), (0,)])
    leaf, long = drawn.boxes
    assert long.height == pytest.approx(leaf.height)
    assert long.width > 3 * leaf.width
    check_the_page(drawn)


def test_a_high_label_makes_all_nodes_higher():
    plain, high = (
        Drawn(["$x$", label], [(), (0,)]) for label in ("$p$", r"$\dfrac{x_1}{x_2 + 1}$")
    )
    assert high.boxes[0].height > 1.3 * plain.boxes[0].height
    check_the_page(high)


# Places.


def test_the_chain_of_results_is_straight_and_leaves_stand_before_their_first_use():
    drawn = Drawn(*NEURON)
    x, y = drawn.places.T
    np.testing.assert_allclose(y[4:], y[4], atol=0.5)  # half a pixel
    for leaf, use in ((0, 5), (1, 4), (2, 4), (3, 7)):
        between = [k for k in range(9) if x[leaf] + 1 < x[k] < x[use] - 1]
        assert between == []
        assert x[leaf] < x[use] - 10
    assert (np.diff(x[4:]) > 10).all()


def test_the_order_of_the_nodes_does_not_change_the_picture_of_a_tree():
    one, other = Drawn(*NEURON), Drawn(*TRACED)
    place = dict(zip(TRACED[0], other.places, strict=True))
    for label, (x, _) in zip(NEURON[0], one.places, strict=True):
        assert place[label][0] == pytest.approx(x)


def test_arrows_do_not_cross_where_they_need_not():
    # By position each arrow crosses all others.
    drawn = Drawn(list("abcpqr"), [(), (), (), (2,), (1,), (0,)])
    y = drawn.places[:, 1]
    assert list(np.argsort(y[:3])) == list(np.argsort(y[:2:-1]))
    both = Drawn(list("abcdpqrs"), [(), (), (), (), (0, 3), (1, 2), (4,), (5,)])
    y = both.places[:, 1]
    assert max(y[[0, 3]]) < min(y[[1, 2]]) or min(y[[0, 3]]) > max(y[[1, 2]])


def test_a_long_arrow_goes_around_the_nodes_between():
    drawn = Drawn(*TWICE)
    (p,) = (box for k, box in enumerate(drawn.boxes) if k == 1)
    long = drawn.line(drawn.arrows[-1])
    beside = long[(long[:, 0] > p.x0) & (long[:, 0] < p.x1)]
    assert len(beside)
    assert (beside[:, 1] < p.y0 - 5).all() or (beside[:, 1] > p.y1 + 5).all()


def test_a_long_arrow_is_level_where_nothing_is_in_its_way():
    drawn = Drawn(*WIDE, size=(5.6, 3.4))
    (long,) = (a for a, ends in zip(drawn.arrows, drawn.ends(), strict=True) if ends == (0, 11))
    line = drawn.line(long)
    product, tanh, plus = (drawn.boxes[k] for k in (5, 7, 8))
    way = line[(line[:, 0] > product.x0) & (line[:, 0] < plus.x1)]
    assert len(way) > 10
    assert np.ptp(way[:, 1]) < 0.5
    assert way[0, 1] > tanh.y1


def test_a_parent_used_twice_gets_two_arrows_apart():
    drawn = Drawn(["$x$", "$x x$"], [(), (0, 0)])
    assert drawn.ends() == [(0, 1), (0, 1)]
    one, other = (drawn.line(arrow) for arrow in drawn.arrows)
    points = drawn.ax.figure.dpi / 72
    for end in (0, -1):
        assert abs(one[end, 1] - other[end, 1]) > 4 * points


def test_rows_and_columns_keep_together_in_a_large_figure():
    drawn = Drawn(*TWICE, size=(20, 15))
    points = drawn.ax.figure.dpi / 72
    x, y = drawn.places.T / points
    assert np.diff(np.sort(x)).max() < 200
    assert np.ptp(y) < 100
    page = drawn.ax.figure.bbox
    assert (drawn.boxes[0].x0 + drawn.boxes[2].x1) / 2 == pytest.approx(page.width / 2, abs=3)


# Texts.


def test_values_stand_above_in_blue_and_gradients_below_in_orange():
    drawn = Drawn(*TWICE, above=["3", "9", "12"], below=["7", "1", ""])
    assert [t.get_text() for t in drawn.above] == ["3", "9", "12"]
    assert [t.get_text() for t in drawn.below] == ["7", "1", ""]
    for k, (x, _) in enumerate(drawn.places):
        label, above, below = drawn.labels[k], drawn.above[k], drawn.below[k]
        assert same_color(label.get_color(), plot.INK)
        assert same_color(above.get_color(), plot.BLUE)
        assert same_color(below.get_color(), plot.ORANGE)
        assert above.get_window_extent().y0 > drawn.boxes[k].y1
        assert below.get_window_extent().y1 < drawn.boxes[k].y0
        for text in (label, above):
            box = text.get_window_extent()
            assert (box.x0 + box.x1) / 2 == pytest.approx(x, abs=1)


def test_fonts_shrink_to_eight_points_where_room_is_short_and_no_further():
    texts = {name: texts[:9] for name, texts in FULL.items()}
    roomy, tight, tiny = (
        Drawn(*NEURON, size=size, **texts) for size in ((8, 4), (3.5, 2.6), (2, 1))
    )
    sizes = [
        {text.get_fontsize() for text in part}
        for drawn in (roomy, tight, tiny)
        for part in (drawn.labels, drawn.above)
    ]
    assert sizes[:2] == [{11.0}, {9.5}]
    assert all(len(size) == 1 for size in sizes)
    assert 8 <= max(sizes[2]) < 11
    assert sizes[4:] == [{8.0}, {8.0}]


def test_fonts_shrink_where_the_figure_is_low():
    drawn = Drawn(*NEURON, size=(5.6, 1.4), above=["5"] * 9, below=["4"] * 9)
    assert 8 <= drawn.labels[0].get_fontsize() < 11
    check_the_page(drawn)


@pytest.mark.parametrize("size", [(5.6, 2.6), (3.5, 2.6), (12, 8)])
def test_nodes_are_as_large_as_their_fonts_ask_for(size):
    # The axes had ticks before: without their room the scale would not be that of the page.
    drawn = Drawn(*NEURON, size=size)
    points = drawn.ax.figure.dpi / 72
    height = drawn.boxes[4].height / points
    assert height == pytest.approx(1.9 * drawn.labels[4].get_fontsize(), rel=0.03)


def test_small_fonts_stay_small():
    mpl.rcParams["font.size"] = 8
    drawn = Drawn(*TWICE, above=["1"] * 3)
    assert {text.get_fontsize() for text in drawn.ax.texts} == {8.0}


# The axes.


def test_axes_are_hidden_and_keep_circles_round():
    drawn = Drawn(*NEURON, size=(5.6, 6))
    assert not drawn.ax.axison
    assert drawn.ax.get_aspect() == 1
    box = drawn.boxes[4]
    assert box.width == pytest.approx(box.height)


def test_a_title_after_the_graph_leaves_it_clear():
    drawn = Drawn(*NEURON, size=(5.6, 3.0), above=["1.0"] * 9)
    ax = drawn.ax
    ax.set_title("A graph")
    ax.figure.draw_without_rendering()
    drawn.boxes = [node.get_window_extent() for node in drawn.nodes]
    check_the_page(drawn)


def test_it_works_without_a_layout_engine_and_in_a_subfigure():
    mpl.rcParams["figure.constrained_layout.use"] = False
    check_the_page(Drawn(*NEURON, size=(6.4, 3)))
    left, _ = Figure(figsize=(11, 3), layout="constrained").subfigures(1, 2)
    ax = left.subplots()
    plot.graph(ax, *NEURON)
    ax.get_figure(root=True).draw_without_rendering()
    assert len(ax.patches) == 17


def test_one_node_and_separate_parts():
    check_the_page(Drawn(["$x$"], [()], above=["1"]))
    apart = Drawn(list("abcd"), [(), (), (0,), (1,)])
    check_the_page(apart)
    check_the_page(Drawn(list("abc"), [(), (), ()], size=(5, 4)))


def test_svg_repeats_byte_for_byte_and_holds_only_palette_colors():
    def svg():
        buffer = io.StringIO()
        drawn = Drawn(*WIDE, **FULL)
        drawn.ax.figure.savefig(buffer, format="svg", metadata={"Date": None})
        return buffer.getvalue()

    first = svg()
    assert first == svg()
    used = set(re.findall(r"#[0-9a-f]{6}\b", first))
    assert used <= {plot.INK, plot.MUTED, plot.BLUE, plot.ORANGE, plot.GREEN, plot.PAPER}


# Refusals.


@pytest.mark.parametrize(
    ("parents", "got"),
    [
        ([(), (1,), ()], r"before node 1, got parents\[1\]=\(1,\)"),
        ([(), (2,), ()], r"before node 1, got parents\[1\]=\(2,\)"),
        ([(), (), (0, 7)], r"before node 2, got parents\[2\]=\(0, 7\)"),
        ([(), (), (-1,)], r"before node 2, got parents\[2\]=\(-1,\)"),
        ([(0,), (), ()], r"before node 0, got parents\[0\]=\(0,\)"),
        ([(), (0.0,), ()], r"before node 1, got parents\[1\]=\(0.0,\)"),
    ],
)
def test_parents_that_do_not_come_before_are_refused(parents, got):
    with pytest.raises(ValueError, match=f"expected positions of nodes {got}"):
        plot.graph(Figure().subplots(), list("abc"), parents)


def test_entries_that_do_not_match_the_labels_are_refused():
    ax = Figure().subplots()
    with pytest.raises(ValueError, match=r"parents for each of 2 labels, got len\(parents\)=1"):
        plot.graph(ax, ["a", "b"], [()])
    with pytest.raises(ValueError, match=r"above for each of 2 labels, got len\(above\)=3"):
        plot.graph(ax, ["a", "b"], [(), ()], above=["", "", ""])
    with pytest.raises(ValueError, match=r"below for each of 2 labels, got len\(below\)=0"):
        plot.graph(ax, ["a", "b"], [(), ()], below=[])
    with pytest.raises(ValueError, match="expected at least one node"):
        plot.graph(ax, [], [])
    assert ax.axison  # refused before anything is drawn


def test_positions_may_be_numpy_integers_that_no_type_check_refuses():
    drawn = Drawn(list("ab"), [(), tuple(np.array([0]))])
    assert drawn.ends() == [(0, 1)]
