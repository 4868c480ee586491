"""A picture under controls: drawn on demand beside a kernel, or drawn ahead for a page without one."""

from __future__ import annotations

import base64
import json
import reprlib
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from html import escape
from math import prod
from os import PathLike
from os.path import relpath
from pathlib import Path
from time import perf_counter, thread_time
from typing import Any

import torch
from matplotlib.figure import Figure
from traitlets import Bunch, Dict, List, TraitError, TraitType, Unicode, observe, validate

from convlab.explore.choices import Choices, Offer, Place
from convlab.explore.spots import spots
from convlab.explore.view import View
from convlab.pictures import page
from convlab.pictures.page import Picture


class Offered(TraitType):
    """A control of an explorer: one of the values that it offers."""

    def validate(self, explorer: Any, value: object) -> object:
        place = explorer.choices.check(self.name, value)
        return explorer.choices.values_at({self.name: place})[self.name]


@dataclass(frozen=True)
class Prediction:
    """What a reader is asked to write down before the controls first reach `values`.

    Parameters
    ----------
    text : str
        The question.
    answer : float
        Computed, best of all.
    values : mapping
        Of controls: where they stand when the answer is to be seen.
    """

    text: str
    answer: float
    values: Mapping[str, object]


class Explorer(View):
    """A picture under controls, each of which offers only values that are legal.

    It is a widget of ipywidgets: it stands in a ``VBox``, and ``values``, a dict of all controls, and
    each control under its own name are traits, to be read, set, observed and linked.

    Parameters
    ----------
    draw : callable
        ``draw(**values)``, which returns a :class:`Picture`, or any figure of matplotlib, whose
        sentence is then made of the values. Pure: the same values give the same picture. The
        defaults of its arguments are where controls start.
    labels : mapping of str to str, optional
        What controls are called on screen, where that is not their name.
    predict : Prediction, optional
        Asked above the controls, kept, and compared once they show the answer.
    **choices : range, list, tuple, mapping, :func:`grid` or :func:`photos`
        For each control the values that it offers: a range becomes a slider, up to four values
        become buttons, more become a slider if they are rising numbers and a menu if not. A
        mapping gives each value a label.

    Raises
    ------
    ValueError
        For a control that `draw` does not take or whose name the widget has already, for what can't be
        chosen from, or if `draw` returns anything else.

    Notes
    -----
    A stored notebook keeps the picture and its sentence, never the state of a widget.
    """

    controls: List = List().tag(sync=True)
    at: List = List().tag(sync=True)
    predict = Dict().tag(sync=True)
    predicted = Unicode().tag(sync=True)
    _size: List = List().tag(sync=True)
    values = Dict()

    def __init__(
        self,
        draw: Callable[..., Picture | Figure],
        *,
        labels: Mapping[str, str] | None = None,
        predict: Prediction | None = None,
        **choices: Offer,
    ) -> None:
        self.choices = Choices(draw, choices, labels or {})
        for name in choices:
            if hasattr(Explorer, name):
                raise ValueError(f"{name!r} can't be a control: every widget has a {name!r} of its own")
        self._draw, self._predict = draw, predict
        self._start = self.choices.at
        self._shown: tuple[Choices, Mapping[str, Place], Picture] | None = None
        size = self._show(self.choices, self._start).figure.bbox.size.round().astype(int).tolist()
        self.add_traits(**{name: Offered() for name in choices})
        state: dict[str, Any] = {"controls": self._described(self.choices), "at": list(self._start.values())}
        state["predict"] = _asked_before(predict, self.choices)
        super().__init__(
            _kind="explorer", _size=size, values=self.choices.values, **state, **self.choices.values
        )
        self.observe(self._follow, list(choices))
        self.on_msg(self._asked)

    @property
    def picture(self) -> Picture:
        """What is shown now, on a figure of its own."""
        return self._drawn(self.choices, self.choices.at)

    @property
    def sentence(self) -> str:
        """What the picture shows now, in words."""
        return self._show(self.choices, self.choices.at).alt

    def set(self, **values: object) -> Explorer:
        """Move controls, as a reader would, and draw once.

        Raises
        ------
        ValueError
            For a control or value that is not offered. Then, and if the drawing raises, nothing has moved.
        """
        at = self.choices.moved(values)
        self._show(self.choices, at)
        self._move(at)
        return self

    def reset(self) -> None:
        """Move every control back to where it started."""
        self._move(self._start)

    def to_html(
        self,
        folder: str | PathLike[str] | None = None,
        carry: Sequence[Mapping[str, Any]] | None = None,
        *,
        page: str | PathLike[str] | None = None,
        frontend: bool = True,
    ) -> str:
        """The same explorer as a part of a page, with its pictures drawn ahead: it needs no kernel.

        Parameters
        ----------
        folder : path, optional
            Where the pictures are put; its name is the part's in the page's address. Without, the page
            holds them itself.
        carry : sequence of mappings, optional
            Which pictures: each mapping stands for all combinations of what it names, for a control
            some of its labels, or True for all; controls that it doesn't name stay where they start.
            Unless given, all pictures up to 60; of more at least 60, each control's full range among them.
        page : path, optional
            The folder of the page, from which it names the pictures; the one around `folder` unless given.
        frontend : bool
            Whether the module comes with it: one on a page is enough.

        Raises
        ------
        ValueError
            For a control or label that is not offered.
        """
        states = self.choices.carried(self._start, carry)
        start = next((number for number, at in enumerate(states) if at == self._start), 0)
        ahead, states = self.choices.only(states)
        state: dict[str, Any] = {name: getattr(self, name) for name in ("_kind", "_size")}
        state |= {"predict": _asked_before(self._predict, ahead), "at": list(states[start].values())}
        state |= {"controls": self._described(ahead), "all": prod(map(len, self.choices.options.values()))}
        beside = ""
        if folder is not None:
            Path(folder).mkdir(parents=True, exist_ok=True)
            beside = Path(relpath(folder, Path(folder).parent if page is None else page)).as_posix()
        known: dict[bytes, int] = {}  # many frames show the same photo
        state["frames"] = {}
        for number, at in enumerate(states):
            frame, (picture, *blocks) = self._frame(ahead, at, "png")
            frame["blocks"] = [known.setdefault(block, len(known)) for block in blocks]
            frame["src"] = f"data:image/png;base64,{base64.b64encode(picture).decode()}"
            if folder is not None:
                (Path(folder) / f"{number}.png").write_bytes(picture)
                frame["src"] = f"{beside}/{number}.png"
            state["frames"][json.dumps(frame.pop("at"), separators=(",", ":"))] = frame
        numbers = [base64.b64encode(block).decode() for block in known]
        if folder is None:
            state["blocks"] = numbers
        else:  # a script, because a page opened as a file may read nothing else
            state["numbers"] = f"{beside}/numbers.js"
            stored = f"(globalThis.convlabNumbers ??= {{}})[{json.dumps(state['numbers'])}] = {numbers};\n"
            (Path(folder) / "numbers.js").write_text(stored, encoding="utf-8")
        first = list(state["frames"].values())[start]
        shown = f'<img alt="{escape(first["alt"])}" src="{first["src"]}">'
        return self._page(state, Path(folder or "").name, shown, frontend)

    def _described(self, choices: Choices) -> list[dict[str, Any]]:
        """The controls as the front end draws them."""
        controls = []
        for name, offered in choices.options.items():
            kind = "range" if name in choices.scales else "radio" if len(offered) <= 4 else "select"
            control: dict[str, Any] = {"label": choices.labels[name], "options": list(offered), "kind": kind}
            if name in choices.grids:
                numbers = [numbers.tolist() for numbers in choices.grids[name].named.values()]
                control |= {"kind": "grid", "numbers": numbers}
            elif name in choices.albums:
                control["kind"] = "photo"
            controls.append(control | {"name": name})
        return controls

    def _drawn(self, choices: Choices, at: Mapping[str, Place], over: Figure | None = None) -> Picture:
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # several would wait for each other while a browser draws: ten times as long
        try:
            with page.over(over):
                drawn = self._draw(**choices.values_at(at))
        finally:
            torch.set_num_threads(threads)
        picture = Picture(drawn, choices.sentence_at(at)) if isinstance(drawn, Figure) else drawn
        if not isinstance(picture, Picture):
            raise ValueError(f"draw returned {reprlib.repr(drawn)}: it must return a Picture or a Figure")
        if "matplotlib.pyplot" in sys.modules:  # which would show the figure once more
            sys.modules["matplotlib.pyplot"].close(picture.figure)
        return picture

    def _show(self, choices: Choices, at: Mapping[str, Place]) -> Picture:
        """The picture of a state, drawn over the one before, which is given up."""
        if self._shown is None or self._shown[:2] != (choices, at):
            over, self._shown = self._shown and self._shown[2].figure, None
            self._shown = choices, at, self._drawn(choices, at, over)
        return self._shown[2]

    def _frame(
        self, choices: Choices, at: Mapping[str, Place], file_format: str = "jpeg"
    ) -> tuple[dict[str, Any], list[bytes]]:
        """What the front end shows of a state, and as bytes its picture and the numbers in it."""
        picture = self._show(choices, at)
        encoded = picture.encode(file_format)
        where, blocks = spots(picture, choices)
        return {"at": list(at.values()), "alt": picture.alt, "spots": where}, [encoded, *blocks]

    def _asked(self, _widget: object, content: dict[str, Any], buffers: list[memoryview]) -> None:
        """The front end wants the picture of a state, or gives a photo."""
        try:
            if "photo" in content:
                self.choices.give(content["photo"], content["label"], bytes(buffers[0]))
                self._shown = None
                self.controls = self._described(self.choices)
                self._move(self.choices.at)
                self.send({"taken": content["photo"]})
            else:
                start, own = perf_counter(), thread_time()
                frame, parts = self._frame(self.choices, self.choices.unpack(content["want"]))
                waited = perf_counter() - start - 2 * (thread_time() - own)  # with half a processor: none
                self.send(frame | {"waited": max(0.0, waited)}, parts)
        except Exception as error:  # told where the picture would stand: nobody sees a log
            said = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
            self.send({"at": content.get("want"), "error": said})

    def _move(self, at: dict[str, Place]) -> None:
        self.choices.at = at
        values = self.choices.values
        with self.hold_trait_notifications():
            self.set_trait("at", list(at.values()))
            self.set_trait("values", values)
            for name, value in values.items():
                self.set_trait(name, value)

    def _follow(self, change: Bunch) -> None:
        """What happens when the trait of one control was set."""
        at = self.choices.moved({change.name: change.new})
        if at != self.choices.at:
            self._move(at)

    @validate("at")
    def _check_at(self, proposal: Bunch) -> object:
        try:
            self.choices.unpack(proposal.value)
        except ValueError as error:
            raise TraitError(str(error)) from error
        return proposal.value

    @observe("at")
    def _follow_at(self, change: Bunch) -> None:
        at = self.choices.unpack(change.new)
        if at != self.choices.at:
            self._move(at)

    @validate("values")
    def _check_values(self, proposal: Bunch) -> dict[str, object]:
        return self.choices.values_at(self.choices.moved(proposal.value))

    @observe("values")
    def _follow_values(self, change: Bunch) -> None:
        at = self.choices.moved(change.new)
        if at != self.choices.at:
            self._move(at)

    def __repr__(self) -> str:
        return self.sentence

    def _repr_html_(self) -> str:
        return self._show(self.choices, self.choices.at)._repr_html_()


def _asked_before(predict: Prediction | None, choices: Choices) -> dict[str, Any]:
    """A prediction as the front end asks it, with the places that its values have among these choices."""
    if predict is None:
        return {}
    wanted = {name: choices.check(name, value) for name, value in predict.values.items()}
    return asdict(predict) | {"values": [wanted.get(name) for name in choices.options]}
