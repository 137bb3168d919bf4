"""A network's layers: what fits, what does not, and what the message names."""

import itertools

import numpy as np
import pytest

from udl._network import Layers, affine, elementwise, inputs, layers

W = [np.ones((3, 2)), np.ones((1, 3))]
b = [np.zeros(3), np.zeros(1)]


def test_widths_count_the_inputs_first_and_the_outputs_last() -> None:
    assert layers(b, W).widths == (2, 3, 1)
    assert layers(b[:1], W[:1]).widths == (2, 3)
    assert Layers(tuple(b), tuple(W)).widths == (2, 3, 1)


def test_layers_come_back_as_they_went_in() -> None:
    beta = [np.array([1, 2, 3]), np.array([4], dtype=np.float32)]
    network = layers(beta, [m.astype(np.int8) for m in W])
    assert all(a.dtype == np.float64 for a in (*network.beta, *network.Omega))
    np.testing.assert_array_equal(network.beta[0], [1, 2, 3])
    again = layers(*network)
    assert isinstance(again, Layers)
    assert all(old is new for old, new in zip(network.beta, again.beta, strict=True))
    assert all(old is new for old, new in zip(network.Omega, again.Omega, strict=True))


def test_layers_refuse_no_stack_of_arrays() -> None:
    assert layers(np.zeros((3, 2)), np.zeros((3, 2, 2))).widths == (2, 2, 2, 2)


def test_inputs_are_copied_into_a_matrix_of_floats() -> None:
    for x, D_i in ((np.arange(3), 1), (np.ones((3, 1)), 1), (np.ones((3, 2)), 2)):
        X = inputs(x, D_i)
        assert X.dtype == np.float64
        assert X.shape == (3, D_i)
        np.testing.assert_array_equal(X.ravel(), x.ravel())
        assert not np.shares_memory(X, x)


def test_an_affine_step_passes_infinity_on_without_a_warning() -> None:
    rows = np.array([[1e308, 1.0], [np.inf, 1.0], [np.nan, 1.0], [1.0, 2.0]])
    f = affine(rows, np.array([1.0, 0.5]), np.array([[10.0, 0.0], [-1.0, 3.0]]))
    expected = [[np.inf, -1e308], [np.inf, -np.inf], [np.nan, np.nan], [11, 5.5]]
    np.testing.assert_array_equal(f, expected)


def test_an_elementwise_function_can_spoil_neither_its_argument_nor_an_earlier_value() -> None:
    f, buffer = np.array([[-1.0, 2.0]]), np.zeros((1, 2))
    for function in (lambda z: np.negative(z, out=z), lambda z: np.negative(z, out=buffer)):
        values = [elementwise("a", function, f), elementwise("a", function, -f)]
        np.testing.assert_array_equal(f, [[-1, 2]])
        np.testing.assert_array_equal(values, [[[1, -2]], [[-1, 2]]])
        for one, other in itertools.combinations([*values, f, buffer], 2):
            assert not np.shares_memory(one, other)


@pytest.mark.parametrize(
    ("beta", "Omega", "error", "message"),
    [
        ([], [], ValueError, r"at least one layer, got len\(beta\)=0, len\(Omega\)=0"),
        (b, W[:1], ValueError, r"got len\(beta\)=2, len\(Omega\)=1"),
        ([b[0], np.zeros(2)], W, ValueError, r"beta\[1\].shape=\(2,\), Omega\[1\].shape=\(1, 3\)"),
        (b, [W[0], np.ones((1, 2))], ValueError, r"of the 3 units .* Omega\[1\].shape=\(1, 2\)"),
        (b, [W[0].T, W[1]], ValueError, r"beta\[0\].shape=\(3,\), Omega\[0\].shape=\(2, 3\)"),
        ([b[0][:, None], b[1]], W, ValueError, r"a vector .* got beta\[0\].shape=\(3, 1\)"),
        (b, [W[0], np.ones(3)], ValueError, r"a matrix .* got Omega\[1\].shape=\(3,\)"),
        ([b[0][:0], b[1]], [W[0][:0], W[1]], ValueError, r"beta\[0\].shape=\(0,\)"),
        ([b[0], np.array([np.nan])], W, ValueError, r"finite numbers in beta\[1\]"),
        (b, [np.full((3, 2), np.inf), W[1]], ValueError, r"finite numbers in Omega\[0\], got 6"),
        ([b[0] * 1j, b[1]], W, TypeError, r"real numbers in beta\[0\]"),
        (5, W, TypeError, "a sequence, got beta of type int"),
        (b, (m for m in W), TypeError, "a sequence, got Omega of type generator"),
        # theta and phi of a shallow network, with one output and with as many as units
        (W[0], np.ones(4), ValueError, r"Omega.shape=\(4,\); udl.shallow.layers\(theta, phi\)"),
        (W[0], np.ones((3, 4)), ValueError, r"Omega.shape=\(3, 4\); udl.shallow.layers"),
    ],
)
def test_refuses(beta, Omega, error, message) -> None:
    with pytest.raises(error, match=message):
        layers(beta, Omega)
