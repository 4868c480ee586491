"""What can be chosen: controls, the values that each offers, and where each stands. No widgets."""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from itertools import combinations, islice, product
from math import prod
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor

from convlab.checks import check_mapping, check_one_of, check_whole
from convlab.images import PHOTOS, as_photo, photo
from convlab.kernels import KERNELS

MOST = 10_000  # values of one control: more are a slip
CARRIED = 60  # states that a page without Python carries, all of them if there are no more
LOUDEST = 4  # the largest number that can be written into a grid, and its negative the smallest

Rows = tuple[tuple[float, ...], ...]
State = dict[str, int]  # for each control the number of an option
Place = int | Rows  # where a control stands: the number of an option, or numbers that a reader wrote


@dataclass(frozen=True)
class Grid:
    """What :func:`grid` makes: ``named`` holds the numbers of each starting point."""

    height: int
    width: int
    named: Mapping[str, Tensor]

    def rows(self, name: str, value: object) -> Rows:
        """The numbers as rows, or a sentence that says what is wrong with them."""
        try:
            numbers = torch.as_tensor(value, dtype=torch.float64)
            fits = numbers.shape == (self.height, self.width) and bool((abs(numbers) <= LOUDEST).all())
        except (TypeError, ValueError, RuntimeError):
            fits = False
        if not fits:
            raise ValueError(
                f"{name}={reprlib.repr(value)} must be one of {', '.join(self.named)}, or "
                f"{self.height}×{self.width} numbers from −{LOUDEST} to {LOUDEST}"
            )
        return tuple(map(tuple, numbers.tolist()))


def grid(height: int, width: int, named: Mapping[str, Tensor] | None = None) -> Grid:
    """A control whose value is a small grid of numbers, dragged or typed, from −4 to 4.

    Parameters
    ----------
    height, width : int
        From 1 to 7.
    named : mapping of str to Tensor (height, width), optional
        What one starts from: the kernels in ``convlab.kernels.KERNELS``, unless given. For these
        `draw` gets the name, for numbers of one's own a tensor.

    Raises
    ------
    ValueError
        For another size, or a starting point of another one.
    """
    size = check_whole("height", height, 1, 7), check_whole("width", width, 1, 7)
    if named is None and (size[0] != size[1] or size[0] not in (3, 5, 7)):
        raise ValueError(f"a grid of {height}×{width} needs `named`: no kernel of the course has that size")
    made = Grid(*size, {name: make(height) for name, make in KERNELS.items()} if named is None else named)
    for name, numbers in check_mapping("named", made.named, Tensor).items():
        made.rows(f"named[{name!r}]", numbers)
    return made


@dataclass(frozen=True)
class Album:
    """What :func:`photos` makes."""

    named: dict[str, Tensor]
    size: int | tuple[int, int]
    channels: int


def photos(*names: str, size: int | tuple[int, int], channels: int = 3) -> Album:
    """A control whose value is a photo: one of the course's, or a file of the reader's own.

    Parameters
    ----------
    *names : str
        Of ``convlab.images.PHOTOS``.
    size, channels
        As in :func:`~convlab.images.photo`; every photo is brought to them.

    Raises
    ------
    ValueError
        For no name or an unknown one, or a size or number of channels that no photo can have.
    """
    if not names:
        raise ValueError(f"name at least one photo of: {', '.join(PHOTOS)}")
    return Album({name: photo(name, size, channels=channels) for name in names}, size, channels)


Offer = Iterable | Mapping[str, object] | Grid | Album  # what a control offers


