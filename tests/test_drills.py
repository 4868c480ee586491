"""Drills: answers are held against torch, and each mistake against the number that it leads to."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from itertools import islice
from statistics import median
from string import Formatter
from types import SimpleNamespace

import pytest
import torch
from mistakes import GROUPS, HALVES, LAYER, SETTING, STACK
from torch import nn
from torch.nn.functional import conv1d
from torch.utils.flop_counter import FlopCounterMode

from convlab import Drill
from convlab.explore import drills
from convlab.explore.drills import BATCH, LEVELS, draw, drawn
from convlab.explore.questions import LESSONS, judge

WORDS = drills._read()
TOPICS = WORDS["topics"]
EACH = 304  # questions of a topic at a level
LEVEL = range(1, LEVELS + 1)


# By torch, from nothing but the words


def numbers(text: str) -> list[int]:
    return list(map(int, re.findall(r"\d+", text)))


def layer_in(text: str) -> nn.Conv2d:
    """The layer that the words write as code, without memory for its weights."""
    return eval(f"nn.Conv2d({re.search(r'Conv2d[(](.*?)[)]', text)[1]}, device='meta')")


def size_in(text: str) -> int:
    return int(re.search(r"of (\d+)×\1\b", text)[1])


def run(layer: nn.Module, size: int) -> torch.Tensor:
    channels = next(layer.parameters()).shape[1] * getattr(layer, "groups", 1)
    return layer(torch.empty(1, channels, size, size, device="meta"))


def multiply_adds(layer: nn.Module, channels: int, size: int) -> int:
    """Each weight once at each place of the output, which torch's own layers make."""
    out = layer(torch.empty(1, channels, size, size, device="meta"))
    weights = sum(p.numel() for p in layer.parameters() if p.dim() > 1)
    return weights * out.shape[2] * out.shape[3]


def counted(layer: nn.Module, channels: int, size: int) -> int:
    """The same as torch counts them while they run."""
    with FlopCounterMode(display=False) as flops:
        layer(torch.empty(1, channels, size, size, device="meta"))
    return flops.get_total_flops() // 2


def span(text: str) -> int:
    kernel_size, _, dilation = numbers(text)
    return 1000 - run(nn.Conv2d(1, 1, kernel_size, dilation=dilation, device="meta"), 1000).shape[3] + 1


def seen(text: str) -> int:
    """The pixels, first to last, to which a gradient comes back."""
    depth, kernel_size, *rest = numbers(text.replace("×", " "))
    strides, dilations = rest[1 : 1 + depth], rest[1 + depth :]
    pixels = torch.zeros(1, 1, 4096, dtype=torch.float64, requires_grad=True)
    out, ones = pixels, torch.ones(1, 1, kernel_size, dtype=torch.float64)
    for stride, dilation in zip(strides, dilations, strict=True):
        out = conv1d(out, ones, stride=stride, dilation=dilation)
    out[0, 0, 0].backward()
    reached = pixels.grad[0, 0].nonzero()
    return int(reached.max() - reached.min()) + 1


def is_legal(in_channels: int, out_channels: int, groups: int) -> bool:
    try:
        nn.Conv2d(in_channels, out_channels, 1, groups=groups, device="meta")
    except ValueError:
        return False
    return True


def most_groups(text: str) -> int:
    channels = numbers(text)
    return max(groups for groups in range(1, min(channels) + 1) if is_legal(*channels, groups))


def separable_in(text: str) -> tuple[nn.Module, int]:
    """Both halves, and their input channels."""
    kernel_size = int(re.search(r"depthwise (\d+)×\1", text)[1])
    channels, out_channels = numbers(re.sub(r"\d+×\d+", "", text))[:2]
    halves = (
        nn.Conv2d(
            channels, channels, kernel_size, padding="same", groups=channels, bias=False, device="meta"
        ),
        nn.Conv2d(channels, out_channels, 1, bias=False, device="meta"),
    )
    return nn.Sequential(*halves), channels


