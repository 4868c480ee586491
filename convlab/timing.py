"""How long modules take, measured fairly beside what they cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.utils.benchmark import Timer

from convlab.costs import Cost, cost
from convlab.running import empty_image, image_shape, stand_ins

SQUARE = 512  # rows and columns of the matrices that are multiplied as a yardstick
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
        Bytes a second that the same machine moved meanwhile, in a ReLU on the same image.
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
        return tuple(float(quartile) for quartile in np.quantile(self.seconds, (0.25, 0.75)))


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
    gradients, on seeded noise, and each module in the mode that it is in. The number of threads is
    set for the time and put back. Two yardsticks take turns with them: what hardly does anything
    but move bytes, and what hardly does anything but multiply.

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
        For no module, too few repeats or threads, or a shape that a module does not take.
    """
    if not modules:
        raise ValueError(f"modules={modules!r} must name at least one module")
    if not isinstance(repeats, int) or repeats < 3:
        raise ValueError(f"repeats={repeats!r} must be a whole number of at least 3")
    threads = torch.get_num_threads() if threads is None else threads
    if not isinstance(threads, int) or threads < 1:
        raise ValueError(f"threads={threads!r} must be a whole number of at least 1")
    noise = torch.randn(image_shape(input_shape), generator=torch.Generator().manual_seed(0))
    square = torch.randn(SQUARE, SQUARE, generator=torch.Generator().manual_seed(0))
    tasks = {name: (module, noise.to(empty_image(stand_ins(module), ()))) for name, module in modules.items()}
    mover, multiplier = object(), object()  # no name that a module may have
    tasks |= {mover: (nn.ReLU(), noise), multiplier: (square.matmul, square)}
    timers = {
        name: Timer("run(image)", globals={"run": run, "image": image}, num_threads=threads)
        for name, (run, image) in tasks.items()
    }
    costs = {name: cost(module, input_shape) for name, module in modules.items()}
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        # Linux's allocator keeps blocks of this size for reuse once one was given back. Without it, a
        # large output comes page by page in every run, which can take longer than the arithmetic.
        torch.empty(31 * 2**20, dtype=torch.uint8)
        # The first runs fetch memory and code; the time of the next says how many make a sample.
        runs = {name: _runs_per_sample(timer) for name, timer in timers.items()}
        samples = {name: [] for name in tasks}
        for _ in range(repeats):
            for name, timer in timers.items():
                samples[name].append(timer.timeit(runs[name]).median)
    bandwidth = cost(nn.ReLU(), input_shape).bytes / float(np.median(samples[mover]))
    peak = SQUARE**3 / float(np.median(samples[multiplier]))
    return {name: Timing(tuple(samples[name]), threads, costs[name], bandwidth, peak) for name in modules}


def _runs_per_sample(timer: Timer) -> int:
    timer.timeit(2)
    return max(1, round(LEAST_SECONDS / timer.timeit(1).median))
