"""A class at once on one machine: for each learner a server of their own and its kernel, as JupyterHub starts
them, a whole lesson run, and then a minute in which all drag explorers at a human pace. Learners are no
browsers here: they speak to their server as one does, and ask for pictures as the front end does."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from math import ceil
from pathlib import Path
from statistics import mean, median, quantiles
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import nbformat
import psutil
from browser import jupyter_lab, within
from jupyter_server.services.kernels.connection.base import (
    deserialize_msg_from_ws_v1,
    serialize_msg_to_ws_v1,
)
from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.websocket import WebSocketClientConnection, websocket_connect

LESSONS = sorted((Path(__file__).parents[1] / "notebooks").glob("[0-9]*.ipynb"))
SIZES, SECONDS, CORES, MOST = (1, 5, 10, 20), 60, 2, 500  # milliseconds at most, for 95 % of changes
CLASSES = (30, 300)  # whose needs follow
# What a hub sets for all its learners. PyTorch and NumPy read it as they start; with threads of their own in
# each kernel, kernels wait for each other.
THREADS = {"OMP_NUM_THREADS": "1"}
REST, CROWDED = 100, 0.02  # as in convlab.js
PATIENCE = 120  # seconds without an answer after which something is broken
READS, PRESSES = 4, 0.25  # words a second; how often a hand presses a button where it could drag
PROTOCOL = "v1.kernel.websocket.jupyter.org"


# ---- what a reader's browser asks, and when --------------------------------------------------------------


def neighbours(at: list[int], counts: Sequence[int], last: tuple[int, int] | None = None) -> list[list[int]]:
    """The states round `at`, as ``frontend/convlab.js`` asks them ahead: `last` is the control that was moved
    last, and in which direction; the count of options is negative where any of them may come next."""
    steps = [(last[0], at[last[0]] + step * last[1]) for step in (1, 2, 3, -1)] if last else []
    for control, count in enumerate(counts):
        places = (at[control] + 1, at[control] - 1) if count > 0 else range(-count)
        steps += [(control, place) for place in places]
    found: list[list[int]] = []
    for control, place in steps:
        state = [*at[:control], place, *at[control + 1 :]]
        if place in range(abs(counts[control])) and state != at and state not in found:
            found.append(state)
    return found


class View:
    """What the front end's ``Frames`` and ``Turn`` do for the one explorer that is in sight.

    Parameters
    ----------
    ask : callable
        ``ask(explorer, at)`` puts a question to the kernel.
    later : callable
        ``later(seconds, call)`` calls once they have passed.
    clock : callable, optional
        Gives the time in seconds.
    """

    def __init__(
        self,
        ask: Callable[[str, list[int]], None],
        later: Callable[[float, Callable[[], None]], object],
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.ask, self.later, self.clock = ask, later, clock
        self.rests = 0  # while there are any, nothing is asked ahead
        self.explorer, self.at, self.counts = "", [], []
        self.last: tuple[int, int] | None = None
        self.seen: set[tuple] = set()
        self.asked: tuple[str, list[int]] | None = None  # one question under way
        self.is_behind = False  # it was wanted when it was asked, not asked ahead
        self.waiting: list[tuple[list[int], float]] = []  # changes without a picture, and when they came
        self.taken: list[float] = []  # seconds from a change until its picture, or a later one, was there

    def look(self, explorer: str, at: list[int], counts: Sequence[int]) -> None:
        """Scroll on to an explorer."""
        self.explorer, self.at, self.counts, self.last = explorer, at, counts, None
        self.next()

    def move(self, at: list[int]) -> None:
        """Change its controls."""
        control = next(n for n, place in enumerate(at) if place != self.at[n])
        self.last = control, 1 if at[control] > self.at[control] else -1
        self.at = at
        self.waiting.append((at, self.clock()))
        if not self.lacks(at):
            self.show(at)
        self.next()

    def answer(self, explorer: str, at: list[int], waited: float = 0) -> None:
        """A picture has come, or an error in its place; so long did the kernel wait for a processor."""
        self.seen.add((explorer, *at))
        self.asked = None
        if waited > CROWDED:
            self.rests += 1
            self.later(REST * waited, self.rested)
        if explorer == self.explorer and (at == self.at or (self.is_behind and self.lacks(self.at))):
            self.show(at)
        self.next()

    def rested(self) -> None:
        self.rests -= 1
        self.next()

    def leave(self) -> None:
        """Look away: nothing more is asked."""
        self.rests += 1

    def lacks(self, at: list[int]) -> bool:
        return (self.explorer, *at) not in self.seen

    def show(self, at: list[int]) -> None:
        """Nobody waits any more for this picture, or for one before it."""
        shown = max((n for n, (state, _) in enumerate(self.waiting, 1) if state == at), default=0)
        self.taken += [self.clock() - since for _, since in self.waiting[:shown]]
        del self.waiting[:shown]

    def next(self) -> None:
        if self.asked:
            return
        self.is_behind = self.lacks(self.at)
        ahead = [] if self.rests else neighbours(self.at, self.counts, self.last)
        states = [self.at] if self.is_behind else ahead
        if (at := next(filter(self.lacks, states), None)) is not None:
            self.asked = self.explorer, at
            self.ask(self.explorer, at)


def drag(
    chance: random.Random, kinds: Sequence[str], counts: Sequence[int], at: list[int], pairs: Sequence
) -> list[list[int]]:
    """Where the controls stand, one state after the other, while a hand is at a slider or, where two controls
    are set at a place of the picture, there; or after one press of a button."""
    choices = [n for n, count in enumerate(counts) if count > 1]
    drags = [*pairs, *[(n,) for n in choices if kinds[n] == "range"]]
    presses = [n for n in choices if kinds[n] != "range"]
    if presses and (not drags or chance.random() < PRESSES):
        control = chance.choice(presses)
        other = chance.choice([place for place in range(counts[control]) if place != at[control]])
        return [[*at[:control], other, *at[control + 1 :]]]
    controls = chance.choice(drags)  # a slider goes step by step; over a picture the hand is quicker
    fastest = [1 if len(controls) == 1 else max(1, counts[control] // 12) for control in controls]
    steps = [chance.choice((-1, 1)) * chance.randint(1, most) for most in fastest]
    states = []
    for _ in range(chance.randint(4, 12)):
        at = list(at)
        for n, control in enumerate(controls):
            if not 0 <= at[control] + steps[n] < counts[control]:
                steps[n] = -steps[n]
            at[control] = min(max(at[control] + steps[n], 0), counts[control] - 1)
        states.append(at)
    return states


# ---- a learner, who has a server and a kernel ------------------------------------------------------------


def child(parent: psutil.Process, called: str) -> psutil.Process:
    """The one that was started with this in its command."""
    for one in parent.children():
        with suppress(psutil.NoSuchProcess):  # another, which is gone by now
            if called in " ".join(one.cmdline()):
                return one
    raise RuntimeError(f"{parent.pid} has started nothing with {called!r} in its command")


class Learner:
    """Somebody who has run a lesson, and drags."""

    def __init__(self, lesson: Path, scratch: Path, seed: int) -> None:
        self.lesson, self.chance = lesson, random.Random(seed)
        scratch.mkdir()
        self._lab = jupyter_lab(scratch, scratch, env=os.environ | THREADS)
        self._starting: asyncio.Future | None = None
        self._session = uuid4().hex
        self.explorers: dict[str, dict[str, Any]] = {}
        self._frames: dict[str, dict[str, Any]] = {}  # the last of each explorer
        self._replies: dict[str, asyncio.Future] = {}
        self._saving, self._unsaved = "", None
        self._socket: WebSocketClientConnection | None = None

    async def arrive(self) -> None:
        """Start the server and, on it, the kernel; run the lesson."""
        self._starting = asyncio.ensure_future(asyncio.to_thread(self._lab.__enter__))
        address = await asyncio.shield(self._starting)  # a thread goes on though its learner gives up
        port = urlsplit(address).port
        self.server = child(psutil.Process(), f"--ServerApp.port={port}")
        for path in ("lab", "lab/api/settings"):  # of which a browser's first view makes the server read much
            await AsyncHTTPClient().fetch(within(address, path), request_timeout=PATIENCE)
        made = await AsyncHTTPClient().fetch(
            within(address, "api/kernels"), method="POST", body="{}", request_timeout=PATIENCE
        )
        name = json.loads(made.body)["id"]
        self.kernel = child(self.server, name)
        channels = within(address, f"api/kernels/{name}/channels")
        self._socket = await websocket_connect(
            HTTPRequest(channels.replace("http", "ws", 1)),
            on_message_callback=self._receive,
            subprotocols=[PROTOCOL],
            max_message_size=2**30,
        )
        for cell in nbformat.read(self.lesson, as_version=4).cells:
            if cell.cell_type == "code":
                await self._run(cell.source)

    async def leave(self) -> None:
        if self._socket:
            self._socket.close()
        if self._starting:
            await asyncio.wait([self._starting])
            await asyncio.to_thread(self._lab.__exit__, None, None, None)

    async def play(self, seconds: float) -> list[float]:
        """Read and drag for so long; gives the seconds from each change to its picture."""
        if not self.explorers:
            raise ValueError(f"{self.lesson.name} has no explorer")
        until = time.perf_counter() + seconds
        view = self._view = View(self._ask, asyncio.get_running_loop().call_later)
        for name, explorer in cycle(self.explorers.items()):
            kinds = [control["kind"] for control in explorer["controls"]]
            counts = [len(control["options"]) for control in explorer["controls"]]
            signed = [n if kind == "range" else -n for n, kind in zip(counts, kinds, strict=True)]
            view.look(name, explorer["at"], signed)
            await self._read()
            for _ in range(3):
                for at in drag(self.chance, kinds, counts, view.at, self._pairs(name)):
                    view.move(at)
                    explorer["at"] = at
                    self._save(name, at)
                    await asyncio.sleep(1 / self.chance.uniform(4, 6))
                await self._read()
                if time.perf_counter() > until:
                    view.leave()
                    await self._until(lambda: not view.asked)
                    return view.taken
        raise AssertionError  # a cycle has no end

    async def _read(self) -> None:
        """Wait for the picture, and read its sentence."""
        view = self._view
        await self._until(lambda: not (view.waiting or view.lacks(view.at)))
        await asyncio.sleep(len(self._frames[view.explorer].get("alt", "").split()) / READS)

    async def _until(self, happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not happened():
                await asyncio.sleep(0.01)

    def _pairs(self, explorer: str) -> list[tuple[int, int]]:
        """Controls that are set together where the picture is touched."""
        spots = [spot for spot in self._frames[explorer].get("spots", []) if spot.get("x") and spot.get("y")]
        return [(spot["x"]["control"], spot["y"]["control"]) for spot in spots]

    # -- messages

    async def _run(self, source: str) -> None:
        options = {"silent": False, "store_history": True, "user_expressions": {}, "allow_stdin": False}
        sent = self._send("execute_request", {"code": source, "stop_on_error": True, **options})
        self._replies[sent] = asyncio.get_running_loop().create_future()
        reply = await asyncio.wait_for(self._replies[sent], 5 * PATIENCE)  # some train
        if reply["status"] != "ok":
            raise RuntimeError(f"{self.lesson.name}: {reply['ename']}: {reply['evalue']}")

    def _ask(self, explorer: str, at: list[int]) -> None:
        data = {"method": "custom", "content": {"want": at}}
        self._send("comm_msg", {"comm_id": explorer, "data": data})

    def _save(self, explorer: str, at: list[int]) -> None:
        """Tell the kernel where the controls stand: as ipywidgets does, one message under way."""
        self._unsaved = explorer, at
        if not self._saving:
            self._save_newest()

    def _save_newest(self) -> None:
        self._saving = ""
        if self._unsaved:
            (explorer, at), self._unsaved = self._unsaved, None
            data = {"method": "update", "state": {"at": at}, "buffer_paths": []}
            self._saving = self._send("comm_msg", {"comm_id": explorer, "data": data})

    def _send(self, kind: str, content: Mapping[str, Any]) -> str:
        header = {"msg_id": uuid4().hex, "msg_type": kind, "session": self._session, "username": ""}
        header |= {"version": "5.3", "date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        parts = [json.dumps(part).encode() for part in (header, {}, {}, content)]
        self._socket.write_message(serialize_msg_to_ws_v1(parts, "shell"), binary=True)
        return header["msg_id"]

    def _receive(self, received: bytes | None) -> None:
        if received is None:  # closed
            return
        _, (header, parent, _, content, *_) = deserialize_msg_from_ws_v1(received)
        kind, said = json.loads(header)["msg_type"], json.loads(content)
        asked = json.loads(parent).get("msg_id", "")
        if kind == "execute_reply":
            self._replies.pop(asked).set_result(said)
        elif kind == "status" and asked == self._saving and said["execution_state"] == "idle":
            self._save_newest()
        elif kind == "comm_open" and said["data"]["state"].get("_kind") == "explorer":
            self.explorers[said["comm_id"]] = said["data"]["state"]
        elif kind == "comm_msg" and (name := said["comm_id"]) in self.explorers:
            data = said["data"]
            if data["method"] == "update":
                self.explorers[name] |= data["state"]
            elif data["method"] == "custom":
                frame = self._frames[name] = data["content"]
                self._view.answer(name, frame["at"], frame.get("waited", 0))


# ---- the class -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Measured:
    """A class of one size: seconds from each change to its picture; bytes of each kernel and server, shared
    pages in equal parts; processors that its kernels and servers kept busy, and the rest of the machine."""

    taken: list[float]
    kernels: list[int]
    servers: list[int]
    busy: float
    rest: float

    def row(self) -> str:
        late = [taken for taken in self.taken if taken > 0.001]
        ahead = 1 - len(late) / len(self.taken)
        times = [1000 * seconds for seconds in (median(self.taken), late_end(self.taken), late_end(late))]
        sizes = [size / 1e6 for size in (mean(self.kernels), max(self.kernels), mean(self.servers))]
        cells = [f"{len(self.kernels)}", f"{len(self.taken):,}", f"{ahead:.0%}"]
        cells += [f"{value:.0f} ms" for value in times] + [f"{value:.0f} MB" for value in sizes]
        return " | ".join(["", *cells, f"{self.busy:.2f}", f"{self.rest:.2f}", ""]).strip()


HEADS = (
    "learners", "changes", "there already", "median", "95 %", "95 % of the others",
    "a kernel", "the largest", "its server", "cores busy", "by others",
)  # fmt: skip
HEAD = f"| {' | '.join(HEADS)} |\n{'|---' * len(HEADS)}|"


def needs(rows: Sequence[str], learners: int) -> str:
    """What a class needs, as a row of a table: cores for each learner as in the largest class that was quick
    enough; memory for each as for the largest kernel, for a class is in one lesson; and a GB for the hub."""
    cells = [dict(zip(HEADS, row.strip("| ").split(" | "), strict=True)) for row in rows]
    numbers = [{head: float(re.sub(r"[^\d.]", "", cell)) for head, cell in row.items()} for row in cells]
    quick = [row["learners"] for row in numbers if row["95 %"] <= MOST]
    cores = f"{ceil(learners * CORES / max(quick))}" if quick else "?"
    each = sum(max(row[head] for row in numbers) for head in ("the largest", "its server"))
    memory = ceil(learners * each / 1000 + 1)
    return f"| {learners} | {cores} | {learners} × {each:.0f} MB + 1 GB = {memory} GB |"


NEEDS = "| learners | cores | memory |\n|---|---|---|"


def late_end(taken: Sequence[float]) -> float:
    """What 95 % take at most."""
    return quantiles(taken, n=20, method="inclusive")[-1] if len(taken) > 1 else sum(taken)


def busy_seconds() -> float:
    """Of all processors."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - times.iowait - times.guest - times.guest_nice  # guests are in user


