"""Times themselves are not tested, only that they are taken fairly."""

import time

import pytest
import torch
from torch import nn

from convlab import ConvSpec, measure_time
from convlab.measure import timing
from convlab.measure.timing import LEAST_SECONDS


class Diary(nn.Module):
    """Notes each run: its name, and what torch was set to meanwhile."""

    def __init__(self, name, pages):
        super().__init__()
        self.name, self.pages = name, pages

    def forward(self, x):
        self.pages.append((self.name, torch.get_num_threads(), torch.is_grad_enabled()))
        time.sleep(LEAST_SECONDS)  # long enough that a sample is one run
        return x


def test_a_timing_holds_every_sample_and_the_cost():
    spec = ConvSpec(4, 8, 3)
    found = measure_time({"3×3": spec.module()}, (4, 20, 20), repeats=5, threads=1)
    of_one = found["3×3"]
    assert len(of_one.seconds) == 5
    assert of_one.threads == 1
    assert min(of_one.seconds) > 0
    low, high = of_one.spread
    assert low <= of_one.median <= high
    assert of_one.median in of_one.seconds
    assert of_one.bandwidth > 0
    assert of_one.peak > 0
    assert (of_one.cost.macs, of_one.cost.weights) == (spec.macs(20), spec.num_weights)


def test_modules_take_turns_on_the_threads_given_and_threads_are_put_back():
    pages = []
    before = torch.get_num_threads()
    modules = {name: Diary(name, pages) for name in "ab"}
    measure_time(modules, (1, 4, 4), repeats=4, threads=1)
    assert torch.get_num_threads() == before
    timed = pages[2:]  # the costs come first
    assert {(threads, grad) for _, threads, grad in timed} == {(1, False)}
    assert "".join(name for name, _, _ in timed) == "aaabbb" + 4 * "ab"


def test_a_sample_waits_for_the_gpu_before_and_after(monkeypatch):
    events = []
    monkeypatch.setattr(torch.accelerator, "synchronize", lambda device: events.append(device.type))
    monkeypatch.setattr(timing, "perf_counter", lambda: events.append("clock") or 0.0)
    timing._seconds(lambda image: events.append("run"), torch.empty(1, device="meta"), 3)
    assert events == ["meta", "clock", "run", "run", "run", "meta", "clock"]
    events.clear()
    timing._seconds(lambda image: events.append("run"), torch.empty(1), 1)
    assert events == ["clock", "run", "clock"]


def test_every_sample_is_taken_where_its_module_is(monkeypatch):
    """Half precision stands in for another device: noise and yardsticks must follow the module there."""
    seen = []
    take = timing._seconds
    monkeypatch.setattr(timing, "_wait_for", seen.append)
    monkeypatch.setattr(
        timing, "_seconds", lambda run, image, times: seen.append(image) or take(run, image, 1)
    )
    module = nn.Conv2d(1, 2, 3).bfloat16()
    measure_time({"a": module}, (1, 8, 8), repeats=3)
    images = [image for image in seen if isinstance(image, torch.Tensor)]
    waited = [device for device in seen if isinstance(device, torch.device)]
    assert {image.dtype for image in images if image.dim() == 4} == {torch.bfloat16}
    assert waited == [image.device for image in images for _ in range(2)]


def test_the_module_is_left_as_it_was():
    module = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Dropout()).train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    measure_time({"a": module}, (1, 8, 8), repeats=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert module.training
    for name, value in module.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_module_without_memory_is_refused():
    with torch.device("meta"):
        module = nn.Conv2d(1, 2, 3)
    with pytest.raises(ValueError, match=r"modules\['big'\]: the module is on the meta device"):
        measure_time({"big": module}, (1, 8, 8))


def test_a_shape_that_one_module_does_not_take_names_the_module():
    modules = {"one": nn.Conv2d(1, 2, 3), "three": nn.Conv2d(3, 2, 3)}
    with pytest.raises(ValueError, match=r"modules\['three'\]: .* does not take input_shape=\(1, 8, 8\)"):
        measure_time(modules, (1, 8, 8))


@pytest.mark.parametrize(
    ("options", "message"),
    [({"repeats": 2}, "repeats=2"), ({"repeats": 3.0}, r"repeats=3\.0"), ({"threads": True}, "threads=True")],
)
def test_bad_options_are_refused_with_their_value(options, message):
    with pytest.raises(ValueError, match=message):
        measure_time({"a": nn.Identity()}, (1, 4, 4), **options)


def test_nothing_to_time_is_refused():
    for nothing in ({}, [nn.Identity()]):
        with pytest.raises(ValueError, match=r"modules=.* must be a mapping that holds at least 1"):
            measure_time(nothing, (1, 4, 4))
