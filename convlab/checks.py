"""Checks of what callers hand in: each gives the value back, or says in a sentence what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterable
from operator import index
from typing import TypeVar

T = TypeVar("T")
Pair = tuple[int, int]


def check_whole(name: str, value: object, least: int, most: int | None = None) -> int:
    """The value as an int, if it is a whole number from `least` to `most`, or from `least` on.

    NumPy's and torch's whole numbers count; True and False do not.

    Raises
    ------
    ValueError
        With `name` and `value`, if it is not.
    """
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"
    try:
        number = None if isinstance(value, bool) else index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if number is None or number < least or (most is not None and number > most):
        raise ValueError(f"{name}={value!r} must be a whole number {limits}")
    return number


def check_pair(name: str, value: object, least: int) -> Pair:
    """One whole number for both axes, or (height, width), as PyTorch reads it.

    Raises
    ------
    ValueError
        With `name` and `value`, if a number is not whole or smaller than `least`.
    """
    if not isinstance(value, (tuple, list)):
        return (check_whole(name, value, least),) * 2
    if len(value) != 2:
        raise ValueError(f"{name}={value!r} must be one number or a pair (height, width)")
    height, width = (check_whole(name, part, least) for part in value)
    return height, width


def check_one_of(name: str, value: T, choices: Iterable[T]) -> T:
    """The value, if it is one of the choices.

    Raises
    ------
    ValueError
        With `name` and `value`, and all that could be chosen.
    """
    offered = list(choices)
    if value not in offered:
        raise ValueError(f"{name}={value!r} must be one of: {', '.join(map(str, offered))}")
    return value
