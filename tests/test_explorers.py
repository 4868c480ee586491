"""Explorers and questions, driven as a reader would; run with ipywidgets 7.7.1 and with 8."""

import io
from functools import partial

import ipywidgets as widgets
import pytest
from PIL import Image

from convlab import KERNELS, Explorer, Question, photo, show_depth, show_dilation, show_rates
from convlab.pictures import palette

CAT = photo("cat", 96, channels=1)
needs_stack = pytest.mark.skipif(not hasattr(widgets, "Stack"), reason="Stack came with ipywidgets 8")


@pytest.fixture
def explorer():
    return Explorer(
        partial(show_dilation, CAT, dilation=2),
        dilation=range(1, 5),
        kernel_size=(3, 5),
        padding=("valid", "same"),
        kernel=list(KERNELS),
    )


def parts(explorer):
    row, image, caption = explorer.widget.children
    return {control.description: control for control in row.children}, image, caption


def test_controls_are_of_the_kind_that_suits_their_choices(explorer):
    controls, _, _ = parts(explorer)
    assert isinstance(controls["dilation"], widgets.SelectionSlider)
    assert isinstance(controls["kernel size"], widgets.ToggleButtons)
    assert isinstance(controls["kernel"], widgets.Dropdown)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, 2, 3, 4, 6, 12], widgets.SelectionSlider),
        ([1, 3, 2, 4, 5], widgets.Dropdown),
        ([0.5, 1, 2, 3, 4], widgets.SelectionSlider),
        ({"few": 1, "some": 2, "more": 3, "many": 4, "most": 5}, widgets.Dropdown),
        (range(2), widgets.SelectionSlider),
        ([1, 2, 3, 4], widgets.ToggleButtons),
    ],
)
def test_rising_whole_numbers_get_a_slider(values, kind):
    controls, _, _ = parts(Explorer(partial(show_dilation, CAT), dilation=values))
    assert isinstance(controls["dilation"], kind)


def test_a_drawing_that_takes_no_figure_is_moved_all_the_same():
    def plain(dilation):
        return show_dilation(CAT, dilation=dilation)

    explorer = Explorer(plain, dilation=range(1, 4))
    assert "dilation 3:" in explorer.set(dilation=3).sentence
    assert "dilation 3:" in explorer.picture.alt
    if hasattr(widgets, "Stack"):
        assert explorer.kernel_free(dilation=[1, 2])


def test_controls_start_at_the_defaults_of_the_drawing(explorer):
    assert explorer.values == {"dilation": 2, "kernel_size": 3, "padding": "valid", "kernel": "Sobel x"}


def test_moving_a_control_changes_picture_and_sentence(explorer):
    controls, image, caption = parts(explorer)
    picture, sentence = image.value, caption.value
    controls["dilation"].index = 3
    assert image.value != picture
    assert caption.value != sentence
    assert "span 9×9" in caption.value
    assert "span 9×9" in explorer.sentence


def test_the_live_picture_is_one_that_a_browser_can_show(explorer):
    _, image, _ = parts(explorer)
    assert Image.open(io.BytesIO(image.value)).format.lower() == image.format == "jpeg"


def test_the_same_values_give_the_same_picture_wherever_they_come_from(explorer):
    _, image, _ = parts(explorer)
    before = image.value
    explorer.set(dilation=4, kernel="emboss", padding="same", kernel_size=5)
    explorer.reset()
    assert image.value == before
    assert explorer.picture.encode("jpeg") == before


@pytest.mark.parametrize(
    ("draw", "choices"),
    [
        (partial(show_dilation, CAT), {"dilation": range(1, 9), "kernel_size": (3, 5, 7)}),
        (partial(show_dilation, CAT), {"padding": ("valid", "same"), "kernel": list(KERNELS)}),
        (
            partial(show_rates, photo("cat", 61)),
            {"rates": [(1, 1, 1), (2, 4, 8), (1, 1, 8)], "kernel_size": (3, 5)},
        ),
        (partial(show_depth, photo("moon", 64)), {"depth": range(1, 9), "kernel_size": (3, 5, 7)}),
    ],
)
def test_no_state_that_a_control_can_reach_is_an_error(draw, choices):
    explorer = Explorer(draw, **choices)
    first, second = choices
    sentences = {
        explorer.set(**{first: one, second: other}).sentence
        for one in choices[first]
        for other in choices[second]
    }
    assert len(sentences) == len(choices[first]) * len(choices[second])


