"""What the lessons cost a reader, side by side in one run: a step of a slider in a browser, to a
state asked ahead, to one never drawn before and in a page without a kernel, beside `interact` with a new
figure each time; a drag over the photo; each lesson's memory and time; how long `import convlab` takes; and
how quickly convlab tells what a network sees and costs, beside its peers. Prints tables. Names of parts as
arguments run only these."""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median, quantiles

import nbformat
import torch
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from bench_class import bench_class  # noqa: E402
from bench_peers import bench_cost, bench_reach  # noqa: E402
from browser import CHROMIUM, chromium, jupyter_lab, opened, read_by, run_all, write_notebook  # noqa: E402
from drawn import SITE  # noqa: E402

LESSONS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
WARM_UP, ROUNDS, LAST = 4, 42, 8  # steps of each kind, and how many dilations a slider has
AHEAD = """\
from functools import partial
from IPython.display import HTML
from convlab import Explorer, photo, show_dilation

explorer = Explorer(partial(show_dilation, photo("cat", 128, channels=1)), dilation=range(1, 9))
explorer
"""
NEW = """\
draw = partial(show_dilation, photo("cat", 128, channels=1), column=64)
Explorer(draw, row=range(128), column=range(128))
"""
PAGE = "HTML(explorer.to_html())"
INTERACT = """\
%matplotlib inline
import matplotlib.pyplot as plt
import torch
from ipywidgets import SelectionSlider, interact

from convlab.arithmetic import ConvSpec
from convlab.pictures import draw
from convlab.kernels import kernel

image, weights = photo("cat", 128, channels=1), kernel("Sobel x", 3)
size = explorer.picture.figure.get_size_inches()


@interact(dilation=SelectionSlider(options=range(1, 9)))
def show(dilation):
    spec = ConvSpec(1, 1, 3, dilation=dilation, bias=False)
    output = torch.nn.functional.conv2d(image, weights[None, None], dilation=dilation)
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=size)
    draw.footprint(draw.photo(left, image), spec, [n // 2 for n in output.shape[-2:]])
    draw.kernel(middle, weights, dilation)
    draw.feature_map(right, output, within=image.shape[-2:])
    plt.show()
"""
# From the input to the frame that has the new picture, decoded. A picture is new when the visible image is
# another element or has another source.
STEP = """async ([cell, key, place]) => {
    const root = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[cell];
    const shown = () => [...root.querySelectorAll('img')].find((image) => image.offsetParent !== null);
    const slider = root.querySelector('input[type=range]'), handle = root.querySelector('.noUi-handle');
    const frame = () => new Promise(requestAnimationFrame);
    (slider ?? handle).scrollIntoView({block: 'start'});
    await frame();
    await frame();
    const before = shown(), source = before.src;
    return new Promise((resolve, reject) => {
        let found = false;
        const look = async () => {
            const image = shown();
            if (found || !image || (image === before && image.src === source)) return;
            if (!image.complete || !image.naturalWidth) return;
            found = true;
            observer.disconnect();
            root.removeEventListener('load', look, true);
            clearTimeout(timer);
            await image.decode();
            const decoded = performance.now() - start;
            await frame();
            resolve([decoded, performance.now() - start]);
        };
        const observer = new MutationObserver(look);
        observer.observe(root, {subtree: true, childList: true, attributes: true});
        root.addEventListener('load', look, true);
        const timer = setTimeout(() => reject(new Error(`cell ${cell} shows no new picture`)), 20000);
        const start = performance.now();
        const down = {key, bubbles: true, cancelable: true};
        if (!slider) handle.dispatchEvent(new KeyboardEvent('keydown', down));
        else {
            slider.value = place ?? Number(slider.value) + (key === 'ArrowRight' ? 1 : -1);
            slider.dispatchEvent(new Event('input', {bubbles: true}));
        }
    });
}"""
MOVE = """([cell, place]) => {
    const slider = document.querySelectorAll('.jp-CodeCell')[cell].querySelectorAll('input[type=range]')[1];
    slider.value = place;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
}"""
KINDS = ("asked ahead", "never drawn", "no kernel", "interact")
# Sixty moves a second for five seconds, in a line that never comes back: how many pictures follow, and how
# long after the hand was there each is shown, in milliseconds.
DRAG = """async (cell) => {
    const root = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[cell];
    const stage = root.querySelector('.convlab-stage'), image = stage.querySelector('img');
    stage.scrollIntoView({block: 'center'});
    const {left, top, width, height} = root.querySelector('.convlab-spot').getBoundingClientRect();
    const lags = [];
    let was = image.dataset.at;
    const send = (type, n) => {
        const x = left + width * (0.05 + 0.9 * (n / 300)), y = top + height * (0.5 + 0.45 * Math.sin(n / 9));
        stage.dispatchEvent(new PointerEvent(type, {clientX: x, clientY: y, pointerId: 1, bubbles: true}));
    };
    stage.setPointerCapture = () => {};
    const frame = () => new Promise(requestAnimationFrame);
    const times = [], start = performance.now();
    send('pointerdown', 0);
    for (let n = 1; performance.now() - start < 5000; ) {
        while (n < 300 && performance.now() - start > n * 1000 / 60) {
            send('pointermove', n);
            times.push([n, performance.now()]);
            n += 1;
        }
        await frame();
        if (image.dataset.at === was) continue;
        was = image.dataset.at;
        const column = JSON.parse(was)[1];
        const at = times.findLast(([n]) => Math.abs(128 * (0.05 + 0.9 * n / 300) - 0.5 - column) <= 0.5);
        if (at) lags.push(performance.now() - at[1]);
    }
    send('pointerup', 300);
    return lags;
}"""


