"""Questions that check themselves."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape
from importlib import import_module
from importlib.resources import files
from numbers import Real
from random import Random
from types import ModuleType
from typing import Any

import torch
from traitlets import Dict, List, Unicode

from convlab.checks import check_mapping, check_one_of
from convlab.explore import slips
from convlab.explore.view import View

MODULES = ("standard", "pointwise", "dilated", "grouped", "separable", "choosing")
LESSONS = {f"{number:02}": module for number, module in enumerate(MODULES)}
NO_QUESTIONS = ("quiz", "tasks")  # what else stands in a lesson's file
FIELDS = {"text", "given", "choices", "because", "hint"}
OPTIONAL = {"why", "tolerance", "asks"}


class Question(View):
    """A question with a few answers to choose from, or a number to type, which checks itself at once.

    It is a widget of ipywidgets; ``chosen``, what was answered last, can be observed.

    Parameters
    ----------
    text : str
        The question.
    choices : sequence, optional
        What may be answered; shown as text, in an order drawn from `name`. Without choices a
        number is typed.
    answer : object
        The right one of `choices`, or the number: computed, best of all.
    because : str
        Why; shown with the right answer.
    hint : str
        What to think of; shown with a wrong one.
    why : mapping, optional
        For some wrong answers what is wrong with them, in place of the hint.
    tolerance : float
        By how much a typed number may miss the right one, or one of `why`.
    name : str, optional
        The question's; its text, unless given.

    Raises
    ------
    ValueError
        If `answer` is not one of `choices` or no number, or `why` is about the right or no answer.
    """

    text = Unicode().tag(sync=True)
    choices: List = List().tag(sync=True)
    replies: List = List().tag(sync=True)
    otherwise = Dict().tag(sync=True)
    chosen = Unicode().tag(sync=True)

    def __init__(
        self,
        text: str,
        choices: Sequence[object] | None = None,
        answer: object = None,
        *,
        because: str,
        hint: str = "Try again.",
        why: Mapping[Any, str] | None = None,
        tolerance: float = 0,
        name: str | None = None,
    ) -> None:
        self.name = name or text
        about: dict[str, Any] = {"because": because, "hint": hint, "why": why, "tolerance": tolerance}
        super().__init__(_kind="question", **posed(text, choices, answer, Random(name or text), **about))

    @property
    def reply(self) -> str:
        """What is said to the answer chosen now; empty before one is."""
        return judge(self._state, self.chosen)[1]

    def choose(self, choice: object) -> Question:
        """Answer, as a reader would by clicking or typing."""
        self.chosen = str(choice if self.otherwise else check_one_of("choice", str(choice), self.choices))
        return self

    def to_html(self, *, frontend: bool = True) -> str:
        """The same question as a part of a page, which needs no kernel.

        `frontend` says whether the module comes with it: one on a page is enough.
        """
        return self._page(self._state, self.name, self._repr_html_(), frontend)

    @property
    def _state(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in STATE}

    def __repr__(self) -> str:
        return in_words(self._state)

    def _repr_html_(self) -> str:
        return in_html(self._state)


STATE = ("_kind", "text", "choices", "replies", "otherwise", "chosen")


def posed(
    text: str,
    choices: Iterable[object] | None,
    answer: object,
    order: Random | None = None,
    *,
    because: str,
    hint: str,
    why: Mapping[Any, str] | None = None,
    tolerance: float = 0,
) -> dict[str, Any]:
    """What the front end knows of a question: `order` shuffles choices, the rest is as in :class:`Question`.

    Raises
    ------
    ValueError
        As :class:`Question` does.
    """
    why = check_mapping("why", why or {}, str, least=0)
    offered = None if choices is None else list(choices)
    for value in [answer, *why]:
        if offered is not None:
            check_one_of("answer", value, offered)
        elif not isinstance(value, Real):
            raise ValueError(f"answer={value!r} must be a number, or among choices")
    if answer in why:
        raise ValueError(f"why has a reason against the right answer, {answer!r}")
    if offered is None:
        offered = [answer, *why]
    elif order:
        order.shuffle(offered)
    if len(set(map(str, offered))) < len(offered):
        raise ValueError(f"choices={offered!r} must all look different")
    replies = [
        {"right": choice == answer, "text": because if choice == answer else why.get(choice, hint)}
        for choice in offered
    ]
    typed = {"tolerance": tolerance, "values": offered, "text": hint} if choices is None else {}
    return {
        "text": text,
        "choices": [str(choice) for choice in offered],
        "replies": replies,
        "otherwise": typed,
    }


def judge(question: Mapping[str, Any], chosen: str) -> tuple[bool | None, str]:
    """Whether an answer to what :func:`posed` gave is right, and what is said to it; None for no answer."""
    if not chosen:
        return None, ""
    if not question["otherwise"]:
        return _said(chosen, **question["replies"][question["choices"].index(chosen)])
    number, otherwise = _number(chosen), question["otherwise"]
    if number is None:
        return None, f"“{chosen}” is no number: type digits, as in 1728 or 0.5."
    for value, reply in zip(otherwise["values"], question["replies"], strict=True):
        if abs(number - value) <= otherwise["tolerance"] + 1e-9 * abs(value):
            return _said(chosen, **reply)
    return _said(chosen, False, otherwise["text"])


def in_words(question: Mapping[str, Any]) -> str:
    """A question and its choices in a line."""
    return f"{question['text']}  [{'a number' if question['otherwise'] else ' | '.join(question['choices'])}]"


def in_html(question: Mapping[str, Any]) -> str:
    """A question and its choices, to be seen where no widget is."""
    shown = "<p>Type a number.</p>"
    if not question["otherwise"]:
        shown = f"<ul>{''.join(f'<li>{escape(choice)}</li>' for choice in question['choices'])}</ul>"
    return f"<p><strong>{escape(question['text'])}</strong></p>{shown}"


def _said(chosen: str, right: bool, text: str) -> tuple[bool, str]:
    return right, f"✓ {chosen}: {text}" if right else f"✗ Not {chosen}. {text}"


def _number(typed: str) -> float | None:
    """What a reader may type for a number: 1,728 or 1 728, 0.5 or 0,5, −2, 30 %."""
    plain = re.sub(r"[\s_%]", "", typed).replace("−", "-")
    if re.fullmatch(r"-?[1-9][0-9]{0,2}(,[0-9]{3})+(\.[0-9]*)?", plain):
        plain = plain.replace(",", "")
    plain = plain.replace(",", ".")
    return float(plain) if re.fullmatch(r"-?([0-9]+\.?[0-9]*|\.[0-9]+)", plain) else None


def ask(name: str) -> Question:
    """A question of the course: its words as they stand in a file, its answer computed now.

    Parameters
    ----------
    name : str
        The lesson's number, a slash and the question's name: ``"02/span"``.

    Raises
    ------
    ValueError
        If there is no such lesson or question, or for words that :func:`pose` refuses.
    """
    number, _, title = str(name).partition("/")
    questions, module = read_lesson(number, "lesson of name")
    for other in NO_QUESTIONS:
        questions.pop(other, None)
    words = questions[check_one_of("question of name", title, questions)]
    return pose(name, words, answering(module, title, words))


def quiz(lesson: str) -> list[Question]:
    """The questions at the end of a lesson, numbered: ``display(*quiz("02"))`` asks them one below the other.

    Raises
    ------
    ValueError
        If there is no such lesson, or its file names none for its quiz.
    """
    names = read_lesson(lesson)[0].get("quiz", [])
    if not names:
        raise ValueError(f"lesson={lesson!r} has no quiz")
    questions = [ask(f"{lesson}/{name}") for name in names]
    for number, question in enumerate(questions, start=1):
        question.text = f"{number} · {question.text}"
    return questions


def read_lesson(number: str, called: str = "lesson") -> tuple[dict[str, Any], ModuleType]:
    """The words of a lesson, from its file, and the module that computes what they need.

    Parameters
    ----------
    number : str
        "00" to "05".
    called : str
        What to call it in a message.

    Raises
    ------
    ValueError
        If there is no such lesson.
    """
    lesson = LESSONS[check_one_of(called, number, LESSONS)]
    words = (files("convlab.lessons") / f"{lesson}.toml").read_text(encoding="utf-8")
    return tomllib.loads(words), import_module(f"convlab.lessons.{lesson}")


def answering(module: ModuleType, title: str, words: Mapping[str, Any]) -> Callable[..., dict[str, Any]]:
    """What computes an answer: a function of the lesson or of ``slips``, named as it or what it ``asks``."""
    function = f"answer_{words.get('asks', title).replace(' ', '_')}"
    return getattr(module if hasattr(module, function) else slips, function)


def pose(name: str, words: Mapping[str, Any], compute: Callable[..., dict[str, Any]]) -> Question:
    """The question that these words make when their braces are filled in.

    Parameters
    ----------
    name : str
        The question's, for messages.
    words : mapping
        ``text``, ``because``, ``hint`` and, if there, ``why`` and ``tolerance`` as in :class:`Question`;
        ``given``, a mapping; ``choices``, either "a number", or a list, in which the right one equals
        what is computed as "answer" or holds a placeholder for it, or a mapping from what may be
        computed to what is shown for it. ``why`` names choices as they are shown.
    compute : callable
        ``compute(**given)`` gives "answer" and whatever else the words have placeholders for.

    Raises
    ------
    ValueError
        With the question's name: for a field too many or too few, for something given that `compute`
        doesn't take, for a placeholder that is neither given nor computed, and for choices without the
        answer or with two alike.
    """
    if odd := (words.keys() - OPTIONAL) ^ FIELDS:
        raise ValueError(f"question {name!r} lacks, or has no use for: {', '.join(sorted(odd))}")
    given, offered = words["given"], words["choices"]
    try:
        with torch.random.fork_rng(devices=[]):  # to ask leaves the reader's random numbers as they were
            values = given | compute(**given)
        answer, tolerance = values["answer"], words.get("tolerance", 0)
        text, because, hint = (words[field].format(**values) for field in ("text", "because", "hint"))
        why: dict[Any, str] = {
            k.format(**values): v.format(**values) for k, v in words.get("why", {}).items()
        }
        about: dict[str, Any] = {"because": because, "hint": hint, "tolerance": tolerance, "name": name}
        if offered == "a number":
            return Question(text, answer=answer, why={_number(k): v for k, v in why.items()}, **about)
        if isinstance(offered, list):
            offered = {answer if "{answer" in str(choice) else choice: choice for choice in offered}
        choices = {value: str(choice).format(**values) for value, choice in offered.items()}
        why.pop(choices.get(answer), None)  # what is given may make a wrong choice the right one
        return Question(
            text, list(dict.fromkeys(choices.values())), choices.get(answer, answer), why=why, **about
        )
    except (AttributeError, LookupError) as error:
        raise ValueError(f"question {name!r} has a placeholder that nothing computes: {error}") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"question {name!r} can't be asked: {error}") from error
