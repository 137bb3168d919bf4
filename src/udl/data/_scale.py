"""Scaling of columns: fitted on training rows, applied elsewhere, inverted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from udl import _check


def _checked(columns: int | None = None, **named: ArrayLike) -> NDArray[np.float64]:
    (name,), X = named, _check.matrix(**named)
    if columns is not None and X.shape[1] != columns:
        raise ValueError(f"expected the {columns} columns of the fit, got {name}.shape={X.shape}")
    if not np.isfinite(X).all():
        bad = np.flatnonzero(~np.isfinite(X).all(axis=0)).tolist()
        raise ValueError(
            f"expected finite numbers, got NaN or infinity in {name}[:, {bad}]; use fill first"
        )
    return X


def _steps(width: NDArray[np.float64]) -> NDArray[np.float64]:
    """Replace a width of zero with one, so that a constant column becomes zeros, not NaN."""
    return np.where(width > 0.0, width, 1.0)


class _Affine:
    """Column-wise z = (x - shift) / step; the two scalers differ in what they call these."""

    @property
    def _shift(self) -> NDArray[np.float64]:
        raise NotImplementedError

    @property
    def _step(self) -> NDArray[np.float64]:
        raise NotImplementedError

    def transform(self, X: Float[np.ndarray, "I D"]) -> Float[np.ndarray, "I D"]:
        """Scale examples with the statistics of the fit.

        Parameters
        ----------
        X : ndarray, shape (I, D)
            Examples in the original units.

        Returns
        -------
        ndarray, shape (I, D)
            Scaled examples, without units.

        Raises
        ------
        ValueError
            If `X` is no matrix, has other columns than the fit, or holds NaN or infinity.
        TypeError
            If `X` does not hold real numbers.
        """
        return (_checked(self._shift.size, X=X) - self._shift) / self._step

    def inverse(self, Z: Float[np.ndarray, "I D"]) -> Float[np.ndarray, "I D"]:
        """Return scaled examples to their original units.

        Parameters
        ----------
        Z : ndarray, shape (I, D)
            Scaled examples.

        Returns
        -------
        ndarray, shape (I, D)
            Examples in the original units.

        Raises
        ------
        ValueError
            If `Z` is no matrix, has other columns than the fit, or holds NaN or infinity.
        TypeError
            If `Z` does not hold real numbers.

        Examples
        --------
        >>> from udl import data
        >>> data.Normalizer.fit(np.array([[1.0], [3.0]])).inverse(np.array([[0.5]]))
        array([[2.]])
        """
        return _checked(self._shift.size, Z=Z) * self._step + self._shift

    def unscale_phi(self, phi: Float[np.ndarray, " P"]) -> Float[np.ndarray, " P"]:
        r"""Return the parameters of a linear model of scaled inputs to the original units.

        .. math:: \phi_0 - \sum_j \phi_j m_j / s_j, \qquad \phi_j / s_j

        with shift :math:`m_j` and scale :math:`s_j` of column j.

        Parameters
        ----------
        phi : ndarray, shape (D + 1,)
            Intercept, then one slope for each scaled column.

        Returns
        -------
        ndarray, shape (D + 1,)
            Parameters that give the same predictions from the original columns.

        Raises
        ------
        ValueError
            If `phi` is no vector with one parameter more than there are columns.
        TypeError
            If `phi` does not hold real numbers.

        Examples
        --------
        >>> from udl import data
        >>> scaler = data.Standardizer(mean_=np.array([10.0]), scale_=np.array([2.0]))
        >>> scaler.unscale_phi(np.array([1.0, 4.0]))  # 1 + 4 (x - 10) / 2
        array([-19.,   2.])
        """
        phi = _check.vector(phi=phi)
        if phi.size != self._shift.size + 1:
            raise ValueError(
                f"expected phi of shape ({self._shift.size + 1},): the intercept and one slope "
                f"a column, got phi.shape={phi.shape}"
            )
        slopes = phi[1:] / self._step
        return np.concatenate([[phi[0] - slopes @ self._shift], slopes])


@dataclass(frozen=True, eq=False)  # comparing arrays gives an array, not a bool
class Normalizer(_Affine):
    r"""Scale each column to the interval [0, 1] of the rows it was fitted on.

    .. math:: z = (x - \min) / (\max - \min)

    Parameters
    ----------
    minimum_ : ndarray, shape (D,)
        Minimum of each column of the fit.
    range_ : ndarray, shape (D,)
        Maximum minus minimum of each column; 1 for a constant column, which becomes zeros.

    Notes
    -----
    Rows outside the range of the fit land outside [0, 1]. They are not clipped.

    Examples
    --------
    >>> import numpy as np
    >>> Normalizer.fit(np.array([[1.0], [3.0]])).transform(np.array([[2.0], [4.0]]))
    array([[0.5],
           [1.5]])
    """

    minimum_: Float[np.ndarray, " D"]
    range_: Float[np.ndarray, " D"]

    @classmethod
    def fit(cls, X: Float[np.ndarray, "I D"]) -> Normalizer:
        """Measure minimum and range of each column.

        Parameters
        ----------
        X : ndarray, shape (I, D)
            Training examples.

        Returns
        -------
        Normalizer
            The fitted scaler.

        Raises
        ------
        ValueError
            If `X` is no matrix, is empty, or holds NaN or infinity.
        TypeError
            If `X` does not hold real numbers.
        """
        X = _checked(X=X)
        minimum = X.min(axis=0)
        return cls(minimum, _steps(X.max(axis=0) - minimum))

    @property
    def _shift(self) -> NDArray[np.float64]:
        return self.minimum_

    @property
    def _step(self) -> NDArray[np.float64]:
        return self.range_


@dataclass(frozen=True, eq=False)  # comparing arrays gives an array, not a bool
class Standardizer(_Affine):
    r"""Shift and scale each column to mean 0 and standard deviation 1 on the rows of the fit.

    .. math:: z = (x - \mu) / \sigma, \qquad \sigma^2 = \frac{1}{I} \sum_i (x_i - \mu)^2

    Parameters
    ----------
    mean_ : ndarray, shape (D,)
        Mean of each column of the fit.
    scale_ : ndarray, shape (D,)
        Standard deviation of each column (divided by I); 1 for a constant column, which becomes
        zeros.

    Examples
    --------
    >>> import numpy as np
    >>> Standardizer.fit(np.array([[1.0], [3.0]])).transform(np.array([[2.0], [4.0]]))
    array([[0.],
           [2.]])
    """

    mean_: Float[np.ndarray, " D"]
    scale_: Float[np.ndarray, " D"]

    @classmethod
    def fit(cls, X: Float[np.ndarray, "I D"]) -> Standardizer:
        """Measure mean and standard deviation of each column.

        Parameters
        ----------
        X : ndarray, shape (I, D)
            Training examples.

        Returns
        -------
        Standardizer
            The fitted scaler.

        Raises
        ------
        ValueError
            If `X` is no matrix, is empty, or holds NaN or infinity.
        TypeError
            If `X` does not hold real numbers.
        """
        X = _checked(X=X)
        constant = np.ptp(X, axis=0) == 0.0
        # The mean of equal numbers can be off by one rounding, and their deviation above zero.
        mean = np.where(constant, X[0], X.mean(axis=0))
        return cls(mean, _steps(np.where(constant, 0.0, X.std(axis=0))))

    @property
    def _shift(self) -> NDArray[np.float64]:
        return self.mean_

    @property
    def _step(self) -> NDArray[np.float64]:
        return self.scale_
