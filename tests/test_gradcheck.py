"""The gradient check finds what is wrong, and passes what is right."""

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st

from udl.gradcheck import assert_gradient, gradcheck, numerical_gradient


def bowl(phi: np.ndarray) -> float:
    return float(np.sum(np.arange(1, phi.size + 1) * phi.ravel() ** 2))


def d_bowl(phi: np.ndarray) -> np.ndarray:
    return 2 * np.arange(1, phi.size + 1).reshape(phi.shape) * phi


def test_numerical_gradient_agrees_with_scipy() -> None:
    phi = np.array([-1.2, 1.0, 0.3])
    exact = scipy.optimize.rosen_der(phi)
    np.testing.assert_allclose(
        numerical_gradient(scipy.optimize.rosen, phi), exact, rtol=1e-8, atol=1e-7
    )


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e6])
def test_step_follows_the_parameter(scale: float) -> None:
    phi = np.array([2.0, -3.0]) * scale
    np.testing.assert_allclose(numerical_gradient(bowl, phi), d_bowl(phi), rtol=1e-6)


def test_error_shrinks_with_the_square_of_the_step() -> None:
    errors = [
        abs(numerical_gradient(lambda phi: float(np.exp(phi[0])), np.zeros(1), eps)[0] - 1.0)
        for eps in (1e-2, 1e-3)
    ]
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.01)


@given(shape=st.sampled_from([(), (3,), (2, 3)]), seed=st.integers(0, 99))
def test_right_gradient_passes(shape: tuple[int, ...], seed: int) -> None:
    phi = np.random.default_rng(seed).standard_normal(shape)
    check = gradcheck(bowl, d_bowl, phi)
    assert check.ok
    assert check.numeric.shape == check.analytic.shape == shape
    assert check.error < 1e-7
    assert_gradient(bowl, d_bowl, phi)


@given(index=st.integers(0, 5), relative=st.sampled_from([-1e-3, 1e-4, 1.0]))
def test_one_wrong_entry_is_found_and_named(index: int, relative: float) -> None:
    phi = np.linspace(1, 2, 6).reshape(2, 3)

    def wrong(phi: np.ndarray) -> np.ndarray:
        gradient = d_bowl(phi)
        gradient.flat[index] *= 1 + relative
        return gradient

    check = gradcheck(bowl, wrong, phi)
    assert not check.ok
    assert check.error == pytest.approx(abs(relative * d_bowl(phi).flat[index]), rel=1e-3)
    place = list(np.unravel_index(index, phi.shape))
    with pytest.raises(AssertionError) as caught:
        assert_gradient(bowl, wrong, phi)
    assert f"most at [{place[0]}, {place[1]}]: analytic" in str(caught.value)
    assert f"{wrong(phi).flat[index]:.9g}" in str(caught.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_fails(bad: float) -> None:
    phi = np.array([1.0, 2.0])
    assert not gradcheck(bowl, lambda phi: np.array([2.0, bad]), phi).ok
    assert not gradcheck(lambda phi: bad, d_bowl, phi).ok
    with pytest.raises(AssertionError, match=r"at \[1\]: analytic (nan|inf), numeric"):
        assert_gradient(bowl, lambda phi: np.array([2.0, bad]), phi)


def test_phi_is_left_alone_and_not_shared() -> None:
    phi = np.array([1.0, 2.0])
    seen = []

    def greedy(phi: np.ndarray) -> float:
        seen.append(phi)
        value = bowl(phi)
        phi[:] = 0
        return value

    assert gradcheck(greedy, d_bowl, phi).ok
    np.testing.assert_array_equal(phi, [1.0, 2.0])


def test_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    gradcheck(bowl, d_bowl, np.ones(2))
    assert capsys.readouterr() == ("", "")


def test_refuses_gradient_of_another_shape() -> None:
    with pytest.raises(ValueError, match=r"grad\(phi\).shape=\(2, 1\), phi.shape=\(2,\)"):
        gradcheck(bowl, lambda phi: d_bowl(phi)[:, None], np.ones(2))


def test_refuses_loss_of_several_numbers() -> None:
    with pytest.raises(ValueError, match=r"one number, got shape \(2,\)"):
        numerical_gradient(lambda phi: phi**2, np.ones(2))


@pytest.mark.parametrize("eps", [0.0, -1e-6, np.nan])
def test_refuses_step(eps: float) -> None:
    with pytest.raises(ValueError, match="positive step, got eps="):
        numerical_gradient(bowl, np.ones(2), eps)
