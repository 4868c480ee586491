"""Drills: questions without end, drawn from a seed at three levels, each wrong answer with its reason."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import count, islice
from random import Random
from typing import Any

from traitlets import Bool, Int, List, Unicode, observe

from convlab.checks import check_one_of, check_whole
from convlab.explore import slips
from convlab.explore.questions import LESSONS, in_html, in_words, judge, posed
from convlab.explore.view import View

LEVELS = 3
BATCH = 20  # questions of each level that a live drill has ahead
CHOICES = 4
TRIES = 1000


@cache
def _read() -> dict[str, Any]:
    words = (files("convlab.explore") / "drills.toml").read_text(encoding="utf-8")
    return tomllib.loads(words)


def level_names() -> list[str]:
    """What the levels are called: in the head, say."""
    return _read()["levels"]


@dataclass(frozen=True)
class Drawn:
    """A question that was drawn: `slips` holds what its mistakes lead to, `choices` is empty if one types."""

    topic: str
    given: Mapping[str, Any]
    answer: int | str
    slips: Mapping[str, int | str]
    choices: tuple[int | str, ...]
    words: Mapping[str, Any]

    def pose(self) -> dict[str, Any]:
        """What the front end knows of it, as of a :class:`~convlab.Question`."""
        text, because, hint, reasons = (self.words[name] for name in ("text", "because", "hint", "why"))
        offered = self.choices or (self.answer, *self.slips.values())
        shown = {
            value: f"{value:,}" if self.choices and isinstance(value, int) else value for value in offered
        }
        why = {shown[value]: reasons[slip] for slip, value in self.slips.items() if value in shown}
        choices = [shown[value] for value in self.choices] or None
        return posed(text, choices, shown[self.answer], because=because, hint=hint, why=why)


def draw(name: str, topic: str, level: int, only: Mapping[str, list[Any]] | None = None) -> Drawn:
    """A question about a topic: one name draws the same question in every version of Python.

    Parameters
    ----------
    name : str
        From which its numbers are drawn.
    topic : str
        As in the words' file: "width", "weights", "legal groups" …
    level : int
        1 to 3.
    only : mapping, optional
        For some of what is given, from what else it is drawn.

    Raises
    ------
    ValueError
        If there is no such topic or level, or no question with two wrong answers can be drawn.
    """
    topics = _read()["topics"]
    words = topics[check_one_of("topic", topic, topics)]
    lists = words["levels"][check_whole("level", level, 1, LEVELS) - 1] | (only or {})
    random = Random(name).random  # the one method whose numbers Python promises to keep
    for _ in range(TRIES):
        given = words.get("given", {}) | {
            key: options[int(random() * len(options))] for key, options in lists.items()
        }
        try:
            values = given | getattr(slips, f"answer_{words['asks']}")(**given)
        except ValueError:  # no layer has these numbers
            continue
        answer = values["answer"]
        found: dict[str, int | str] = {}
        for slip in words["why"]:
            value = values[slip]
            if value not in (answer, *found.values()) and (isinstance(value, str) or value > 0):
                found[slip] = value
        if len(found) > 1:
            break
    else:
        raise ValueError(f"topic={topic!r} can't be asked with only={only!r}")
    choices: list[int | str] = []
    if not words.get("typed", True) or (len(found) >= CHOICES - 1 and random() < 0.5):
        wrong = sorted(found.values(), key=lambda _: random())[: CHOICES - 1]
        choices = sorted([answer, *wrong], key=lambda _: random())
    said = {field: words[field].format(**values) for field in ("text", "because", "hint")}
    said["why"] = {slip: words["why"][slip].format(**values) for slip in found}
    return Drawn(topic, given, answer, found, tuple(choices), said)


def drawn(lesson: str | None, level: int, seed: int, start: int = 0) -> Iterator[Drawn]:
    """The questions of a seed from number `start` on, all topics in turn or those of a lesson."""
    words = _read()
    asked = [{"topic": topic} for topic in words["topics"]]
    if lesson is not None:
        asked = words["lessons"][check_one_of("lesson", lesson, LESSONS)]
    for number in count(start):
        topic = asked[number % len(asked)]
        only = {key: options for key, options in topic.items() if key != "topic"}
        yield draw(f"{seed}/{level}/{number}", topic["topic"], level, only)


class Drill(View):
    """Questions one after another, without end; the first answer to each counts.

    It is a widget of ipywidgets; ``streak``, how many were right in a row, can be observed.

    Parameters
    ----------
    lesson : str, optional
        "00" to "05": what that lesson teaches; else everything in turn.
    level : int
        1, in the head; 2, on paper; 3, as in real networks.
    seed : int
        From which the questions are drawn: another seed, other numbers.

    Raises
    ------
    ValueError
        If there is no such lesson or level, or for a seed that is no whole number.
    """

    levels = List(Unicode()).tag(sync=True)
    banks: List = List().tag(sync=True)  # for each level its questions, from number `first` on
    first = Int(0).tag(sync=True)
    place = Int(0).tag(sync=True)
    level = Int(1, min=1, max=LEVELS).tag(sync=True)
    chosen = Unicode().tag(sync=True)
    tried = Bool(False).tag(sync=True)
    streak = Int(0).tag(sync=True)

    def __init__(self, lesson: str | None = None, level: int = 1, seed: int = 1) -> None:
        check_whole("level", level, 1, LEVELS)
        self._asks = lesson, check_whole("seed", seed, 0)
        super().__init__(_kind="drill", levels=level_names(), level=level, banks=self._banks(0))

    def _banks(self, start: int) -> list[list[dict[str, Any]]]:
        lesson, seed = self._asks
        questions = (drawn(lesson, level, seed, start) for level in range(1, LEVELS + 1))
        return [[each.pose() for each in islice(endless, BATCH)] for endless in questions]

    @property
    def question(self) -> dict[str, Any]:
        """What is asked now: ``text``, ``choices``, and the ``replies`` to them."""
        return self.banks[self.level - 1][self.place - self.first]

    @property
    def reply(self) -> str:
        """What is said to the answer chosen now; empty before one is."""
        return judge(self.question, self.chosen)[1]

    def choose(self, choice: object) -> Drill:
        """Answer, as a reader would by clicking or typing."""
        if not self.question["otherwise"]:
            check_one_of("choice", str(choice), self.question["choices"])
        right, _ = judge(self.question, str(choice))
        with self.hold_sync():
            self.chosen = str(choice)
            if right is not None and not self.tried:
                self.tried, self.streak = True, self.streak + 1 if right else 0
        return self

    def next(self) -> Drill:
        """Go on to the next question; one that was not answered ends the streak."""
        if not self.tried:
            self.streak = 0
        self.place += 1
        return self

    @observe("level", "place")
    def _go_on(self, change: object) -> None:
        with self.hold_sync():
            self.chosen, self.tried = "", False
            if self.place >= self.first + BATCH // 2:
                self.banks, self.first = self._banks(self.place), self.place

    def to_html(self, count: int = 1000, *, name: str = "drill", frontend: bool = True) -> str:
        """The same drill as a part of a page, which needs no kernel: `count` questions, no two alike.

        Raises
        ------
        ValueError
            If `count` is no whole number, or less than one question for each level.
        """
        check_whole("count", count, LEVELS)
        lesson, seed = self._asks
        banks: list[list[dict[str, Any]]] = []
        seen: set[str] = set()
        for level in range(1, LEVELS + 1):
            banks.append([])
            for each in islice(drawn(lesson, level, seed), 20 * count):  # a lesson may have fewer
                if each.words["text"] not in seen:
                    banks[-1].append(each.pose())
                    seen.add(each.words["text"])
                if len(banks[-1]) == (count + LEVELS - level) // LEVELS:
                    break
        state = {each: getattr(self, each) for each in STATE} | {"banks": banks}
        return self._page(state, name, self._repr_html_(), frontend)

    def __repr__(self) -> str:
        return in_words(self.question)

    def _repr_html_(self) -> str:
        return in_html(self.question)


STATE = ("_kind", "levels", "first", "place", "level", "chosen", "tried", "streak")
