"""A class at once: its learners ask what the front end asks, and docs/classroom.md says what follows."""

from __future__ import annotations

import asyncio
import json
import random
import re
import shutil
import subprocess
from importlib import import_module
from pathlib import Path

import pytest
from browser import write_notebook
from explorers import LESSONS
from test_frontend import MODULE

ROOT = Path(__file__).resolve().parent.parent
MAP = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "classroom.md").read_text(encoding="utf-8")
# Takes counts and what happens, a move or an answer at a time; gives what the module asks meanwhile.
ASKS = """\
const [, path] = process.argv, { readFileSync } = await import("node:fs");
const source = encodeURIComponent(readFileSync(path, "utf8"));
const { Frames, Store, Turn } = await import(`data:text/javascript,${source}`);
const { counts, start, events } = JSON.parse(readFileSync(0, "utf8"));
const asked = [], open = [];
const ask = (at) => { asked.push(at); open.push(at); };
const show = () => {}, late = () => {};
const frames = new Frames({ counts, ask, show, late, store: new Store(), turn: new Turn(), name: "e" });
frames.visible = true;
frames.move(start);
for (const at of events) {
  if (at) frames.move(at);
  else if (open.length) frames.answer(open.shift(), { bytes: 1 });
}
frames.close();
console.log(JSON.stringify(asked));
"""


@pytest.fixture(scope="module")
def bench():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "tools")
        yield import_module("bench_class")


class Clock:
    """A view whose questions are kept, whose time stands, and whose rests end when they are told to."""

    def __init__(self, bench, counts=(9,), at=(4,)):
        self.asked, self.now, self.ends = [], 0.0, []
        ask = lambda explorer, at: self.asked.append(at)  # noqa: E731
        self.view = bench.View(ask, lambda seconds, call: self.ends.append((seconds, call)), lambda: self.now)
        self.view.look("one", list(at), counts)

    def answers(self, at, after=0.0, waited=0.0):
        self.now += after
        self.view.answer("one", at, waited)


def test_one_question_is_under_way_and_the_newest_state_comes_first(bench):
    clock = Clock(bench)
    for place in (5, 6, 7):
        clock.view.move([place])
    assert clock.asked == [[4]]
    clock.answers([4])
    assert clock.asked == [[4], [7]]
    clock.answers([7])
    assert clock.asked == [[4], [7], [8]], "ahead, along the way of travel"


def test_a_change_waits_for_its_picture_or_a_later_one(bench):
    clock = Clock(bench)
    clock.answers([4])  # now [5] is asked ahead
    clock.view.move([5])
    clock.now += 0.25
    clock.view.move([6])
    clock.answers([5], after=0.5)
    assert clock.view.taken == [], "the hand is elsewhere, and what was asked ahead is not shown"
    clock.answers([6], after=1)
    assert clock.view.taken == [1.75, 1.5]
    assert clock.view.waiting == []


def test_in_a_drag_a_picture_that_was_wanted_is_shown_though_the_hand_is_further_on(bench):
    clock = Clock(bench, at=[0])
    clock.answers([0])
    clock.answers([1])  # [1] was asked ahead, and nothing else is beside [0]
    clock.view.move([4])
    clock.view.move([6])
    clock.answers([4], after=0.5)
    assert clock.view.taken == [0.5]


def test_what_was_asked_ahead_is_there_at_once(bench):
    clock = Clock(bench)
    clock.answers([4])
    clock.answers([5])
    clock.view.move([5])
    assert clock.view.taken == [0]


def test_where_the_kernel_waits_for_a_processor_nothing_is_asked_ahead_for_a_while(bench):
    clock = Clock(bench)
    clock.answers([4], waited=0.2)
    assert clock.asked == [[4]]
    clock.view.move([5])
    clock.answers([5])
    assert clock.asked == [[4], [5]]
    ((seconds, ends),) = clock.ends
    ends()
    assert clock.asked == [[4], [5], [6]]
    source = MODULE.read_text(encoding="utf-8")
    for name in ("REST", "CROWDED"):
        (constant,) = re.findall(rf"^const {name} = ([\d.]+);", source, flags=re.MULTILINE)
        assert getattr(bench, name) == float(constant)
    assert seconds == pytest.approx(0.2 * bench.REST)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize("seed", range(8))
