"""Explorers as widgets, driven as the front end and a program would; run with ipywidgets 7.7.1 and with 8."""

import base64
import io
import json
import re
from functools import partial
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pytest
import torch
import traitlets
from PIL import Image
from torch.nn.functional import conv2d

from convlab import (
    KERNELS,
    Explorer,
    Prediction,
    grid,
    kernel,
    photo,
    photos,
    show_cost_ratio,
    show_depth,
    show_dilation,
    show_groups,
    show_rates,
    show_window,
)

CAT = photo("cat", (72, 96), channels=1)
VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def explorer():
    return Explorer(
        partial(show_dilation, CAT, dilation=2),
        dilation=range(1, 5),
        kernel_size=(3, 5),
        padding=("valid", "same"),
        kernel=list(KERNELS),
    )


class FrontEnd:
    """What the module in the browser sends to an explorer, and what comes back."""

    def __init__(self, explorer):
        self.explorer, self.sent = explorer, []
        explorer.send = lambda content, buffers=(): self.sent.append((content, list(buffers)))

    def asks(self, content, *buffers):
        self.explorer._handle_custom_msg(content, list(buffers))
        return self.sent[-1]

    def moves(self, *at):
        self.explorer.set_state({"at": list(at)})


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, 3, 4, 6, 12], "range"),
        ([1, 3, 2, 4, 5], "select"),
        ([0.5, 1, 2, 3, 4], "range"),
        ({"few": 1, "some": 2, "more": 3, "many": 4, "most": 5}, "select"),
        (range(2), "range"),
        ([1, 2, 3, 4], "radio"),
    ],
)
def test_a_control_is_of_the_kind_that_suits_its_choices(values, kind):
    (control,) = Explorer(partial(show_dilation, CAT), dilation=values).controls
    assert control["kind"] == kind
    assert control["options"] == [str(label) for label in values]


def test_controls_start_at_the_defaults_of_the_drawing(explorer):
    assert explorer.values == {"dilation": 2, "kernel_size": 3, "padding": "valid", "kernel": "Sobel x"}
    assert explorer.at == [1, 0, 0, list(KERNELS).index("Sobel x")]
    assert [control["label"] for control in explorer.controls] == [
        "dilation",
        "kernel size",
        "padding",
        "kernel",
    ]


def test_it_stands_in_a_box_and_a_tab_beside_a_slider_that_is_linked_to_a_control(explorer):
    slider = widgets.IntSlider(min=1, max=4)
    assert widgets.VBox([slider, explorer]).children[1] is explorer
    assert widgets.Tab([explorer]).children == (explorer,)
    link = traitlets.link((explorer, "dilation"), (slider, "value"))
    slider.value = 4
    assert explorer.values["dilation"] == 4
    assert "dilation 4:" in explorer.sentence
    explorer.set(dilation=3)
    assert slider.value == 3
    link.unlink()


def test_values_are_observed_and_set_as_a_whole(explorer):
    seen = []
    explorer.observe(lambda change: seen.append(change.new), "values")
    explorer.values = {"dilation": 4, "kernel": "emboss"}
    assert explorer.values == {"dilation": 4, "kernel_size": 3, "padding": "valid", "kernel": "emboss"}
    assert (explorer.dilation, explorer.kernel, explorer.at[0]) == (4, "emboss", 3)
    explorer.kernel_size = 5
    assert seen[-1] == explorer.values == {**seen[0], "kernel_size": 5}


def test_what_the_front_end_moves_is_told_to_whoever_observes(explorer):
    seen = []
    explorer.observe(lambda change: seen.append((change.name, change.new)), ["dilation", "padding"])
    FrontEnd(explorer).moves(3, 0, 1, 0)
    assert seen == [("dilation", 4), ("padding", "same")]
    assert explorer.values == {"dilation": 4, "kernel_size": 3, "padding": "same", "kernel": "identity"}
    assert "padding 'same'" in explorer.sentence


@pytest.mark.parametrize("name", ["layout", "values", "picture", "send", "at"])
def test_a_control_can_not_have_a_name_that_the_widget_has(name):
    with pytest.raises(ValueError, match=f"'{name}' can't be a control: every widget has"):
        Explorer(lambda **values: show_depth(CAT), **{name: (1, 2)})


