"""Interactive lessons on the convolutions inside modern vision networks.

Everything public can be imported from here; torch, matplotlib and ipywidgets are loaded only when something
that needs them is asked for. The names, and where each lives, stand in ``__init__.pyi``.
"""

import lazy_loader as _lazy

__course__ = "convlab-course"  # by which a lesson knows that no other package answers to the name convlab
__version__ = "0.1.0"
__getattr__, __dir__, __all__ = _lazy.attach_stub(__name__, __file__)
