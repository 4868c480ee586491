"""The questions of the course: words in TOML, answers computed, one line in the notebook."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from pathlib import Path
from string import Formatter

import nbformat
import pytest
import torch
from torch import nn

from convlab import ConvSpec, ask, cost
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


@pytest.mark.parametrize("name", WORDS)
def test_a_question_offers_its_answer_once_and_replies_to_each_choice(name):
    words, question = WORDS[name], ask(name)
    assert len(set(question.choices)) == len(question.choices) == len(words["choices"])
    because, hint = (words[field].format(**values_of(name)) for field in ("because", "hint"))
    replies = {choice: question.choose(choice).reply for choice in question.choices}
    right = [choice for choice, reply in replies.items() if reply == f"✓ {choice}: {because}"]
    wrong = [choice for choice, reply in replies.items() if reply == f"✗ Not {choice}. {hint}"]
    assert len(right) == 1
    assert len(wrong) == len(question.choices) - 1
    computed = values_of(name)["answer"]
    if isinstance(words["choices"], dict):
        assert right == [words["choices"][computed]]
    else:
        assert right[0] == str(computed) or "{answer" in words["choices"][question.choices.index(right[0])]


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
    assert question.choices == ["7", str(span_by_torch(3, 2)), "10", "12"]
    assert question.choose(str(span_by_torch(3, 2))).reply == (
        "✓ 5: 3 taps have 2 gaps of 1 pixels between them: 3 + 2·1."
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
    """The numbers in text, reason and hint that nothing computes: figures that are written out instead of
    being filled in, and number words that are not equal to anything that is given or computed."""
    known, loose = set().union(*map(numbers_in, values.values())), []
    for field in ("text", "because", "hint"):
        parts = Formatter().parse(words[field])
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
    words = span_words(choices={"9": "nine", "7": "seven"})
    question = pose("02/span", words, lambda kernel_size, dilation: {"answer": "9", "gaps": 2, "skipped": 3})
    assert repr(question).endswith("[nine | seven]")
    assert question.choose("nine").reply.startswith("✓ nine")


def test_to_ask_leaves_the_random_state_as_it_was():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    for name in ("01/shuffled pixels", "03/bytes", "05/deeper"):
        ask(name)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_answer_of_a_layer_is_that_of_the_layer_itself():
    spec = ConvSpec(128, 128, 3, groups=32)
    assert answer("05/groups") == spec.module().weight.numel()
