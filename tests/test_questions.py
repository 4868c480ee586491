"""The questions of the course: words in TOML, answers computed, one line in the notebook."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from importlib import import_module
from pathlib import Path
from string import Formatter
from types import SimpleNamespace

import nbformat
import pytest
import torch
from torch import nn

from convlab import ConvSpec, Question, ask, cost, kernel
from convlab.explore.questions import LESSONS, pose

ROOT = Path(__file__).resolve().parent.parent
FILES = {number: ROOT / "convlab" / "lessons" / f"{module}.toml" for number, module in LESSONS.items()}
WORDS = {
    f"{number}/{title}": words
    for number, path in FILES.items()
    for title, words in tomllib.loads(path.read_text(encoding="utf-8")).items()
}


def compute_of(name):
    """What computes the answer to a question."""
    number, title = name.split("/")
    return getattr(import_module(f"convlab.lessons.{LESSONS[number]}"), f"answer_{title.replace(' ', '_')}")


def values_of(name, **changed):
    """All that the words of a question may hold, when some of what is given is changed."""
    given = WORDS[name]["given"] | changed
    return given | compute_of(name)(**given)


def answer(name, **changed):
    return values_of(name, **changed)["answer"]


def is_typed(name):
    return WORDS[name]["choices"] == "a number"


TYPED = [name for name in WORDS if is_typed(name)]
CHOSEN = [name for name in WORDS if not is_typed(name)]


def why_of(name, **changed):
    """The reasons against wrong answers, by what a reader answers."""
    values = values_of(name, **changed)
    return {
        key.format(**values): reason.format(**values) for key, reason in WORDS[name].get("why", {}).items()
    }


def right_of(name):
    """The right choice as it is shown, read from the file without asking the question."""
    words, values = WORDS[name], values_of(name)
    if isinstance(words["choices"], dict):
        return words["choices"][values["answer"]]
    (right,) = (c for c in map(str, words["choices"]) if "{answer" in c or c == values["answer"])
    return right.format(**values)


@pytest.mark.parametrize("name", CHOSEN)
def test_a_question_offers_its_answer_once_and_replies_to_each_choice(name):
    question, why, right = ask(name), why_of(name), right_of(name)
    assert len(set(question.choices)) == len(question.choices) == len(WORDS[name]["choices"])
    because, hint = (WORDS[name][field].format(**values_of(name)) for field in ("because", "hint"))
    expected = {choice: f"✗ Not {choice}. {why.get(choice, hint)}" for choice in question.choices}
    expected[right] = f"✓ {right}: {because}"
    assert why.keys() == set(question.choices) - {right}, "each wrong choice is a mistake that somebody makes"
    assert {choice: question.choose(choice).reply for choice in question.choices} == expected


@pytest.mark.parametrize("name", TYPED)
def test_a_number_that_is_typed_is_right_or_a_known_mistake_or_gets_the_hint(name):
    question, values = ask(name), values_of(name)
    because, hint = (WORDS[name][field].format(**values) for field in ("because", "hint"))
    answer = str(values["answer"])
    assert question.choose(answer).reply == f"✓ {answer}: {because}"
    assert len(why_of(name)) == len(WORDS[name]["why"]) >= 3, "no two mistakes lead to one number"
    for typed, reason in why_of(name).items():
        assert question.choose(typed).reply == f"✗ Not {typed}. {reason}"
    assert question.choose(987_654_321).reply == f"✗ Not 987654321. {hint}"
    assert repr(question) == f"{WORDS[name]['text'].format(**values)}  [a number]"


@pytest.mark.parametrize("name", TYPED)
def test_the_text_says_what_is_counted_by_a_number_that_is_typed(name):
    units = ("pixels", "weights", "channels", "patches", "million multiply-adds")
    assert re.search(rf"how many (of \d+ )?({'|'.join(units)})", ask(name).text, re.IGNORECASE)


def test_numbers_are_typed_in_every_lesson():
    assert {name[:2] for name in TYPED} == set(LESSONS)
    assert 8 <= len(TYPED) <= 10


@pytest.mark.parametrize("name", WORDS)
def test_a_reason_does_not_give_the_answer_away(name):
    right = f"{values_of(name)['answer']:,}" if is_typed(name) else right_of(name)
    if len(right) > 1:  # 3 stands in every 3×3
        assert not [reason for reason in why_of(name).values() if re.search(rf"\b{re.escape(right)}", reason)]


def places(questions):
    """How often the right answer stands first, second …"""
    return Counter([reply["right"] for reply in question.replies].index(True) for question in questions)


def test_right_answers_stand_now_here_now_there():
    found = places(map(ask, CHOSEN))
    assert set(found) == {0, 1, 2, 3}
    assert max(found.values()) <= len(CHOSEN) / 2


def test_where_a_right_answer_stands_is_counted():
    alike = [Question("?", [7, 9], answer=9, because="", name="same") for _ in range(3)]
    assert list(places(alike).values()) == [3]


# For each reason that stands at a number, the mistake that it names, made anew from what is given alone.
UNSIGNED = 8  # what the weights of Sobel x add up to without their signs; half of it is negative
RESNET_50 = SimpleNamespace(blocks=16, stages=4)
MISTAKES = {
    "00/flat patch": {
        "−{negative:g}": lambda g: -g.brightness * UNSIGNED / 2,
        "{brightness}": lambda g: g.brightness,
        "{unsigned:g}": lambda g: g.brightness * UNSIGNED,
    },
    "00/first layer": {
        "{unpadded}": lambda g: (g.size - g.kernel_size) // g.stride + 1,
        "{steps}": lambda g: (g.size + 2 * g.padding - g.kernel_size) // g.stride,
        "{unstrided}": lambda g: g.size + 2 * g.padding - g.kernel_size + 1,
    },
    "00/three layers": {
        "{kernel_size}": lambda g: g.kernel_size,
        "{grown}": lambda g: g.depth * (g.kernel_size - 1),
        "{apart}": lambda g: g.depth * g.kernel_size,
    },
    "01/one filter": {"1": lambda g: 1, "{flat}": lambda g: 3 * 3, "{deep}": lambda g: 3 * 3 * g.channels},
    "01/many maps": {
        "{out_channels}": lambda g: g.out_channels,
        "{in_channels}": lambda g: g.in_channels,
        "{biased:,}": lambda g: (g.in_channels + 1) * g.out_channels,
        "{outputs:,}": lambda g: g.size * g.size * g.out_channels,
        "{inputs:,}": lambda g: g.size * g.size * g.in_channels,
        "{macs:,}": lambda g: g.size * g.size * g.in_channels * g.out_channels,
    },
    "01/two in a row": {
        "{first}": lambda g: g.in_channels * g.middle,
        "{second}": lambda g: g.middle * g.out_channels,
        "{both}": lambda g: g.in_channels * g.middle + g.middle * g.out_channels,
    },
    "01/bottleneck": {
        "{narrower:.0f} %": lambda g: 100 * g.middle / g.channels,
        "{inside:.0f} %": lambda g: 100 * g.middle**2 / g.channels**2,
        "{saved:.0f} %": lambda g: (
            100
            - 100
            * (2 * g.channels * g.middle + (g.kernel_size * g.middle) ** 2)
            / (g.kernel_size * g.channels) ** 2
        ),
    },
    "01/share": {
        "{ninth:.0f} %": lambda g: 100 / 9,
        "{alike:.0f} %": lambda g: 100 * 2 / (2 + 9),
        "{layers:.0f} %": lambda g: (  # a stem and a classifier; three layers to a block, and its shortcut
            100 * (2 * RESNET_50.blocks + RESNET_50.stages) / (3 * RESNET_50.blocks + RESNET_50.stages + 2)
        ),
    },
    "02/span": {
        "{kernel_size}": lambda g: g.kernel_size,
        "{wide}": lambda g: g.kernel_size + (g.kernel_size - 1) * g.dilation,
        "{times}": lambda g: g.kernel_size * g.dilation,
    },
    "02/small input": {
        "{size}": lambda g: g.size,
        "{undilated}": lambda g: g.size - g.kernel_size + 1,
        "{steps}": lambda g: g.size - (g.kernel_size - 1) * g.dilation - 1,
    },
    "02/largest distance": {
        "{distances[0]}": lambda g: largest(g.rates[0], largest(*g.rates[1:])),
        "{rates[1]}": lambda g: g.rates[1],
        "{rates[2]}": lambda g: g.rates[2],
    },
    "02/doubling rates": {
        "{undilated}": lambda g: 1 + g.depth * (g.kernel_size - 1),
        "{total}": lambda g: 2**g.depth - 1,
        "{once}": lambda g: 2**g.depth,
    },
    "02/with stride": {
        "{unstrided}": lambda g: 1 + (g.kernel_size - 1) * 3,
        "{own}": lambda g: 1 + (g.kernel_size - 1) * sum(g.strides),
        "{late}": lambda g: 1 + (g.kernel_size - 1) * 3 * g.strides[0],
        "{always}": lambda g: 1 + (g.kernel_size - 1) * (1 + g.strides[0] + g.strides[0] ** 2),
    },
    "03/one filter": {
        "{groups}": lambda g: g.groups,
        "{channels}": lambda g: g.channels,
        "{times}": lambda g: g.channels * g.groups,
    },
    "03/poke": {"1": lambda g: 1, "{groups}": lambda g: g.groups, "{channels}": lambda g: 12},
    "03/shuffle": {"1": lambda g: 1, "{groups}": lambda g: g.groups, "{moved}": lambda g: 12 // g.groups},
    "03/same money": {
        "{width}": lambda g: g.width,
        "{each}": lambda g: 2 * g.width // g.groups,  # twice the channels, as it happens
        "{one_sided:.0f}": lambda g: (2 * g.channels + 9 * g.width) * g.width / g.channels,
        "{alone:.0f}": lambda g: (g.groups * g.width**2) ** 0.5,
        "{times:,}": lambda g: g.groups * g.width,
    },
    "03/bytes": {
        "{macs:.1f} %": lambda g: 100 / g.groups[1],
        "{once:.0f} %": lambda g: 100 * numbers(g, 1 / g.groups[1], g.groups[1]) / numbers(g, 1, 1),
        "100 %": lambda g: 100,
    },
    "04/maps": {
        "1": lambda g: 1,
        "{taps}": lambda g: g.kernel_size**2,
        "{weights}": lambda g: g.kernel_size**2 * g.channels,
    },
    "04/weights": {
        "{depthwise}": lambda g: g.kernel_size**2 * g.in_channels,
        "{pointwise}": lambda g: g.in_channels * g.out_channels,
        "{ordinary}": lambda g: g.kernel_size**2 * g.in_channels * g.out_channels,
        "{product}": lambda g: (g.kernel_size * g.in_channels) ** 2 * g.out_channels,
        "{shallow}": lambda g: g.kernel_size**2 * g.in_channels + g.out_channels,
    },
    "04/parameters": {
        "{thin:,}": lambda g: g.in_channels * g.out_channels,
        "{unbiased:,}": lambda g: g.in_channels * (g.kernel_size**2 + g.out_channels),
        "{ordinary:,}": lambda g: (g.kernel_size**2 * g.in_channels + 1) * g.out_channels,
    },
    "04/limit": {"0": lambda g: 0},
    "04/four angles": {"1": lambda g: 1, "3": lambda g: 3, "{angles}": lambda g: 4},
    "05/separable weights": {
        "{pointwise:,}": lambda g: g.in_channels * g.out_channels,
        "{late:,}": lambda g: (g.kernel_size**2 + g.in_channels) * g.out_channels,
        "{ordinary:,}": lambda g: g.kernel_size**2 * g.in_channels * g.out_channels,
    },
    "05/chance": {
        "{photos}": lambda g: g.photos,
        "{half:.0f}": lambda g: g.patches / 2,
        "{wrong}": lambda g: round(g.patches * (g.photos - 1) / g.photos),
    },
    "05/deeper": {
        "1": lambda g: 1,
        "{deeper}": lambda g: g.deeper,
        "{ordinary}": lambda g: 3 + g.deeper * 2 * 2,  # the stem has stride 2
    },
    "05/bytes": {
        "{weights:.1f}": lambda g: 1 / g.channels + 1 / 9,
        "{unsplit:.1f}": lambda g: moved(g, 2) / moved_by_ordinary(g),
        "{unread:.1f}": lambda g: moved(g, 3) / moved_by_ordinary(g),
    },
    "05/pointwise cost": {
        "{few:.3f}": lambda g: g.in_channels * g.out_channels / 1e6,
        "{single:.2f}": lambda g: g.in_channels * g.size**2 / 1e6,
        "{usual:.1f}": lambda g: 9 * g.in_channels * g.out_channels * g.size**2 / 1e6,
        "{macs:,}": lambda g: g.in_channels * g.out_channels * g.size**2,
    },
    "05/reach": {
        "{undilated}": lambda g: 1 + (g.kernel_size - 1) * 3,
        "{once}": lambda g: 1 + sum(g.dilations),
        "{last}": lambda g: 1 + (g.kernel_size - 1) * g.dilations[2],
        "{grown}": lambda g: (g.kernel_size - 1) * sum(g.dilations),
        "{spans}": lambda g: 3 + (g.kernel_size - 1) * sum(g.dilations),
    },
    "05/groups": {
        "{ordinary:,}": lambda g: (g.kernel_size * g.channels) ** 2,
        "{single:,}": lambda g: g.kernel_size**2 * g.channels,
        "{swapped:,}": lambda g: g.kernel_size**2 * g.channels * g.groups,
        "{each}": lambda g: g.kernel_size**2 * g.channels // g.groups,
        "{part}": lambda g: (g.kernel_size * g.channels // g.groups) ** 2,
    },
}


def largest(rate, after):
    """One step of the rule of hybrid dilated convolution."""
    return max(after - 2 * rate, 2 * rate - after, rate)


def numbers(g, share, groups):
    """The numbers that a layer in groups reads and writes, if it read this share of its input."""
    maps = g.channels * g.size**2
    return maps * (1 + share) + g.kernel_size**2 * g.channels**2 / groups + g.channels


def moved(g, maps):
    """The numbers that a separable layer moves, if its maps were moved so many times."""
    return maps * g.channels * g.size**2 + g.channels * (9 + g.channels)


def moved_by_ordinary(g):
    return 2 * g.channels * g.size**2 + 9 * g.channels**2


CHANGED = {
    "00/flat patch": {"brightness": 0.25},
    "00/first layer": {"size": 97, "kernel_size": 5, "stride": 3, "padding": 1},
    "00/three layers": {"depth": 4, "kernel_size": 5},
    "01/one filter": {"channels": 5},
    "01/many maps": {"size": 7, "in_channels": 6, "out_channels": 5},
    "01/two in a row": {"in_channels": 5, "middle": 9, "out_channels": 7},
    "01/bottleneck": {"channels": 96, "middle": 32, "kernel_size": 5},
    "02/span": {"kernel_size": 5, "dilation": 3},
    "02/small input": {"size": 19, "kernel_size": 5, "dilation": 3},
    "02/largest distance": {"rates": [1, 3, 11]},
    "02/doubling rates": {"depth": 5, "kernel_size": 5},
    "02/with stride": {"kernel_size": 5, "strides": [3, 1, 1]},
    "03/one filter": {"channels": 96, "groups": 6},
    "03/poke": {"groups": 6},
    "03/shuffle": {"groups": 4},
    "03/bytes": {"channels": 32, "size": 20, "kernel_size": 5, "groups": [1, 8]},
    "04/maps": {"channels": 4, "kernel_size": 5},
    "04/weights": {"in_channels": 5, "out_channels": 7, "kernel_size": 5},
    "04/parameters": {"in_channels": 32, "out_channels": 48, "kernel_size": 5},
    "05/separable weights": {"in_channels": 32, "out_channels": 48, "kernel_size": 5},
    "05/chance": {"photos": 8, "patches": 200},
    "05/deeper": {"depth": 2, "deeper": 4},
    "05/bytes": {"channels": 32, "size": 20},
    "05/pointwise cost": {"in_channels": 256, "out_channels": 8, "size": 28},
    "05/reach": {"kernel_size": 5, "dilations": [1, 2, 3]},
    "05/groups": {"channels": 64, "kernel_size": 5, "groups": 16},
}


def number_shown(text):
    """A number as it stands in a choice, and half a unit of its last place."""
    plain = re.sub("[ ,%]", "", text).replace("−", "-")
    return float(plain), 0.5 * 10.0 ** -len(plain.partition(".")[2])


def mistakes_missed(name, formulas, **changed):
    """The reasons whose number does not come out of the mistake that they name."""
    given = WORDS[name]["given"] | changed
    found = {
        key: (number_shown(key.format(**values_of(name, **changed))), made) for key, made in formulas.items()
    }
    return [
        key
        for key, ((shown, half), made) in found.items()
        if abs(shown - made(SimpleNamespace(**given))) > half
    ]


@pytest.mark.parametrize("name", MISTAKES)
def test_the_mistake_that_a_reason_names_leads_to_its_number(name):
    assert mistakes_missed(name, MISTAKES[name]) == []


@pytest.mark.parametrize("name", CHANGED)
def test_it_still_does_when_the_numbers_change_and_so_do_the_wrong_answers(name):
    assert mistakes_missed(name, MISTAKES[name], **CHANGED[name]) == []
    question = pose(name, WORDS[name] | {"given": WORDS[name]["given"] | CHANGED[name]}, compute_of(name))
    for answer, reason in why_of(name, **CHANGED[name]).items():
        assert question.choose(answer).reply == f"✗ Not {answer}. {reason}"


def test_another_number_than_that_of_the_mistake_is_noticed():
    assert mistakes_missed("02/span", {"{wide}": lambda g: 10, "{times}": lambda g: 12}) == ["{wide}"]
    assert mistakes_missed("01/bottleneck", {"{inside:.0f} %": lambda g: 6.6}) == ["{inside:.0f} %"]


def is_number(text):
    return bool(re.fullmatch(r"−?[\d,.]+( %)?", text))


def test_no_number_has_a_reason_without_a_formula():
    at_numbers = {
        name: {key for key in words["why"] if is_number(key.format(**values_of(name)))}
        for name, words in WORDS.items()
    }
    assert {name: keys for name, keys in at_numbers.items() if keys} == {
        n: set(keys) for n, keys in MISTAKES.items()
    }


def test_the_mistakes_that_are_no_number_alone_are_true_as_well():
    g = SimpleNamespace(**WORDS["05/output"]["given"])
    side = width_by_torch(g.size, kernel_size=g.kernel_size, stride=g.stride, padding=g.padding)
    unpadded = width_by_torch(g.size, kernel_size=g.kernel_size, stride=g.stride)
    unstrided = width_by_torch(g.size, kernel_size=g.kernel_size, padding=g.padding)
    sizes = [(g.out_channels, unpadded), (g.in_channels, side), (g.out_channels, unstrided)]
    assert list(why_of("05/output")) == [f"{maps}×{wide}×{wide}" for maps, wide in sizes]
    g = SimpleNamespace(**WORDS["05/larger half"]["given"])
    halves = {"depthwise": (9 * g.in_channels, 9 * g.out_channels), "pointwise": (g.in_channels**2,)}
    assert list(why_of("05/larger half")) == [f"{half}, {n:,}" for half, few in halves.items() for n in few]
    assert list(why_of("04/limit")) == ["0", "1/3", f"{3 * 3 - 1}/{3 * 3}"]


def test_what_the_reasons_in_words_say_of_kernels_and_layers_is_true():
    assert [kernel(name).sum().item() for name in ("box blur", "sharpen")] == pytest.approx([1, 1])
    letter = torch.tensor(WORDS["00/letter"]["given"]["letter"])
    dot = nn.functional.pad(torch.ones(1, 1, 1, 1, dtype=letter.dtype), (4, 4, 4, 4))
    assert torch.equal(nn.functional.conv2d(dot, letter.flip(0, 1)[None, None])[0, 0], letter)
    found = values_of("05/fewest weights")
    weights, reaches = found["weights"], found["reaches"]
    assert weights["dilated"] == weights["ordinary"] > weights["grouped"] > weights["separable"]
    assert min(weights, key=weights.get) == "pointwise"
    assert reaches["pointwise"] == 1 < reaches["grouped"] == reaches["ordinary"] < reaches["dilated"]


def asked(path):
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if re.search(r"\bask\(", cell.source)]


@pytest.mark.parametrize("number", FILES)
def test_a_lesson_asks_all_its_questions_and_no_others_in_the_order_of_the_file(number):
    (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
    cells = asked(path)
    assert [cell.source for cell in cells] == [f'ask("{name}")' for name in WORDS if name.startswith(number)]
    assert not any(cell.metadata.get("jupyter") for cell in cells), "one line has nothing to hide"


def span_by_torch(kernel_size, dilation):
    layer = nn.Conv2d(1, 1, kernel_size, dilation=dilation)
    return 100 - layer(torch.zeros(1, 1, 100, 100)).shape[3] + 1


def parameters_by_torch(in_channels, out_channels, kernel_size):
    halves = nn.Conv2d(in_channels, in_channels, kernel_size, groups=in_channels)
    return sum(
        p.numel() for half in (halves, nn.Conv2d(in_channels, out_channels, 1)) for p in half.parameters()
    )


def width_by_torch(size, **layer):
    return nn.Conv2d(1, 1, **layer)(torch.zeros(1, 1, size, size)).shape[3]


def test_who_changes_what_is_given_changes_the_answer():
    assert answer("02/span", dilation=2) == span_by_torch(3, 2) != answer("02/span")
    assert answer("02/span", kernel_size=5) == span_by_torch(5, 4) != answer("02/span")
    wide = answer("00/first layer", size=97, stride=4)
    assert wide == width_by_torch(97, kernel_size=7, stride=4, padding=3) != answer("00/first layer")
    many = answer("04/parameters", out_channels=32)
    assert many == parameters_by_torch(64, 32, 3) != answer("04/parameters")
    layers = [nn.Conv2d(8, 8, 3, padding=1, groups=groups) for groups in (2, 8)]
    few, more = (cost(layer, (8, 9, 9)).bytes for layer in layers)
    assert answer("03/bytes", channels=8, size=9, groups=[2, 8]) == 100 * more / few
    assert answer("03/poke", groups=2) == answer("03/poke") * 2
    assert answer("03/shuffle", between="nothing") == 12 // WORDS["03/shuffle"]["given"]["groups"]
    assert answer("00/letter", letter=[[1, 0], [0, 1]]) == "upright"
    assert answer("01/shuffled pixels", kernel_size=3) == "noise"
    assert answer("05/fewest weights", reach=0) == "pointwise"
    assert answer("05/fewest weights", reach=3) == "dilated"
    assert answer("04/four angles", kernels="one edge, four colours") == 1


def test_the_changed_number_stands_in_the_words_as_well():
    words = WORDS["02/span"] | {"given": {"kernel_size": 3, "dilation": 2}}
    question = pose("02/span", words, compute_of("02/span"))
    assert question.text == "How many pixels does a 3×3 kernel span at dilation 2?"
    assert sorted(question.choices) == ["3", str(span_by_torch(3, 2)), "6", "7"]
    assert question.choose(str(span_by_torch(3, 2))).reply == (
        "✓ 5: 3 taps have 2 gaps of 1 pixels between them: 3 + 2·1."
    )
    assert question.choose("6").reply == (
        "✗ Not 6. That gives each of the 3 taps 2 pixels. Behind the last tap there is no gap."
    )


# Figures that stand in the words and are no numbers of a question: names, and the constants of formulas.
NAMES = (
    *("1×1", "ResNet-50"),
    *("⌊(in + 2p − k)/s⌋ + 1", "⌊({} + {} − {})/{}⌋ + 1", "{} − {} + 1 =", "(k − 1)·d", "d − 1"),
    *("1/C_out", "1/k²", "max(M₃ − 2·{}, 2·{} − M₃, {})", "cost 2·{} weights"),
    *("1 + {}", "from 1 pixel", "At stride 1 each", "pixels to 1.", "1 in {}"),
)
COUNTED = ("two three four five six seven eight nine ten eleven twelve").split()
PAIRS = ("two neighbours", "two 1×1", "two layers", "two terms", "at two channels")  # two, whatever is given


def numbers_in(value):
    """All numbers in what is given or computed; of what holds several things, also how many."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, torch.Tensor):
        return {value.numel()}
    if isinstance(value, (list, tuple)):
        return {len(value)}.union(*map(numbers_in, value))
    return {value} if isinstance(value, (int, float)) else set()


