"""What the pictures of lesson 02 refuse; what they show is in ``test_figures``."""

from functools import partial

import pytest

from convlab import photo, show_depth, show_dilation, show_rates

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
