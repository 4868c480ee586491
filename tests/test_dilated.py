"""What the pictures of lesson 02 refuse; what they show is in ``test_figures``."""

from functools import partial

import pytest
import torch

from convlab import photo, show_depth, show_dilation, show_rates

CAT = photo("cat", 33, channels=1)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (partial(show_depth, depth=0), "depth=0 must be a whole number from 1 to 8"),
        (partial(show_depth, depth=-1), "depth=-1 must be"),
        (partial(show_depth, depth=9), "depth=9 must be a whole number from 1 to 8"),
        (partial(show_depth, kernel_size=0), "kernel_size=0 must be"),
        (partial(show_rates, rates=()), "rates is empty"),
        (partial(show_rates, rates=(1, 0)), "dilation=0 must be"),
        (partial(show_dilation, kernel="blurr"), "name='blurr' must be one of"),
        (partial(show_dilation, padding="full"), "padding='full' must be"),
    ],
)
def test_what_cannot_be_drawn_is_refused_with_name_and_value(draw, message):
    with pytest.raises(ValueError, match=message):
        draw(CAT)


def test_a_dilation_is_shown_on_a_grey_photo():
    with pytest.raises(ValueError, match=r"shape \(1, 3, 9, 9\) must be one grey photo \(1, 1, H, W\)"):
        show_dilation(torch.zeros(1, 3, 9, 9))