def loose_numbers(words, values):
    """The numbers in text, hint and reasons that nothing computes: figures that are written out instead of
    being filled in, and number words that are not equal to anything that is given or computed."""
    known, loose = set().union(*map(numbers_in, values.values())), []
    for field in (words["text"], words["because"], words["hint"], *words.get("why", {}).values()):
        parts = Formatter().parse(field)
        plain = "".join(literal + "{}" * (name is not None) for literal, name, _, _ in parts)
        plain = re.sub(r"^\d · ", "", plain)  # where the quiz counts its questions
        for pair in PAIRS:
            plain = re.sub(pair, "", plain, flags=re.IGNORECASE)
        for name in NAMES:
            plain = plain.replace(name, "")
        loose += re.findall(r"\d[\d.,]*", plain)
        written = re.findall(rf"\b({'|'.join(COUNTED)})\b", plain.lower())
        loose += [word for word in written if COUNTED.index(word) + 2 not in known]
    return loose


@pytest.mark.parametrize("name", WORDS)
def test_no_number_in_the_words_is_computed_by_nothing(name):
    assert loose_numbers(WORDS[name], values_of(name)) == []


def span_words(**changed):
    return WORDS["02/span"] | changed


LOOSE = {
    "a number written out": (span_words(because="3 taps have {gaps} gaps."), ["3"]),
    "a number in the question": (span_words(text="A kernel of {kernel_size}×3?"), ["3"]),
    "one with separators": (span_words(hint="It is 1,234.5 wide"), ["1,234.5"]),
    "a word that is not given": (span_words(hint="Draw five dots."), ["five"]),
    "a word that was given before": (span_words(given={"kernel_size": 7, "dilation": 2}), ["three"]),
    "one in the reason against a choice": (
        span_words(why={"{wide}": "5 is {kernel_size} + 2 more."}),
        ["5", "2"],
    ),
    "a formula's constant somewhere else": (span_words(because="{gaps} and 1 + 2"), ["1", "2"]),
}


