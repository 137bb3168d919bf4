"""`web.playground`: what it passes to the page, and what it refuses."""

import html
import json
from dataclasses import fields

import numpy as np
import pytest

from udl import playground as engine
from udl import web
from udl.web._playground import HIDEABLE
from udl.web.host import script_json

NASTY = '</script><img src=x> & "quotes" é'


def test_settings_reach_the_page_checked_and_complete():
    widget = web.playground(label="pg", dataset="xor", hidden=[3, 2], activations="relu", seed=7)
    config = widget.props["config"]
    assert set(config) == {field.name for field in fields(engine.Config)}
    assert config["activations"] == ["relu", "relu"]
    assert (config["loss"], config["seed"]) == ("cross-entropy", 7)
    assert engine.Config(**config) == engine.Config(
        dataset="xor", hidden=[3, 2], activations="relu", seed=7
    )
    json.loads(script_json(widget.props))


def test_numpy_numbers_and_own_points_become_json():
    points = [[float(x), float(-x), int(k)] for k, x in enumerate(np.linspace(-2, 2, 3))]
    widget = web.playground(
        label="pg", dataset="points", points=[*points, (0, 1, 2)], alpha=np.float64(0.1)
    )
    config = json.loads(script_json(widget.props))["config"]
    assert config["points"][0] == [-2.0, 2.0, 0]
    assert config["alpha"] == 0.1


def test_goals_and_hidden_controls_reach_the_page():
    goals = [
        {"text": "below $0.2$", "test_loss": 0.2},
        {"text": "b", "test_loss": 1, "epochs": 50},
        {"text": "c", "test_loss": 1, "after": 9, "config": {"hidden": (3, 2)}},
    ]
    props = web.playground(label="pg", goals=goals, hide=["data", "l1"], autoplay=True).props
    assert [{key: goal[key] for key in goal if key != "text"} for goal in props["goals"]] == [
        {"test_loss": 0.2, "config": {}},
        {"test_loss": 1, "epochs": 50, "config": {}},
        {"test_loss": 1, "after": 9, "config": {"hidden": [3, 2]}},
    ]
    assert "<math>" in props["goals"][0]["text"]
    assert (props["hide"], props["autoplay"]) == (["data", "l1"], True)


def test_no_text_can_leave_its_place():
    widget = web.playground(
        label="pg", task=NASTY, title=NASTY, goals=[{"text": NASTY, "test_loss": 1}]
    )
    assert "<img" not in widget.fallback
    for text in (widget.props["task"], widget.props["goals"][0]["text"]):
        assert html.unescape(text) == NASTY
        assert "<" not in text


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"noize": 0.1}, "noise.*setting 'noize'"),
        ({"noise": 0.7}, "from 0 to 0.5, got noise=0.7"),
        ({"dataset": "plane", "loss": "cross-entropy"}, "plane"),
        ({"hide": ["dat"]}, "data.*hide='dat'"),
        ({"goals": [{"text": "a"}]}, r"test_loss.*goals\[0\]"),
        ({"goals": [{"text": "a", "test_loss": 1, "loss": 2}]}, r"test_loss, got goals\[0\] with"),
        ({"goals": [{"text": "a", "test_loss": 1, "config": {"hide": [1]}}]}, "hidden.*'hide'"),
        ({"goals": [{"text": "a", "test_loss": 1, "config": {"hidden": [9]}}]}, "hidden"),
        ({"goals": [{"text": "a", "test_loss": float("nan")}]}, "above 0.*nan"),
        ({"goals": [{"text": "a", "test_loss": 0}]}, "above 0"),
        ({"goals": [{"text": "a", "test_loss": 1, "epochs": 1.5}]}, "whole"),
        ({"label": "1 a"}, "label"),
    ],
)
def test_what_cannot_be_is_named(options, words):
    with pytest.raises(ValueError, match=words):
        web.playground(**{"label": "pg", **options})


@pytest.mark.parametrize(
    "options",
    [
        {"hide": "data"},
        {"hide": [1]},
        {"goals": ["a"]},
        {"goals": [{"text": 1, "test_loss": 1}]},
        {"goals": [{"text": "a", "test_loss": True}]},
        {"goals": [{"text": "a", "test_loss": "1"}]},
    ],
)
def test_wrong_types_are_refused(options):
    with pytest.raises(TypeError, match="expected"):
        web.playground(label="pg", **options)


def test_both_languages_know_the_same_controls(run_node):
    names = run_node('import { HIDEABLE } from "./playground-model.mjs"; give(HIDEABLE);')
    assert sorted(names) == sorted(HIDEABLE)


def test_the_page_reads_its_settings_as_they_are(run_node):
    script = """
    import { check } from "./engine.mjs";
    import { settle } from "./playground-model.mjs";
    give(data.map((config) => check(settle(config))));
    """
    settings = [
        {},
        {"dataset": "plane", "hidden": []},
        {"dataset": "three", "loss": "squared"},
        {"hidden": [1, 2, 3], "activations": ["relu", "tanh", "linear"], "features": ["sin(x2)"]},
        {"dataset": "points", "points": [(0, 0, 0), (1, 1, 1), (2, 2, 2), (3, 3, 0)]},
    ]
    props = [web.playground(label="pg", **config).props["config"] for config in settings]
    for read, config in zip(run_node(script, props), props, strict=True):
        assert read == {"config": config, "ignored": []}
