"""How sizes, numbers and counts are written, in pictures and in their sentences."""

from collections.abc import Iterable


def size(size: Iterable[int]) -> str:
    """(3, 5) as "3×5"."""
    return "×".join(map(str, size))


def number(value: float) -> str:
    """Two decimals with a true minus sign, and never a negative zero."""
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "−")


def short(value: float) -> str:
    """The same without zeros at the end: 0.5, −2."""
    return number(value).rstrip("0").rstrip(".")


def count(number: int, what: str) -> str:
    """(3, "layer") as "3 layers"."""
    return f"{number:,} {what}{'s' * (number != 1)}"