def test_values_that_are_not_offered_are_refused_and_nothing_moves(explorer):
    before = explorer.values
    with pytest.raises(ValueError, match="dilation=9 is not offered"):
        explorer.set(kernel="emboss", dilation=9)
    with pytest.raises(ValueError, match="'stride' is not a control"):
        explorer.set(stride=2)
    with pytest.raises(ValueError, match="dilation=9 is not offered"):
        explorer.dilation = 9
    with pytest.raises(ValueError, match="dilation=9 is not offered"):
        explorer.values = {"padding": "same", "dilation": 9}
    for at in ([9, 0, 0, 0], [0, 0, 0], [0, 0, 0, [[1]]]):
        with pytest.raises(traitlets.TraitError):
            explorer.at = at
    assert explorer.values == before
    assert explorer.at == [1, 0, 0, 4]
    with pytest.raises(ValueError, match=r"rates=\[\] offers nothing"):
        Explorer(partial(show_rates, CAT), rates=[])


@pytest.mark.parametrize(("own", "waited"), [(0.3, 0.4), (0.5, 0.0), (0.9, 0.0)])
def test_a_frame_tells_how_long_the_kernel_waited_for_half_a_processor(explorer, monkeypatch, own, waited):
    monkeypatch.setattr(f"{Explorer.__module__}.perf_counter", iter([5.0, 6.0]).__next__)
    monkeypatch.setattr(f"{Explorer.__module__}.thread_time", iter([2.0, 2.0 + own]).__next__)
    frame, _ = FrontEnd(explorer).asks({"want": [0, 0, 0, 0]})
    assert frame["waited"] == pytest.approx(waited)


def test_a_wanted_frame_is_the_state_s_picture_with_its_sentence_and_its_numbers(explorer):
    frame, (jpeg, *blocks) = FrontEnd(explorer).asks({"want": [3, 0, 1, 6]})
    assert explorer.at == [1, 0, 0, 4], "to ask ahead moves nothing"
    explorer.set(dilation=4, padding="same", kernel="Laplacian")
    assert frame["alt"] == explorer.sentence
    assert jpeg == explorer.picture.encode("jpeg")
    assert Image.open(io.BytesIO(jpeg)).format == "JPEG"
    output = next(spot["grid"] for spot in frame["spots"] if spot["name"].startswith("output"))
    levels = np.frombuffer(blocks[output["block"]], "<u2").reshape(output["shape"])[..., 0]
    expected = conv2d(CAT, kernel("Laplacian")[None, None], padding=4, dilation=4)[0, 0].numpy()
    assert np.abs(output["low"] + output["step"] * levels - expected).max() < 1e-3
    seen = next(spot["grid"] for spot in frame["spots"] if spot["name"].startswith("photo"))
    assert blocks[seen["block"]] == CAT.mul(255).round().byte().numpy().tobytes()
    json.dumps(frame)


def test_the_same_state_gives_the_same_picture_wherever_it_comes_from(explorer):
    front = FrontEnd(explorer)
    _, (before, *_) = front.asks({"want": [1, 0, 0, 4]})
    explorer.set(dilation=4, kernel="emboss", padding="same", kernel_size=5)
    explorer.reset()
    assert front.asks({"want": [1, 0, 0, 4]})[1][0] == before == explorer.picture.encode("jpeg")


def draw_that_breaks(size=1):
    if size == 2:
        raise RuntimeError("size 2 is broken")
    return show_depth(photo("moon", 32), depth=size)


def test_an_error_in_drawing_is_told_where_the_picture_would_stand():
    explorer = Explorer(draw_that_breaks, size=(1, 2, 3))
    front = FrontEnd(explorer)
    assert front.asks({"want": [1]}) == ({"at": [1], "error": "RuntimeError: size 2 is broken"}, [])
    assert "depth" not in front.asks({"want": [2]})[0].get("error", "")
    assert front.asks({"want": [7]})[0]["error"].startswith("size=7 must be a whole number from 0 to 2")
    assert "must be a list" in front.asks({})[0]["error"] or "want" in front.sent[-1][0]["error"]
    with pytest.raises(RuntimeError, match="size 2 is broken"):
        explorer.set(size=2)
    assert explorer.values == {"size": 1}
    assert explorer.sentence.startswith("After 1 layer")


# ---- what is written and given --------------------------------------------------------------------------


