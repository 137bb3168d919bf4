"""Fair comparisons and attacks, held against scikit-learn, SciPy, autograd and brute force."""

import itertools
import pickle
import time

import numpy as np
import pytest
import scipy.stats
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin, clone, is_classifier, is_regressor
from sklearn.datasets import make_blobs, make_moons
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GroupKFold,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    cross_val_score,
)
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn
from torch.nn.functional import cross_entropy

from udl import zoo


@pytest.fixture(scope="module")
def moons():
    return make_moons(120, noise=0.3, random_state=0)


@pytest.fixture(scope="module")
def line():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 3))
    return X, X @ [1.0, -2.0, 0.5] + 3.0 + rng.normal(0, 0.1, 60)


class TestNetwork:
    # Wrong types are among the checks, and a type checker would see them first.
    @parametrize_with_checks(
        [zoo.Network((16,), epochs=150), zoo.Network((16,), alpha=0.03, task="regression")]
    )
    def test_scikit_learn_accepts_it_and_what_it_refuses(self, estimator, check):
        check(estimator)

    def test_trains_as_torch_does(self, moons):
        X, y = moons
        x, target = torch.from_numpy(X), torch.from_numpy(y)
        # The start shows at a rate that moves nothing.
        model = zoo.Network((7, 5), epochs=1, alpha=1e-300, seed=3).fit(X, y).model_
        optimizer = torch.optim.AdamW(model.parameters(), 0.02, weight_decay=0.1)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 30)
        losses = []
        for _ in range(30):
            optimizer.zero_grad()
            loss = cross_entropy(model(x), target)
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
        mine = zoo.Network((7, 5), epochs=30, alpha=0.02, weight_decay=0.1, seed=3).fit(X, y)
        assert_allclose(mine.losses_, losses, rtol=1e-9)
        for a, b in zip(mine.model_.parameters(), model.parameters(), strict=True):
            assert_allclose(a.detach(), b.detach(), rtol=1e-6, atol=1e-9)

    def test_without_hidden_layers_it_is_logistic_regression(self, moons):
        X, y = moons
        mine = zoo.Network((), epochs=1500, alpha=0.1).fit(X, y)
        other = LogisticRegression(C=1e6, tol=1e-8).fit(X, y)
        assert_allclose(mine.predict_proba(X), other.predict_proba(X), atol=1e-3)

    def test_without_hidden_layers_it_is_least_squares(self, line):
        X, y = line
        mine = zoo.Network((), epochs=1500, alpha=0.1, task="regression").fit(X, y)
        A = np.column_stack([np.ones(len(X)), X])
        assert_allclose(mine.predict(X), A @ np.linalg.lstsq(A, y)[0], atol=1e-3)
        assert mine.score(X, y) == pytest.approx(
            1 - np.sum((y - mine.predict(X)) ** 2) / np.sum((y - y.mean()) ** 2)
        )

    def test_outputs_by_hand(self):
        X, z = make_blobs(60, centers=3, random_state=0)
        y = np.array(["oak", "ash", "elm"])[z]
        mine = zoo.Network((6, 4), epochs=40).fit(X, y)
        h = X
        for layer in mine.model_[::2]:
            W, b = layer.weight.detach().numpy(), layer.bias.detach().numpy()
            f = h @ W.T + b
            h = np.maximum(f, 0)
        p = np.exp(f - f.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
        assert_allclose(mine.predict_proba(X), p, rtol=1e-9)
        assert mine.classes_.tolist() == ["ash", "elm", "oak"]
        assert_array_equal(mine.predict(X), mine.classes_[p.argmax(axis=1)])
        assert mine.score(X, y) == np.mean(mine.predict(X) == y)

    def test_the_seed_decides_and_nothing_else_moves(self, moons):
        X, y = moons
        torch.manual_seed(0)
        before, threads = torch.get_rng_state(), torch.get_num_threads()
        torch.set_num_threads(3)
        network = zoo.Network((5,), epochs=5, batch=32)
        first = network.fit(X, y).losses_
        torch.rand(7)
        torch.set_rng_state(before)
        with torch.no_grad():
            assert_array_equal(clone(network).fit(X, y).losses_, first)
        with torch.inference_mode():
            assert_array_equal(clone(network).fit(X, y).losses_, first)
        assert_array_equal(torch.get_rng_state(), before)
        assert torch.get_num_threads() == 3
        torch.set_num_threads(threads)
        assert (clone(network).set_params(seed=1).fit(X, y).losses_ != first).all()

    def test_batches_take_more_steps(self, moons):
        X, y = moons
        first, last = {}, {}
        for batch in (None, 10**6, 7):
            at_rest = zoo.Network((5,), epochs=3, alpha=1e-300, batch=batch).fit(X, y)
            first[batch] = at_rest.losses_
            last[batch] = zoo.Network((5,), epochs=10, batch=batch).fit(X, y).losses_[-1]
        # Each example counts once in an epoch's loss, those of the smaller last batch too.
        assert_allclose(first[7], first[None])
        assert last[10**6] == last[None]
        assert last[7] < 0.7 * last[None]

    def test_weight_decay_shrinks(self, moons):
        X, y = moons
        sizes = [
            sum(
                parameter.detach().square().sum().item()
                for parameter in zoo.Network((8,), weight_decay=decay)
                .fit(X, y)
                .model_.parameters()
            )
            for decay in (0.0, 1.0)
        ]
        assert sizes[1] < sizes[0] / 2

    def test_survives_a_pickle_and_read_only_data(self, moons):
        X, y = moons[0].copy(), moons[1].copy()
        X.flags.writeable = y.flags.writeable = False
        network = zoo.Network((5,), epochs=5).fit(X, y)
        copy = pickle.loads(pickle.dumps(network))
        assert_array_equal(copy.predict_proba(X), network.predict_proba(X))

    def test_says_what_it_is(self):
        assert is_classifier(zoo.Network())
        assert is_regressor(zoo.Network(task="regression"))
        assert not hasattr(zoo.Network(task="regression"), "predict_proba")

    def test_is_quick(self):
        X, y = make_moons(500, noise=0.3, random_state=0)
        spent = []
        for _ in range(3):
            began = time.process_time()
            network = zoo.Network().fit(X, y)
            spent.append(time.process_time() - began)
        assert network.score(X, y) > 0.88
        assert min(spent) < 1.0

    @pytest.mark.parametrize(
        ("changes", "match"),
        [
            ({"task": "ranking"}, "task='ranking'"),
            ({"hidden": (3, 0)}, r"hidden\[1\]=0"),
            ({"epochs": 0}, "epochs=0"),
            ({"alpha": 0.0}, "alpha=0"),
            ({"alpha": float("nan")}, "alpha=nan"),
            ({"weight_decay": -1.0}, "weight_decay=-1"),
            ({"batch": 0}, "batch=0"),
        ],
    )
    def test_refuses_parameters_out_of_range(self, moons, changes, match):
        with pytest.raises(ValueError, match=match):
            zoo.Network(**changes).fit(*moons)

    def test_says_when_the_loss_is_lost(self, line):
        X, y = line
        with pytest.raises(ValueError, match=r"finite training loss.*epoch \d+.*alpha=1e\+200"):
            zoo.Network(alpha=1e200, task="regression").fit(X, y)
        for task in ("classification", "regression"):
            with pytest.raises(ValueError, match=r"finite outputs, .*lower alpha=1e\+300"):
                zoo.Network(epochs=1, alpha=1e300, task=task).fit(X, y > 0)
        with pytest.raises(ValueError, match="two classes or more, got one class"):
            zoo.Network().fit(X, np.zeros(len(X), dtype=int))

    def test_refuses_a_number_of_hidden_units(self, moons):
        with pytest.raises(TypeError, match=r"a sequence such as \(32, 32\), got hidden=32"):
            zoo.Network(32).fit(*moons)

    def test_another_task_forgets_the_classes(self, moons):
        network = zoo.Network((5,), epochs=2).fit(*moons)
        network.set_params(task="regression").fit(*moons)
        assert not hasattr(network, "classes_")


class TestCompare:
    def models(self):
        return {
            "tree": DecisionTreeClassifier(random_state=0),
            "5 nearest": KNeighborsClassifier(),
        }

    @pytest.mark.parametrize("scoring", ["accuracy", "neg_log_loss"])
    def test_scores_are_those_of_scikit_learn(self, moons, scoring):
        X, y = moons
        models = self.models()
        found = zoo.compare(models, X, y, folds=4, repeats=3, seed=7, scoring=scoring)
        cv = RepeatedStratifiedKFold(n_splits=4, n_repeats=3, random_state=7)
        for name, scores in zip(found.names, found.scores, strict=True):
            assert_array_equal(scores, cross_val_score(models[name], X, y, cv=cv, scoring=scoring))
        assert found.names == ("tree", "5 nearest")
        assert found.ratio == pytest.approx(1 / 3)
        assert found.seconds.shape == (2,)
        assert (found.seconds > 0).all()
        assert not hasattr(models["tree"], "tree_")

    def test_seconds_are_those_of_the_fit(self, moons):
        class Slow(DummyClassifier):
            def fit(self, X, y, sample_weight=None):
                time.sleep(0.05)
                return super().fit(X, y, sample_weight)

        found = zoo.compare({"slow": Slow()}, *moons, folds=2)
        assert found.seconds[0] >= 0.05

    def test_regression_is_not_stratified(self, line):
        X, y = line
        tree = DecisionTreeRegressor(random_state=0)
        found = zoo.compare({"tree": tree}, X, y, folds=3, scoring="r2")
        cv = RepeatedKFold(n_splits=3, n_repeats=1, random_state=0)
        assert_array_equal(found.scores[0], cross_val_score(tree, X, y, cv=cv))

    def test_a_group_is_on_one_side(self, moons):
        X, y = moons
        groups = np.arange(len(X)) % 9
        found = zoo.compare(self.models(), X, y, folds=3, repeats=2, seed=5, groups=groups)
        expected = [
            cross_val_score(
                self.models()["tree"],
                X,
                y,
                cv=GroupKFold(3, shuffle=True, random_state=5 + k),
                groups=groups,
            )
            for k in range(2)
        ]
        assert_array_equal(found.scores[0], np.concatenate(expected))
        # A model that knows each group by heart knows nothing of another.
        known = groups[:, None].astype(float)
        labels = groups % 2
        nearest = {"nearest": KNeighborsClassifier(1)}
        assert zoo.compare(nearest, known, labels).scores.min() == 1
        assert zoo.compare(nearest, known, labels, folds=9, groups=groups).scores.max() < 0.9

    def test_table(self, moons):
        found = zoo.compare(self.models(), *moons)
        table = found.table()
        assert list(table) == [
            "model",
            "mean",
            "standard deviation",
            "lowest",
            "highest",
            "fit seconds",
        ]
        for k, row in table.iterrows():
            scores = found.scores[k]
            assert row["mean"] == pytest.approx(sum(scores) / 5)
            assert row["standard deviation"] == pytest.approx(scipy.stats.tstd(scores))
            assert (row["lowest"], row["highest"]) == (min(scores), max(scores))
            assert row["fit seconds"] == found.seconds[k]

    @pytest.mark.parametrize("level", [0.5, 0.95])
    def test_interval_by_brute_force(self, moons, level):
        found = zoo.compare(self.models(), *moons, folds=5, repeats=4)
        difference = found.difference("tree", "5 nearest", level=level)
        d = [a - b for a, b in zip(*found.scores.tolist(), strict=True)]
        mean = sum(d) / 20
        variance = sum((v - mean) ** 2 for v in d) / 19
        half = scipy.stats.t.ppf(0.5 + level / 2, 19) * (variance * (1 / 20 + 24 / 96)) ** 0.5
        assert_allclose(difference.values, d)
        assert difference[1:] == pytest.approx((mean, mean - half, mean + half))
        other = found.difference("5 nearest", "tree", level=level)
        assert other[1:] == pytest.approx((-mean, -mean - half, -mean + half))

    def test_without_overlap_it_is_the_paired_t_interval(self):
        a, b = np.random.default_rng(0).random((2, 9))
        found = zoo.Comparison(("a", "b"), np.array([a, b]), np.ones(2), ratio=0.0)
        low, high = scipy.stats.ttest_rel(a, b).confidence_interval(0.9)
        assert found.difference("a", "b", level=0.9)[2:] == pytest.approx((low, high))

    def test_more_repeats_do_not_make_certain(self, moons):
        """The correction keeps the interval wide; without it, it would shrink as 1 / sqrt(R)."""
        widths = []
        for repeats in (5, 20):
            difference = zoo.compare(self.models(), *moons, repeats=repeats).difference(
                "tree", "5 nearest"
            )
            widths.append((difference.high - difference.low) / difference.values.std(ddof=1))
        assert widths[1] > 0.9 * widths[0]

    def test_equal_models_do_not_differ(self, moons):
        tree = self.models()["tree"]
        found = zoo.compare({"a": tree, "b": clone(tree)}, *moons)
        assert found.difference("a", "b")[1:] == (0, 0, 0)

    def test_says_what_does_not_fit(self, moons):
        X, y = moons
        found = zoo.compare(self.models(), X, y, folds=2)
        with pytest.raises(ValueError, match="one of tree, 5 nearest, got 'oak'"):
            found.difference("oak", "tree")
        with pytest.raises(ValueError, match="level=1"):
            found.difference("tree", "tree", level=1.0)
        with pytest.raises(ValueError, match="two scores or more"):
            zoo.Comparison(("a",), np.ones((1, 1)), np.ones(1), 0.2).difference("a", "a")
        with pytest.raises(ValueError, match="one model or more"):
            zoo.compare({}, X, y)
        with pytest.raises(ValueError, match="repeats=0"):
            zoo.compare(self.models(), X, y, repeats=0)

    def test_nine_classifiers_learn_and_take_no_time(self, moons):
        models = zoo.classifiers()
        assert list(models) == [
            "logistic regression",
            "logistic regression, RBF features",
            "5 nearest neighbors",
            "15 nearest neighbors",
            "decision tree",
            "random forest",
            "gradient boosting",
            "SVM, RBF kernel",
            "network",
        ]
        began = time.process_time()
        found = zoo.compare(models, *moons, folds=3)
        assert time.process_time() - began < 20
        assert found.scores.mean(axis=1).min() > 0.75
        again = zoo.compare(zoo.classifiers(), *moons, folds=3)
        assert_array_equal(found.scores, again.scores)

    def test_the_seed_reaches_all_that_draw(self):
        for name, model in zoo.classifiers(seed=11).items():
            seeds = {
                value
                for key, value in model.get_params().items()
                if key.endswith(("random_state", "seed")) and value is not None
            }
            still = {"logistic regression", "SVM, RBF kernel"}
            assert seeds == (set() if name in still or "neighbors" in name else {11})

    @pytest.mark.parametrize(
        "name", [name for name, model in zoo.classifiers().items() if isinstance(model, Pipeline)]
    )
    def test_units_do_not_matter(self, name, moons):
        X, y = moons
        model = zoo.classifiers()[name]
        scaled = clone(model).fit(X * [1000.0, 0.001] + [5.0, 0.0], y)
        expected = model.fit(X, y).predict(X)
        assert np.mean(scaled.predict(X * [1000.0, 0.001] + [5.0, 0.0]) == expected) > 0.98


class TestRegions:
    def test_each_point_by_itself(self, moons):
        X, y = moons
        model = make_pipeline(StandardScaler(), KNeighborsClassifier()).fit(X, y)
        grid = zoo.regions(model, X, size=7, margin=0.5)
        assert grid.kind == "probability"
        for (j, b), (i, a) in itertools.product(enumerate(grid.x2), enumerate(grid.x1)):
            assert grid.p[j, i] == model.predict_proba([[a, b]])[0, 1]
        low, high = X.min(axis=0), X.max(axis=0)
        assert_allclose([grid.x1[0], grid.x2[0]], low - 0.5 * (high - low))
        assert_allclose([grid.x1[-1], grid.x2[-1]], high + 0.5 * (high - low))
        assert_allclose(np.diff(grid.x1), (high - low)[0] * 2 / 6)

    def test_labels_where_there_is_no_probability(self, moons):
        X, y = moons
        model = SVC().fit(X, np.array(["no", "yes"])[y])
        grid = zoo.regions(model, X, size=5)
        assert grid.kind == "label"
        for (j, b), (i, a) in itertools.product(enumerate(grid.x2), enumerate(grid.x1)):
            assert ["no", "yes"][int(grid.p[j, i])] == model.predict([[a, b]])[0]

    def test_labels_of_more_than_two_classes(self):
        X, y = make_blobs(30, centers=3, random_state=0)
        grid = zoo.regions(KNeighborsClassifier(1).fit(X, y + 4), X)
        assert grid.p.shape == (120, 120)
        assert grid.kind == "label"
        assert set(grid.p.flat) == {0, 1, 2}

    def test_refuses_other_than_two_inputs(self, moons):
        tree = DecisionTreeClassifier().fit(*moons)
        with pytest.raises(ValueError, match=r"expected two inputs to draw, got X.shape=\(3, 1\)"):
            zoo.regions(tree, np.ones((3, 1)))

    def test_says_what_does_not_fit(self, moons):
        X, y = moons
        tree = DecisionTreeClassifier().fit(X, y)
        with pytest.raises(ValueError, match="margin=-1"):
            zoo.regions(tree, X, margin=-1)
        with pytest.raises(ValueError, match="without classes_"):
            zoo.regions(DecisionTreeClassifier(), X)


class Known(ClassifierMixin, BaseEstimator):
    """Right as often as its parameter says, more or less; knows what it was trained on."""

    def __init__(self, skill=0.1):
        self.skill = skill

    def fit(self, X, y):
        self.classes_, self.seen_ = np.unique(y), set(X[:, 0].tolist())
        return self

    def predict(self, X):
        assert self.seen_.isdisjoint(X[:, 0].tolist())
        rng = np.random.default_rng([round(1000 * self.skill), int(X[0, 0])])
        right = rng.random(len(X)) < self.skill
        return np.where(right, X[:, 1] > 0, X[:, 1] <= 0)


def skills(rng):
    return {"skill": float(rng.random())}


class TestSearch:
    X = np.column_stack([np.arange(200.0), np.random.default_rng(0).normal(size=200)])
    y = X[:, 1] > 0

    def test_curves_by_brute_force(self):
        spaces = {"a": (Known(), skills), "b": (Known(0.5), skills)}
        # So few that draws have equal validation scores, of which the first counts.
        X, y = self.X[:50], self.y[:50]
        found = zoo.search(spaces, X, y, draws=6, shuffles=40)
        assert found.names == ("a", "b")
        assert len(np.unique(found.validation)) < 8
        assert (found.validation != found.test).any()
        assert found.curves.shape == (2, 40, 6)
        for m in range(2):
            possible = set()
            for order in itertools.permutations(range(1, 6)):
                curve, best = [], 0
                for n in (0, *order):
                    if found.validation[m, n] > found.validation[m, best]:
                        best = n
                    curve.append(found.test[m, best])
                possible.add(tuple(curve))
            drawn = {tuple(curve) for curve in found.curves[m].tolist()}
            assert drawn <= possible
            assert len(drawn) > len(possible) / 3
        assert_array_equal(found.mean, sum(found.curves.transpose(1, 0, 2)) / 40)
        assert_array_equal(found.lowest, found.curves.min(axis=1))
        assert_array_equal(found.highest, found.curves.max(axis=1))
        assert (found.lowest[:, 0] == found.highest[:, 0]).all()
        assert (found.seconds > 0).all()

    def test_the_first_draw_is_the_defaults_and_the_validation_chooses(self):
        X, y = self.X[:50], self.y[:50]
        found = zoo.search({"a": (Known(0.5), skills)}, X, y, draws=9, shuffles=2)
        assert found.validation[0].argmax() != found.test[0].argmax()  # the two disagree
        assert found.parameters[0][0] == {}
        assert found.curves[0, :, 0].tolist() == [found.test[0, 0]] * 2
        chosen = int(found.validation[0].argmax())
        assert found.best("a") == found.parameters[0][chosen]
        row = found.table().iloc[0]
        assert row["model"] == "a"
        assert row["defaults"] == found.test[0, 0]
        assert row["best on validation"] == found.test[0, chosen] == found.curves[0, 0, -1]
        assert row["its validation score"] == max(found.validation[0])
        with pytest.raises(ValueError, match="one of a, got 'b'"):
            found.best("b")

    def test_parts_are_disjoint_and_of_the_right_size(self):
        sizes = []

        class Counting(Known):
            def fit(self, X, y):
                sizes.append((len(X), y.mean()))
                return super().fit(X, y)

            def predict(self, X):
                sizes.append((len(X), 0))
                return super().predict(X)

        zoo.search({"a": (Counting(), skills)}, self.X, self.y, draws=1, shuffles=1, repeats=2)
        assert [size for size, _ in sizes] == [120, 40, 40] * 2
        assert_allclose([share for _, share in sizes[::3]], self.y.mean(), atol=0.01)

    def test_groups_stay_together(self):
        X = self.X.copy()
        X[:, 0] //= 10  # the estimator refuses a group that it was trained on
        found = zoo.search(
            {"a": (Known(), skills)}, X, self.y, draws=2, shuffles=1, groups=X[:, 0], repeats=3
        )
        assert found.test.shape == (1, 2)
        with pytest.raises(AssertionError):
            zoo.search({"a": (Known(), skills)}, X, self.y, draws=2, shuffles=1)

    def test_draws_of_a_model_do_not_depend_on_the_others(self):
        space = (Known(), skills)
        alone = zoo.search({"a": space}, self.X, self.y, draws=4, shuffles=2)
        both = zoo.search({"b": space, "a": space}, self.X, self.y, draws=4, shuffles=2)
        assert alone.parameters[0] == both.parameters[1] != both.parameters[0]
        assert_array_equal(alone.curves[0], both.curves[1])
        other = zoo.search({"a": space}, self.X, self.y, draws=4, shuffles=2, seed=1)
        assert other.parameters != alone.parameters

    @pytest.mark.parametrize("task", ["classification", "regression"])
    @pytest.mark.parametrize("scale", [True, False])
    def test_what_spaces_draw_can_be_fitted(self, task, scale, moons, line):
        X, y = moons if task == "classification" else line
        spaces = zoo.spaces(task, scale=scale)
        assert list(spaces) == ["random forest", "gradient boosting", "network"]
        found = zoo.search(spaces, X, y, draws=4, shuffles=3)
        # The defaults are good, and choosing among draws does not ruin them.
        assert found.curves[:, :, -1].min() > (0.6 if scale else 0.3)
        for (estimator, sampler), drawn in zip(spaces.values(), found.parameters, strict=True):
            rng = np.random.default_rng(0)
            assert sampler(rng) != sampler(rng)
            assert drawn[1].keys() <= estimator.get_params().keys()

    def test_scale_reaches_the_network_only(self):
        scaled, bare = zoo.spaces(scale=True), zoo.spaces(scale=False)
        assert isinstance(bare["network"][0], zoo.Network)
        assert "scale" in scaled["network"][0].named_steps
        for name in ("random forest", "gradient boosting"):
            assert repr(scaled[name][0]) == repr(bare[name][0])

    def test_scores_as_told(self):
        spaces = {"constant": (DummyClassifier(), lambda rng: {})}
        found = zoo.search(
            spaces, self.X, self.X[:, 1] > 1, draws=2, shuffles=1, scoring="balanced_accuracy"
        )
        assert_array_equal(found.test, 0.5)

    def test_says_what_does_not_fit(self):
        with pytest.raises(ValueError, match="one model or more"):
            zoo.search({}, self.X, self.y, draws=1, shuffles=1)
        with pytest.raises(ValueError, match="draws=0"):
            zoo.search({"a": (Known(), skills)}, self.X, self.y, draws=0, shuffles=1)

        class Lost(Known):
            def score(self, X, y):
                return float("nan") if self.skill > 0.5 else 0.0

        spaces = {"a": (Lost(0.1), lambda rng: {"skill": 0.9})}
        with pytest.raises(ValueError, match=r"finite scores, got .* for 'a' with .*0\.9"):
            zoo.search(spaces, self.X, self.y, draws=2, shuffles=1)

    def test_refuses_another_task(self):
        with pytest.raises(ValueError, match="task='ranking'"):
            zoo.spaces("ranking")


def network(seed=0, K=3):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, K)).double()


