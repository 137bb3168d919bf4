"""Artists of pictures, curves and decisions, never pixels."""

import io

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import same_color, to_rgba
from matplotlib.contour import QuadContourSet
from matplotlib.figure import Figure

from udl import plot


class TestImages:
    @pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float32])
    def test_all_on_one_scale_and_in_order(self, dtype):
        pictures = np.arange(24).reshape(2, 3, 4).astype(dtype)
        axes = Figure().subplots(2, 2)
        drawn = plot.images(axes, pictures, ["a", "b"])
        assert [artist.axes for artist in drawn] == list(axes.flat[:2])
        assert {artist.get_clim() for artist in drawn} == {(0, 23)}
        np.testing.assert_array_equal(drawn[1].get_array(), pictures[1])
        assert [ax.get_title() for ax in axes.flat] == ["a", "b", "", ""]
        assert not any(ax.axison for ax in axes.flat)
        assert not axes[1, 1].images

    def test_one_axes(self):
        ax = Figure().subplots()
        (artist,) = plot.images(ax, np.eye(3)[None], limits=(-1, 2))
        assert artist.axes is ax
        assert artist.get_clim() == (-1, 2)

    def test_signed_parts_at_zero(self):
        (artist,) = plot.images(Figure().subplots(), np.array([[[-1.0, 3.0]]]), signed=True)
        assert artist.get_clim() == (-3, 3)
        assert artist.cmap.name == plot.DIVERGING

    def test_a_picture_is_stored_pixel_by_pixel(self):
        figure, file = Figure(), io.BytesIO()
        plot.images(figure.subplots(1, 2), np.zeros((2, 28, 28)))
        figure.savefig(file, format="svg")
        assert file.getvalue().count(b"<image") == 2
        assert b"pixelated" in file.getvalue()
        assert len(file.getvalue()) < 10_000

    @pytest.mark.parametrize(
        ("pictures", "more", "match"),
        [
            (np.zeros((3, 2, 2)), {}, r"1 to 2 pictures.*\(3, 2, 2\)"),
            (np.zeros((0, 2, 2)), {}, "1 to 2 pictures"),
            (np.zeros((2, 0, 2)), {}, "1 to 2 pictures"),
            (np.zeros((1, 2, 2)), {"titles": ["a", "b"]}, "expected 1 titles, got 2"),
            (np.full((1, 2, 2), np.nan), {}, "finite"),
            (np.zeros((1, 2, 2)), {"limits": (1, 1)}, "low < high"),
            (np.zeros((1, 2, 2)), {"limits": (-1, 2), "signed": True}, r"\(-a, a\)"),
        ],
    )
    def test_says_what_does_not_fit(self, pictures, more, match):
        with pytest.raises(ValueError, match=match):
            plot.images(Figure().subplots(1, 2), pictures, **more)

    def test_refuses_one_picture_without_its_axis(self):
        with pytest.raises((ValueError, TypeError)):
            plot.images(Figure().subplots(), np.zeros((2, 2)))


class TestConfusion:
    M = np.array([[8, 0, 2], [1, 9, 0], [0, 4, 6]])

    def test_numbers_stand_in_their_row_and_column(self):
        ax = Figure().subplots()
        plot.confusion(ax, self.M, ["a", "b", "c"])
        found = np.zeros((3, 3), dtype=int)
        for text in ax.texts:
            column, row = np.floor(text.get_position()).astype(int)
            found[row, column] = int(text.get_text())
        np.testing.assert_array_equal(found, self.M)
        assert len(ax.texts) == np.count_nonzero(self.M)
        assert ax.yaxis_inverted()
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted", "true")

    def test_right_is_blue_and_the_most_frequent_error_the_deepest_orange(self):
        artist = plot.confusion(Figure().subplots(), self.M, ["a", "b", "c"])
        fills = artist.get_facecolor().reshape(3, 3, 4)
        for i in range(3):
            np.testing.assert_allclose(fills[i, i], to_rgba(plot.BLUE, 0.04 * self.M[i, i]))
        others = fills[~np.eye(3, dtype=bool)]
        assert all(same_color(fill[:3], to_rgba(plot.ORANGE)[:3]) for fill in others)
        order = self.M[~np.eye(3, dtype=bool)]
        np.testing.assert_allclose(others[:, 3], np.where(order > 0, 0.2 + 0.1 * order, 0))

    def test_an_empty_class_and_no_errors(self):
        artist = plot.confusion(Figure().subplots(), np.array([[5, 0], [0, 0]]), ["a", "b"])
        assert artist.get_facecolor()[:, 3].tolist() == pytest.approx([0.4, 0, 0, 0])

    @pytest.mark.parametrize(
        ("M", "names", "match"),
        [
            (np.eye(2, dtype=int), ["a"], "a name for each"),
            (np.zeros((0, 0), dtype=int), [], "a name for each"),
            (-np.eye(2, dtype=int), ["a", "b"], "counts, got -1"),
        ],
    )
    def test_says_what_does_not_fit(self, M, names, match):
        with pytest.raises(ValueError, match=match):
            plot.confusion(Figure().subplots(), M, names)

    def test_refuses_shares(self):
        with pytest.raises(TypeError):
            plot.confusion(Figure().subplots(), np.array([["a"]]), ["a"])


