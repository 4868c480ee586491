"""Questions that check themselves."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets as widgets

from convlab.explore.explorers import as_html, as_mimebundle
from convlab.pictures import palette


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
        if answer not in choices:
            raise ValueError(f"answer={answer!r} must be one of the choices {list(choices)!r}")
        self.text, self.choices, self._answer = text, list(choices), answer
        self._because, self._hint = because, hint
        self._buttons = widgets.ToggleButtons(
            options=[(str(choice), choice) for choice in self.choices], index=None
        )
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
        if choice not in self.choices:
            raise ValueError(f"choice={choice!r} must be one of {self.choices!r}")
        self._buttons.value = choice
        return self

    def _check(self, _change: object) -> None:
        self._reply.value = as_html(
            self.reply, colour=palette.OUTPUT if self.reply.startswith("✓") else palette.KERNEL
        )

    def __repr__(self) -> str:
        return f"{self.text}  [{' | '.join(map(str, self.choices))}]"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:
        return as_mimebundle(self.widget, repr(self))
