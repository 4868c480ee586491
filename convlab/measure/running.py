"""A module run once on an empty image, watched, and left as it was."""

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from convlab.checks import check_one_of, check_wholes


class Watcher(TorchDispatchMode):
    """Base of what watches each operation of torch while a module runs."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # torch would load its whole compiler (80 MB, a second) only to switch it off in here.
        return False


# What to do about an error of torch's, by a word that is in it.
_ADVICE = {
    "DataParallel": "it is a wrapper: give what it wraps, module.module",
    "Jitted": "it is scripted: give the module that it was made from",
    "required positional argument": "it takes more than one tensor: wrap it in a module that takes one image",
    "omplex(<|F|D|H)": "its numbers are complex: wrap it in a module that makes the image complex first",
    r"\bmeta\b": "a tensor on the meta device is neither parameter nor buffer: build the module on another",
}


class UntraceableError(ValueError):
    """A watcher's own refusal, which is no failure of the module."""


def tensors_in(value: object) -> list[Tensor]:
    """The tensors among arguments or results, however deep in lists, tuples and dicts."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple)):  # in half the time of torch's tree_leaves
        return [tensor for part in value for tensor in tensors_in(part)]
    return [value] if isinstance(value, Tensor) else []


def image_shape(input_shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """(1, C, H, W) from (C, H, W) or (1, C, H, W).

    Raises
    ------
    ValueError
        For any other shape, with its value.
    """
    shape = check_wholes("input_shape", input_shape, 1)
    if len(shape) not in (3, 4) or shape[:-3] not in ([], [1]):
        raise ValueError(f"input_shape={input_shape!r} must be (C, H, W) or (1, C, H, W)")
    channels, height, width = shape[-3:]
    return 1, channels, height, width


def stand_ins(module: nn.Module, *, real: bool = False) -> dict[str, Tensor]:
    """Tensors in place of parameters and buffers, so that a run changes none of the module's own.

    Raises
    ------
    ValueError
        For what is no module, or one whose parameters or buffers wait for their first image; if they must be
        `real`, for one on the meta device too.
    """
    if not isinstance(module, nn.Module):
        raise ValueError(
            f"module={module!r} must be a complete nn.Module; spec.module() makes one of a ConvSpec"
        )
    if any(map(is_lazy, (*module.parameters(), *module.buffers()))):
        raise ValueError(
            f"module={type(module).__name__}(…) must be a complete nn.Module: its lazy layers never ran, "
            "so run it once, module(image)"
        )
    state = {name: value.detach() for name, value in module.named_parameters()}
    state |= {name: value.clone() for name, value in module.named_buffers()}
    if real and any(value.is_meta for value in state.values()):
        raise ValueError("the module is on the meta device: module.to_empty(device=…) gives it numbers")
    return state


@contextmanager
def undisturbed() -> Iterator[None]:
    """Where modules run: the random state stays, and a note of torch's on its memory does not come up."""
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        warnings.filterwarnings("ignore", "Using padding='same' with even kernel", UserWarning)
        yield


def run_watched(
    module: nn.Module, state: dict[str, Tensor], shape: tuple[int, ...], watcher: Watcher, image: Tensor
) -> object:
    """What the module makes of `image`, with `state` as its parameters and buffers.

    Raises
    ------
    ValueError
        If the module does not take an image of this shape, with what to do where that is known.
    """
    try:
        with torch.no_grad(), undisturbed(), watcher:
            return torch.func.functional_call(module, state, (image,))
    except UntraceableError:
        raise
    except Exception as error:
        reason = next((advice for word, advice in _ADVICE.items() if re.search(word, str(error))), error)
        raise ValueError(f"the module does not take input_shape={shape!r}: {reason}") from error


def empty_image(state: dict[str, Tensor], shape: tuple[int, ...]) -> Tensor:
    """Zeros where the parameters or buffers are, in the type of the first that holds fractions."""
    like = next((value for value in state.values() if value.is_floating_point()), torch.empty(0))
    return torch.zeros(shape, dtype=like.dtype, device=like.device)


def _by_name(value: object, name: str) -> Iterator[tuple[str, Tensor]]:
    """The tensors in dicts, lists and tuples, each with its keys and places joined by dots."""
    if isinstance(value, Tensor):
        yield name, value
    elif isinstance(value, (Mapping, list, tuple)):
        for key, inner in value.items() if isinstance(value, Mapping) else enumerate(value):
            yield from _by_name(inner, f"{name}.{key}" if name else str(key))


def one_output(result: object, chosen: str | int | None) -> Tensor:
    """The tensor of this name or place in what a module gives; unless named, the only one.

    Raises
    ------
    ValueError
        If there is none, or with the names there are, if it isn't among them or none is named.
    """
    found = dict(_by_name((result,) if isinstance(result, Tensor) else result, ""))
    if not found:
        raise ValueError(
            f"the module gives {type(result).__name__}, not a map (1, C', H', W') with positions"
        )
    if chosen is not None:
        return found[check_one_of("output", str(chosen), found)]
    if len(found) > 1:
        raise ValueError(f"the module gives several outputs: choose one with output=, of: {', '.join(found)}")
    return next(iter(found.values()))
