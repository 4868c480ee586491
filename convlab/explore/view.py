"""What explorers and questions share: one module in the browser, live through anywidget or in a page."""

import json
import re
from importlib.resources import files
from typing import Any

import anywidget
from traitlets import Unicode

MODULE = (files("convlab.explore") / "frontend" / "convlab.js").read_text(encoding="utf-8")
STYLE = (files("convlab.explore") / "frontend" / "convlab.css").read_text(encoding="utf-8")

FRONTEND = f'<style>{STYLE}</style>\n<script type="module">\n{MODULE}</script>\n'


class View(anywidget.AnyWidget):
    """A widget that the front end draws; beside it stands what shows where no widget can."""

    _esm = MODULE
    _css = STYLE
    _ipython_display_ = None  # by which ipywidgets 7 would show the widget and nothing beside it
    _kind = Unicode().tag(sync=True)

    def __repr__(self) -> str:
        raise NotImplementedError

    def _repr_html_(self) -> str:
        raise NotImplementedError

    def _repr_mimebundle_(self, **options: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        # Its metadata too: Colab shows no widget without.
        data, metadata = super()._repr_mimebundle_(**options) or ({}, {})
        return data | {"text/plain": repr(self), "text/html": self._repr_html_()}, metadata

    def _page(self, state: dict[str, Any], name: str, shown: str, frontend: bool) -> str:
        """A part of a page that works without Python: `state` is all that the front end will know."""
        text = json.dumps(state, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
        part = f'<script type="application/json">{text}</script>'
        place = f' id="{re.sub("[^A-Za-z0-9_]+", "-", name)}"' if name else ""
        return f"<div data-convlab{place}>{shown}{part}</div>\n" + FRONTEND * frontend