ORACLES = {
    "width": lambda text: run(layer_in(text), size_in(text)).shape[3],
    "effective": span,
    "weights": lambda text: layer_in(text).weight.numel(),
    "parameters": lambda text: sum(p.numel() for p in layer_in(text).parameters()),
    "macs": lambda text: multiply_adds(layer_in(text), layer_in(text).in_channels, size_in(text)),
    "stack": seen,
    "most groups": most_groups,
    "separable weights": lambda text: sum(p.numel() for p in separable_in(text)[0].parameters()),
    "separable macs": lambda text: multiply_adds(*separable_in(text), size_in(text)),
}


def is_right(topic: str, text: str, choice: int | str) -> bool:
    """Whether torch says that this is an answer."""
    if topic == "legal groups":
        return is_legal(*numbers(re.sub("1×1", "", text)), choice)
    if topic == "setting":
        target, _, size, _ = numbers(text)
        return run(nn.Conv2d(1, 1, **setting(choice), device="meta"), size).shape[3] == target
    return choice == ORACLES[topic](text)


def setting(choice: str) -> dict[str, int]:
    return eval(f"dict({choice})")


def comes_out(topic: str, slip: str, given: dict, value: int | str) -> bool:
    """Whether a mistake, made anew from what is given, leads to this."""
    g = SimpleNamespace(**given)
    if topic == "setting":
        parts = {name: part for name, part in given.items() if name != "size"}
        return parts | SETTING[slip](g) == {"dilation": 1} | setting(value)
    if "groups" in topic:
        return GROUPS[slip](g, value)
    return {"stack": STACK, "layer": LAYER, "halves": HALVES}[TOPICS[topic]["asks"]][slip](g) == value


@cache
def many(topic: str, level: int) -> list:
    return [draw(f"{topic} {number}", topic, level) for number in range(EACH)]


def test_ten_thousand_questions_are_held_against_torch():
    assert EACH * LEVELS * len(TOPICS) >= 10_000
    assert set(ORACLES) | {"legal groups", "setting"} == set(TOPICS)


@pytest.mark.parametrize("level", LEVEL)
@pytest.mark.parametrize("topic", TOPICS)
def test_the_answer_is_torchs_and_no_mistake_leads_to_it(topic, level):
    for one in many(topic, level):
        text, wrong = one.words["text"], list(one.slips.values())
        answers = [one.answer, *wrong]
        assert len(set(answers)) == len(answers) >= 3
        if topic in ORACLES:
            assert one.answer == ORACLES[topic](text), text
        else:
            assert [is_right(topic, text, each) for each in answers] == [True] + [False] * len(wrong), text
        for slip, value in one.slips.items():
            assert comes_out(topic, slip, one.given, value), (text, slip, value)


@pytest.mark.parametrize("level", LEVEL)
def test_multiply_adds_are_those_that_torch_counts(level):
    for one in many("macs", level)[:30]:
        text = one.words["text"]
        assert one.answer == counted(layer_in(text), layer_in(text).in_channels, size_in(text)), text
    for one in many("separable macs", level)[:30]:
        text = one.words["text"]
        assert one.answer == counted(*separable_in(text), size_in(text)), text


@pytest.mark.parametrize("level", LEVEL)
@pytest.mark.parametrize("topic", TOPICS)
def test_each_answer_gets_the_reason_for_its_own_mistake_and_one_is_right(topic, level):
    for one in many(topic, level):
        question = one.pose()
        assert len(set(question["choices"])) == len(question["choices"]) <= max(4, len(one.slips) + 1)
        assert [reply["right"] for reply in question["replies"]].count(True) == 1
        shown = {str(v) if isinstance(v, str) else f"{v:,}": slip for slip, v in one.slips.items()}
        for choice in question["choices"]:
            typed = choice if isinstance(one.answer, str) else f"{int(choice.replace(',', '')):,}"
            right, said = judge(question, choice)
            assert right == (typed not in shown)
            assert said.endswith(one.words["because"] if right else one.words["why"][shown[typed]])
        if question["otherwise"]:
            assert judge(question, "987654321012") == (False, f"✗ Not 987654321012. {one.words['hint']}")