class TestFastGradientSign:
    x = torch.rand(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    y = torch.tensor([0, 1, 2, 0, 1, 2])

    def test_closed_form_of_a_linear_model(self):
        """Two classes: the margin w x + b falls by epsilon times the 1-norm of w, no less."""
        model = nn.Linear(4, 2).double()
        w = (model.weight[1] - model.weight[0]).detach()
        y = torch.tensor([0, 1, 0, 1, 0, 1])
        changed = zoo.fast_gradient_sign(model, self.x, y, 0.1, low=-9, high=9)
        sign = torch.tensor([1.0, -1.0] * 3, dtype=torch.float64)[:, None]
        assert_allclose(changed, self.x + 0.1 * sign * w.sign())
        margin = (model(changed) - model(self.x)).detach() @ torch.tensor([-1.0, 1.0]).double()
        assert_allclose(margin, 0.1 * sign[:, 0] * w.abs().sum())

    def test_no_corner_of_the_cube_is_worse_for_a_linear_model(self):
        model = nn.Linear(4, 2).double()
        x, y = self.x[:1], self.y[:1]
        worst = max(
            cross_entropy(model(x + 0.1 * torch.tensor([corner]).double()), y).item()
            for corner in itertools.product([-1, 1], repeat=4)
        )
        changed = zoo.fast_gradient_sign(model, x, y, 0.1, low=-9, high=9)
        assert cross_entropy(model(changed), y).item() == pytest.approx(worst)

    @pytest.mark.parametrize(
        "loss", [cross_entropy, nn.CrossEntropyLoss(reduction="none"), nn.MultiMarginLoss()]
    )
    def test_autograd_by_hand(self, loss):
        model = network()
        x = self.x.clone().requires_grad_()
        loss(model(x), self.y).sum().backward()
        expected = (self.x + 0.3 * x.grad.sign()).clamp(0, 1)
        assert_array_equal(zoo.fast_gradient_sign(model, self.x, self.y, 0.3, loss=loss), expected)

    def test_stays_in_the_range_and_near(self):
        changed = zoo.fast_gradient_sign(network(), self.x, self.y, 0.5)
        assert changed.min() == 0
        assert changed.max() == 1
        assert (changed - self.x).abs().max() <= 0.5
        assert_array_equal(zoo.fast_gradient_sign(network(), self.x, self.y, 0), self.x)

    def test_raises_the_loss_of_a_network(self):
        model = network()
        before = cross_entropy(model(self.x), self.y)
        assert (
            cross_entropy(model(zoo.fast_gradient_sign(model, self.x, self.y, 0.1)), self.y)
            > before
        )

    def test_images_of_single_precision(self):
        model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 10))
        x = torch.rand(2, 1, 8, 8)
        changed = zoo.fast_gradient_sign(model, x, torch.tensor([3, 7]), 0.1)
        assert changed.shape == x.shape
        assert changed.dtype == torch.float32
        assert not changed.requires_grad

    def test_says_what_does_not_fit(self):
        model = network()
        for epsilon in (-0.1, float("nan"), float("inf")):
            with pytest.raises(ValueError, match=f"epsilon={epsilon}"):
                zoo.fast_gradient_sign(model, self.x, self.y, epsilon)
        with pytest.raises(ValueError, match="low=1, high=0"):
            zoo.fast_gradient_sign(model, self.x, self.y, 0.1, low=1, high=0)
        with pytest.raises(ValueError, match=r"from low=0.0 to high=1.0, got x from .* to 2"):
            zoo.fast_gradient_sign(model, self.x / self.x.max() * 2, self.y, 0.1)
        with pytest.raises(ValueError, match="finite numbers in x"):
            zoo.fast_gradient_sign(
                model, torch.full((1, 4), float("nan")), self.y[:1], 0.1, low=-1, high=1
            )
        with pytest.raises(ValueError, match="got NaN: is the loss finite"):
            zoo.fast_gradient_sign(
                model, self.x, self.y, 0.1, loss=lambda f, y: cross_entropy(f * float("nan"), y)
            )
        with pytest.raises(ValueError, match="depends on x"):
            zoo.fast_gradient_sign(
                nn.Linear(4, 3).double(), self.x, self.y, 0.1, loss=lambda f, y: f.detach().sum()
            )

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
    def test_again_from_where_it_ended(self, dtype):
        """The ends of the range, rounded to the inputs' precision, are in the range."""
        low, high = -0.1307 / 0.3081, (1 - 0.1307) / 0.3081
        model, x = network().to(dtype), self.x.to(dtype)
        for _ in range(30):
            x = zoo.fast_gradient_sign(model, x, self.y, 0.3, low=low, high=high)
        assert x.min() == torch.tensor(low, dtype=dtype)
        assert x.max() == torch.tensor(high, dtype=dtype)
        with pytest.raises(ValueError, match=r"to high=1.0, got x from .* to 1.00000011"):
            zoo.fast_gradient_sign(network().float(), torch.full((1, 4), 1.0000001), self.y[:1], 1)

    def test_an_empty_batch(self):
        assert zoo.fast_gradient_sign(network(), self.x[:0], self.y[:0], 0.1).shape == (0, 4)

    def test_refuses_integers(self):
        with pytest.raises(TypeError, match=r"x\.dtype=torch\.uint8"):
            zoo.fast_gradient_sign(network(), torch.zeros(1, 4, dtype=torch.uint8), self.y[:1], 1)


