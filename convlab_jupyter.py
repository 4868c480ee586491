"""What JupyterLab needs to know of the course: how it keeps a lesson on disk, and how it opens one.

Of a widget that has a picture or words beside it, only these are kept. A widget lives as long as its kernel.
Opened tomorrow, JupyterLab says "Error displaying widget: model not found" where it stood and doesn't show
the picture that is stored beside it; a page exported with its state is blank without network. So the widget
is left out of what is written, while the open notebook keeps it.

It is an extension of the server and no configuration file: once ``python -m convlab_jupyter`` has enabled it,
it is there however a server of this environment is started, and a reader's own configuration still counts. So
do a reader's own settings: the command writes defaults of JupyterLab, beside whatever else gives some.
No kernel runs it, so it imports nothing of the course.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VIEW = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"
# Pages open to be read, and no question about news covers a corner of the first lesson.
SETTINGS = {
    "@jupyterlab/docmanager-extension:plugin": {"defaultViewers": {"markdown": "Markdown Preview"}},
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}
LASTING = {"text/html", "image/jpeg", "image/png", "image/svg+xml"}


def drop_views(notebook: object) -> None:
    """Drop from a notebook, in place, each widget's view that has a picture or HTML beside it, and its state.

    Views with nothing else to show stay, and so does the state of what they show. So does a notebook of
    another format than 4, or what is none.
    """
    if _part(notebook, "nbformat", int) != 4:
        return
    outputs = list(_outputs(notebook))
    dropped = set()
    for output in outputs:
        data = _part(output, "data", dict)
        if VIEW in data and LASTING & data.keys():
            dropped.add(_part(_part(data, VIEW, dict), "model_id", str))
            del data[VIEW]
            _part(output, "metadata", dict).pop(VIEW, None)
    metadata = _part(notebook, "metadata", dict)
    if dropped and not any(VIEW in _part(output, "data", dict) for output in outputs):
        metadata.pop("widgets", None)
    state = _part(_part(_part(metadata, "widgets", dict), STATE, dict), "state", dict)
    referred = json.dumps(state)
    for model in dropped & state.keys():
        if f"IPY_MODEL_{model}" not in referred:  # as the state of a box around it has
            del state[model]


def before_saving(model: object, **_: object) -> None:
    """A ``pre_save_hook`` of Jupyter Server."""
    if _part(model, "type", str) == "notebook":
        drop_views(_part(model, "content", dict))


def before_export(notebook: Any, resources: Any) -> tuple[Any, Any]:
    """A preprocessor of nbconvert, for what was saved elsewhere or has just been executed."""
    drop_views(notebook)
    return notebook, resources


def _outputs(notebook: object) -> Iterator[object]:
    for cell in _part(notebook, "cells", list):
        yield from _part(cell, "outputs", list)


def _part(whole: object, key: str, kind: type) -> Any:
    """``whole[key]``, or an empty one of its kind: whatever shape a notebook has, it must be saved."""
    part = whole.get(key) if isinstance(whole, dict) else None
    return part if isinstance(part, kind) else kind()


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": __name__}]


def _load_jupyter_server_extension(server: Any) -> None:
    server.contents_manager.register_pre_save_hook(before_saving)
    server.web_app.settings["config"].HTMLExporter.preprocessors.append(before_export)


def enable(prefix: str | Path = sys.prefix) -> Path:
    """Have every Jupyter server of the environment load the extension and the settings; gives their folder.

    An editable install would not bring the files, and ``jupyter server extension enable`` refuses what no
    file names yet.
    """
    folder = Path(prefix, "etc", "jupyter")
    for name, content in {
        "jupyter_server_config.d/convlab_jupyter.json": {
            "ServerApp": {"jpserver_extensions": {"convlab_jupyter": True}}
        },
        "labconfig/default_setting_overrides.d/convlab_jupyter.json": SETTINGS,
    }.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content) + "\n", encoding="utf-8")
    return folder


if __name__ == "__main__":
    print(f"enabled in {enable()}")