def test_a_learner_asks_what_the_front_end_asks(bench, seed):
    chance = random.Random(seed)
    kinds, counts = (["range", "radio", "range"], [6, 3, 8]) if seed % 2 else (["select"], [5])
    signed = [n if kind == "range" else -n for n, kind in zip(counts, kinds, strict=True)]
    start = [count // 2 for count in counts]
    clock = Clock(bench, signed, start)
    events, answered = [], 0
    for _ in range(60):
        for at in bench.drag(chance, kinds, counts, clock.view.at, [(0, 2)] if seed % 2 else []):
            events.append(at)
            clock.view.move(at)
            for _ in range(chance.randint(0, 3)):
                if answered < len(clock.asked):
                    events.append(None)
                    clock.answers(clock.asked[answered])
                    answered += 1
    told = subprocess.run(
        ["node", "--input-type=module", "-e", ASKS, str(MODULE)],
        input=json.dumps({"counts": signed, "start": start, "events": events}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(told.stdout) == clock.asked


@pytest.mark.parametrize("seed", range(20))
def test_a_hand_goes_from_one_legal_state_to_another(bench, seed):
    kinds, counts, at = ["photo", "range", "range", "radio", "select"], [2, 2, 40, 3, 1], [0, 1, 39, 2, 0]
    states = bench.drag(random.Random(seed), kinds, counts, at, [(2, 1)])
    for before, after in zip([at, *states], states, strict=False):
        assert before != after
        assert all(0 <= place < count for place, count in zip(after, counts, strict=True))
        moved = {kinds[n] for n, place in enumerate(after) if place != before[n]}
        assert moved == {"range"} or len(states) == 1
    assert at == [0, 1, 39, 2, 0]


def test_the_end_that_95_percent_keep_within(bench):
    assert bench.late_end([*range(101)]) == 95
    assert bench.late_end([0.25]) == 0.25
    assert bench.late_end([]) == 0


def test_a_row_tells_times_in_milliseconds_and_memory_in_megabytes(bench):
    taken = [0.0] * 50 + [0.1] * 51
    row = bench.Measured(taken, [300_000_000, 200_000_000], [70_000_000, 90_000_000], 0.5, 0.25).row()
    cells = "2 | 101 | 50% | 100 ms | 100 ms | 100 ms | 250 MB | 300 MB | 80 MB | 0.50 | 0.25"
    assert row == f"| {cells} |"
    assert row.count("|") == bench.HEAD.splitlines()[0].count("|") == bench.HEAD.splitlines()[1].count("|")


SMALL = """\
from functools import partial

import torch
from convlab import Explorer, photo, show_dilation

assert torch.get_num_threads() == 1
explorer = Explorer(partial(show_dilation, photo("cat", 32, channels=1)), dilation=range(1, 9))
explorer
"""


def test_two_learners_drag_at_once_and_each_change_gets_its_picture(bench, tmp_path):
    found = []
    lesson = write_notebook(tmp_path / "small.ipynb", SMALL)
    asyncio.run(bench.grow([2], 5, [lesson], found.append))
    (measured,) = found
    assert len(measured.taken) >= 2
    assert 0 < max(measured.taken) < 60
    assert [30e6 < size < 2e9 for size in (*measured.kernels, *measured.servers)] == [True] * 4
    assert measured.busy > 0


def test_a_lesson_without_an_explorer_is_refused_by_its_name(bench, tmp_path):
    learner = bench.Learner(LESSONS["00"], tmp_path / "scratch", seed=0)
    with pytest.raises(ValueError, match=re.escape(LESSONS["00"].name)):  # which it has not run yet
        asyncio.run(learner.play(1))


def table(name: str) -> str:
    return re.search(rf"<!-- {name} -->\n(.*?)\n?<!-- /{name} -->", GUIDE, flags=re.DOTALL)[1]


@pytest.fixture
def columns(bench):
    """The figures that the guide shows, by their heads, from the smallest class to the largest."""
    rows = [row.strip("| ").split(" | ") for row in table("table").splitlines()[2:]]
    cells = zip(*rows, strict=True)
    return {
        head: [float(re.sub(r"[^\d.]", "", cell)) for cell in column]
        for head, column in zip(bench.HEADS, cells, strict=True)
    }


def test_the_guide_shows_each_size_of_class_and_what_follows_for_two(bench, columns):
    head, rows = table("table")[: len(bench.HEAD)], table("table").splitlines()[2:]
    assert head == bench.HEAD
    assert columns["learners"] == list(bench.SIZES)
    assert table("needs").splitlines() == [
        *bench.NEEDS.splitlines(),
        *[bench.needs(rows, learners) for learners in bench.CLASSES],
    ]
    for taken in zip(columns["median"], columns["95 %"], columns["95 % of the others"], strict=True):
        assert list(taken) == sorted(taken)


def test_the_guide_s_limits_follow_from_its_table(bench, columns):
    largest, server = max(columns["the largest"]), max(columns["its server"])
    (limit,) = {int(each) for each in re.findall(r"(?:limits\.memory|limit:) (\d+)G\n", GUIDE)}
    assert 2 * largest + server <= 1000 * limit
    (guarantee,) = map(int, re.findall(r"guarantee: (\d+)M\n", GUIDE))
    assert largest + server <= guarantee <= 1.5 * (largest + server)
    many, each, all_of_them = map(int, re.findall(r"(\d+) × (\d+) MB = (\d+) GB", GUIDE)[0])
    assert (many, each, all_of_them) == (bench.CLASSES[-1], guarantee, round(many * guarantee / 1000))
    assert "OMP_NUM_THREADS" in bench.THREADS
    assert GUIDE.count('"OMP_NUM_THREADS": "1"') == GUIDE.count('OMP_NUM_THREADS: "1"') == 1
    assert bench.THREADS == {"OMP_NUM_THREADS": "1"}


def test_the_map_s_memory_of_a_lesson_holds_all_that_was_measured(columns):
    least, most = map(int, re.search(r"A lesson takes (\d+) to (\d+) MB", MAP).groups())
    largest = max(columns["the largest"])
    assert least <= min(columns["a kernel"])
    assert largest <= most < 1.2 * largest


def test_what_a_class_needs_is_counted_from_the_classes_that_were_quick_enough(bench):
    def row(learners, end, largest=400):
        shared = f"{learners} | 99 | 50% | 0 ms | {end} ms | {end} ms | 300 MB | {largest} MB | 70 MB"
        return f"| {shared} | 1.00 | 0.10 |"

    rows = [row(1, 80), row(5, 300), row(10, 500, largest=580), row(20, 501)]
    assert bench.needs(rows, 30) == "| 30 | 6 | 30 × 650 MB + 1 GB = 21 GB |"
    assert bench.needs(rows[:2], 7) == "| 7 | 3 | 7 × 470 MB + 1 GB = 5 GB |"
    assert bench.needs([row(20, 900)], 30) == "| 30 | ? | 30 × 470 MB + 1 GB = 16 GB |"