def measure_steps() -> tuple[dict[str, list[list[float]]], list[float]]:
    """Milliseconds of each step until decoded and until the next frame, all kinds in turn; lags of a drag."""
    steps = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as scratch:
        notebooks, state = Path(scratch, "notebooks"), Path(scratch, "jupyter")
        notebooks.mkdir()
        state.mkdir()
        write_notebook(notebooks / "bench.ipynb", AHEAD, NEW, PAGE, INTERACT)
        with (
            jupyter_lab(notebooks, state) as address,
            chromium() as browser,
            opened(browser, address, "bench.ipynb") as page,
        ):
            run_all(page)
            for cell in range(len(KINDS)):  # an explorer is drawn when it is seen
                page.locator(".jp-CodeCell").nth(cell).scroll_into_view_if_needed()
                page.locator(".jp-CodeCell").nth(cell).locator("img:visible").first.wait_for()
                page.wait_for_timeout(1000)
            for turn in range(WARM_UP + ROUNDS):
                upwards = turn // (LAST - 1) % 2 == 0
                for cell, kind in enumerate(KINDS):
                    place = None
                    if kind == "never drawn":  # a column of its own each time, and a row far from the last
                        page.evaluate(MOVE, [cell, 2 + 2 * turn])
                        page.wait_for_timeout(800)  # until the kernel is idle
                        place = 5 + turn * 45 % 118
                    taken = page.evaluate(STEP, [cell, "ArrowRight" if upwards else "ArrowLeft", place])
                    page.wait_for_timeout(250)
                    if turn >= WARM_UP:
                        steps[kind].append(taken)
            lags = page.evaluate(DRAG, KINDS.index("never drawn"))
    return steps, lags


class Watch(NotebookClient):
    """Runs a notebook and notes when its first picture came, in seconds from the kernel's start."""

    first_picture: float | None = None
    started: float = 0

    def run(self) -> float:
        self.started = time.perf_counter()
        self.execute()
        return time.perf_counter() - self.started

    def process_message(self, message, *rest):
        data = message["content"].get("data")
        if self.first_picture is None and isinstance(data, dict) and "<img" in data.get("text/html", ""):
            self.first_picture = time.perf_counter() - self.started
        return super().process_message(message, *rest)


def run_notebook(notebook: nbformat.NotebookNode) -> tuple[float, float | None, float | None]:
    """Seconds for all of it, seconds to the first picture, and the kernel's peak memory in MB."""
    with tempfile.TemporaryDirectory() as folder:
        watch = Watch(notebook, resources={"metadata": {"path": folder}}, store_widget_state=False)
        return watch.run(), watch.first_picture, peak_memory(notebook)