@pytest.mark.parametrize("what", LOOSE)
def test_a_number_that_nothing_computes_is_noticed(what):
    words, expected = LOOSE[what]
    assert loose_numbers(words, words["given"] | compute_of("02/span")(**words["given"])) == expected


BAD_WORDS = {
    "a placeholder that nothing computes": (
        'because = "{gaps} gaps of {holes}"',
        "question '02/span' has a placeholder that nothing computes: 'holes'",
    ),
    "one that nothing computes, in a choice": (
        'choices = ["{answer}", "{holes}"]',
        "question '02/span' has a placeholder that nothing computes: 'holes'",
    ),
    "a part that is not there": (
        'hint = "{gaps.size}"',
        "question '02/span' has a placeholder that nothing computes: 'int' object has no attribute 'size'",
    ),
    "a brace too few": ('hint = "{gaps"', r"question '02/span' can't be asked: expected '}'"),
    "a number's form for a word": ('given = {kernel_size = "3", dilation = 4}', "kernel_size='3' must be"),
    "choices without the answer": (
        "choices = [7, 8]",
        "question '02/span' can't be asked: answer=9 must be one of: 7, 8",
    ),
    "something given that is not asked for": (
        "given = {kernel_size = 3, dilatoin = 4}",
        r"question '02/span' can't be asked: .*unexpected keyword argument 'dilatoin'",
    ),
    "too little given": ("given = {kernel_size = 3}", "can't be asked: .*missing.*'dilation'"),
    "a reason against what is no choice": (
        'why = {"10" = "No."}',
        "question '02/span' can't be asked: answer='10' must be one of: 3, 9, 11, 12",
    ),
    "a placeholder that nothing computes, in a reason": (
        'why = {"{wide}" = "{holes}"}',
        "question '02/span' has a placeholder that nothing computes: 'holes'",
    ),
    "a reason against what is no number": (
        'choices = "a number"\nwhy = {"ten" = "No."}',
        "question '02/span' can't be asked: answer=None must be a number",
    ),
    "an unknown field": ('note = "?"', "question '02/span' lacks, or has no use for: note"),
}