async def measure(learners: Sequence[Learner], seconds: float) -> Measured:
    """All drag at once."""
    processes = [one for learner in learners for one in (learner.kernel, learner.server)]

    def busy() -> tuple[float, float]:
        own = sum(sum(one.cpu_times()[:2]) for one in processes)
        return own, busy_seconds()

    before, start = busy(), time.perf_counter()
    async with asyncio.TaskGroup() as group:
        played = [group.create_task(learner.play(seconds)) for learner in learners]
    passed = time.perf_counter() - start
    own, every = [(now - then) / passed for now, then in zip(busy(), before, strict=True)]
    sizes = [one.memory_full_info().pss for one in processes]
    return Measured(
        [taken for one in played for taken in one.result()], sizes[::2], sizes[1::2], own, every - own
    )


async def grow(
    sizes: Sequence[int], seconds: float, lessons: Sequence[Path], told: Callable[[Measured], None]
) -> None:
    """Measure a class that grows, and tell of each size."""
    learners: list[Learner] = []
    door = asyncio.Semaphore(CORES)  # who starts while others start takes no less time

    async def come(learner: Learner) -> None:
        async with door:
            await learner.arrive()

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        try:
            for size in sizes:
                new = [
                    Learner(lessons[n % len(lessons)], Path(scratch, str(n)), seed=n)
                    for n in range(len(learners), size)
                ]
                learners += new
                async with asyncio.TaskGroup() as group:
                    for learner in new:
                        group.create_task(come(learner))
                told(await measure(learners, seconds))
        finally:
            await asyncio.gather(*(learner.leave() for learner in learners))


def bench_class() -> list[tuple[str, float | None, float, str]]:
    if not psutil.LINUX:
        print("no Linux here: a class is not measured")
        return []
    cores = os.sched_getaffinity(0)
    found: dict[int, Measured] = {}

    def told(measured: Measured) -> None:
        found[len(measured.kernels)] = measured
        print(measured.row(), flush=True)

    print(f"\n{min(CORES, len(cores))} of {len(cores)} CPUs, {THREADS}\n{HEAD}", flush=True)
    os.sched_setaffinity(0, sorted(cores)[:CORES])  # whoever is started from here has these
    try:
        asyncio.run(grow(SIZES, SECONDS, LESSONS, told))
    finally:
        os.sched_setaffinity(0, cores)
    rows = [measured.row() for measured in found.values()]
    print("\n".join(["", NEEDS, *[needs(rows, learners) for learners in CLASSES]]))
    taken = 1000 * late_end(found[SIZES[-1]].taken)
    return [(f"95 % of changes, {SIZES[-1]} learners", taken, MOST, " ms")]