def test_numbers_that_a_reader_writes_become_the_kernel_at_any_dilation():
    explorer = Explorer(partial(show_dilation, CAT), dilation=range(1, 4), kernel=grid(3, 3))
    rows = [[0, 0.5, 0], [-4, 1.25, 2], [0, 0, -0.75]]
    frame, (_, *blocks) = FrontEnd(explorer).asks({"want": [2, rows]})
    output = next(spot["grid"] for spot in frame["spots"] if spot["name"].startswith("output"))
    levels = np.frombuffer(blocks[output["block"]], "<u2").reshape(output["shape"])[..., 0]
    expected = conv2d(CAT, torch.tensor(rows)[None, None], dilation=3)[0, 0].numpy()
    assert np.abs(output["low"] + output["step"] * levels - expected).max() < 1e-3
    assert frame["alt"].startswith("your own kernel, 3×3 with dilation 3")
    explorer.kernel = torch.tensor(rows)
    assert explorer.at == [0, tuple(map(tuple, rows))]
    assert torch.equal(explorer.values["kernel"], torch.tensor(rows))
    explorer.kernel = "emboss"
    assert explorer.at[1] == list(KERNELS).index("emboss")


@pytest.mark.parametrize(
    "value", ["Scharr", [[1, 2], [3, 4]], torch.full((3, 3), 4.5), [[np.nan] * 3] * 3, None, [["a"] * 3] * 3]
)
def test_a_grid_refuses_what_are_no_small_numbers_of_its_size(value):
    explorer = Explorer(partial(show_window, CAT), kernel=grid(3, 3))
    with pytest.raises(ValueError, match="or 3×3 numbers from −4 to 4"):
        explorer.set(kernel=value)
    assert explorer.values == {"kernel": "Sobel x"}


def test_a_grid_may_have_starting_points_of_its_own():
    explorer = Explorer(
        lambda weights="left": show_depth(CAT), weights=grid(1, 2, {"left": torch.ones(1, 2)})
    )
    assert explorer.controls[0]["numbers"] == [[[1.0, 1.0]]]
    with pytest.raises(ValueError, match="a grid of 1×2 needs `named`"):
        grid(1, 2)
    with pytest.raises(ValueError, match=r"named\['big'\]="):
        grid(1, 1, {"big": torch.full((1, 1), 5.0)})


def png(colour, size=(30, 20)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "png")
    return file.getvalue()


def test_a_photo_that_a_reader_gives_is_one_more_option():
    explorer = Explorer(lambda image=None: show_depth(image), image=photos("cat", "moon", size=(16, 24)))
    front = FrontEnd(explorer)
    assert front.asks({"photo": "image", "label": "red.png"}, memoryview(png("red"))) == (
        {"taken": "image"},
        [],
    )
    assert explorer.controls[0]["options"] == ["cat", "moon", "red.png"]
    assert explorer.at == [2]
    assert explorer.image.shape == (1, 3, 16, 24)
    assert explorer.image[0, :, 8, 8].tolist() == [1, 0, 0]
    before = front.asks({"want": [2]})[1][0]
    front.asks({"photo": "image", "label": "red.png"}, memoryview(png("blue")))
    assert explorer.at == [2]
    assert front.asks({"want": [2]})[1][0] != before


def test_a_file_that_is_no_photo_is_refused_and_the_old_photo_stays():
    explorer = Explorer(lambda image=None: show_depth(image), image=photos("cat", size=16, channels=1))
    said, _ = FrontEnd(explorer).asks({"photo": "image", "label": "notes.txt"}, b"no photo")
    assert said["error"].startswith("image=a file of 8 bytes can't be read as a photo")
    assert (explorer.at, explorer.controls[0]["options"]) == ([0], ["cat"])


# ---- where it is touched --------------------------------------------------------------------------------


def spot_of(explorer, name):
    frame, _ = explorer._frame(explorer.choices, explorer.choices.at)
    return next(spot for spot in frame["spots"] if spot["name"].startswith(name))


def test_the_places_of_options_are_those_of_the_window_on_the_photo_and_of_the_pixel_in_the_map():
    small = photo("coffee", (9, 14), channels=1)
    explorer = Explorer(partial(show_window, small), row=range(7), column=range(12), stride=(1, 2))
    left, top, width, height = spot_of(explorer, "photo")["box"]
    across, down = (spot_of(explorer, "photo")[axis] for axis in "xy")
    assert (across["control"], down["control"]) == (1, 0)
    assert across["at"] == pytest.approx(
        [left + (column + 1.5) / 14 * width for column in range(12)], abs=1e-3
    )
    assert down["at"] == pytest.approx([top + (row + 1.5) / 9 * height for row in range(7)], abs=1e-3)
    explorer.set(stride=2)
    spot = spot_of(explorer, "output")
    left, _, width, _ = spot["grid"]["box"]
    pixel = width / spot["grid"]["shape"][1]
    assert spot["x"]["at"][0] == pytest.approx(left + pixel / 2, abs=2e-3)
    assert spot["x"]["at"][4] == pytest.approx(left + 2.5 * pixel, abs=2e-3)


