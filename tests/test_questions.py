"""The questions of the course: words in TOML, answers computed, one line in the notebook."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from pathlib import Path
from string import Formatter
from types import SimpleNamespace

import nbformat
import pytest
import torch
from mistakes import CHANGED, MISTAKES, SLIPS
from torch import nn

from convlab import ConvSpec, Question, ask, kernel, quiz
from convlab.explore.questions import LESSONS, NO_QUESTIONS, answering, pose, read_lesson

ROOT = Path(__file__).resolve().parent.parent
FILES = {number: ROOT / "convlab" / "lessons" / f"{module}.toml" for number, module in LESSONS.items()}
WORDS = {
    f"{number}/{title}": words
    for number, path in FILES.items()
    for title, words in tomllib.loads(path.read_text(encoding="utf-8")).items()
    if title not in NO_QUESTIONS
}


def compute_of(name):
    """What computes the answer to a question."""
    number, title = name.split("/")
    return answering(read_lesson(number)[1], title, WORDS[name])


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
    units = (
        *("pixels", "weights", "parameters", "channels", "maps", "filters", "groups", "layers", "patches"),
        *("multiply-adds", "million multiply-adds", "times", "numbers"),
    )
    assert re.search(rf"how many (of \d+ |more )?({'|'.join(units)})", ask(name).text, re.IGNORECASE)


def test_numbers_are_typed_in_every_lesson():
    assert {name[:2] for name in TYPED} == set(LESSONS)


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


def formulas_of(name):
    """The mistakes that its reasons name: its own, and those of the layer, say, that it asks."""
    shared = SLIPS.get(WORDS[name].get("asks"), {})
    at_numbers = [key for key in WORDS[name].get("why", {}) if is_number(key.format(**values_of(name)))]
    slips = {key: part[1] for key in at_numbers if (part := re.search(r"{(\w+)", key))}
    return {key: shared[slip] for key, slip in slips.items() if slip in shared} | MISTAKES.get(name, {})


@pytest.mark.parametrize("name", WORDS)
def test_the_mistake_that_a_reason_names_leads_to_its_number(name):
    assert mistakes_missed(name, formulas_of(name)) == []


@pytest.mark.parametrize("name", CHANGED)
def test_it_still_does_when_the_numbers_change_and_so_do_the_wrong_answers(name):
    assert mistakes_missed(name, formulas_of(name), **CHANGED[name]) == []
    question = pose(name, WORDS[name] | {"given": WORDS[name]["given"] | CHANGED[name]}, compute_of(name))
    for answer, reason in why_of(name, **CHANGED[name]).items():
        assert question.choose(answer).reply == f"✗ Not {answer}. {reason}"


def test_another_number_than_that_of_the_mistake_is_noticed():
    assert mistakes_missed("02/span", {"{wide}": lambda g: 10, "{times}": lambda g: 12}) == ["{wide}"]
    assert mistakes_missed("01/bottleneck", {"{alone:.0f} %": lambda g: 6.6}) == ["{alone:.0f} %"]


def is_number(text):
    return bool(re.fullmatch(r"−?[\d,.]+( %)?", text))


def test_no_number_has_a_reason_without_a_formula():
    at_numbers = {
        name: {key for key in words["why"] if is_number(key.format(**values_of(name)))}
        for name, words in WORDS.items()
    }
    assert {name: keys for name, keys in at_numbers.items() if keys} == {
        name: set(found) for name in WORDS if (found := formulas_of(name))
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
    last = {f"{number}/{title}" for title in read_lesson(number)[0]["quiz"]}
    names = [name for name in WORDS if name.startswith(number) and name not in last]
    assert [cell.source for cell in cells] == [f'ask("{name}")' for name in names]
    assert not any(cell.metadata.get("jupyter") for cell in cells), "one line has nothing to hide"


@pytest.mark.parametrize("number", FILES)
def test_a_quiz_asks_ten_questions_of_its_lesson_numbered_in_its_order(number):
    titles = read_lesson(number)[0]["quiz"]
    assert len(set(titles)) == len(titles) == 10
    own = [ask(f"{number}/{title}").text for title in titles]
    assert [question.text for question in quiz(number)] == [f"{n} · {text}" for n, text in enumerate(own, 1)]
    assert sum(is_typed(f"{number}/{title}") for title in titles) >= 4


def test_a_lesson_that_has_no_quiz_says_so():
    with pytest.raises(ValueError, match="lesson='07' must be one of: 00"):
        quiz("07")


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
    *("1/C_out", "1/k²", "cost 2·{} weights"),
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
            "question of name='spam' must be one of: span, small input, strides taken out",
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
    for name in ("01/shuffled pixels", "03/poke", "05/deeper"):
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