def test_a_number_is_typed_about_as_often_as_chosen_where_both_can_be():
    ones = [one for topic in TOPICS for one in many(topic, 2) if TOPICS[topic].get("typed", True)]
    assert 0.3 < sum(not one.choices for one in ones) / len(ones) < 0.7


def test_a_right_choice_stands_now_here_now_there():
    ones = [one for topic in TOPICS for one in many(topic, 2) if len(one.choices) == 4]
    places = Counter(one.choices.index(one.answer) for one in ones)
    assert min(places.values()) > 0.2 * len(ones)


def test_numbers_grow_from_level_to_level_and_the_first_fits_in_the_head():
    for topic in TOPICS.keys() - {"setting"}:
        middle = [median(one.answer for one in many(topic, level)) for level in LEVEL]
        assert middle == sorted(middle), topic
        assert max(one.answer for one in many(topic, 1)) <= 2500, topic


# From a seed


FIRST = [
    (
        "An input of 24×24 goes through Conv2d(3, 8, kernel_size=5, stride=3, padding=1, dilation=3). "
        "How many pixels wide is the output?"
    ),
    (
        "A kernel of 8×8 has dilation 4. "
        "How many pixels does it span, from its first tap to its last, both included?"
    ),
    "How many weights, without biases, has Conv2d(32, 6, kernel_size=5)?",
]


def test_a_seed_draws_the_same_in_every_version_of_python():
    texts = [one.words["text"] for one in islice(drawn(None, 2, 1), 3)]
    assert texts == FIRST
    (fourth,) = islice(drawn(None, 2, 1, 3), 1)
    assert [fourth] == list(islice(drawn(None, 2, 1), 3, 4)), "a number alone says which question it is"


def test_another_seed_or_level_asks_something_else():
    def texts(**changed):
        return [each["text"] for each in Drill(**{"seed": 1, "level": 1} | changed).banks[0]]

    assert texts() == texts()
    assert len(set(texts()) & set(texts(seed=2))) < BATCH / 2
    level = Drill(level=2)
    assert repr(level) != repr(Drill(level=1))
    assert level.question["text"] in repr(level)


@pytest.mark.parametrize("lesson", LESSONS)
def test_a_lesson_asks_its_own_topics_at_every_level_with_numbers_that_exist(lesson):
    asked = WORDS["lessons"][lesson]
    for level in LEVEL:
        ones = list(islice(drawn(lesson, level, 1), 10 * len(asked)))
        assert [one.topic for one in ones] == 10 * [each["topic"] for each in asked]
        for one, each in zip(ones, 10 * asked, strict=True):
            lists = {key: options for key, options in each.items() if key != "topic"}
            assert lists.keys() <= TOPICS[one.topic]["levels"][level - 1].keys() | {"dilation", "padding"}
            assert all(one.given[key] in options for key, options in lists.items())


# Words


@pytest.mark.parametrize("topic", TOPICS)
def test_no_number_in_the_words_of_a_drill_is_computed_by_nothing(topic):
    words = TOPICS[topic]
    for text in [words[field] for field in ("text", "because", "hint")] + list(words["why"].values()):
        plain = "".join(f"{literal}{{}}" for literal, *_ in Formatter().parse(text))
        for formula in (
            "1×1",
            "2·{}",
            "1 + {}·{}",
            "from 1 pixel",
            "k − 1",
            "{} − 1 =",
            "+ 1 =",
            "dilation 1",
            "2·p",
        ):
            plain = plain.replace(formula, "")
        assert not re.search(r"\d", plain), text


@pytest.mark.parametrize("topic", TOPICS)
def test_every_mistake_of_a_topic_is_made_somewhere(topic):
    made = {slip for level in LEVEL for one in many(topic, level) for slip in one.slips}
    assert made == TOPICS[topic]["why"].keys()