class Choices:
    """Named controls, each with the values that it offers, by label, and where it stands.

    Parameters
    ----------
    draw : callable
        Takes the values by name; its defaults are where the controls start, else the first value.
    offered : mapping
        For each name its values, or a mapping from labels to its values.
    labels : mapping of str to str
        What controls are called on screen: their names, unless given.

    Raises
    ------
    ValueError
        For a name that `draw` doesn't take or needs beside these, or for what can't be chosen from.
    """

    def __init__(self, draw: Callable, offered: Mapping[str, Offer], labels: Mapping[str, str]) -> None:
        starts = _defaults(draw, offered)
        # What can be gone through but once is kept, to be offered again.
        offered = {n: list(islice(v, MOST + 1)) if isinstance(v, Iterator) else v for n, v in offered.items()}
        self.offered = offered
        self.grids = {name: values for name, values in offered.items() if isinstance(values, Grid)}
        self.albums = {name: values for name, values in offered.items() if isinstance(values, Album)}
        self.options = {name: _by_label(name, values) for name, values in offered.items()}
        self.labels = {name: name.replace("_", " ") for name in offered}
        for name, label in check_mapping("labels", labels, str, least=0).items():
            self.labels[check_one_of("labels", name, offered)] = label
        self.scales = {name for name, values in offered.items() if _is_scale(values)}
        self.at: dict[str, Place] = {name: max(self._place(name, starts.get(name)), 0) for name in offered}

    @property
    def values(self) -> dict[str, object]:
        """Where the controls stand."""
        return self.values_at(self.at)

    def values_at(self, at: Mapping[str, Place]) -> dict[str, object]:
        """What is chosen where the controls stand at these places."""
        return {
            name: list(self.options[name].values())[place] if isinstance(place, int) else torch.tensor(place)
            for name, place in at.items()
        }

    def sentence_at(self, at: Mapping[str, Place]) -> str:
        """The same in words."""
        labels = {
            name: list(self.options[name])[place] if isinstance(place, int) else "your own"
            for name, place in at.items()
        }
        return f"{', '.join(f'{self.labels[name]}: {label}' for name, label in labels.items())}."

    def unpack(self, places: object) -> dict[str, Place]:
        """The places of all controls, from a list in their order.

        Raises
        ------
        ValueError
            For another number of places, or one that a control doesn't have.
        """
        if not isinstance(places, list) or len(places) != len(self.options):
            raise ValueError(f"at={places!r} must be a list of {len(self.options)} places")
        at: dict[str, Place] = {}
        for (name, options), place in zip(self.options.items(), places, strict=True):
            rows = name in self.grids and not isinstance(place, int)
            at[name] = (
                self.grids[name].rows(name, place) if rows else check_whole(name, place, 0, len(options) - 1)
            )
        return at

    def give(self, name: str, label: str, content: bytes) -> None:
        """Offer one more photo, and move there; a label that is there already makes room for it.

        Raises
        ------
        ValueError
            If the control takes no photos, or `content` is none.
        """
        album = self.albums[check_one_of("name", name, self.albums)]
        self.options[name][label] = as_photo(content, album.size, channels=album.channels)
        self.at = self.at | {name: list(self.options[name]).index(label)}

    def set(self, **values: object) -> None:
        """Move controls: all that are named, or none.

        Raises
        ------
        ValueError
            For a control or value that is not offered.
        """
        self.at = self.moved(values)

    def moved(self, values: Mapping[str, object]) -> dict[str, Place]:
        """Where all controls would stand, these moved; raises what :meth:`set` does."""
        return self.at | {name: self.check(name, value) for name, value in values.items()}

    def carried(self, start: Mapping[str, Place], carry: Sequence[Mapping[str, Any]] | None) -> list[State]:
        """The states that a page without Python carries.

        Parameters
        ----------
        start : mapping
            Where the controls start, and stay if nothing else is said.
        carry : sequence of mappings, optional
            Each stands for all combinations of what it names: for a control some of its labels or
            numbers, or True for all. Unless given, all states if they are few; else every value of each
            control with the others at their start, and what is nearest to it, up to 60.

        Raises
        ------
        ValueError
            For a control or label that is not offered.
        """
        here = {name: place if isinstance(place, int) else 0 for name, place in start.items()}
        everything = {name: range(len(options)) for name, options in self.options.items()}
        if carry is not None:
            parts = [{name: self._places(name, labels) for name, labels in part.items()} for part in carry]
            return list(_combined(here, parts))
        if prod(map(len, everything.values())) <= CARRIED:
            return list(_combined(here, [everything]))
        kept = {tuple(at.values()): at for at in _combined(here, [{n: p} for n, p in everything.items()])}
        for moved in range(2, len(here) + 1):  # as few controls as can be, as near as can be
            if len(kept) >= CARRIED:
                break
            moves = [dict(part) for part in combinations(everything.items(), moved)]
            near = sorted(_combined(here, moves), key=lambda at: sum(abs(at[n] - here[n]) for n in at))
            for at in near[: 2 * CARRIED]:
                if len(kept) < CARRIED:
                    kept.setdefault(tuple(at.values()), at)
        return list(kept.values())

    def _places(self, name: str, labels: Any) -> list[int]:
        options = list(self.options[check_one_of("control", name, self.options)])
        if labels is True:
            return list(range(len(options)))
        return [options.index(check_one_of(name, str(label), options)) for label in labels]

    def only(self, states: Sequence[State]) -> tuple[Choices, list[State]]:
        """Choices that offer what occurs in these states, and the states among these."""
        kept = {name: sorted({at[name] for at in states}) for name in self.options}
        part = copy(self)
        labels = {name: list(options) for name, options in self.options.items()}
        part.options = {
            name: {labels[name][n]: self.options[name][labels[name][n]] for n in places}
            for name, places in kept.items()
        }
        part.scales = {
            name for name in self.scales if len(kept[name]) in (len(labels[name]), *range(5, MOST))
        }
        part.grids = {
            name: replace(grid, named={label: grid.named[label] for label in part.options[name]})
            for name, grid in self.grids.items()
        }
        return part, [{name: kept[name].index(place) for name, place in at.items()} for at in states]

    def offers(self, name: str, value: object) -> bool:
        """Whether there is such a control, and the value among its options."""
        return name in self.options and self._place(name, value) >= 0

    def check(self, name: str, value: object) -> Place:
        """The place of a value among those that a control offers, or the numbers of a grid.

        Raises
        ------
        ValueError
            For a control or value that is not offered.
        """
        if name not in self.options:
            raise ValueError(f"{name!r} is not a control: there are {', '.join(self.options)}")
        if (place := self._place(name, value)) >= 0:
            return place
        if name in self.grids:
            return self.grids[name].rows(name, value)
        raise ValueError(f"{name}={value!r} is not offered: choose from {', '.join(self.options[name])}")

    def _place(self, name: str, value: object) -> int:
        """Where a value stands among those offered, rather itself than an equal one (1 is True), or −1."""
        offered = list(self.options[name].values())
        same = [place for place, other in enumerate(offered) if other is value]
        equal = [place for place, other in enumerate(offered) if _equal(other, value)]
        alike = [place for place in equal if type(offered[place]) is type(value)]
        return [*same, *alike, *equal, -1][0]


