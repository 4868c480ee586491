"""convlab beside its peers on the same networks: TorchLens for what they see; torch's FlopCounterMode,
torchinfo and fvcore for what they cost. The tools take turns, each in a process of its own, since some
change torch for whoever comes after. A peer that is not installed is left out, and its row says so."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

from convlab.measure.costs import cost
from convlab.measure.reach import measure_receptive_field
from convlab.networks import mobilenet_v1, resnet50

sys.path.append(str(Path(sys.prefix, "peers")))  # where `make bench` puts them

SHAPE = (1, 3, 224, 224)
AT = (0, 0)  # the corner output: the field of any other in ResNet-50 is the whole image, or nearly
WARM_UP, REACH_TURNS, COST_TURNS = 2, 9, 21


class Functional(nn.Module):
    """A convolution that is called as a function."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(8, 3, 3, 3))

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight, padding=1)


NETWORKS = {"MobileNet v1": mobilenet_v1, "ResNet-50": resnet50}
PITFALLS = {
    "F.conv2d in forward": Functional,
    'padding="same", 3×3': lambda: nn.Conv2d(3, 8, 3, padding="same", bias=False),
    'padding="same", 4×4': lambda: nn.Conv2d(3, 8, 4, padding="same", bias=False),
}


def convlab_reach(network: nn.Sequential) -> np.ndarray:
    return measure_receptive_field(network.features, SHAPE, at=AT).support


@cache
def load_torchlens():
    import torchlens

    # ResNet's shortcuts that do nothing are an operation that it has no rule for.
    torchlens.receptive_field.register_rf_rule("identity")(lambda context: context.passthrough())
    return torchlens


def torchlens_reach(network: nn.Sequential) -> np.ndarray:
    with torch.no_grad():
        trace = load_torchlens().trace(network.features, torch.zeros(SHAPE))
    box = trace[trace.output_layers[0]].receptive_field.at(AT)
    support = np.zeros(SHAPE[2:], dtype=bool)
    support[box.slices()[2:]] = True
    return support