class TestDecision:
    grid = np.linspace(0.0, 1.0, 5)
    x = np.array([[0.1, 0.2], [0.9, 0.4], [0.8, 0.9]])

    def drawn(self, p, y=(0, 1, 1), **more):
        ax = Figure().subplots()
        return ax, plot.decision(ax, self.grid, 2 * self.grid, p, self.x, np.array(y), **more)

    def test_tints_are_where_the_grid_is_and_fade_where_it_is_unsure(self):
        p = np.repeat([[0.0], [0.3], [0.5], [0.7], [1.0]], 5, axis=1)  # rises with x2
        ax, tints = self.drawn(p)
        rgba = tints.get_array()
        assert same_color(rgba[0, 0, :3], plot.BLUE)
        assert same_color(rgba[4, 0, :3], plot.ORANGE)
        np.testing.assert_allclose(rgba[:, 0, 3], [0.5, 0.2, 0, 0.2, 0.5])
        assert tints.get_extent() == [-0.125, 1.125, -0.25, 2.25]
        assert tints.origin == "lower"
        (border,) = [c for c in ax.collections if isinstance(c, QuadContourSet)]
        np.testing.assert_allclose(border.get_paths()[0].vertices[:, 1], 1.0)

    def test_examples_have_the_color_of_their_class(self):
        ax, _ = self.drawn(np.full((5, 5), 0.2), names=["no", "yes"])
        dots = [c for c in ax.collections if isinstance(c, PathCollection)]
        assert [len(c.get_offsets()) for c in dots] == [1, 2]
        assert [c.get_label() for c in dots] == ["no", "yes"]
        assert all(
            same_color(c.get_facecolor(), color)
            for c, color in zip(dots, (plot.BLUE, plot.ORANGE), strict=True)
        )
        np.testing.assert_array_equal(dots[1].get_offsets(), self.x[1:])
        assert len(ax.collections) == 2  # no border where all is one class

    def test_three_classes_by_number(self):
        p = np.repeat([[0.0, 0.0, 2.0, 1.0, 1.0]], 5, axis=0)
        ax, tints = self.drawn(p, y=(0, 1, 2))
        colors = (plot.BLUE, plot.BLUE, plot.GREEN, plot.ORANGE, plot.ORANGE)
        for rgba, color in zip(tints.get_array()[2], colors, strict=True):
            assert same_color(rgba[:3], color)
        borders = [c for c in ax.collections if isinstance(c, QuadContourSet)]
        where = {
            round(v, 9) for c in borders for path in c.get_paths() for v in path.vertices[:, 0]
        }
        assert where == {0.375, 0.625}

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"p": np.full((5, 5), np.nan)}, "probabilities"),
            ({"p": np.full((5, 5), -0.1)}, "probabilities"),
            ({"p": np.full((5, 5), 1.5)}, "probabilities"),
            ({"p": np.full((5, 5), 5.0)}, "probabilities"),
            ({"p": np.full((5, 5), 0.5), "y": np.array([0, 1, 2])}, "probabilities"),
            ({"y": np.array([0, 1, 5])}, "classes from 0 to 4"),
            ({"x1": np.array([0.0, 1, 2, 3, 5])}, "equal steps up, got x1"),
            ({"x2": np.arange(5.0)[::-1]}, "equal steps up, got x2"),
            ({"names": ["one"]}, "expected 2 names"),
        ],
    )
    def test_says_what_does_not_fit(self, changes, match):
        self.check_complaint(changes, match)

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"p": np.zeros((5, 4))}, r"p.shape=\(5, 5\)"),
            ({"y": np.array([0, 1])}, r"x=\(3, 2\), y=\(2,\)"),
        ],
    )
    def test_refuses_other_shapes(self, changes, match):
        self.check_complaint(changes, match)

    def check_complaint(self, changes, match):
        good = {"x1": self.grid, "x2": self.grid, "p": np.zeros((5, 5)), "x": self.x}
        with pytest.raises(ValueError, match=match):
            plot.decision(Figure().subplots(), **(good | {"y": np.array([0, 1, 1])} | changes))


class TestTree:
    LINKS = ([1, -1, 3, -1, -1], [2, -1, 4, -1, -1])

    def test_yes_is_left_and_children_are_below(self):
        ax = Figure().subplots()
        plot.tree(ax, ["root", "A", "second", "B", "C"], *self.LINKS)
        at = {text.get_text(): text.get_position() for text in ax.texts}
        assert at["A"][0] < at["root"][0] < at["second"][0]
        assert at["B"][0] < at["second"][0] < at["C"][0]
        assert at["root"][1] > at["A"][1] == at["second"][1] > at["B"][1] == at["C"][1]
        assert at["yes"][0] < at["no"][0]
        assert len(ax.lines) == 4

    def test_a_leaf_alone(self):
        ax = Figure().subplots()
        plot.tree(ax, ["all"], [-1], [-1])
        assert [text.get_text() for text in ax.texts] == ["all"]

    @pytest.mark.parametrize(
        ("texts", "left", "right", "match"),
        [
            (["a"], [-1, -1], [-1], "same length"),
            ([], [], [], "same length"),
            (["a", "b"], [1, -1], [1, -1], "twice"),
            (["a", "b"], [1, -1], [-1, -1], "node -1"),
            (["a", "b"], [1, -1], [2, -1], "node 2"),
            (["a", "b"], [-1, -1], [-1, -1], "all of 2 nodes, got 1"),
        ],
    )
    def test_says_what_is_no_tree(self, texts, left, right, match):
        with pytest.raises(ValueError, match=match):
            plot.tree(Figure().subplots(), texts, left, right)