@pytest.mark.parametrize("what", BAD_WORDS)
def test_words_that_make_no_question_are_refused_in_a_sentence(what):
    toml, message = BAD_WORDS[what]
    with pytest.raises(ValueError, match=message):
        pose("02/span", span_words(**tomllib.loads(toml)), compute_of("02/span"))


@pytest.mark.parametrize("field", ["text", "given", "choices", "because", "hint"])
def test_a_missing_field_is_named(field):
    words = {key: value for key, value in WORDS["02/span"].items() if key != field}
    with pytest.raises(ValueError, match=f"'02/span' lacks, or has no use for: {field}"):
        pose("02/span", words, compute_of("02/span"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("07/span", "lesson of name='07' must be one of: 00, 01, 02, 03, 04, 05"),
        ("span", "lesson of name='span' must be one of"),
        ("", "lesson of name='' must be one of"),
        (2, "lesson of name='2' must be one of"),
        (
            "02/spam",
            "question of name='spam' must be one of: span, small input, largest distance, doubling rates",
        ),
        ("02", "question of name='' must be one of: span"),
    ],
)
def test_a_question_that_is_not_there_is_refused_with_those_that_are(name, message):
    with pytest.raises(ValueError, match=message):
        ask(name)


def test_choices_may_name_what_is_computed_apart_from_what_is_shown():
    words = span_words(choices={"9": "nine", "7": "seven"}, why={"seven": "One gap of {skipped}."})
    question = pose("02/span", words, lambda kernel_size, dilation: {"answer": "9", "gaps": 2, "skipped": 3})
    assert sorted(question.choices) == ["nine", "seven"]
    assert question.choose("nine").reply.startswith("✓ nine")
    assert question.choose("seven").reply == "✗ Not seven. One gap of 3."