def true_reach(network: nn.Sequential) -> np.ndarray:
    """By torch's gradient of a copy in which nothing can cancel, die or be outdone."""
    features = copy.deepcopy(network.features).double()
    for module in features.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.MaxPool2d):
                setattr(module, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding))
    for parameter in features.parameters():
        nn.init.constant_(parameter, 1 / parameter[0].numel())
    image = torch.ones(SHAPE, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(features(image)[..., *AT].sum(), image)
    return (gradient != 0).any(1)[0].numpy()


def convlab_cost(module: nn.Module) -> int:
    return cost(module, SHAPE).macs


def torch_cost(module: nn.Module) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(torch.zeros(SHAPE))
    return counter.get_total_flops() // 2


@cache
def on_meta(module: nn.Module) -> nn.Module:
    return copy.deepcopy(module).to("meta")


def torch_meta_cost(module: nn.Module) -> int:
    """Without arithmetic, as convlab does it: the fairest comparison of time."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        on_meta(module)(torch.zeros(SHAPE, device="meta"))
    return counter.get_total_flops() // 2


def torchinfo_cost(module: nn.Module) -> int:
    import torchinfo

    return torchinfo.summary(module, input_size=SHAPE, verbose=0).total_mult_adds


def fvcore_cost(module: nn.Module) -> int:
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(module, torch.zeros(SHAPE))
    return int(analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).total())


REACH_TOOLS = {"convlab": convlab_reach, "TorchLens": torchlens_reach}
COST_TOOLS = {
    "convlab": convlab_cost,
    "FlopCounterMode": torch_cost,
    "the same on meta": torch_meta_cost,
    "torchinfo": torchinfo_cost,
    "fvcore": fvcore_cost,
}


@cache
def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    return (NETWORKS | PITFALLS)[name]().eval()


def serve(tool: Callable) -> None:
    """Answer every name on stdin with the seconds that the tool took and what it said, pickled."""
    replies, sys.stdout = sys.stdout.buffer, sys.stderr
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        module = build(line.rstrip("\n"))
        start = time.perf_counter()
        try:
            answer = tool(module)
        except ImportError:
            answer = None
        pickle.dump((time.perf_counter() - start, answer), replies)
        replies.flush()


def ask(worker: subprocess.Popen, name: str) -> tuple[float, object]:
    worker.stdin.write(f"{name}\n".encode())
    worker.stdin.flush()
    return pickle.load(worker.stdout)


def take_turns(
    tools: dict[str, Callable], names: Iterable[str], turns: int
) -> dict[str, dict[str, tuple[list[float], object]]]:
    """For each module and tool that is installed, the seconds of each turn and the last answer."""
    found = {}
    with ExitStack() as stack:
        workers = {}
        for tool, function in tools.items():
            command = [sys.executable, __file__, function.__name__]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            workers[tool] = stack.enter_context(process)
        for name in names:
            answers = [
                {tool: ask(worker, name) for tool, worker in workers.items()} for _ in range(WARM_UP + turns)
            ]
            found[name] = {
                tool: ([answer[tool][0] for answer in answers[WARM_UP:]], said)
                for tool, (_, said) in answers[-1].items()
                if said is not None
            }
    return found


def print_times(title: str, tools: Iterable[str], results: dict, said: dict[str, str]) -> None:
    print(f"\n{title:<36}{'median':>12}{'10–90 %':>18}  {'answer'}")
    for tool in tools:
        if tool in results:
            milliseconds = [1000 * seconds for seconds in results[tool][0]]
            low, *_, high = quantiles(milliseconds, n=10)
            middle = f"{low:.0f}–{high:.0f} ms"
            print(f"{tool:<36}{median(milliseconds):>9.0f} ms{middle:>18}  {said[tool]}")
        else:
            print(f"{tool:<36}{'not installed':>30}")


def ratio(results: dict, tool: str) -> float | None:
    return median(results["convlab"][0]) / median(results[tool][0]) if tool in results else None


def bench_reach() -> list[tuple[str, float | None, float, str]]:
    rows = []
    for name, results in take_turns(REACH_TOOLS, NETWORKS, REACH_TURNS).items():
        truth = true_reach(build(name))
        wrong = {tool: int((support != truth).sum()) for tool, (_, support) in results.items()}
        said = {tool: f"{pixels} of {truth.sum():,} pixels wrong" for tool, pixels in wrong.items()}
        print_times(f"what {name} sees from {AT}", REACH_TOOLS, results, said)
        rows += [
            (f"{name}, reach / TorchLens", ratio(results, "TorchLens"), 1, ""),
            (f"{name}, reach: pixels wrong", wrong["convlab"], 0, ""),
        ]
    return rows


def told_macs(results: dict) -> dict[str, str]:
    """What each tool says, with its distance from convlab."""
    ours = results["convlab"][1]
    told = {}
    for tool, (_, macs) in results.items():
        told[tool] = f"{macs:,}" + (f" ({100 * (macs / ours - 1):+.3g} %)" if macs != ours else "")
    return told


def bench_cost() -> list[tuple[str, float | None, float, str]]:
    """fvcore's total also has norms and pooling; torchinfo's, norms and biases."""
    rows = []
    for name, results in take_turns(COST_TOOLS, NETWORKS, COST_TURNS).items():
        said = {tool: f"{told} multiply-adds" for tool, told in told_macs(results).items()}
        print_times(f"what {name} costs", COST_TOOLS, results, said)
        rows.append((f"{name}, cost / FlopCounterMode", ratio(results, "FlopCounterMode"), 1.2, ""))
    print(f"\n{'multiply-adds of':<24}" + "".join(f"{tool:>24}" for tool in COST_TOOLS))
    for name, results in take_turns(COST_TOOLS, PITFALLS, turns=0).items():
        told = told_macs(results)
        print(f"{name:<24}" + "".join(f"{told.get(tool, 'not installed'):>24}" for tool in COST_TOOLS))
    return rows


if __name__ == "__main__":
    serve({tool.__name__: tool for tool in (*REACH_TOOLS.values(), *COST_TOOLS.values())}[sys.argv[1]])