class TestHistory:
    epochs = np.array([1, 2, 3])

    def test_curves_by_name_and_the_best_epoch(self):
        curves = {"training": np.array([3.0, 2.0, 1.0]), "validation": np.array([3.0, 2.0, 4.0])}
        ax = Figure().subplots()
        assert plot.history(ax, self.epochs, curves, best=2) is ax
        training, validation, best = ax.lines
        np.testing.assert_array_equal(training.get_xydata()[:, 0], self.epochs)
        np.testing.assert_array_equal(validation.get_ydata(), curves["validation"])
        assert training.get_color() == plot.BLUE
        assert validation.get_color() == plot.ORANGE
        assert best.get_xdata()[0] == 2
        assert ax.get_legend() is not None
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "loss")

    def test_other_curves_have_colors_of_their_own(self):
        curves = {name: np.ones(3) for name in ("training", "a", "validation", "b")}
        ax = plot.history(Figure().subplots(), self.epochs, curves, y="accuracy")
        assert len({line.get_color() for line in ax.lines}) == 4
        assert ax.get_ylabel() == "accuracy"

    def test_one_epoch_is_a_dot(self):
        ax = plot.history(Figure().subplots(), np.array([1]), {"training": np.array([1.0])})
        assert ax.lines[0].get_marker() == "o"

    def test_refuses_other_lengths(self):
        with pytest.raises(ValueError, match="expected vectors of equal length"):
            plot.history(Figure().subplots(), self.epochs, {"training": np.ones(2)})


class TestAttention:
    def test_a_cell_for_each_weight_deeper_the_larger(self):
        weights = np.array([[1.0, 0.0], [0.25, 0.75]], dtype=np.float32)
        ax = Figure().subplots()
        artist = plot.attention(ax, weights, "a ")
        cells = artist.get_array()
        np.testing.assert_array_equal(cells[..., 3], weights)
        assert same_color(tuple(cells[0, 1, :3]), plot.BLUE)
        assert [text.get_text() for text in ax.get_yticklabels()] == ["a", "\u2423"]
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("looks at (key)", "looks from (query)")
        # Row 0, the first token, is at the top, and column 0 at the left.
        assert artist.get_extent() == [0, 2, 2, 0]
        assert (ax.get_xlim(), ax.get_ylim()) == ((0, 2), (2, 0))

    def test_a_limit_makes_small_weights_visible(self):
        weights = np.array([[0.9, 0.1], [0.5, 0.5]])
        artist = plot.attention(Figure().subplots(), weights, ["a", "b"], limit=0.5)
        np.testing.assert_allclose(artist.get_array()[..., 3], [[1, 0.2], [1, 1]])

    def test_a_line_separates_the_future_only_where_nobody_looks_at_it(self):
        ax = Figure().subplots()
        plot.attention(ax, np.tril(np.full((3, 3), 1 / 3)), "abc")
        (line,) = ax.lines
        corners = [(0, 0), (1, 0), (1, 1), (2, 1), (2, 2), (3, 2), (3, 3)]
        assert [tuple(corner) for corner in line.get_xydata()] == corners
        for weights in (np.full((3, 3), 1 / 3), np.eye(3)[[1, 2, 2]]):
            ax = Figure().subplots()
            plot.attention(ax, weights, "abc")
            assert not ax.lines

    def test_a_large_map_is_stored_cell_by_cell(self):
        figure, file = Figure(), io.BytesIO()
        plot.attention(figure.subplots(), np.full((64, 64), 1 / 64), "x" * 64)
        figure.savefig(file, format="svg")
        assert file.getvalue().count(b"<image") == 1
        assert b"pixelated" in file.getvalue()

    @pytest.mark.parametrize(
        ("weights", "tokens", "limit", "match"),
        [
            (np.eye(2), "abc", 1.0, r"\(2, 2\), 3 tokens"),
            (np.zeros((0, 0)), "", 1.0, "0 tokens"),
            (np.full((2, 2), -0.1), "ab", 1.0, "from 0 to 1"),
            (np.full((2, 2), 1.1), "ab", 1.0, "from 0 to 1"),
            (np.full((2, 2), np.nan), "ab", 1.0, "from 0 to 1"),
            (np.eye(2), "ab", 0, "limit > 0, got 0"),
        ],
    )
    def test_says_what_does_not_fit(self, weights, tokens, limit, match):
        with pytest.raises(ValueError, match=match):
            plot.attention(Figure().subplots(), weights, tokens, limit=limit)