def test_to_ask_leaves_the_random_state_as_it_was():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for name in ("01/shuffled pixels", "03/bytes", "05/deeper"):
        ask(name)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_answer_of_a_layer_is_that_of_the_layer_itself():
    spec = ConvSpec(128, 128, 3, groups=32)
    assert answer("05/groups") == spec.module().weight.numel()


def typed(answer, **options):
    return Question("How many?", answer=answer, because="Yes.", hint="Count.", **options)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(
            ("1728", 1728),
            ("1,728", 1728),
            ("1 728", 1728),
            ("1_728", 1728),
            (" 1728 ", 1728),
            ("1728.0", 1728),
        ),
        *(("1,234,567", 1_234_567), ("1,234.5", 1234.5), ("0.5", 0.5), ("0,5", 0.5), (".5", 0.5), ("2.", 2)),
        *(("-2", -2), ("−2", -2), ("30 %", 30), ("30%", 30), ("12,5 %", 12.5)),
    ],
)
def test_a_number_may_be_typed_in_many_ways(text, number):
    assert typed(number).choose(text).reply == f"✓ {text}: Yes."
    assert typed(number + 1).choose(text).reply == f"✗ Not {text}. Count."


@pytest.mark.parametrize("text", ["many", "3×3", "1-2", "1.2.3", "%", "--2", "1e", "nan", "½"])
def test_what_is_no_number_gets_a_sentence(text):
    assert typed(3).choose(text).reply == f"“{text}” is no number: type digits, as in 1728 or 0.5."