def with_peak(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook with one cell more, which tells the kernel's peak memory where Linux does."""
    source = "import pathlib\nstatus = pathlib.Path('/proc/self/status')\n"
    source += "print(status.read_text() if status.exists() else '')"
    notebook.cells.append(nbformat.v4.new_code_cell(source))
    return notebook


def peak_memory(notebook: nbformat.NotebookNode) -> float | None:
    text = "".join(output.get("text", "") for output in notebook.cells[-1].outputs)
    found = re.search(r"VmHWM:\s*(\d+) kB", text)
    return int(found[1]) / 1024 if found else None


def report(rows: list[tuple[str, float | None, float, str]]) -> None:
    """Rows of what was measured, its value, the most that it may be, and its unit."""
    print(f"\n{'target':<44}{'measured':>12}{'at most':>12}  met")
    for name, value, most, unit in rows:
        shown, met = (
            ("n/a", "") if value is None else (f"{value:.3g}{unit}", "yes" if value <= most else "NO")
        )
        print(f"{name:<44}{shown:>12}{f'{most:.3g}{unit}':>12}  {met}")


def bench_steps() -> list[tuple[str, float | None, float, str]]:
    if CHROMIUM is None:
        print("no Chromium here: steps not measured")
        return []
    steps, lags = measure_steps()
    heads = f"{'decoded':>10}{'on screen':>12}{'10–90 %':>16}{'range':>17}{'steps':>7}"
    print(f"\n{'slider step to picture':<24}{heads}")
    medians = {}
    for kind, pairs in steps.items():
        decoded, taken = zip(*pairs, strict=True)
        medians[kind] = median(taken)
        tenths = quantiles(taken, n=10)
        middle, ends = f"{tenths[0]:.0f}–{tenths[-1]:.0f} ms", f"{min(taken):.0f}–{max(taken):.0f} ms"
        shown = f"{median(decoded):>7.0f} ms{medians[kind]:>9.0f} ms"
        print(f"{kind:<24}{shown}{middle:>16}{ends:>17}{len(taken):>7}")
    print(f"drag of 5 s: {len(lags) / 5:.0f} pictures a second, {median(lags):.0f} ms behind the hand")
    beside = {kind: taken / medians["interact"] for kind, taken in medians.items()}
    return [
        ("step to a state asked ahead", medians["asked ahead"], 20, " ms"),
        ("asked ahead / interact", beside["asked ahead"], 0.15, ""),
        ("never drawn / interact", beside["never drawn"], 0.6, ""),
        ("step without a kernel", medians["no kernel"], 20, " ms"),
    ]


FIRST_VIEW = """async () => {
    await document.querySelector('.convlab figure img').decode();
    return performance.now();
}"""


def bench_pages() -> list[tuple[str, float | None, float, str]]:
    """Pages that `make site` has made: how long until a lesson is there, what it reads, steps in it."""
    pages = [page for lesson in LESSONS if (page := SITE / f"{lesson.stem}.html").exists()]
    if CHROMIUM is None or not pages:
        print("no Chromium here, or no pages (`make site` makes them): not measured")
        return []
    rows = []
    step = STEP.replace(".jp-Notebook .jp-CodeCell", ".convlab:has(input[type=range])")
    for file in pages:
        times, steps = [], []
        for _ in range(5):
            with chromium() as browser:  # a new one has nothing in its cache
                page = browser.new_page(viewport={"width": 1366, "height": 768})
                read = read_by(page)
                page.goto(file.as_uri())
                times.append(page.evaluate(FIRST_VIEW))
                page.wait_for_timeout(500)
                size = sum(read.values()) / 1e6
                slider = page.locator(".convlab input[type=range]").first
                there, back = ("ArrowLeft", "ArrowRight")[:: 1 if slider.input_value() != "0" else -1]
                for key in [there, back] * 4:
                    page.wait_for_timeout(250)
                    steps.append(page.evaluate(step, [0, key, None])[1])
        name = file.stem[:24]
        rows.append((f"{name}, first view", median(times), 1000, " ms"))
        rows.append((f"{name}, read for it", size, 2, " MB"))
        rows.append((f"{name}, step", median(steps), 20, " ms"))
    return rows


def bench_notebooks() -> list[tuple[str, float | None, float, str]]:
    rows = []
    for lesson in LESSONS:
        whole, first, peak = run_notebook(with_peak(nbformat.read(lesson, as_version=4)))
        print(f"{lesson.stem}: {whole:.1f} s, first picture after {first:.1f} s")
        rows.append((f"peak memory, {lesson.stem[:24]}", peak, 450, " MB"))
    return rows


def bench_import() -> list[tuple[str, float | None, float, str]]:
    """Each time in a process of its own, as a kernel that has just started."""
    code = "from time import perf_counter as now; start = now(); import convlab; print(now() - start)"
    command = [sys.executable, "-c", code]
    taken = [float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) for _ in range(9)]
    return [("import convlab", 1000 * median(taken), 10, " ms")]


PARTS = {
    "steps": bench_steps,
    "pages": bench_pages,
    "notebooks": bench_notebooks,
    "import": bench_import,
    "reach": bench_reach,
    "cost": bench_cost,
    "class": bench_class,
}


def parts_asked_for(arguments: list[str]) -> list[str]:
    """All parts if none is named. Not by argparse's `choices`: Python 3.11.7 looks for [] among them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(PARTS)}; without, all")
    parts = parser.parse_args(arguments).parts or list(PARTS)
    if unknown := sorted(set(parts) - set(PARTS)):
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    return parts


def main() -> None:
    parts = parts_asked_for(sys.argv[1:])
    packages = ("torch", "matplotlib", "ipywidgets", "jupyterlab")
    print(", ".join(f"{name} {version(name)}" for name in packages), end="; ")
    print(
        f"Python {platform.python_version()}; {os.cpu_count()} CPUs, {torch.get_num_threads()} torch threads"
    )
    report([row for part in parts for row in PARTS[part]()])


if __name__ == "__main__":
    main()
