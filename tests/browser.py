"""JupyterLab with settings of its own, seen through the system's Chromium."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import ProxyHandler, build_opener, url2pathname

import nbformat
import pytest
from playwright.sync_api import Browser, Page, Request, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
AXE = ROOT / ".venv" / "axe" / "axe_playwright_python" / "axe.min.js"  # the Makefile installs it
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
SETTINGS = {
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}
SOURCE = """\
from functools import partial

from convlab import KERNELS, Explorer, photo, show_dilation

explorer = Explorer(
    partial(show_dilation, photo("cat", 128, channels=1)),
    dilation=range(1, 9), kernel_size=(3, 5, 7), padding=("valid", "same"), kernel=list(KERNELS),
)
"""
IDLE = """() => {
    const {sessionContext, content} = window.jupyterapp.shell.currentWidget;
    const kernel = sessionContext.session?.kernel;
    const prompts = [...content.node.querySelectorAll('.jp-InputPrompt')];
    return kernel?.status === 'idle' && prompts.every((prompt) => !prompt.textContent.includes('*'));
}"""
READY = """() => {
    const panel = window.jupyterapp?.shell?.currentWidget;
    return panel?.sessionContext?.session?.kernel?.status === 'idle' && panel.context.isReady;
}"""


def write_notebook(path: Path, *sources: str) -> Path:
    """A notebook of code cells that has not been run."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel}), path)
    return path


def lab_command(options: list[str]) -> list[str]:
    return [sys.executable, "-m", "jupyterlab", *options]


@contextmanager
def jupyter_lab(
    notebooks: Path,
    scratch: Path,
    command: Callable[[list[str]], list[str]] = lab_command,
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] = os.environ,
    settings: Mapping[str, object] = SETTINGS,
) -> Iterator[str]:
    """A server over `notebooks`, which keeps its own state in `scratch`; gives its address.

    `command` makes a command of JupyterLab's options, to be run in `cwd`; `settings` are its defaults.
    A token that nobody else knows is part of the address, see `within`.
    """
    places = {"JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime"}
    places |= {"IPYTHONDIR": "ipython"}
    overrides = scratch / "config" / "labconfig" / "default_setting_overrides.json"
    overrides.parent.mkdir(parents=True, exist_ok=True)  # a second server may go on where one has stopped
    overrides.write_text(json.dumps(settings))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    configuration = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": notebooks,
        "LabApp.extension_manager": "readonly",
        "LabApp.expose_app_in_browser": True,
    }
    options = [
        "--no-browser",
        "--allow-root",
        *(f"--{name}={value}" for name, value in configuration.items()),
    ]
    token = secrets.token_urlsafe()
    state = {name: str(scratch / place) for name, place in places.items()}
    log = scratch / "server.log"
    with log.open("w") as output:
        server = subprocess.Popen(
            command(options),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env={**env, **state, "JUPYTER_TOKEN": token},
        )
        try:
            address = f"http://127.0.0.1:{port}/?token={token}"
            _await_server(server, address, log)
            yield address
        finally:
            server.terminate()  # make hands it on to what it runs
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def within(address: str, path: str) -> str:
    """The address of a page of the server, token included."""
    return f"{urljoin(address, path)}{'&' if '?' in path else '?'}{urlsplit(address).query}"


def _await_server(server: subprocess.Popen, address: str, log: Path, patience: float = 60) -> None:
    opener = build_opener(ProxyHandler({}))
    until = time.monotonic() + patience
    while server.poll() is None and time.monotonic() < until:
        try:
            with opener.open(within(address, "api/status"), timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.1)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()}")


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, address: str, notebook: str) -> Iterator[Page]:
    """A page with `notebook` open beside an idle kernel, nothing run yet."""
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    try:
        page.set_default_timeout(60_000)
        page.goto(within(address, f"lab/tree/{notebook}?reset"))
        page.wait_for_selector(".jp-Notebook .jp-Cell")
        page.wait_for_function(READY)
        yield page
    finally:
        page.close()


def read_by(page: Page) -> dict[str, int]:
    """The bytes of each file that a page opened from a disk has asked for, noted as it asks."""
    sizes: dict[str, int] = {}

    def note(request: Request) -> None:
        address = urlsplit(request.url)
        if address.scheme == "file":
            sizes[request.url] = Path(url2pathname(address.path)).stat().st_size

    page.on("request", note)
    return sizes


def run_all(page: Page) -> None:
    page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(IDLE)


def run_through(page: Page, needle: str) -> None:
    """Run all cells down to the first code cell whose source contains `needle`, that one included."""
    page.evaluate(
        """(needle) => {
            const {content} = window.jupyterapp.shell.currentWidget;
            const models = content.widgets.map((cell) => cell.model);
            content.activeCellIndex = 1 + models.findIndex(
                (model) => model.type === 'code' && model.sharedModel.getSource().includes(needle));
            window.jupyterapp.commands.execute('notebook:run-all-above');
        }""",
        needle,
    )
    page.wait_for_function(IDLE)


def shut_down_kernel(page: Page) -> None:
    """Idempotent; the notebook stays open."""
    page.evaluate("window.jupyterapp.shell.currentWidget.sessionContext.shutdown()")
    page.wait_for_function("!window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel")


def axe_violations(page: Page) -> list[str]:
    """What axe-core finds serious or critical: the rule, and what breaks it."""
    if not AXE.exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no axe-core here: make test installs it")
    page.add_script_tag(content=AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run({ preload: false })")  # it would ask for the style sheets of a file anew
    assert len(found["passes"]) > 10
    return [
        f"{rule['id']}: {node['html'][:200]}"
        for rule in found["violations"]
        if rule["impact"] in ("serious", "critical")
        for node in rule["nodes"]
    ]