def test_a_number_may_miss_by_the_tolerance_and_no_more():
    question = typed(17, tolerance=1, why={50: "Half."})
    for near in ("16", "16.7", "18"):
        assert question.choose(near).reply == f"✓ {near}: Yes."
    for mistake in ("49", "51"):
        assert question.choose(mistake).reply == f"✗ Not {mistake}. Half."
    for far in ("15.9", "18.1", "48.9", "51.1"):
        assert question.choose(far).reply == f"✗ Not {far}. Count."
    assert typed(17).choose("16.9").reply == "✗ Not 16.9. Count."


def test_a_reason_stands_in_place_of_the_hint():
    question = Question("?", [7, 9, 11], answer=9, because="Yes.", hint="Count.", why={7: "One gap."})
    replies = {choice: question.choose(choice).reply for choice in (7, 9, 11)}
    assert replies == {7: "✗ Not 7. One gap.", 9: "✓ 9: Yes.", 11: "✗ Not 11. Count."}


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("01/shuffled pixels", {"kernel_size": 3}),
        ("04/four angles", {"kernels": "one edge, four colours"}),
        ("02/span", {"dilation": 1}),
    ],
)
def test_a_wrong_answer_that_becomes_the_right_one_loses_its_reason(name, given):
    question = pose(name, WORDS[name] | {"given": WORDS[name]["given"] | given}, compute_of(name))
    assert [question.choose(choice).reply[0] for choice in question.choices].count("✓") == 1


