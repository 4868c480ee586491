"""Where things are drawn: one photo that is not square, one kernel that is not, and places off the middle."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from matplotlib.colors import same_color
from pictures import axes_of
from torch import nn

from convlab import (
    ConvSpec,
    Timing,
    cost,
    kernel,
    measure_receptive_field,
    photo,
    show_bottleneck,
    show_channel_sum,
    show_connectivity,
    show_cost,
    show_depth,
    show_dilation,
    show_five,
    show_gallery,
    show_mix,
    show_poke,
    show_rates,
    show_reach,
    show_separable_fit,
    show_steps,
    show_times,
    show_training,
    show_two_steps,
    show_window,
)
from convlab.lessons.separable import OUTPUTS
from convlab.pictures import charts, draw, page, palette

CAT = photo("cat", (40, 56), channels=1)
COLOUR = photo("astronaut", (40, 56))
TAPS = torch.arange(15.0).reshape(3, 5) - 4
SPEC = ConvSpec(1, 1, (3, 5), stride=(2, 1), padding=(1, 3), dilation=(4, 2), bias=False)
AT = (3, 11)


@pytest.fixture
def ax():
    return page.blank(page.panel("only", 5, 4))["only"]


def boxes(ax, colour=None):
    """(top, left, height, width) of the frames in a colour; pixels have their middles at whole numbers."""
    found = [p for p in ax.patches if colour is None or same_color(p.get_edgecolor(), colour)]
    return [(p.get_y() + 0.5, p.get_x() + 0.5, p.get_height(), p.get_width()) for p in found]


def extent(ax):
    """(top, left, bottom, right) of what is painted."""
    left, right, bottom, top = ax.images[0].get_extent()
    return top + 0.5, left + 0.5, bottom + 0.5, right + 0.5


def poked(layer, at, shape=(40, 56)):
    return measure_receptive_field(layer, (1, *shape), at=at)


def test_a_pixel_is_where_its_row_and_column_say(ax):
    draw.photo(ax, CAT)
    shown = ax.images[0].get_array()
    assert shown.shape == (40, 56)
    assert extent(ax) == (0, 0, 40, 56)
    assert shown[7, 30] == round(255 * CAT[0, 0, 7, 30].item())
    assert ax.get_ylim() == (39.5, -0.5)  # row 0 on top
    assert ax.get_xlim() == (-0.5, 55.5)


def test_a_smaller_map_stands_in_the_middle_of_the_room_that_it_is_given(ax):
    draw.feature_map(ax, CAT[..., :30, :50], within=(40, 56))
    assert extent(ax) == (5, 3, 35, 53)
    np.testing.assert_array_equal(ax.images[0].get_array(), CAT[0, 0, :30, :50])
    assert (ax.get_xlim(), ax.get_ylim()) == ((-0.5, 55.5), (39.5, -0.5))


def test_limits_of_a_map_are_kept_or_put_zero_in_the_middle(ax):
    assert draw.feature_map(ax, CAT, limits=(-2, 3)).images[0].get_clim() == (-2, 3)
    assert draw.grey_limits(CAT[0, 0].numpy() - 0.5)[0] == -draw.grey_limits(CAT[0, 0].numpy() - 0.5)[1] < 0
    assert draw.grey_limits(CAT[0, 0].numpy())[0] == 0


def test_each_weight_of_a_kernel_is_at_its_tap_and_written_there(ax):
    draw.kernel(ax, TAPS, dilation=(2, 1))
    shown = ax.images[0].get_array().filled(np.nan)
    assert shown.shape == (5, 5)
    np.testing.assert_array_equal(shown[::2], TAPS)
    assert np.isnan(shown[1::2]).all()
    written = {(text.get_position()[1], text.get_position()[0]): text.get_text() for text in ax.texts}
    assert written == {
        (2 * row, column): f"{5 * row + column - 4}".replace("-", "−")
        for row in range(3)
        for column in range(5)
    }


def test_the_footprint_is_what_the_output_looks_at(ax):
    draw.footprint(draw.photo(ax, CAT), SPEC, AT)
    drawn = {(int(y), int(x)) for x, y in ax.collections[0].get_offsets()}
    support = poked(SPEC.module(), AT).support
    assert drawn == {(int(y), int(x)) for y, x in np.argwhere(support)}
    (frame,) = set(boxes(ax, palette.KERNEL))
    assert frame == (AT[0] * 2 - 1, AT[1] - 3, 9, 9)


def test_an_outline_and_a_grid_go_round_the_pixels_that_they_name(ax):
    draw.outline(ax, 2, 7, (3, 5), palette.INPUT)
    assert set(boxes(ax)) == {(2, 7, 3, 5)}
    draw.pixel_grid(ax, 3, 5, 2, 7)
    ends = np.array(ax.collections[0].get_segments()).reshape(-1, 2)
    assert ends.min(0).tolist() == [6.5, 1.5]
    assert ends.max(0).tolist() == [11.5, 4.5]
    assert len(ax.collections[0].get_segments()) == 4 + 6


def test_tiles_stand_in_reading_order(ax):
    maps = torch.arange(5.0)[:, None, None].expand(5, 3, 4)
    draw.tiles(ax, maps, 2, "five", palette.INPUT, limits=(0, 5))
    shown = ax.images[0].get_array().filled(np.nan)
    assert shown.shape == (9, 8)
    assert [shown[0, 0], shown[0, 4], shown[3, 0], shown[3, 4], shown[6, 0]] == [0, 1, 2, 3, 4]
    assert np.isnan(shown[6:, 4:]).all()
    assert ax.images[0].get_extent() == [0, 2, 3, 0]


def test_windows_start_where_they_are_said_to_and_the_rest_is_hatched(ax):
    draw.windows(ax, torch.linspace(0, 1, 12), [0, 3, 6], 4)
    ends = [path.get_extents() for path in ax.collections[-1].get_paths()]
    assert [(box.x0 + 0.5, box.width) for box in ends] == [(0, 4), (3, 4), (6, 4)]
    assert sorted(box.y0 for box in ends) == [
        box.y0 for box in ends
    ]  # the next one below, as y grows downwards
    (unseen,) = boxes(ax)
    assert unseen[1::2] == (10, 2)


def test_touched_pixels_are_tinted_and_holes_are_dark(ax):
    field = poked(SPEC.module(), AT)
    draw.support(ax, CAT, field)
    shown = ax.images[0].get_array()
    redder = shown[..., 0] - shown[..., 2] > 0.3
    np.testing.assert_array_equal(redder, field.support)
    top, left, height, width = boxes(ax)[-1]
    assert (top, left, height, width) == (5, 8, 9, 9)
    inside = np.zeros((40, 56), bool)
    inside[5:14, 8:17] = True
    holes = inside & ~field.support
    assert shown[holes].max() <= 0.25
    assert shown[~inside].min() >= 0.5


def test_heat_is_the_gradient_in_its_own_box_and_its_line_holds_half_of_it(ax):
    torch.manual_seed(0)
    stack = nn.Sequential(*(nn.Conv2d(1, 1, (3, 5), padding="same") for _ in range(5)))
    for layer in stack:
        nn.init.constant_(layer.weight, 1 / 15)
    field = poked(stack, (20, 25))
    draw.heat(ax, field)
    shown = ax.images[0].get_array().filled(0)
    assert shown.shape == field.size == (11, 21)
    np.testing.assert_array_equal(shown, field.effective[15:26, 15:36])
    (path,) = [path for path in ax.collections[0].get_paths() if len(path.vertices)]
    rows, columns = np.mgrid[:11, :21]
    within = path.contains_points(np.column_stack([columns.ravel(), rows.ravel()])).reshape(11, 21)
    assert 0.4 < shown[within].sum() / shown.sum() < 0.6


def test_every_path_of_a_stack_ends_at_a_pixel_that_it_reaches(ax):
    draw.paths(ax, (2, 3), 3)
    dots = ax.lines[0]
    bottom = sorted(int(x) for x, y in zip(dots.get_xdata(), dots.get_ydata(), strict=True) if y == 0)
    assert bottom == [-5, -3, -2, -1, 0, 1, 2, 3, 5]
    assert sorted(ax.lines[1].get_xdata()) == [-4, 4]  # the holes
    named = {text.get_text(): text.get_position()[1] for text in ax.texts}
    assert named["rate 2"] < 1 < named["rate 3"] < 2


def test_bars_come_in_order_each_with_its_number(ax):
    charts.bars(ax, {"a": 3, "b": 1200}, "title", colours=["red", "blue"])
    assert [(bar.get_y() + bar.get_height() / 2, bar.get_width()) for bar in ax.patches] == [
        (0, 3),
        (1, 1200),
    ]
    assert [(text.get_position(), text.get_text()) for text in ax.texts] == [
        ((3, 0), " 3"),
        ((1200, 1), " 1,200"),
    ]
    assert ax.get_ylim()[0] > ax.get_ylim()[1]  # the first on top
    assert [
        same_color(bar.get_facecolor(), c) for bar, c in zip(ax.patches, ("red", "blue"), strict=True)
    ] == [1, 1]


def test_shares_add_up_from_left_to_right(ax):
    charts.shares(ax, {"x": {"pointwise": 1, "grouped": 3}})
    ends = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in ax.patches]
    assert ends == [(0, 0.25), (0.25, 1)]
    assert [
        same_color(bar.get_facecolor(), palette.of_kind(k))
        for bar, k in zip(ax.patches, ("pointwise", "grouped"), strict=True)
    ] == [1, 1]


def test_layers_of_a_cost_stand_from_input_to_output():
    net = nn.Sequential(nn.Conv2d(2, 2, 3, groups=2), nn.Conv2d(2, 8, 1))
    bars = axes_of(show_cost(cost(net, (2, 12, 16))))["layers"].patches
    assert [bar.get_x() + bar.get_width() / 2 for bar in bars] == [1, 2]
    assert bars[0].get_height() / bars[1].get_height() == pytest.approx(18 / 16)


def test_names_in_a_cloud_are_tied_to_their_own_dots(ax):
    points = {"low": (1, 1), "high": (100, 50), "near": (90, 45)}
    charts.cloud(ax, points, ["red"] * 3, ("x", "y"))
    dots = ax.transAxes.inverted().transform(ax.transData.transform(list(points.values())))
    starts = {tuple(np.round([line.get_xdata()[0], line.get_ydata()[0]], 6)) for line in ax.lines}
    assert starts == {tuple(np.round(dot, 6)) for dot in dots}
    for text, line in zip(ax.texts, ax.lines, strict=True):
        assert text.get_position() == (line.get_xdata()[1], line.get_ydata()[1])
        dot = dots[list(points).index(text.get_text())]
        assert (line.get_xdata()[0], line.get_ydata()[0]) == pytest.approx(tuple(dot))


def test_no_name_in_a_cloud_lies_over_another_dot_or_name(ax):
    points = {f"a long name, {n}": (2.0**n, 1 + 0.05 * n) for n in range(7)}
    charts.cloud(ax, points, ["red"] * 7, ("x", "y"))
    ax.figure.canvas.draw()
    dots = ax.transData.transform(list(points.values()))
    boxes = [text.get_window_extent() for text in ax.texts]
    for number, box in enumerate(boxes):
        assert not [dot for dot in dots if box.contains(*dot)]
        assert not any(box.overlaps(other) for other in boxes[:number])


def test_the_window_frames_the_patch_and_hides_what_is_not_made_yet():
    small = photo("coffee", (9, 14), channels=1)
    axes = axes_of(show_window(small, row=5, column=8, stride=2))
    assert set(boxes(axes["photo"])) == {(4, 8, 3, 3)}
    shown = small[0, 0, 4:7, 8:11].numpy().round(2)
    np.testing.assert_allclose(axes["patch"].images[0].get_array().filled(np.nan), shown, atol=1e-6)
    top, left = (9 - 4) / 2, (14 - 6) / 2
    assert set(boxes(axes["output"], palette.OUTPUT)) == {(top + 2, left + 4, 1, 1)}
    hidden = [p for p in axes["output"].patches if p.get_fill()]
    areas = {(p.get_y() + 0.5, p.get_x() + 0.5, p.get_height(), p.get_width()) for p in hidden}
    assert areas == {(top + 2, left + 5, 1, 1), (top + 3, left, 1, 6)}


def test_the_gallery_has_each_kernel_above_its_own_map():
    picture = show_gallery(CAT, ["Sobel x", "Sobel y"])
    axes = axes_of(picture)
    for name in ("Sobel x", "Sobel y"):
        above, below = (axes[label].get_position() for label in (name, f"{name} map"))
        assert above.y0 > below.y1
        assert (above.x0 + above.x1) / 2 == pytest.approx((below.x0 + below.x1) / 2)


def test_the_pixel_whose_parts_are_given_is_framed_in_channel_part_and_map():
    filters = {
        "a": torch.randn(3, 3, 3, generator=torch.Generator().manual_seed(0)),
        "b": torch.ones(3, 3, 3),
    }
    axes = axes_of(show_channel_sum(COLOUR, filters, filter="b"))
    assert set(boxes(axes["green"])) == {(19, 27, 3, 3)}
    assert set(boxes(axes["green part"])) == set(boxes(axes["map b"])) == {(19, 27, 1, 1)}
    assert not boxes(axes["map a"])
    for name in ("red", "green", "blue"):
        row = [axes[label].get_position() for label in (name, f"{name} weights", f"{name} part")]
        assert row[0].x1 < row[1].x0 < row[1].x1 < row[2].x0


def test_steps_put_a_dot_in_the_middle_of_each_window():
    axes = axes_of(show_steps(photo("cat", (9, 13), channels=1), kernel_size=3, stride=2, padding=1))
    dots = {tuple(place) for place in axes["photo"].collections[-1].get_offsets()}
    assert dots == {(1 + 2 * x, 1 + 2 * y) for x in range(7) for y in range(5)}
    assert set(boxes(axes["photo"], palette.INPUT)) == {(1, 1, 9, 13)}
    assert set(boxes(axes["photo"], palette.KERNEL)) == {(0, 0, 3, 3)}
    starts = [path.get_extents().x0 + 0.5 for path in axes["windows"].collections[-1].get_paths()]
    assert starts == [0, 2, 4, 6, 8, 10, 12]


def test_frames_of_the_receptive_field_share_their_middle():
    axes = axes_of(show_reach(CAT, depth=2, kernel_size=5))
    assert set(boxes(axes["photo"])) == {(16, 24, 9, 9), (18, 26, 5, 5), (20, 28, 1, 1)}


def test_the_output_that_the_footprint_belongs_to_is_marked():
    axes = axes_of(show_dilation(CAT, dilation=3))
    (x,), (y,) = axes["output"].lines[0].get_data()
    rows = {int(place[1]) for place in axes["photo"].collections[0].get_offsets()}
    columns = {int(place[0]) for place in axes["photo"].collections[0].get_offsets()}
    assert y == sorted(rows)[1]
    assert x == sorted(columns)[1]


def test_the_field_of_a_stack_is_shown_on_its_photo():
    axes = axes_of(show_rates(CAT, rates=(1, 3)))
    support = poked(
        nn.Sequential(*(nn.Conv2d(1, 1, 3, padding="same", dilation=d) for d in (1, 3))), (20, 28)
    ).support
    shown = axes["support"].images[0].get_array()
    np.testing.assert_array_equal(shown[..., 0] - shown[..., 2] > 0.3, support)


def test_matrix_and_names_of_a_mix_belong_together():
    axes = axes_of(show_mix(COLOUR, mix="opponent colours"))
    assert [tick.get_text() for tick in axes["matrix"].get_yticklabels()] == ["luma", "R − G", "Y − B"]
    assert [tick.get_text() for tick in axes["matrix"].get_xticklabels()] == ["R", "G", "B"]
    for place, colour in enumerate(("red", "green", "blue")):
        np.testing.assert_array_equal(axes[colour].images[0].get_array(), COLOUR[0, place])


def test_break_even_is_marked_where_the_curve_meets_the_direct_cost():
    axes = axes_of(show_bottleneck(middle=96, kernel_size=5))["curve"]
    (even,) = [line for line in axes.lines if line.get_marker() == "D"]
    (here,) = [line for line in axes.lines if line.get_marker() == "o"]
    curve = max(axes.lines, key=lambda line: len(line.get_xdata()))
    assert even.get_ydata()[0] == 100
    assert np.interp(even.get_xdata()[0], curve.get_xdata(), curve.get_ydata()) == pytest.approx(100, abs=0.5)
    assert here.get_xdata()[0] == 96
    assert np.interp(96, curve.get_xdata(), curve.get_ydata()) == pytest.approx(here.get_ydata()[0], abs=0.5)


def test_connectivity_has_outputs_as_rows_and_inputs_as_columns():
    wired = torch.zeros(3, 5)
    wired[2, 1] = 1
    shown = axes_of(show_connectivity({"one": wired}))["one"].images[0].get_array()
    assert np.argwhere(shown).tolist() == [[2, 1]]


def test_strong_wires_start_at_what_moved():
    axes = axes_of(show_poke(COLOUR, channel=7, groups=4))
    strong = axes["wires"].collections[1].get_segments()
    assert {(int(a[0]), int(a[1])) for a, _ in strong} == {(7, 2), (6, 1), (7, 1), (8, 1)}
    assert set(boxes(axes["inputs"], palette.KERNEL)) == {(0.5, 7.5, 1, 1)}


@pytest.mark.parametrize("output", [0, 2])
def test_the_filter_shown_on_the_photo_is_the_framed_row(output):
    axes = axes_of(show_separable_fit(COLOUR, kernels="random", output=output))
    for name in ("ordinary kernels", "nearest separable", "difference"):
        assert set(boxes(axes[name])) == {(output + 0.5, 0.5, 1, 3)}
    weights = (
        np.asarray(axes["ordinary kernels"].images[0].get_array()).reshape(4, 3, 3, 3).transpose(0, 2, 1, 3)
    )
    expected = nn.functional.conv2d(COLOUR, torch.from_numpy(weights[output])[None])[0, 0]
    np.testing.assert_allclose(axes["wanted map"].images[0].get_array(), expected, atol=1e-5)


def test_two_steps_stand_in_their_rows():
    axes = axes_of(show_two_steps(COLOUR, red="emboss", output=3))
    rows = [
        [axes[name].get_position() for name in row]
        for row in (
            ("photo", "red kernel", "blue kernel", "red map", "blue map"),
            ("pointwise", *OUTPUTS),
            ("red slice", "blue slice", "again"),
        )
    ]
    for row in rows:
        assert all(one.x1 < other.x0 for one, other in pairwise(row))
    assert rows[0][0].y0 > rows[1][0].y1 > rows[1][0].y0 > rows[2][0].y1
    np.testing.assert_array_equal(axes["red kernel"].images[0].get_array(), kernel("emboss"))


def test_solid_bars_are_multiply_adds_and_hatched_ones_time():
    class Clock:
        threads = 1

        def __init__(self, median):
            self.median = median

    names = ("ordinary", "pointwise", "dilated", "grouped", "separable")
    clocks = {name: Clock(1 + place) for place, name in enumerate(names)}
    bars = axes_of(show_five(CAT, channels=8, timings={(8, 3): clocks}))["bars"].patches
    solid, hatched = [bar for bar in bars if not bar.get_hatch()], [bar for bar in bars if bar.get_hatch()]
    assert [round(bar.get_height(), 6) for bar in hatched] == [100, 200, 300, 400, 500]
    assert solid[0].get_height() == 100
    assert solid[1].get_height() == pytest.approx(100 / 9)
    for pair in zip(solid, hatched, strict=True):
        assert pair[0].get_x() < pair[1].get_x()
        assert same_color(pair[0].get_edgecolor(), pair[1].get_edgecolor())


def test_the_fields_of_each_family_stand_round_the_middle_of_the_photo():
    ax = axes_of(show_depth(CAT, depth=3))["photo"]
    sides = {"ordinary": 7, "dilated": 13}
    for kind, side in sides.items():
        (box,) = set(boxes(ax, palette.of_kind(kind)))
        assert box == ((40 - side) / 2, (56 - side) / 2, side, side)


def test_a_line_spans_half_of_the_times_and_all_of_the_seeds():
    layers = {"a": nn.Conv2d(1, 2, 3), "b": nn.Conv2d(1, 4, 3)}
    seconds = {"a": (1.0, 2, 3, 4, 5), "b": (2.0, 6, 8, 10, 30)}
    costs = {name: cost(layer, (1, 9, 9)) for name, layer in layers.items()}
    timings = {name: Timing(seconds[name], 1, costs[name], 1e9, 1e9) for name in layers}
    spans = [
        line.get_ydata()
        for line in axes_of(show_times(timings))["shares"].lines
        if len(set(line.get_xdata())) == 1
    ]
    assert [100 * 6 / 3, 100 * 10 / 3] in [pytest.approx(list(span)) for span in spans]
    picture = show_training({"a": (0.2, 0.5, 0.9)}, {"a": costs["a"]}, chance=0.1)
    mean, *_ = axes_of(picture)["accuracy"].lines
    assert mean.get_xdata() == pytest.approx([100 * 1.6 / 3] * 2)
