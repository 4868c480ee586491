"""Questions that check themselves."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.resources import files
from typing import Any

import ipywidgets as widgets
import torch

from convlab.checks import check_one_of
from convlab.explore.explorers import as_html, as_mimebundle
from convlab.pictures import palette

MODULES = ("standard", "pointwise", "dilated", "grouped", "separable", "choosing")
LESSONS = {f"{number:02}": module for number, module in enumerate(MODULES)}
FIELDS = {"text", "given", "choices", "because", "hint"}


class Question:
    """A question with a few answers to choose from, which says at once whether one is right.

    Parameters
    ----------
    text : str
        The question.
    choices : sequence
        What may be answered; shown as text.
    answer : object
        The right one of `choices`: computed, best of all.
    because : str
        Why; shown with the right answer.
    hint : str
        What to think of; shown with a wrong one.

    Raises
    ------
    ValueError
        If `answer` is not one of `choices`.
    """

    def __init__(
        self, text: str, choices: Sequence[object], answer: object, *, because: str, hint: str = "Try again."
    ) -> None:
        self.text, self.choices, self._answer = text, list(choices), check_one_of("answer", answer, choices)
        self._because, self._hint = because, hint
        options = [(str(choice), choice) for choice in self.choices]
        self._buttons = widgets.ToggleButtons(options=options, index=None)
        self._buttons.style.button_width = "auto"
        self._buttons.add_class("convlab")
        self._reply = widgets.HTML()
        self._buttons.observe(self._check, "value")
        self.widget = widgets.VBox([widgets.HTML(as_html(text, weight="bold")), self._buttons, self._reply])

    @property
    def reply(self) -> str:
        """What is said to the answer chosen now; empty before one is."""
        chosen = self._buttons.value
        if self._buttons.index is None:
            return ""
        return f"✓ {chosen}: {self._because}" if chosen == self._answer else f"✗ Not {chosen}. {self._hint}"

    def choose(self, choice: object) -> Question:
        """Answer, as a reader would by clicking."""
        self._buttons.value = check_one_of("choice", choice, self.choices)
        return self

    def _check(self, _change: object) -> None:
        colour = palette.OUTPUT if self.reply.startswith("✓") else palette.KERNEL
        self._reply.value = as_html(self.reply, colour=colour)

    def __repr__(self) -> str:
        return f"{self.text}  [{' | '.join(map(str, self.choices))}]"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return as_mimebundle(self.widget, repr(self))


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
    lesson = LESSONS[check_one_of("lesson of name", number, LESSONS)]
    questions = tomllib.loads((files("convlab.lessons") / f"{lesson}.toml").read_text(encoding="utf-8"))
    words = questions[check_one_of("question of name", title, questions)]
    compute = getattr(import_module(f"convlab.lessons.{lesson}"), f"answer_{title.replace(' ', '_')}")
    return pose(name, words, compute)


def pose(name: str, words: Mapping[str, Any], compute: Callable[..., dict[str, Any]]) -> Question:
    """The question that these words make when their braces are filled in.

    Parameters
    ----------
    name : str
        The question's, for messages.
    words : mapping
        ``text``, ``because`` and ``hint`` as in :class:`Question`; ``given``, a mapping; ``choices``,
        either a list, in which the right one equals what is computed as "answer" or holds a placeholder
        for it, or a mapping from what may be computed to what is shown for it.
    compute : callable
        ``compute(**given)`` gives "answer" and whatever else the words have placeholders for.

    Raises
    ------
    ValueError
        With the question's name: for a field too many or too few, for something given that `compute`
        doesn't take, for a placeholder that is neither given nor computed, and for choices without the
        answer or with two alike.
    """
    if odd := words.keys() ^ FIELDS:
        raise ValueError(f"question {name!r} lacks, or has no use for: {', '.join(sorted(odd))}")
    given, offered = words["given"], words["choices"]
    try:
        with torch.random.fork_rng(devices=[]):  # to ask leaves the reader's random numbers as they were
            values = given | compute(**given)
        answer = values["answer"]
        if isinstance(offered, list):
            offered = {answer if "{answer" in str(choice) else choice: choice for choice in offered}
        choices = {value: str(choice).format(**values) for value, choice in offered.items()}
        text, because, hint = (words[field].format(**values) for field in ("text", "because", "hint"))
        right = choices.get(answer, answer)
        return Question(text, list(choices.values()), right, because=because, hint=hint)
    except (AttributeError, LookupError) as error:
        raise ValueError(f"question {name!r} has a placeholder that nothing computes: {error}") from error
    except (TypeError, ValueError) as error:
        raise ValueError(f"question {name!r} can't be asked: {error}") from error
