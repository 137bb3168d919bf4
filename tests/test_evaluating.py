"""A model is in evaluation mode inside, and as it was afterwards, whatever happened inside."""

import pytest
from torch import nn

from udl._evaluating import evaluating


def model() -> nn.Sequential:
    """Return a model of which one part alone is in evaluation mode, as when it is frozen."""
    made = nn.Sequential(nn.Dropout(), nn.Sequential(nn.BatchNorm1d(2), nn.ReLU()))
    made[1][0].eval()
    return made


def modes(made: nn.Module) -> list[bool]:
    return [part.training for part in made.modules()]


def test_all_parts_are_evaluated_and_each_gets_its_own_mode_back():
    made = model()
    with evaluating(made):
        assert not any(modes(made))
    assert modes(made) == [True, True, True, False, True]


def test_modes_come_back_after_an_error():
    made = model()
    with pytest.raises(ZeroDivisionError), evaluating(made):
        raise ZeroDivisionError
    assert modes(made) == [True, True, True, False, True]
