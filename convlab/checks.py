"""Checks of what callers hand in: each gives the value back, or says in a sentence what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from operator import index
from typing import Any, TypeVar

T = TypeVar("T")
Pair = tuple[int, int]


def check_whole(name: str, value: object, least: int, most: int | None = None, *, odd: bool = False) -> int:
    """The value as an int, if it is a whole number from `least` to `most`, or from `least` on.

    NumPy's and torch's whole numbers count; True and False do not.

    Raises
    ------
    ValueError
        With `name` and `value`, if it is not.
    """
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"
    try:
        number = None if isinstance(value, bool) else index(value)  # type: ignore[call-overload]
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most) or (odd and number % 2 == 0):
        raise ValueError(f"{name}={value!r} must be {'an odd' if odd else 'a'} whole number {limits}")
    return number


def _plain(value: Any) -> Any:
    """The numbers of an array or tensor as Python's own, in lists; anything else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def check_pair(name: str, value: object, least: int) -> Pair:
    """One whole number for both axes, or (height, width), as PyTorch reads it.

    Raises
    ------
    ValueError
        With `name` and `value`, if a number is not whole or smaller than `least`.
    """
    sides = _plain(value)
    if not isinstance(sides, (tuple, list)):
        return (check_whole(name, value, least),) * 2
    if len(sides) != 2:
        raise ValueError(f"{name}={value!r} must be one number or a pair (height, width)")
    height, width = (check_whole(name, side, least) for side in sides)
    return height, width


def check_sequence(name: str, values: object, kind: type = object) -> list[Any]:
    """The values as a list, if there are any and each is of the kind; a string or a mapping is none.

    Raises
    ------
    ValueError
        With `name` and `values`, or the one that is of another kind.
    """
    plain = _plain(values)
    listed = list(plain) if isinstance(plain, Iterable) and not isinstance(plain, (str, Mapping)) else []
    if not listed:
        raise ValueError(f"{name}={values!r} must be a sequence of at least one")
    for value in listed:
        if not isinstance(value, kind):
            raise ValueError(f"{name} holds {value!r}, which must be a {kind.__name__}")
    return listed


def check_one_of(name: str, value: object, choices: Iterable[T]) -> T:
    """The choice that the value is equal to; 1 is not True.

    Raises
    ------
    ValueError
        With `name` and `value`, and all that could be chosen.
    """
    offered = {(isinstance(choice, bool), choice): choice for choice in choices}
    try:
        return offered[isinstance(value, bool), value]
    except (KeyError, TypeError):  # what can't be a key, a list say, is no choice
        names = ", ".join(map(str, offered.values()))
        raise ValueError(f"{name}={value!r} must be one of: {names}") from None
