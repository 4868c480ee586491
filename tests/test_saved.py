"""A lesson that was run and saved: opened again, and exported, it has its pictures and its words."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
import sys
from html import escape
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import nbformat
import pytest
from browser import CHROMIUM, SOURCE, chromium, jupyter_lab, opened, run_all, within, write_notebook
from jupyter_server.services.contents.filemanager import FileContentsManager
from playwright.sync_api import Locator, Page, expect

from convlab_jupyter import STATE, VIEW, before_saving, drop_views, enable

ROOT = Path(__file__).resolve().parent.parent
ENABLE = "python -m convlab_jupyter"
QUESTION = "How many steps lie between three dots?"
ASK = f'from convlab import Question\n\nQuestion("{QUESTION}", [2, 3], answer=2, because="3 − 1.")'
PICTURE = '<img alt="A cat."/>'
SLIDER = "from ipywidgets import IntSlider\n\nIntSlider(description='plain')"
DEAD = re.compile("model not found|Error displaying widget")


def view(model: str) -> dict[str, object]:
    return {"model_id": model, "version_major": 2, "version_minor": 0}


def output(model: str, **beside: str) -> dict[str, object]:
    data = {"text/plain": "…", VIEW: view(model)} | {f"text/{kind}": text for kind, text in beside.items()}
    return {"output_type": "display_data", "data": data, "metadata": {VIEW: {"colab": 1}}}


def notebook(*outputs: dict[str, object], **models: dict[str, object]) -> dict[str, object]:
    """A notebook as a front end sends it, with the state of these models."""
    metadata = {"widgets": {STATE: {"version_major": 2, "state": dict(models)}}} if models else {}
    cell = {"cell_type": "code", "id": "a", "metadata": {}, "source": "", "execution_count": 1}
    cells = [
        {"cell_type": "markdown", "id": "b", "metadata": {}, "source": ""},
        cell | {"outputs": [*outputs]},
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}


def shown(saved: dict[str, object]) -> list[set[str]]:
    return [set(output["data"]) for output in saved["cells"][1]["outputs"]]


@pytest.mark.parametrize("beside", ["text/html", "image/png"])
def test_a_view_goes_where_a_picture_or_words_stand_beside_it(beside):
    ours = output("one")
    ours["data"][beside] = "…"
    saved = notebook(ours)
    before_saving(model={"type": "notebook", "content": saved}, path="a.ipynb", contents_manager=None)
    assert shown(saved) == [{"text/plain", beside}]
    assert ours["metadata"] == {}
    nbformat.validate(nbformat.from_dict(saved))


def test_the_view_of_a_widget_with_nothing_else_to_show_stays_with_its_state():
    slider = {"model_name": "IntSliderModel", "state": {"layout": "IPY_MODEL_layout"}}
    saved = notebook(output("slider"), output("one", html="…"), slider=slider, layout={}, one={})
    drop_views(saved)
    assert shown(saved) == [{"text/plain", VIEW}, {"text/plain", "text/html"}]
    assert saved["metadata"]["widgets"][STATE]["state"] == {"slider": slider, "layout": {}}
    assert VIEW in saved["cells"][1]["outputs"][0]["metadata"]


def test_the_state_of_a_widget_that_stands_in_a_box_as_well_stays():
    box = {"state": {"children": ["IPY_MODEL_one"]}}
    saved = notebook(output("box"), output("one", html="…"), box=box, one={})
    drop_views(saved)
    assert set(saved["metadata"]["widgets"][STATE]["state"]) == {"box", "one"}


def test_no_state_is_kept_for_views_that_are_all_gone():
    saved = notebook(output("one", html="…"), one={"state": {"layout": "IPY_MODEL_layout"}}, layout={})
    drop_views(saved)
    assert saved["metadata"] == {}


def test_a_notebook_without_views_is_left_as_it_is():
    result = {"output_type": "execute_result", "data": {"text/html": "…"}, "metadata": {}}
    stream = {"output_type": "stream", "name": "stdout", "text": "…"}
    saved = notebook(result, stream, one={})
    before = copy.deepcopy(saved)
    drop_views(saved)
    assert saved == before


@pytest.mark.parametrize(
    "model",
    [
        {"type": "file", "content": notebook(output("one", html="…"))},
        {"type": "notebook", "content": notebook(output("one", html="…")) | {"nbformat": 3}},
        {"type": "directory", "content": [{"type": "notebook"}]},
    ],
    ids=["file", "nbformat 3", "directory"],
)
def test_what_is_no_notebook_of_format_4_is_left_as_it_is(model):
    before = copy.deepcopy(model)
    before_saving(model=model, path="a", contents_manager=None)
    assert model == before


@pytest.mark.parametrize(
    "odd", [None, 3, "…", [None], {"data": None}, {"data": {VIEW: None, "text/html": 1}}]
)
def test_nothing_odd_keeps_a_notebook_from_being_saved(odd):
    ours = output("one", html="…")
    for model in (
        odd,
        {"type": odd},
        {"type": "notebook", "content": odd},
        {"type": "notebook", "content": {"nbformat": 4, "cells": odd, "metadata": odd}},
        {
            "type": "notebook",
            "content": {"nbformat": 4, "cells": [odd, {"outputs": odd}, {"outputs": [odd]}]},
        },
        {"type": "notebook", "content": notebook(ours) | {"metadata": {"widgets": odd}}},
        {"type": "notebook", "content": notebook(ours) | {"metadata": {"widgets": {STATE: {"state": odd}}}}},
        {"type": "notebook", "content": notebook(ours | {"metadata": odd})},
        {"type": "notebook", "content": notebook({"data": {VIEW: {"model_id": odd}, "text/html": 1}})},
    ):
        before_saving(model=copy.deepcopy(model), path="a", contents_manager=None)


def test_a_readers_own_hook_runs_as_well(tmp_path):
    told = []
    manager = FileContentsManager(root_dir=str(tmp_path), allow_hidden=True)
    manager.pre_save_hook = lambda path, **_: told.append(path)
    manager.register_pre_save_hook(before_saving)
    manager.save({"type": "notebook", "content": notebook(output("one", html="…"))}, "a.ipynb")
    assert told == ["a.ipynb"]
    assert shown(json.loads((tmp_path / "a.ipynb").read_text(encoding="utf-8"))) == [
        {"text/plain", "text/html"}
    ]


def test_the_server_imports_nothing_of_the_course():
    code = "import sys, convlab_jupyter; print({'convlab', 'torch', 'ipywidgets'} & {*sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.stdout.strip() == "set()", done.stderr


def test_the_extension_is_enabled_in_the_environment_that_asks_for_it(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", "--symlinks", tmp_path], check=True)
    command = [tmp_path / "bin" / "python", *ENABLE.split()[1:]]
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    written = {file: file.read_bytes() for file in tmp_path.glob("etc/jupyter/**/*.json")}
    assert len(written) == 2
    shutil.rmtree(enable(tmp_path))
    enable(tmp_path)
    assert {file: file.read_bytes() for file in tmp_path.glob("etc/jupyter/**/*.json")} == written


@pytest.mark.parametrize("name", ["Makefile", "README.md", "environment.yml", ".binder/postBuild"])
def test_whoever_installs_the_course_enables_the_extension_as_well(name):
    lines = [re.sub(r"^[#\s]*|\$\(BIN\)/", "", line) for line in (ROOT / name).read_text().splitlines()]
    installs = next(number for number, line in enumerate(lines) if re.search(r"pip install .*-e ", line))
    assert lines[installs + 1] == ENABLE


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium here")
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Starts a server anew, each time on the same folder and with the same settings."""
    folder, scratch = tmp_path_factory.mktemp("saved"), tmp_path_factory.mktemp("jupyter")
    write_notebook(folder / "lesson.ipynb", SOURCE, "explorer", ASK, SLIDER)
    kept = notebook(output("one", html=PICTURE), one={"model_name": "AnyModel", "state": {}})
    (folder / "kept.ipynb").write_text(json.dumps(kept), encoding="utf-8")
    env = os.environ | {"JUPYTER_CONFIG_PATH": str(enable(scratch))}
    return folder / "lesson.ipynb", lambda: jupyter_lab(folder, scratch, env=env)


