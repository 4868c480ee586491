"""Checks of what callers hand in: each gives the value back, or says in a sentence what is wrong with it."""

import reprlib
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
        number = None if isinstance(value, bool) else index(value)  # type: ignore[arg-type]
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


def check_type(name: str, value: object, kind: type[T]) -> T:
    """The value, if it is of this kind.

    Raises
    ------
    ValueError
        With `name`, and the value or, of a long one, its beginning.
    """
    if not isinstance(value, kind):
        raise ValueError(f"{name}={reprlib.repr(value)} must be of type {kind.__name__}")
    return value


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
        raise ValueError(f"{name}={reprlib.repr(values)} must be a sequence of at least one")
    return [check_type(f"{name}[{place}]", value, kind) for place, value in enumerate(listed)]


def check_wholes(name: str, values: object, least: int) -> list[int]:
    """The values as a list of ints, if there are any and each is a whole number of at least `least`.

    Raises
    ------
    ValueError
        With `name` and `values`, or the one that is no such number.
    """
    return [check_whole(name, value, least) for value in check_sequence(name, values)]


def check_mapping(name: str, value: object, kind: type = object, least: int = 1) -> dict[Any, Any]:
    """The items by name, if there are at least `least`, each of this kind.

    Raises
    ------
    ValueError
        With `name` and `value`, or the item that is of another kind.
    """
    if not isinstance(value, Mapping) or len(value) < least:
        raise ValueError(f"{name}={reprlib.repr(value)} must be a mapping that holds at least {least}")
    return {key: check_type(f"{name}[{key!r}]", item, kind) for key, item in value.items()}


def check_one_of(name: str, value: object, choices: Iterable[T]) -> T:
    """The choice that the value is equal to; 1 is not True.

    Raises
    ------
    ValueError
        With `name` and `value`, and all that could be chosen.
    """
    offered: dict[tuple[bool, Any], T] = {(isinstance(choice, bool), choice): choice for choice in choices}
    try:
        return offered[isinstance(value, bool), value]
    except (KeyError, TypeError):  # what can't be a key, a list say, is no choice
        names = ", ".join(map(str, offered.values()))
        raise ValueError(f"{name}={value!r} must be one of: {names}") from None