def _combined(start: State, parts: Iterable[Mapping[str, Iterable[int]]]) -> Iterator[State]:
    """Every state of these parts once; what a part doesn't name stays at its start."""
    seen = set()
    for part in parts:
        for places in product(*part.values()):
            at = start | dict(zip(part, places, strict=True))
            if tuple(at.values()) not in seen:
                seen.add(tuple(at.values()))
                yield at


def _equal(one: object, other: object) -> bool:
    try:
        return bool(one == other)
    except (RuntimeError, ValueError):  # arrays and tensors compare by element
        return False


def _defaults(draw: Callable, offered: Mapping[str, object]) -> dict[str, object]:
    """The defaults of the drawing's parameters, by name."""
    if not callable(draw):
        raise ValueError(f"draw={draw!r} must be a function that returns a picture")
    parameters = inspect.signature(draw).parameters
    named = {name: p for name, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    for name in offered:
        if name not in named and not takes_any:
            raise ValueError(f"{name!r} is no parameter of draw, which has {', '.join(named) or 'none'}")
    for name, parameter in named.items():
        if parameter.default is parameter.empty and name not in offered:
            raise ValueError(f"draw needs {name!r}: offer values for it")
    return {name: parameter.default for name, parameter in named.items()}


def _by_label(name: str, values: Offer) -> dict[str, Any]:
    if isinstance(values, Grid):
        return {label: label for label in values.named}
    if isinstance(values, Album):
        return dict(values.named)
    values = _plain(values)  # an array without axes is one number
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise ValueError(f"{name}={values!r} must be what it offers: a list, a range or a mapping")
    labelled = values.items() if isinstance(values, Mapping) else ((_label(value), value) for value in values)
    pairs = list(islice(labelled, MOST + 1))
    if not 0 < len(pairs) <= MOST:
        raise ValueError(f"{name}={values!r} offers {'nothing' if not pairs else 'too much'} to choose from")
    options: dict[str, object] = {}
    for label, value in pairs:
        if str(label) in options:
            raise ValueError(f"{name} offers {label!r} twice: give each a label of its own in a mapping")
        options[str(label)] = _plain(value)
    return options


def _plain(value: Any) -> Any:
    """NumPy's and torch's single numbers as Python's own."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _label(value: object) -> str:
    value = _plain(value)
    if isinstance(value, Real) and not isinstance(value, Integral):
        return f"{value:.6g}"
    shape = getattr(value, "shape", None)
    return str(value) if shape is None else f"{type(value).__name__} {tuple(shape)}"


def _is_scale(values: Offer) -> bool:
    """Whether a slider suits the values: a range, or more than four rising numbers."""
    if isinstance(values, (range, Mapping, Grid, Album)):
        return isinstance(values, range)
    numbers: list[Any] = [_plain(value) for value in values]
    rising = all(isinstance(value, Real) for value in numbers) and numbers == sorted(numbers)
    return len(numbers) > 4 and rising