class TestInputGradient:
    x = TestFastGradientSign.x

    @pytest.mark.parametrize("k", [0, 2, torch.tensor([0, 1, 2, 2, 1, 0])])
    def test_a_row_of_the_jacobian(self, k):
        model = network()
        jacobian = torch.func.vmap(torch.func.jacrev(model))(self.x).detach()
        which = torch.as_tensor(k).expand(6)
        assert_allclose(
            zoo.input_gradient(model, self.x, k), jacobian[torch.arange(6), which], rtol=1e-12
        )

    def test_central_differences(self):
        model = network()
        numeric = np.empty((6, 4))
        for d in range(4):
            step = torch.zeros(4, dtype=torch.float64)
            step[d] = 1e-6
            with torch.no_grad():
                numeric[:, d] = (model(self.x + step) - model(self.x - step))[:, 1] / 2e-6
        assert_allclose(zoo.input_gradient(model, self.x, 1), numeric, atol=1e-8)

    def test_says_what_does_not_fit(self):
        for k in (-1, 3):
            with pytest.raises(ValueError, match=f"k from 0 to 2, got k={k}"):
                zoo.input_gradient(network(), self.x, k)
        with pytest.raises(ValueError, match=r"outputs of shape \(6, K\), got \(24,\)"):
            zoo.input_gradient(nn.Flatten(0), self.x, 0)

    @pytest.mark.parametrize("shape", [(5,), (1,), (6, 1)])
    def test_refuses_another_number_of_classes(self, shape):
        k = torch.zeros(shape, dtype=torch.int64)
        with pytest.raises(ValueError, match=r"one for each of 6 examples, got k\.shape=\("):
            zoo.input_gradient(network(), self.x, k)