def test_values_that_are_not_offered_are_refused_and_nothing_moves(explorer):
    before = explorer.values
    with pytest.raises(ValueError, match="dilation=9 is not offered"):
        explorer.set(kernel="emboss", dilation=9)
    with pytest.raises(ValueError, match="'stride' is not a control"):
        explorer.set(stride=2)
    assert explorer.values == before
    with pytest.raises(ValueError, match=r"rates=\[\] offers nothing"):
        Explorer(partial(show_rates, CAT), rates=[])


def test_an_error_in_drawing_is_heard():
    def draw(size=1):
        if size == 2:
            raise RuntimeError("size 2 is broken")
        return show_depth(photo("moon", 32), depth=size)

    with pytest.raises(RuntimeError, match="size 2 is broken"):
        Explorer(draw, size=(1, 2)).set(size=2)


def test_what_is_stored_is_a_picture_and_its_sentence_beside_the_live_view(explorer):
    bundle = explorer._repr_mimebundle_()
    assert bundle["text/plain"] == explorer.sentence == repr(explorer)
    assert Image.open(io.BytesIO(bundle["image/png"])).format == "PNG"
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == explorer.widget.model_id


def shown(stack):
    """What a browser would show: the selected child of each stack."""
    while isinstance(stack, widgets.Stack):
        stack = stack.children[stack.selected_index]
    return stack.children[1].value


@needs_stack
def test_the_kernel_free_form_holds_every_picture_and_links_controls_to_stacks(explorer, monkeypatch):
    links, jslink = [], widgets.jslink
    monkeypatch.setattr(widgets, "jslink", lambda *ends: links.append(ends) or jslink(*ends))
    free = explorer.kernel_free(dilation=[1, 2, 3], padding=["valid"], kernel=["Sobel x", "emboss"])
    row, outer = free.children
    by_name = {control.description: control for control in row.children}
    assert shown(outer) == parts(explorer)[2].value

    def choose(stack, names, values):
        for name, value in zip(names, values, strict=True):
            control = by_name[name.replace("_", " ")]
            assert ((control, "index"), (stack, "selected_index")) in links
            stack = stack.children[control.options.index(str(value))]
        return stack.children[1].value

    for dilation in (1, 2, 3):
        for kernel in ("Sobel x", "emboss"):
            explorer.set(dilation=dilation, kernel_size=5, padding="valid", kernel=kernel)
            assert choose(outer, explorer.values, explorer.values.values()) == parts(explorer)[2].value


@needs_stack
def test_the_kernel_free_form_refuses_what_is_too_much_or_no_parameter(explorer):
    many = Explorer(partial(show_dilation, CAT), dilation=range(1, 30), kernel=list(KERNELS))
    with pytest.raises(ValueError, match="232 pictures are more than"):
        many.kernel_free()
    with pytest.raises(ValueError, match="'stride' is no parameter of draw"):
        explorer.kernel_free(stride=[1])


def test_a_question_says_at_once_whether_an_answer_is_right():
    question = Question("How wide?", [7, 9], answer=9, because="3 + 2·3.", hint="Count the gaps.")
    said = question.widget.children[2]
    assert question.reply == said.value == ""
    question.choose(7)
    assert "✗ Not 7. Count the gaps." in said.value
    assert f"color: {palette.KERNEL}" in said.value
    question.choose(9)
    assert "✓ 9: 3 + 2·3." in said.value
    assert f"color: {palette.OUTPUT}" in said.value
    assert repr(question) == "How wide?  [7 | 9]"
    assert question._repr_mimebundle_()["text/plain"] == repr(question)


def test_a_question_needs_its_answer_among_the_choices():
    with pytest.raises(ValueError, match="answer=8 must be one of"):
        Question("How wide?", [7, 9], answer=8, because="")
    with pytest.raises(ValueError, match="choice=8 must be one of"):
        Question("How wide?", [7, 9], answer=9, because="").choose(8)
