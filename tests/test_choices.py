"""What can be chosen is legal, labelled and found again, whatever people bring; any figure is enough."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from convlab import Explorer, Picture
from convlab.explore.choices import Choices

plt.switch_backend("agg")


def draw(n=1, flag=False):
    figure, axes = plt.subplots()
    axes.plot([0, float(np.sum(np.asarray(n)))])
    return figure


def choices(**offered):
    return Choices(lambda **values: None, offered, {})


def test_choices_need_no_widgets():
    code = "import sys, convlab.explore.choices; print('ipywidgets' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_teachers_own_figure_moves_under_controls_and_is_not_left_open():
    explorer = Explorer(draw, n=range(1, 5), flag=(False, True))
    assert explorer.sentence == "n: 1, flag: False."
    assert explorer.set(n=3, flag=True).sentence == "n: 3, flag: True."
    assert explorer.picture.encode()
    assert plt.get_fignums() == []


@pytest.mark.parametrize("drawn", [None, "a picture", 3, plt.Axes, [Figure()]])
def test_what_is_no_picture_is_refused_in_a_sentence(drawn):
    with pytest.raises(ValueError, match=r"draw returned .*: it must return a Picture or a Figure"):
        Explorer(lambda n=1: drawn, n=(1, 2))


@pytest.mark.parametrize(
    ("offered", "labels", "value"),
    [
        (range(3), "0 1 2", 1),
        (np.arange(1, 4), "1 2 3", 2),
        (np.linspace(0, 1, 5), "0 0.25 0.5 0.75 1", 0.25),
        (torch.linspace(0, 1, 3), "0 0.5 1", 0.5),
        ([0.1 + 0.2, 1.5], "0.3 1.5", 1.5),
        ((True, False, 1), "True False 1", 1),
        ([None, "a"], "None a", None),
        ((n for n in "xy"), "x y", "y"),
        ({"few": 1, 7: 2}, "few 7", 2),
        ({"a": np.eye(2), "b": torch.zeros(2)}, "a b", None),
        (range(np.int64(2)), "0 1", np.int64(1)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_people_bring_can_be_chosen(offered, labels, value):
    control = choices(n=offered)
    assert list(control.options["n"]) == labels.split()
    if value is not None or "None" in labels:
        control.set(n=value)
        assert control.values["n"] == value
        assert type(control.values["n"]) in (bool, int, float, str, type(None))
    for place, array in enumerate(control.options["n"].values()):
        control.set(n=array)
        assert control.at["n"] == place


@pytest.mark.parametrize(
    ("offered", "message"),
    [
        (5, "n=5 must be what it offers"),
        (None, "n=None must be what it offers"),
        (np.array(3), "n=3 must be what it offers"),
        (torch.tensor(3), "n=3 must be what it offers"),
        (True, "n=True must be what it offers"),
        ("abc", "n='abc' must be what it offers"),
        ([], r"n=\[\] offers nothing"),
        ({}, r"n=\{\} offers nothing"),
        (range(10**9), "offers too much"),
        ([1, 1.0], "n offers '1' twice"),
        (["a", "a"], "n offers 'a' twice"),
        ([np.eye(2), np.eye(2)], "n offers 'ndarray \\(2, 2\\)' twice"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_chosen_from_is_refused_in_a_sentence(offered, message):
    with pytest.raises(ValueError, match=message):
        choices(n=offered)


def test_controls_are_those_that_the_drawing_takes():
    with pytest.raises(ValueError, match="'m' is no parameter of draw, which has n, flag"):
        Explorer(draw, m=(1, 2))
    with pytest.raises(ValueError, match="draw needs 'b': offer values for it"):
        Explorer(lambda a, b: None, a=(1, 2))
    with pytest.raises(ValueError, match="draw=3 must be a function"):
        Explorer(3, a=(1, 2))
    with pytest.raises(ValueError, match="labels='m' must be one of: n"):
        Explorer(draw, labels={"m": "much"}, n=(1, 2))
    with pytest.raises(ValueError, match=r"labels\['n'\]=3 must be of type str"):
        Explorer(draw, labels={"n": 3}, n=(1, 2))
    with pytest.raises(ValueError, match=r"labels=\['n'\] must be a mapping"):
        Explorer(draw, labels=["n"], n=(1, 2))


def test_a_control_may_be_called_otherwise_on_screen():
    explorer = Explorer(draw, labels={"n": "how many"}, n={"one": 1, "two": 2})
    assert explorer.controls[0]["label"] == "how many"
    assert explorer.set(n=2).sentence == "how many: two."


def test_several_controls_move_at_once_with_one_drawing_or_none_does():
    drawn = []

    def noted(n=1, m=1):
        if (n, m) == (3, 3):
            raise RuntimeError("three is broken")
        drawn.append((n, m))
        return Picture(Figure(), f"{n} and {m}.")

    explorer = Explorer(noted, n=range(1, 5), m=range(1, 5))
    drawn.clear()
    explorer.set(n=2, m=4)
    assert drawn == [(2, 4)]

    def stands():
        return explorer.at, explorer.values, explorer.n, explorer.m, explorer.sentence

    before = stands()
    for wrong, error in (
        ({"n": 3, "m": 9}, ValueError),
        ({"n": 3, "k": 1}, ValueError),
        ({"n": 3, "m": 3}, RuntimeError),
    ):
        with pytest.raises(error):
            explorer.set(**wrong)
        assert stands() == before
    assert explorer.picture.alt == "2 and 4."


def test_what_can_be_gone_through_once_is_offered_for_good():
    explorer = Explorer(draw, n=(n for n in (1, 2)))
    again = Explorer(draw, **explorer.choices.offered)
    assert list(again.choices.options["n"]) == list(explorer.choices.options["n"]) == ["1", "2"]
