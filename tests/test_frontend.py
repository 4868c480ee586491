"""The front end's logic, run by node; what is said to a typed answer is the same there and in Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from convlab import Question, ask
from convlab.explore.questions import _number

TESTS = Path(__file__).resolve().parent
MODULE = TESTS.parent / "convlab" / "explore" / "frontend" / "convlab.js"
# Takes [question, typed] from its input; gives what the module makes of each.
JUDGE = """\
const [, path] = process.argv, { readFileSync } = await import("node:fs");
const source = encodeURIComponent(readFileSync(path, "utf8"));
const { judge, toNumber } = await import(`data:text/javascript,${source}`);
const answers = JSON.parse(readFileSync(0, "utf8")).map(([question, typed]) => {
  const { right, said } = judge(question, typed);
  return { right, said, number: toNumber(typed) };
});
console.log(JSON.stringify(answers));
"""
TYPED = [
    *"1728 1,728 1_728 17,28 1,7280 12,345,678 1,728.5 1,728,5 0.5 0,5 .5 ,5 5. 5, 1.728,5 1.2.3".split(),
    *"−2 -2 −−2 -−2 +2 −.5 −1,728 30% %30 1e3 1/2 ½ ² 0x10 Infinity -Infinity NaN nan . - , x".split(),
    *"6.4 6.5 7 7.4 7.5 7.6 007 1000 1,000 1000.0000001 0.3 0.30000000000000004 9999999999999999999".split(),
    *"1 728;1\u00a0728;1\u202f728;1\t728;1 728 ,5;30 %; 7 ;− 2;17px;1,2,3;seven and a half;  ".split(";"),
]
QUESTIONS = {
    "whole": Question("?", answer=1000, because="Why.", hint="Think.", why={7: "Seven.", -2: "Two less."}),
    "near": Question("?", answer=7, because="Why.", hint="Think.", tolerance=0.5, why={8: "One on."}),
    "floating": Question("?", answer=0.1 + 0.2, because="Why.", hint="Think.", why={1728: "“Too” large."}),
}


def node(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """What node did with these arguments, and with `given` as its input."""
    found = shutil.which("node")
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no node here")
    return subprocess.run(
        [found, *arguments], input=given, capture_output=True, encoding="utf-8", check=False, timeout=120
    )


def judged(asked: list[tuple[Question, str]]) -> list[dict]:
    """What the module makes of typed answers, by one process."""
    words = [
        ({name: getattr(question, name) for name in ("choices", "replies", "otherwise")}, typed)
        for question, typed in asked
    ]
    done = node("--input-type=module", "--eval", JUDGE, str(MODULE), given=json.dumps(words))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def said(question: Question, typed: str) -> str:
    return question.choose(typed).reply


def test_the_logic_of_the_front_end():
    done = node("--test", "--test-reporter=spec", str(TESTS / "frontend.test.mjs"))
    if done.returncode or " pass 0\n" in done.stdout:
        pytest.fail(done.stdout + done.stderr, pytrace=False)


def test_a_typed_answer_is_told_the_same_in_a_page_and_by_python():
    asked = [(question, typed) for question in QUESTIONS.values() for typed in TYPED]
    expected = [said(question, typed) for question, typed in asked]
    answers = judged(asked)
    assert [answer["said"] for answer in answers] == expected
    assert [answer["right"] for answer in answers] == [words[0] == "✓" for words in expected]


def test_each_kind_of_reply_is_among_those_compared():
    replies = {said(question, typed)[0] for question in QUESTIONS.values() for typed in TYPED}
    assert replies == {"✓", "✗", "“"}
    texts = {said(QUESTIONS["whole"], typed) for typed in ("1,000", "7", "−2", "6.5")}
    assert texts == {"✓ 1,000: Why.", "✗ Not 7. Seven.", "✗ Not −2. Two less.", "✗ Not 6.5. Think."}


def test_a_choice_is_told_the_same_in_a_page_and_by_python():
    question = ask("02/span")
    answers = judged([(question, choice) for choice in question.choices])
    assert [answer["said"] for answer in answers] == [said(question, choice) for choice in question.choices]


def test_what_is_typed_is_the_same_number_in_a_page_and_to_python():
    answers = judged([(QUESTIONS["whole"], typed) for typed in TYPED])
    numbers = {typed: answer["number"] for typed, answer in zip(TYPED, answers, strict=True)}
    assert numbers == {typed: _number(typed) for typed in TYPED}  # null, for JSON has no NaN, is None
    assert 10 < sum(number is None for number in numbers.values()) < len(TYPED) / 2


def test_the_digits_of_other_scripts_are_the_same_in_a_page_and_to_python():
    (answer,) = judged([(QUESTIONS["whole"], "٣")])
    assert answer["number"] == _number("٣")
