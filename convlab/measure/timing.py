"""How long modules take, measured fairly beside what they cost."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from torch import Tensor, nn

from convlab.arithmetic import per_axis
from convlab.checks import check_mapping, check_whole
from convlab.measure.costs import Cost, cost
from convlab.measure.running import empty_image, image_shape, stand_ins, undisturbed

BLOCK = 2**20  # numbers that a ReLU reads and writes, and …
SQUARE = 512  # … rows and columns of the matrices that are multiplied, as yardsticks
LEAST_SECONDS = 0.005  # of one sample: a quicker module runs several times in it


@dataclass(frozen=True)
class Timing:
    """How long one module takes for one image.

    Attributes
    ----------
    seconds : (float, ...)
        Per run, one for each repeat.
    threads : int
        That torch was allowed.
    cost : Cost
        Weights, multiply-adds and bytes of the same run.
    bandwidth : float
        Bytes a second that the same machine moved meanwhile, in a ReLU on 4 MB.
    peak : float
        Multiply-adds a second that it did meanwhile, in a product of two matrices.
    """

    seconds: tuple[float, ...]
    threads: int
    cost: Cost
    bandwidth: float
    peak: float

    @property
    def median(self) -> float:
        """Seconds for one image."""
        return float(np.median(self.seconds))

    @property
    def spread(self) -> tuple[float, float]:
        """The seconds that a quarter and three quarters of the repeats stayed under."""
        return per_axis(lambda share: float(np.quantile(self.seconds, share)), (0.25, 0.75))


def measure_time(
    modules: Mapping[str, nn.Module],
    input_shape: tuple[int, ...],
    *,
    repeats: int = 15,
    threads: int | None = None,
) -> dict[str, Timing]:
    """Time several modules on the same image, taking turns.

    Each is warmed up first, in memory that is then used again; then all run once per repeat, one
    after the other, so that a machine that slows down meanwhile slows all of them alike. Without
    gradients, on seeded noise, where each module is and in the mode that it is in. The number of
    threads is set for the time; it and the modules' buffers are put back. Two yardsticks take turns
    with them, where the first module is: what hardly does anything but move bytes, and what hardly
    does anything but multiply.

    Parameters
    ----------
    modules : mapping of str to nn.Module
        What to time, by name.
    input_shape : (C, H, W) or (1, C, H, W)
    repeats : int
        Samples of each module, at least 3.
    threads : int, optional
        How many torch may use; as many as it uses now, unless given.

    Raises
    ------
    ValueError
        For no module or one without memory (on the meta device), too few repeats or threads, or a
        shape that a module does not take.
    """
    modules = check_mapping("modules", modules)
    repeats = check_whole("repeats", repeats, 3)
    threads = check_whole("threads", torch.get_num_threads() if threads is None else threads, 1)
    noise = torch.randn(image_shape(input_shape), generator=torch.Generator().manual_seed(0))
    tasks: list[tuple[Callable, Tensor]] = []
    costs: dict[str, Cost] = {}
    for name, module in modules.items():
        try:
            state, costs[name] = stand_ins(module, real=True), cost(module, input_shape)
        except ValueError as error:
            raise ValueError(f"modules[{name!r}]: {error}") from error
        tasks.append((module, noise.to(empty_image(state, ()))))
    device = tasks[0][1].device
    block, square = torch.zeros(BLOCK, device=device), torch.zeros(SQUARE, SQUARE, device=device)
    tasks += [(torch.relu, block), (square.matmul, square)]
    buffers = [(buffer, buffer.clone()) for module in modules.values() for buffer in module.buffers()]
    threads_before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad(), undisturbed():
            *samples, moving, multiplying = _take_turns(tasks, repeats)
    finally:
        torch.set_num_threads(threads_before)
        for buffer, before in buffers:
            buffer.copy_(before)
    bandwidth = 2 * block.numel() * block.element_size() / float(np.median(moving))
    peak = SQUARE**3 / float(np.median(multiplying))
    each = zip(costs.items(), samples, strict=True)
    return {name: Timing(seconds, threads, counted, bandwidth, peak) for (name, counted), seconds in each}


def _take_turns(tasks: list[tuple[Callable, Tensor]], repeats: int) -> list[tuple[float, ...]]:
    """Seconds per run of each task, one for each repeat."""
    # Linux's allocator keeps blocks of this size for reuse once one was given back. Without it, a
    # large output comes page by page in every run, which can take longer than the arithmetic.
    torch.empty(31 * 2**20, dtype=torch.uint8)
    times = []
    for run, image in tasks:
        # The first runs fetch memory and code; the time of the last says how many make a sample.
        once = [_seconds(run, image, 1) for _ in range(3)][-1]
        times.append(max(1, round(LEAST_SECONDS / once)))
    turns = [[_seconds(*task, n) for task, n in zip(tasks, times, strict=True)] for _ in range(repeats)]
    return list(zip(*turns, strict=True))


def _seconds(run: Callable, image: Tensor, times: int) -> float:
    _wait_for(image.device)
    start = perf_counter()
    for _ in range(times):
        run(image)
    _wait_for(image.device)
    return (perf_counter() - start) / times


def _wait_for(device: torch.device) -> None:
    """Until a GPU has done what it was told: torch itself does not wait for it."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