@pytest.fixture(scope="module")
def yesterday(lab, browser) -> dict[str, str]:
    """What is on the screen of a reader who runs a lesson, saves it, touches it, and stops the server."""
    path, start = lab
    said = {}
    with start() as address, opened(browser, address, path.name) as page:
        run_all(page)
        said["run"] = sentence(page).inner_text()
        save(page)
        said |= {name: exported(address, name) for name in (path.name, "kept.ipynb")}
        slider = page.locator(".convlab input[type=range]").first
        slider.focus()
        slider.press("ArrowRight")
        expect(sentence(page)).not_to_have_text(said["run"])
        said["touched"] = sentence(page).inner_text()
    return said


@pytest.fixture(scope="module")
def today(lab, yesterday, browser):
    """The same lesson, opened once more by another server."""
    path, start = lab
    with start() as address, opened(browser, address, path.name) as page:
        yield page


def sentence(page: Page) -> Locator:
    """Under the picture of a live explorer."""
    caption = page.locator(".convlab figcaption").first
    expect(caption).not_to_be_empty()
    return caption


def save(page: Page) -> None:
    page.evaluate("window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("!window.jupyterapp.shell.currentWidget.context.model.dirty")


def exported(address: str, notebook: str) -> str:
    """What "Save and Export Notebook As > HTML" opens."""
    with build_opener(ProxyHandler({})).open(
        within(address, f"nbconvert/html/{notebook}"), timeout=60
    ) as page:
        return page.read().decode()


def test_saving_leaves_the_open_lesson_live(yesterday):
    assert "dilation" in yesterday["run"]
    assert yesterday["touched"] != yesterday["run"]


def test_what_is_written_to_disk_has_the_picture_and_the_words_alone(lab, yesterday):
    saved = nbformat.read(lab[0], as_version=4)
    explorer, question, slider = (cell.outputs[0].data for cell in saved.cells[1:])
    assert explorer.keys() == question.keys() == {"text/plain", "text/html"}
    assert escape(yesterday["run"]) in explorer["text/html"]
    assert VIEW in slider


def test_a_saved_lesson_opens_with_its_pictures_sentences_and_questions(yesterday, today):
    picture = today.locator(".jp-OutputArea-output img[alt]")
    expect(picture).to_be_visible()
    assert picture.evaluate("async (image) => (await image.decode(), image.naturalWidth)") > 100
    assert picture.get_attribute("alt") == yesterday["run"]
    expect(today.locator(".jp-OutputArea-output", has_text=QUESTION)).to_be_visible()
    for number in (1, 2):  # not 3: a plain slider has nothing else to show
        expect(today.locator(".jp-CodeCell").nth(number)).not_to_contain_text(DEAD)


def test_a_saved_lesson_is_live_again_after_it_is_run(yesterday, today):
    run_all(today)
    assert sentence(today).inner_text() == yesterday["run"]
    expect(today.get_by_text(DEAD)).to_have_count(0)


def test_a_lesson_that_was_run_is_exported_with_its_pictures_for_a_reader_offline(browser, yesterday):
    context = browser.new_context(offline=True)
    try:
        page = context.new_page()
        page.set_content(yesterday["lesson.ipynb"], wait_until="domcontentloaded")
        picture = page.locator("img[alt]")
        expect(picture).to_be_visible()
        assert picture.evaluate("async (image) => (await image.decode(), image.naturalWidth)") > 100
        assert picture.get_attribute("alt") == yesterday["run"]
        expect(page.get_by_text(QUESTION, exact=True)).to_be_visible()
    finally:
        context.close()


def test_a_notebook_saved_elsewhere_with_its_widgets_is_exported_with_its_picture(yesterday):
    assert PICTURE in yesterday["kept.ipynb"]


def test_readmes_command_runs_a_lesson_and_exports_it_with_its_pictures(tmp_path):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    options = re.search(r"^jupyter (nbconvert .*) \S+$", readme, flags=re.MULTILINE)[1].split()
    lesson = write_notebook(tmp_path / "lesson.ipynb", ASK)
    done = subprocess.run(
        [sys.executable, "-m", *options, lesson], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    page = lesson.with_suffix(".html").read_text(encoding="utf-8")
    assert f"<strong>{QUESTION}</strong>" in page
    assert VIEW not in page
