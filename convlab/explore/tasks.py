"""What a reader writes, held against hidden cases: which are right, which is not, and what that suggests."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from html import escape
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn

from convlab.checks import check_one_of
from convlab.explore.questions import read_lesson
from convlab.pictures import palette
from convlab.pictures.figures import show_beside
from convlab.pictures.page import Picture

TOLERANCE = 1e-3  # of the largest number of the target, or of 1
NOT_YET = "Not yet: write your own lines in place of the three dots, and run the cell again."
NOTHING = "it gave back nothing: does it end in a line with return?"


class NotYetError(Exception):
    """The blank has not been filled in."""


@dataclass(frozen=True, repr=False)
class Verdict:
    """What is said of a reader's own lines; ``right`` is None while there are none.

    With a wrong result, ``picture`` shows *target* beside *yours*, where both can be drawn.
    """

    said: str
    right: bool | None
    picture: Picture | None = None

    def __repr__(self) -> str:
        return self.said

    def _repr_html_(self) -> str:
        colour = {None: palette.INPUT, True: palette.OUTPUT, False: palette.KERNEL}[self.right]
        style = f"border-left: 4px solid {colour}; padding: 4px 10px; margin: 4px 0; font-size: 16px"
        shown = "" if self.picture is None else self.picture._repr_html_()
        return f'<p style="{style}">{escape(self.said)}</p>{shown}'


def check(name: str, answer: object) -> Verdict:
    """Hold what a reader wrote against the hidden cases of a task.

    Parameters
    ----------
    name : str
        The lesson's number, a slash and the task's name: ``"00/loop"``.
    answer : object
        What the task asks for: a function, a module, a number, a tensor.

    Raises
    ------
    ValueError
        If there is no such lesson or task. Whatever `answer` raises is told in the verdict.

    Notes
    -----
    A task's cases stand in the lesson's file: for each what is ``given``, what it is called
    (``says``) and what a failure suggests (``hint``). The lesson's module has
    ``task_loop(answer, **given)``, which returns the target and what the answer makes of it.
    """
    number, _, title = str(name).partition("/")
    words, module = read_lesson(number, "lesson of name")
    tasks = words.get("tasks", {})
    cases = tasks[check_one_of("task of name", title, tasks)]["cases"]
    compare = getattr(module, f"task_{title.replace(' ', '_')}")
    right, first = [], None
    try:
        for case in cases:
            says, hint = (case[field].format(**case["given"]) for field in ("says", "hint"))
            problem, picture = _judged(compare, answer, case["given"])
            if not problem:
                right.append(says)
            elif first is None:
                first = f"Wrong for {says}: {problem}{'' if problem == NOTHING else f'. {hint}'}", picture
    except NotYetError:
        return Verdict(NOT_YET, None)
    if first is None:
        return Verdict(f"✓ Right in all {len(right)} cases: {'; '.join(right)}.", True)
    said, picture = first
    return Verdict(f"✗ Right for {'; '.join(right)}. {said}" if right else f"✗ {said}", False, picture)


def _judged(compare: Callable[..., tuple[Any, Any]], answer: Any, given: dict[str, Any]) -> tuple[str, Any]:
    """What is wrong in one case, empty if nothing is, and target beside yours where both can be drawn."""
    if _is_blank(answer):
        raise NotYetError
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            target, yours = compare(_watched(answer), **given)
        if _is_blank(yours):
            raise NotYetError
    except NotYetError:
        if _is_written(answer):
            return NOTHING, None
        raise
    except Exception as error:
        return _told(error), None
    problem = _difference(target, yours)
    try:
        return problem, show_beside(target, yours) if problem else None
    except ValueError:  # not every result is a picture
        return problem, None


def _is_blank(value: object) -> bool:
    return value is None or value is ... or (_listed(value) and any(each is ... for each in value))


def _watched(answer: Any) -> Any:
    """A reader's function, which says so when it gives back nothing."""
    if not callable(answer) or isinstance(answer, (nn.Module, type)):
        return answer

    @wraps(answer)
    def watched(*arguments: Any, **options: Any) -> Any:
        result = answer(*arguments, **options)
        if _is_blank(result):
            raise NotYetError
        return result

    return watched


def _is_written(answer: Any) -> bool:
    """Whether a function, or a module's forward, has any lines of a reader's own."""
    code = getattr(getattr(answer, "forward", answer), "__code__", None)
    return code is not None and (bool(code.co_names) or code.co_nlocals > code.co_argcount)


def _told(error: Exception) -> str:
    """What went wrong, and where in the reader's own lines."""
    here = Path(__file__).parents[1]
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if here not in Path(f.filename).parents and "site-packages" not in f.filename]
    line = f" at “{own[-1].line}”" if own and own[-1].line else ""
    return f"it stopped{line} with {type(error).__name__}: {error}".rstrip(".")


def _difference(target: Any, yours: Any) -> str:
    """In which way the result is not the target; empty if it is."""
    if not isinstance(target, Tensor):
        yours = yours.tolist() if isinstance(yours, Tensor) else yours
        same = list(yours) == list(target) if _listed(target) and _listed(yours) else yours == target
        return "" if same else f"target {target}, yours {yours}"
    try:
        values = torch.as_tensor(yours).detach().to(target.dtype)
    except (TypeError, ValueError, RuntimeError):
        return f"the target is a tensor of shape {tuple(target.shape)}, yours a {type(yours).__name__}"
    if values.shape != target.shape:
        return f"the target has shape {tuple(target.shape)}, yours {tuple(values.shape)}"
    if target.numel() == 0:
        return ""
    apart = float((values - target.detach()).abs().max()) if bool(values.isfinite().all()) else float("inf")
    if apart <= TOLERANCE * max(1.0, float(target.abs().max())):
        return ""
    return f"the largest difference from the target is {apart:.3g}"


def _listed(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, (list, tuple))