def test_places_on_a_logarithmic_axis_are_evenly_spaced():
    channels = [1, 2, 4, 8, 16, 32]
    spot = spot_of(Explorer(show_cost_ratio, out_channels=channels), "share")
    steps = np.diff(spot["x"]["at"])
    assert np.ptp(steps) < 1e-4 < steps.min()


def test_a_panel_that_stands_for_a_value_which_is_not_offered_chooses_nothing():
    explorer = Explorer(partial(show_groups, photo("cat", 16)), groups=[1, 3])
    assert [spot_of(explorer, f"groups={n}")["sets"] for n in (1, 3)] == [[[0, 0]], [[0, 1]]]
    frame, _ = explorer._frame(explorer.choices, explorer.choices.at)
    assert not any("sets" in spot for spot in frame["spots"] if spot["name"] == "groups=12")


def test_a_touch_for_a_control_that_is_not_there_is_left_out():
    spot = spot_of(Explorer(partial(show_window, CAT), row=range(3)), "photo")
    assert {"y"} == {"x", "y"} & spot.keys()


def test_products_and_their_sum_are_said_in_words():
    small = photo("coffee", (9, 14), channels=1)
    explorer = Explorer(partial(show_window, small, row=4, column=6), kernel=grid(3, 3))
    said = spot_of(explorer, "nine products")["texts"]
    pixel = round(float(small[0, 0, 5, 6]), 2)
    assert said[1][0] == f"{pixel:.2f} × −2 = {-2 * pixel:.2f}".replace("-", "−")
    assert spot_of(explorer, "their sum")["texts"][0][0].endswith(f"= {words_of(explorer)}")


def words_of(explorer):
    return re.search(r"add up to (\S+)\. ", explorer.sentence)[1]


def test_bars_say_their_number_and_what_they_are():
    spot = spot_of(Explorer(show_cost_ratio, out_channels=[64, 128]), "separable")
    assert [bar[4] for bar in spot["bars"]] == ["ordinary: 73,728", "depthwise: 576", "pointwise: 8,192"]


# ---- where it is stored ---------------------------------------------------------------------------------


def test_what_is_shown_is_the_live_view_with_picture_and_sentence_beside_it(explorer):
    data, metadata = explorer._repr_mimebundle_()
    assert data[VIEW]["model_id"] == explorer.model_id
    assert data["text/plain"] == explorer.sentence == repr(explorer)
    alt, source = re.fullmatch(
        r'<img alt="(.*)" src="data:image/png;base64,(.*)">', data["text/html"]
    ).groups()
    assert alt.replace("&#x27;", "'") == explorer.sentence
    assert Image.open(io.BytesIO(base64.b64decode(source))).format == "PNG"
    assert isinstance(metadata, dict)
    assert explorer._ipython_display_ is None


def state_of(html):
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', html, re.DOTALL)[1])


def test_a_page_holds_every_frame_of_the_values_that_one_chooses(explorer):
    page = state_of(
        explorer.to_html(carry=[{"dilation": [2, 3], "kernel_size": True, "kernel": ["Sobel x", "emboss"]}])
    )
    assert len(page["frames"]) == 2 * 2 * 1 * 2
    assert page["controls"][0]["options"] == ["2", "3"]
    frame = page["frames"]["[1,1,0,1]"]
    explorer.set(dilation=3, kernel_size=5, kernel="emboss")
    assert frame["alt"] == explorer.sentence
    assert base64.b64decode(frame["src"].partition(",")[2]) == explorer.picture.encode("png")
    assert len(page["blocks"]) < 3 * len(page["frames"]), "the photo is there once"


def test_a_page_may_have_its_pictures_beside_it(explorer, tmp_path):
    html = explorer.to_html(
        tmp_path / "frames", [{"dilation": [1, 2], "padding": True, "kernel": ["emboss"]}]
    )
    state = state_of(html)
    sources = [frame["src"] for frame in state["frames"].values()]
    assert sources == ["frames/0.png", "frames/1.png", "frames/2.png", "frames/3.png"]
    assert Image.open(io.BytesIO((tmp_path / sources[3]).read_bytes())).format == "PNG"
    numbers = (tmp_path / state["numbers"]).read_text()
    texts = state_of(explorer.to_html(carry=[{"dilation": [1, 2], "padding": True, "kernel": ["emboss"]}]))[
        "blocks"
    ]
    assert [text in numbers for text in texts] == [True] * len(texts) != []
    assert '<div data-convlab id="frames">' in html


