"""What can be chosen: controls, the values that each offers, and where each stands. No widgets."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from numbers import Integral, Real
from typing import Any

from convlab.checks import check_mapping, check_one_of

MOST = 10_000  # values of one control: more are a slip


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

    def __init__(self, draw: Callable, offered: Mapping[str, Iterable], labels: Mapping[str, str]) -> None:
        starts = _defaults(draw, offered)
        # What can be gone through but once is kept, to be offered again.
        offered = {n: list(islice(v, MOST + 1)) if isinstance(v, Iterator) else v for n, v in offered.items()}
        self.offered = offered
        self.options = {name: _by_label(name, values) for name, values in offered.items()}
        self.labels = {name: name.replace("_", " ") for name in offered}
        for name, label in check_mapping("labels", labels, str, least=0).items():
            self.labels[check_one_of("labels", name, offered)] = label
        self.scales = {name for name, values in offered.items() if _is_scale(values)}
        self.at = {name: max(self._place(name, starts.get(name)), 0) for name in offered}

    @property
    def values(self) -> dict[str, object]:
        """Where the controls stand."""
        return {name: list(self.options[name].values())[place] for name, place in self.at.items()}

    @property
    def sentence(self) -> str:
        """The same in words."""
        stand = (f"{self.labels[name]}: {list(self.options[name])[at]}" for name, at in self.at.items())
        return f"{', '.join(stand)}."

    def set(self, **values: object) -> None:
        """Move controls: all that are named, or none.

        Raises
        ------
        ValueError
            For a control or value that is not offered.
        """
        self.at = self.at | {name: self.check(name, value) for name, value in values.items()}

    def check(self, name: str, value: object) -> int:
        """The place of a value among those that a control offers.

        Raises
        ------
        ValueError
            For a control or value that is not offered.
        """
        if name not in self.options:
            raise ValueError(f"{name!r} is not a control: there are {', '.join(self.options)}")
        if (place := self._place(name, value)) < 0:
            raise ValueError(f"{name}={value!r} is not offered: choose from {', '.join(self.options[name])}")
        return place

    def _place(self, name: str, value: object) -> int:
        """Where a value stands among those offered, rather itself than an equal one (1 is True), or −1."""
        offered = list(self.options[name].values())
        same = [place for place, other in enumerate(offered) if other is value]
        equal = [place for place, other in enumerate(offered) if _equal(other, value)]
        alike = [place for place in equal if type(offered[place]) is type(value)]
        return [*same, *alike, *equal, -1][0]


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


def _by_label(name: str, values: Iterable | Mapping[str, object]) -> dict[str, object]:
    values = _plain(values)  # an array without axes is one number
    if isinstance(values, (str, bytes)) or not isinstance(values, Iterable):
        raise ValueError(
            f"{name}={values!r} must be what it offers: a list, a range, or a mapping from labels"
        )
    labelled = values.items() if isinstance(values, Mapping) else ((_label(value), value) for value in values)
    pairs = list(islice(labelled, MOST + 1))
    if not 0 < len(pairs) <= MOST:
        raise ValueError(f"{name}={values!r} offers {'nothing' if not pairs else 'too much'} to choose from")
    options: dict[str, object] = {}
    for label, value in pairs:
        if str(label) in options:
            raise ValueError(
                f"{name} offers {label!r} twice: give each value a label of its own in a mapping"
            )
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


def _is_scale(values: Iterable | Mapping[str, object]) -> bool:
    """Whether a slider suits the values: a range, or more than four rising numbers."""
    if isinstance(values, (range, Mapping)):
        return isinstance(values, range)
    numbers: list[Any] = [_plain(value) for value in values]
    rising = all(isinstance(value, Real) for value in numbers) and numbers == sorted(numbers)
    return len(numbers) > 4 and rising
