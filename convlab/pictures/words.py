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


def exact(value: float) -> str:
    """A whole number as it is, another with three digits: 69,632, 0.125."""
    return f"{value:,.0f}" if value == round(value) else f"{value:.3g}".replace("-", "−")


def count(number: int, what: str) -> str:
    """(3, "layer") as "3 layers"."""
    return f"{number:,} {what}{'s' * (number != 1)}"


def seen(size: tuple[int, int], touched: int) -> str:
    """What one output does with a field of this size, of which it touches some pixels."""
    pixels = size[0] * size[1]
    share = f"{100 * touched / pixels:.3g}"
    return f"reaches across {size[0]}×{size[1]} pixels and sees {touched:,} of {pixels:,} ({share}%)"