class TestAModelIsLeftAsFound:
    @pytest.mark.parametrize("outer", [torch.no_grad, torch.enable_grad, torch.inference_mode])
    @pytest.mark.parametrize(
        "use",
        [
            lambda model, x: zoo.fast_gradient_sign(model, x, torch.tensor([0, 1, 1]), 0.1),
            lambda model, x: zoo.input_gradient(model, x, 1),
        ],
    )
    def test_modes_gradients_and_statistics(self, outer, use):
        model = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Dropout(0.5), nn.Linear(5, 2))
        model.train()
        model[1].eval()  # a frozen part
        model[3].weight.requires_grad_(False)
        model[0].weight.grad = torch.full((5, 4), 7.0)
        x = torch.rand(3, 4)
        state = {name: value.clone() for name, value in model.state_dict().items()}
        rng = torch.get_rng_state()
        with outer():
            first, second = use(model, x), use(model, x)
        assert_array_equal(first, second)  # dropout is off
        assert_array_equal(torch.get_rng_state(), rng)
        assert [part.training for part in model] == [True, False, True, True]
        assert model.training
        assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())
        assert (model[0].weight.grad == 7).all()
        assert model[0].bias.grad is None
        assert not model[3].weight.requires_grad
        assert x.grad is None
        assert not x.requires_grad

    def test_also_after_an_error(self):
        model = network()
        with pytest.raises(ValueError, match="k=9"):
            zoo.input_gradient(model, TestFastGradientSign.x, 9)
        assert model.training
