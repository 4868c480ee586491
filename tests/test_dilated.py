"""What the pictures of lesson 02 refuse, and what is said to lines that readers write in it."""

from functools import partial

import numpy as np
import pytest
import torch
from pictures import axes_of
from torch.nn.functional import pad

from convlab import check, photo, show_depth, show_dilation, show_rates

CAT = photo("cat", 33, channels=1)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (partial(show_depth, depth=0), "depth=0 must be a whole number from 1 to 8"),
        (partial(show_depth, depth=-1), "depth=-1 must be"),
        (partial(show_depth, depth=9), "depth=9 must be a whole number from 1 to 8"),
        (partial(show_depth, kernel_size=0), "kernel_size=0 must be"),
        (partial(show_rates, rates=()), r"rates=\(\) must be"),
        (partial(show_rates, rates=(1, 0)), "rates=0 must be"),
        (partial(show_dilation, kernel="blurr"), "kernel='blurr' must be one of"),
        (partial(show_dilation, padding="full"), "padding='full' must be"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_name_and_value(draw, message):
    with pytest.raises(ValueError, match=message):
        draw(CAT)


def test_a_dilation_is_shown_on_the_luma_of_a_colour_photo():
    assert show_dilation(photo("cat", 33)).alt == show_dilation(CAT).alt


def test_no_line_is_drawn_over_the_paths_that_are_counted():
    assert not axes_of(show_rates(CAT, rates=(1, 2, 5)))["heat"].collections


def spread(weights, step, size):
    large = torch.zeros(size, size)
    large[::step, ::step] = weights
    return large


@pytest.mark.parametrize(
    ("mistake", "right", "says"),
    [
        (lambda w, d: pad(w, (1, 1, 1, 1)), "", "stays as it is"),
        (lambda w, d: spread(w, d + 1, w.shape[0] + (w.shape[0] - 1) * d), "", "stays as it is"),
        (lambda w, d: w.repeat_interleave(d, 0).repeat_interleave(d, 1), "rate 1", "none outside"),
        (lambda w, d: spread(w, min(d, 2), 5 if d > 1 else 3), "rate 2", "a 2 or a 5 left"),
        (lambda w, d: spread(w, d, 3 + 2 * (d - 1)), "rate 3", "from the shape of the weights"),
        (lambda w, d: spread(w.T, d, w.shape[0] + (w.shape[0] - 1) * (d - 1)), "", "no gaps"),
    ],
)
def test_a_kernel_filled_wrongly_is_told_where_it_fails(mistake, right, says):
    verdict = check("02/zeros", mistake)
    assert verdict.right is False
    assert says in verdict.said
    assert right in verdict.said.partition("Wrong")[0]


def spread_in_numpy(weights, dilation):
    size = dilation * (len(weights) - 1) + 1
    large = np.zeros((size, size))
    large[::dilation, ::dilation] = weights
    return large


@pytest.mark.parametrize("made", [spread_in_numpy, lambda w, d: torch.from_numpy(spread_in_numpy(w, d))])
def test_a_kernel_may_be_of_numpy_or_double(made):
    assert check("02/zeros", made).right


def test_a_wrong_kernel_is_shown_beside_the_one_that_is_wanted():
    verdict = check("02/zeros", lambda w, d: spread(w, d, w.shape[0] * d))
    assert verdict.picture.alt == "The target is 5×5, yours 6×6."


@pytest.mark.parametrize(
    ("rates", "says"),
    [
        ((1, 2), "Wrong for three layers: target 3, yours 2"),
        ((1, 2, 5), "Wrong for a view of 21 pixels: target 21, yours 17"),
        ((7, 7, 7), "target 1, yours 7. All your rates can be divided by one number"),
        ((2, 4, 8), "target 1, yours 2. All your rates can be divided by one number"),
        ((1, 2, 9), "target 25, yours 21. Sort the rates"),
        ((2, 3, 9), "larger than the row that is seen before it"),
        ((1, 2, 0), "rate=0 must be a whole number from 1 to 60"),
        ((1.5, 2, 9), "rate=1.5 must be"),
    ],
)
def test_rates_are_told_what_is_wrong_with_them(rates, says):
    verdict = check("02/no holes", rates)
    assert verdict.right is False
    assert says in verdict.said


@pytest.mark.parametrize("rates", [(1, 3, 9), (9, 1, 3), [1, 2, 7], (1, 3, 6)])
def test_rates_without_holes_are_right_in_any_order(rates):
    assert check("02/no holes", rates).right


@pytest.mark.parametrize(
    ("mistake", "right", "says"),
    [
        (lambda k, d: d * (k - 1), "", "one pixel on each side"),
        (lambda k, d: k // 2, "3×3 at rate 1", "How much of its span"),
        (lambda k, d: d, "rate 2", "Right for 3×3 only"),
        (lambda k, d: k // 2 + d - 1, "5×5", "Each part alone is right"),
        (lambda k, d: max(1, d * (k // 2)), "5×5 at rate 3", "A single tap"),
        (lambda k, d: d * (k - 1) / 2, "", "padding=1.0 must be a whole number"),
    ],
)
def test_padding_is_told_for_which_kernels_it_fails(mistake, right, says):
    verdict = check("02/padding", mistake)
    assert verdict.right is False
    assert says in verdict.said
    assert right in verdict.said.partition("Wrong")[0]


def test_the_words_of_a_failure_name_the_sizes():
    said = check("02/padding", lambda k, d: k // 2).said
    assert "Wrong for rate 2: target [72, 96], yours [70, 94]." in said
