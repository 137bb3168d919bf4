"""A small network that looks like any other estimator of scikit-learn."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float, Shaped
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils import ClassifierTags, RegressorTags, Tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from udl._check import count, positive
from udl.optim import adamw, batches, cosine_schedule


def _classifies(network: "Network") -> bool:
    """Tell whether a network has classes, and so probabilities."""
    return network.task == "classification"


class Network(BaseEstimator):  # type: ignore[misc]
    r"""A fully connected ReLU network, trained by Adam, as a scikit-learn estimator.

    It fits in every place where scikit-learn takes a classifier or a regressor: pipelines,
    cross-validation, searches. It standardizes nothing by itself. Put a ``StandardScaler`` before
    it, unless what happens without one is the question.

    Parameters
    ----------
    hidden : sequence of int
        Hidden units of each layer; empty for a linear model.
    epochs : int
        Passes through the data.
    alpha : float
        Learning rate, of the first step; it falls to zero along half a cosine.
    weight_decay : float
        Share of each parameter that a step takes away, times the learning rate (AdamW).
    batch : int, optional
        Examples a step. Without it each step uses all of them, which is quick for small tables:
        500 points and 200 epochs take about 0.1 s on one core.
    seed : int
        Of the initial parameters and the order of the batches. The same seed gives the same
        network; torch's own generator is neither used nor moved.
    task : "classification" or "regression"
        Softmax and cross-entropy over any classes, or one output and the mean squared error.

    Attributes
    ----------
    model_ : torch.nn.Sequential
        The network, in float64; its outputs are logits for a classification.
    losses_ : array of shape (epochs,)
        Training loss of each epoch, the mean over its batches while they change the network.
    classes_ : array of shape (K,)
        The classes, sorted; for a classification only.
    n_features_in_ : int
        Number of inputs.

    Examples
    --------
    >>> x = np.linspace(-1.0, 1.0, 40)[:, None]
    >>> inside = (abs(x[:, 0]) < 0.5).astype(int)
    >>> Network((8,), alpha=0.03).fit(x, inside).score(x, inside)
    1.0
    """

    def __init__(
        self,
        hidden: Sequence[int] = (32, 32),
        *,
        epochs: int = 200,
        alpha: float | int = 0.01,
        weight_decay: float | int = 0.0,
        batch: int | None = None,
        seed: int = 0,
        task: Literal["classification", "regression"] = "classification",
    ) -> None:
        self.hidden = hidden
        self.epochs = epochs
        self.alpha = alpha
        self.weight_decay = weight_decay
        self.batch = batch
        self.seed = seed
        self.task = task

    def fit(self, X: ArrayLike, y: ArrayLike) -> "Network":
        """Train a new network on examples, and return the estimator.

        Parameters
        ----------
        X : array of shape (I, D)
            Inputs.
        y : array of shape (I,)
            Classes of any type, or numbers.

        Returns
        -------
        Network
            The estimator itself.

        Raises
        ------
        ValueError
            If a parameter is out of range, X or y do not fit, there is one class only, or the
            training loss or an output of the trained network is not finite.
        """
        if self.task not in ("classification", "regression"):
            raise ValueError(f"expected 'classification' or 'regression', got task={self.task!r}")
        if not np.iterable(self.hidden):
            raise TypeError(f"expected a sequence such as (32, 32), got hidden={self.hidden!r}")
        count(epochs=self.epochs, **{f"hidden[{k}]": D for k, D in enumerate(self.hidden)})
        positive(alpha=self.alpha)
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"expected at least 0, got weight_decay={self.weight_decay}")
        if self.batch is not None:
            count(batch=self.batch)
        self.__dict__.pop("classes_", None)  # of an earlier fit, which had another task
        inputs, targets = validate_data(
            self, X, y, dtype=np.float64, y_numeric=not _classifies(self)
        )
        if _classifies(self):
            check_classification_targets(targets)
            self.classes_, targets = np.unique(targets, return_inverse=True)
            if len(self.classes_) < 2:
                raise ValueError(f"expected two classes or more, got one class: {self.classes_}")
        outputs = len(self.classes_) if _classifies(self) else 1
        rng = np.random.default_rng(self.seed)
        with _one_thread(), torch.inference_mode(False), torch.enable_grad():
            phi, self.model_ = _network([inputs.shape[1], *self.hidden, outputs], rng)
            self.losses_ = self._train(
                phi,
                torch.from_numpy(np.array(inputs)),  # a copy: torch takes no read-only memory
                torch.tensor(targets, dtype=torch.long if _classifies(self) else torch.float64),
                rng,
            )
        return self

    def _train(
        self,
        phi: Float[np.ndarray, " P"],
        x: torch.Tensor,
        y: torch.Tensor,
        rng: np.random.Generator,
    ) -> Float[np.ndarray, " epochs"]:
        """Train the model, whose parameters lie in phi, and return the loss of each epoch."""
        I, size = len(x), min(self.batch or len(x), len(x))
        schedule = cosine_schedule(self.alpha, self.epochs * -(-I // size))
        optimizer = adamw(schedule, decay=self.weight_decay)
        state = optimizer.init(phi)
        parameters = list(self.model_.parameters())
        losses = np.zeros(self.epochs)
        for epoch in range(self.epochs):
            # With all examples in one batch their order does not matter.
            for rows in batches(I, size, rng) if size < I else [slice(None)]:
                f, target = self.model_(x[rows]), y[rows]
                loss = cross_entropy(f, target) if _classifies(self) else mse_loss(f[:, 0], target)
                losses[epoch] += loss.item() * len(target) / I
                if not math.isfinite(losses[epoch]):
                    raise self._diverged(
                        f"a finite training loss, got {losses[epoch]} in epoch {epoch + 1}"
                    )
                slopes = torch.autograd.grad(loss, parameters)
                gradient = torch.cat([slope.flatten() for slope in slopes]).numpy()
                _, state = optimizer.step(phi, gradient, state, in_place=True)
        with torch.no_grad():  # no loss has seen the last step
            if not torch.isfinite(self.model_(x)).all():
                raise self._diverged("finite outputs, got others after the last epoch")
        return losses

    def _diverged(self, what: str) -> ValueError:
        """Return the error for a training that has lost its way."""
        return ValueError(f"expected {what}: standardize the data or lower alpha={self.alpha}")

    def _outputs(self, X: ArrayLike) -> torch.Tensor:
        """Return the model's outputs, of shape (I, K) or (I, 1)."""
        check_is_fitted(self)
        inputs = validate_data(self, X, dtype=np.float64, reset=False)
        with torch.no_grad(), _one_thread():
            output: torch.Tensor = self.model_(torch.from_numpy(np.array(inputs)))
        return output

    def predict(self, X: ArrayLike) -> Shaped[np.ndarray, " I"]:
        """Return the most probable class of each example, or its number.

        Parameters
        ----------
        X : array of shape (I, D)
            Inputs.

        Returns
        -------
        array of shape (I,)
            Entries of ``classes_`` for a classification, else float64 in the unit of the targets.
        """
        f = self._outputs(X)
        if _classifies(self):
            return np.asarray(self.classes_[f.argmax(dim=1).numpy()])
        return f[:, 0].numpy()

    @available_if(_classifies)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: ArrayLike) -> Float[np.ndarray, "I K"]:
        """Return the probability of each class, in the order of ``classes_``.

        Parameters
        ----------
        X : array of shape (I, D)
            Inputs.

        Returns
        -------
        array of shape (I, K)
            The softmax of the outputs; rows sum to one.
        """
        return self._outputs(X).softmax(dim=1).numpy()

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return the accuracy of a classification, or R squared of a regression.

        Parameters
        ----------
        X, y : arrays of shape (I, D) and (I,)
            Inputs and targets.

        Returns
        -------
        float
            At most 1.
        """
        score = accuracy_score if _classifies(self) else r2_score
        return float(score(y, self.predict(X)))

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn what kind of estimator this is."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        if _classifies(self):
            tags.estimator_type, tags.classifier_tags = "classifier", ClassifierTags()
        else:
            tags.estimator_type, tags.regressor_tags = "regressor", RegressorTags()
        return tags


def _network(
    widths: Sequence[int], rng: np.random.Generator
) -> tuple[Float[np.ndarray, " P"], nn.Sequential]:
    """Return the parameters, and a ReLU network that looks into the same memory.

    Weights are He's. Biases are drawn too, which spreads the joints about the origin.
    """
    parts: list[nn.Module] = []
    drawn: list[Float[np.ndarray, " _"]] = []
    for D_in, D_out in pairwise(widths):
        drawn.append(rng.normal(0.0, (2 / D_in) ** 0.5, D_out * D_in))
        drawn.append(rng.uniform(-(D_in**-0.5), D_in**-0.5, D_out))
        # On the device "meta" a layer draws nothing from torch's global generator.
        parts += [nn.Linear(D_in, D_out, device="meta"), nn.ReLU()]
    phi = np.concatenate(drawn)
    start = 0
    for layer in parts[::2]:
        for name, parameter in list(layer.named_parameters()):
            view = phi[start : start + parameter.numel()].reshape(parameter.shape)
            setattr(layer, name, nn.Parameter(torch.from_numpy(view)))
            start += parameter.numel()
    return phi, nn.Sequential(*parts[:-1])


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread: quicker for small matrices, and the same on every machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