def test_choices_that_look_alike_are_refused():
    with pytest.raises(ValueError, match="must all look different"):
        Question("?", [7, "7", 9], answer=9, because="")


@pytest.mark.parametrize("choices", [[7, 9], None])
def test_a_reason_against_the_right_answer_or_none_is_refused(choices):
    with pytest.raises(ValueError, match="why has a reason against the right answer, 9"):
        Question("?", choices, answer=9, because="", why={9: "No."})
    with pytest.raises(ValueError, match="answer='eight' must be"):
        Question("?", choices, answer=9, because="", why={"eight": "No."})
    with pytest.raises(ValueError, match=r"why\[7\]=8 must be of type str"):
        Question("?", choices, answer=9, because="", why={7: 8})


def test_the_order_of_the_choices_is_drawn_from_the_name():
    def order(**name):
        return Question("?", range(8), answer=3, because="", **name).choices

    assert order(name="one") == order(name="one") != order(name="another")
    assert order() == order() == order(name="?")
    assert sorted(order(name="one")) == [str(choice) for choice in range(8)]
    assert ask("02/span").choices == ask("02/span").choices


def test_what_is_answered_can_be_observed():
    for question, answers in ((ask("02/span"), ["12", "9"]), (ask("05/groups"), ["1,152", "many", "4608"])):
        seen = []
        question.observe(lambda change, seen=seen: seen.append(change["new"]), names="chosen")
        assert question.reply == question.chosen == ""
        for answer in answers:
            question.choose(answer)
        assert seen == answers
        assert question.reply.startswith("✓")


def test_only_a_question_with_choices_asks_for_one_of_them():
    with pytest.raises(ValueError, match="choice='8' must be one of"):
        ask("02/span").choose(8)
    assert typed(9).choose(8).reply == "✗ Not 8. Count."