def test_a_page_names_its_pictures_from_where_it_is(explorer, tmp_path):
    html = explorer.to_html(tmp_path / "pictures" / "first", [{}], page=tmp_path / "pages", frontend=False)
    state = state_of(html)
    assert [frame["src"] for frame in state["frames"].values()] == ["../pictures/first/0.png"]
    assert state["numbers"] == "../pictures/first/numbers.js"
    assert "<style>" not in html


def test_a_page_leaves_the_explorer_as_it_was(explorer):
    before, sentence = explorer.values, explorer.sentence
    explorer.to_html(carry=[{"dilation": [4], "kernel": ["emboss"]}])
    assert (explorer.values, explorer.sentence) == (before, sentence)


def test_a_page_carries_few_states_all_and_of_many_each_value_and_sixty(explorer):
    few = Explorer(partial(show_dilation, CAT), dilation=range(1, 16), padding=("valid", "same"))
    assert len(state_of(few.to_html())["frames"]) == 30
    many = Explorer(
        partial(show_dilation, CAT), dilation=range(1, 30), kernel=list(KERNELS), padding=("valid", "same")
    )
    state = state_of(many.to_html())
    assert 60 <= len(state["frames"]) < 100 < state["all"] == 29 * len(KERNELS) * 2
    assert [len(control["options"]) for control in state["controls"]] == [29, len(KERNELS), 2]
    start = state["at"]
    for n, control in enumerate(state["controls"]):
        for place in range(len(control["options"])):
            at = [place if m == n else here for m, here in enumerate(start)]
            assert json.dumps(at, separators=(",", ":")) in state["frames"]


def test_a_page_carries_what_is_named_and_starts_where_it_can(explorer):
    carry = [{"dilation": [1, 2]}, {"kernel": True, "padding": ["same"]}]
    state = state_of(explorer.to_html(carry=carry))
    assert len(state["frames"]) == 2 + len(explorer.choices.options["kernel"])
    explorer.reset()
    assert state["frames"][str(state["at"]).replace(" ", "")]["alt"] == explorer.sentence
    beyond = state_of(explorer.to_html(carry=[{"dilation": [4, 3]}]))
    assert (beyond["controls"][0]["options"], beyond["at"]) == (["3", "4"], [1, 0, 0, 0])


@pytest.mark.parametrize(
    ("carry", "said"),
    [
        ({"strides": [1]}, "control='strides'"),
        ({"dilation": [9]}, "dilation='9'"),
        ({"padding": ["full"]}, "'full'"),
    ],
)
def test_a_page_refuses_what_is_not_offered(explorer, carry, said):
    with pytest.raises(ValueError, match=said):
        explorer.to_html(carry=[carry])


def test_words_can_not_end_the_script_that_holds_them():
    def draw(n=1):
        figure = show_depth(CAT, depth=n).figure
        return type(show_depth(CAT))(figure, "</script><b>1.")

    html = Explorer(draw, n=(1, 2)).to_html()
    assert state_of(html)["frames"]["[0]"]["alt"] == "</script><b>1."
    assert "</script><b>" not in html


def test_a_prediction_is_asked_where_its_values_can_be_reached(explorer):
    asked = Explorer(
        partial(show_dilation, CAT),
        dilation=range(1, 5),
        kernel=list(KERNELS),
        predict=Prediction("How wide at dilation 3?", 7, {"dilation": 3}),
    )
    assert asked.predict == {"text": "How wide at dilation 3?", "answer": 7, "values": [2, None]}
    with pytest.raises(ValueError, match="dilation=9 is not offered"):
        Explorer(partial(show_dilation, CAT), dilation=(1, 2), predict=Prediction("?", 1, {"dilation": 9}))


README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = [block for block in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "Explorer(" in block]


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_what_readme_shows_of_explorers_runs(block):
    names = {}
    exec(block, names)
    if "to_html" in block:
        assert names["explorer"].sentence == "A wave of frequency 3."
        assert names["part"].startswith("<div data-convlab>")
        assert spot_of(names["explorer"], "wave")["x"]["control"] == 0
