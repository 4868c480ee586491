"""What the lessons cost a reader, side by side in one run: a step of a slider in a real browser, with
a live explorer, a kernel-free one and `interact` with a new figure each time; the kernel's memory and
time for the dilated notebook; how long `import convlab` takes; and how quickly convlab tells what a
network sees and costs, beside its peers. Prints tables. Names of parts as arguments run only these."""

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

from bench_peers import bench_cost, bench_reach  # noqa: E402
from browser import CHROMIUM, SOURCE, chromium, jupyter_lab, opened, run_all, write_notebook  # noqa: E402

LESSON = ROOT / "notebooks" / "02_dilated_convolution.ipynb"
WARM_UP, ROUNDS, LAST = 4, 42, 8  # steps of each kind, and how many dilations a slider has
KERNEL_FREE = """\
explorer.kernel_free(dilation=range(1, 9), kernel_size=[3], padding=["valid"], kernel=["Sobel x"])
"""
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
# From the key to the frame that has the new picture, decoded. A picture is new when the visible
# image is another element or has another source.
STEP = """async ([cell, key]) => {
    const root = document.querySelectorAll('.jp-Notebook .jp-CodeCell')[cell];
    const shown = () => [...root.querySelectorAll('img')].find((image) => image.offsetParent !== null);
    const handle = root.querySelector('.noUi-handle');
    const frame = () => new Promise(requestAnimationFrame);
    handle.scrollIntoView({block: 'start'});
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
        handle.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true, cancelable: true}));
    });
}"""
KINDS = ("live", "kernel-free", "interact")


def measure_steps() -> dict[str, list[list[float]]]:
    """Milliseconds of each step until decoded and until the next frame; all kinds in turn."""
    steps = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as scratch:
        notebooks, state = Path(scratch, "notebooks"), Path(scratch, "jupyter")
        notebooks.mkdir()
        state.mkdir()
        write_notebook(notebooks / "bench.ipynb", SOURCE + "explorer", KERNEL_FREE, INTERACT)
        with (
            jupyter_lab(notebooks, state) as address,
            chromium() as browser,
            opened(browser, address, "bench.ipynb") as page,
        ):
            run_all(page)
            page.wait_for_function(
                "document.querySelectorAll('.jp-CodeCell img').length >= 3"
                " && [...document.querySelectorAll('.jp-CodeCell img')].every((image) => image.complete)"
            )
            for turn in range(WARM_UP + ROUNDS):
                upwards = turn // (LAST - 1) % 2 == 0
                for cell, kind in enumerate(KINDS):
                    taken = page.evaluate(STEP, [cell, "ArrowRight" if upwards else "ArrowLeft"])
                    page.wait_for_timeout(100)
                    if turn >= WARM_UP:
                        steps[kind].append(taken)
    return steps


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
        if self.first_picture is None and isinstance(data, dict) and "image/png" in data:
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
    steps = measure_steps()
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
    return [
        ("live / interact", medians["live"] / medians["interact"], 1 / 5, ""),
        ("kernel-free / interact", medians["kernel-free"] / medians["interact"], 1 / 15, ""),
    ]


def bench_notebook() -> list[tuple[str, float | None, float, str]]:
    if not LESSON.exists():
        print(f"{LESSON.name} is not there: not run")
        return []
    kernel_metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    imports = nbformat.v4.new_code_cell("import matplotlib\nimport torch")
    bare = nbformat.v4.new_notebook(cells=[imports], metadata=kernel_metadata)
    _, _, base = run_notebook(with_peak(bare))
    whole, first, peak = run_notebook(with_peak(nbformat.read(LESSON, as_version=4)))
    if base and peak:
        print(f"\npeak memory: {LESSON.stem} {peak:.0f} MB, bare imports {base:.0f} MB")
    return [
        ("peak memory / bare imports", peak / base if base and peak else None, 1.15, ""),
        ("kernel start to first picture", first, 5, " s"),
        ("whole notebook", whole, 15, " s"),
    ]


def bench_import() -> list[tuple[str, float | None, float, str]]:
    """Each time in a process of its own, as a kernel that has just started."""
    code = "from time import perf_counter as now; start = now(); import convlab; print(now() - start)"
    command = [sys.executable, "-c", code]
    taken = [float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout) for _ in range(9)]
    return [("import convlab", 1000 * median(taken), 10, " ms")]


PARTS = {
    "steps": bench_steps,
    "notebook": bench_notebook,
    "import": bench_import,
    "reach": bench_reach,
    "cost": bench_cost,
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
