"""What a reader writes is held against hidden cases, and told what it suggests."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d

from convlab import check
from convlab.explore import tasks


def task_blur(answer, size, stride=1):
    image = torch.rand(1, 1, *size)
    return avg_pool2d(image, 3, stride), answer(image, stride)


def task_width(answer, size):
    return size - 2, answer


LESSON = {
    "tasks": {
        "blur": {
            "cases": [
                {"given": {"size": [7, 9]}, "says": "stride 1", "hint": "Nine pixels a mean."},
                {
                    "given": {"size": [8, 9], "stride": 2},
                    "says": "stride {stride}",
                    "hint": "Steps of {stride}.",
                },
            ]
        },
        "width": {"cases": [{"given": {"size": 9}, "says": "{size} pixels", "hint": "Count the places."}]},
    }
}


@pytest.fixture(autouse=True)
def lesson(monkeypatch):
    class Module:
        task_blur = staticmethod(task_blur)
        task_width = staticmethod(task_width)

    monkeypatch.setattr(tasks, "read_lesson", lambda number, called: (LESSON, Module))


def blur(image, stride):
    return avg_pool2d(image, 3, stride)


def test_what_is_right_in_all_cases_is_told_so():
    verdict = check("00/blur", blur)
    assert (verdict.right, verdict.picture) == (True, None)
    assert verdict.said == "✓ Right in all 2 cases: stride 1; stride 2."


def test_the_first_case_that_fails_is_named_with_what_it_suggests_and_shown_beside_the_target():
    verdict = check("00/blur", lambda image, stride: blur(image, 1))
    assert verdict.right is False
    assert verdict.said == (
        "✗ Right for stride 1. "
        "Wrong for stride 2: the target has shape (1, 1, 3, 4), yours (1, 1, 6, 7). Steps of 2."
    )
    assert verdict.picture.alt == "The target is 1×1×3×4, yours 1×1×6×7."
    assert verdict.picture.alt in verdict._repr_html_()


def test_values_that_are_off_are_measured():
    verdict = check("00/blur", lambda image, stride: blur(image, stride) + 0.25)
    assert "Wrong for stride 1: the largest difference from the target is 0.25. Nine pixels" in verdict.said
    assert verdict.picture.alt == "Target and yours are 0.25 apart on average, 0.25 at most."


@pytest.mark.parametrize(
    "blank", [None, ..., (1, ...), lambda image, stride: None, lambda image, stride: ..., nn.Identity]
)
def test_a_blank_is_not_yet(blank):
    if blank is nn.Identity:
        blank = nn.Identity()
        blank.forward = lambda image, stride: None
    verdict = check("00/blur", blank)
    assert (verdict.right, verdict.said) == (None, tasks.NOT_YET)


def test_a_return_that_was_forgotten_is_not_a_blank():
    def mine(image, stride):
        blurred = avg_pool2d(image, 3, stride)  # noqa: F841

    class Forgets(nn.Module):
        def forward(self, image, stride):
            avg_pool2d(image, 3, stride)

    for answer in (mine, Forgets()):
        verdict = check("00/blur", answer)
        assert verdict.right is False
        assert verdict.said == f"✗ Wrong for stride 1: {tasks.NOTHING}"


def test_what_a_readers_lines_raise_is_told_with_the_line():
    def mine(image, stride):
        return image @ torch.ones(2, 2)

    said = check("00/blur", mine).said
    assert said.startswith(
        "✗ Wrong for stride 1: it stopped at “return image @ torch.ones(2, 2)” with RuntimeError"
    )
    assert said.endswith("Nine pixels a mean.")


@pytest.mark.parametrize(
    ("given_back", "problem"),
    [
        ("text", "yours a str"),
        (float("nan"), "yours ()"),
        (torch.full((1, 1, 5, 7), float("nan")), "the largest difference from the target is inf"),
    ],
)
def test_what_is_no_tensor_of_numbers_is_told(given_back, problem):
    assert problem in check("00/blur", lambda image, stride: given_back).said


@pytest.mark.parametrize("right", [7, 7.0, torch.tensor(7)])
def test_a_number_is_compared_as_it_is(right):
    assert check("00/width", right).right
    assert check("00/width", right + 1).said.startswith("✗ Wrong for 9 pixels: target 7, yours 8")


def test_the_readers_random_numbers_stay_as_they_were():
    before = torch.random.get_rng_state()
    check("00/blur", blur)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_a_task_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="task of name='loop' must be one of: blur, width"):
        check("00/loop", blur)