def test_where_nothing_can_be_drawn_it_says_so():
    with pytest.raises(ValueError, match=r"topic='weights' can't be asked with only={'groups': \[7\]}"):
        draw("x", "weights", 3, {"groups": [7]})


# As a reader meets them


def right(drill):
    question = drill.question
    return question["choices"][[reply["right"] for reply in question["replies"]].index(True)]


def wrong(drill):
    return next(choice for choice in drill.question["choices"] if choice != right(drill))


def test_a_streak_counts_first_answers_that_are_right():
    drill, streaks = Drill(), []
    drill.observe(lambda change: streaks.append(change["new"]), "streak")
    for _ in range(3):
        drill.choose(right(drill)).choose(wrong(drill)).choose(right(drill)).next()
    assert drill.streak == 3
    drill.choose(wrong(drill))
    assert drill.streak == 0
    drill.choose(right(drill))
    assert drill.reply.startswith("✓")
    assert drill.streak == 0, "the second answer does not count"
    drill.next()
    drill.choose(right(drill)).next().next()
    assert streaks == [1, 2, 3, 0, 1, 0], "a question that is passed over ends it"


def test_what_is_no_number_is_no_answer():
    drill = Drill()
    while not drill.question["otherwise"]:
        drill.next()
    assert drill.choose("many").reply.startswith("“many” is no number")
    assert drill.choose(right(drill)).streak == 1


def test_a_live_drill_goes_on_without_end_and_forgets_what_was():
    drill = Drill("02", level=3, seed=5)
    expected = [one.pose() for one in islice(drawn("02", 3, 5), 3 * BATCH)]
    for question in expected:
        assert drill.question == question
        assert max(map(len, drill.banks)) == BATCH
        drill.choose(right(drill)).next()
        assert (drill.chosen, drill.reply, drill.tried) == ("", "", False)
    assert drill.streak == len(expected)


def test_another_level_asks_another_question_with_no_answer_yet():
    drill = Drill()
    drill.choose(right(drill))
    drill.level = 3
    assert drill.reply == ""
    assert drill.question == drill.banks[2][0]


def state_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', page, re.DOTALL)[1])


def test_a_page_has_a_thousand_different_questions_in_a_megabyte():
    page = Drill().to_html()
    banks = state_of(page)["banks"]
    assert list(map(len, banks)) == [334, 333, 333]
    assert len({question["text"] for bank in banks for question in bank}) == 1000
    assert len(page.encode()) < 1_000_000
    assert state_of(Drill().to_html(10))["banks"] == [
        bank[:n] for bank, n in zip(banks, (4, 3, 3), strict=True)
    ]


@pytest.mark.parametrize("lesson", LESSONS)
def test_each_lessons_page_has_enough_questions(lesson):
    assert all(len(bank) >= 30 for bank in state_of(Drill(lesson).to_html(90))["banks"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lesson": "07"}, "lesson='07' must be one of: 00, 01"),
        ({"level": 4}, "level=4 must be a whole number from 1 to 3"),
        ({"level": True}, "level=True must be"),
        ({"seed": "one"}, "seed='one' must be a whole number of at least 0"),
        ({"seed": -1}, "seed=-1 must be"),
    ],
)
def test_a_drill_that_is_not_there_is_refused_in_a_sentence(given, message):
    with pytest.raises(ValueError, match=message):
        Drill(**given)


def test_only_a_choice_that_is_there_can_be_chosen_and_a_page_needs_a_question_a_level():
    drill = Drill()
    while drill.question["otherwise"]:
        drill.next()
    with pytest.raises(ValueError, match="choice='no' must be one of"):
        drill.choose("no")
    with pytest.raises(ValueError, match="count=2 must be a whole number of at least 3"):
        drill.to_html(2)
    with pytest.raises(ValueError, match="topic='sizes' must be one of: width"):
        draw("x", "sizes", 1)
