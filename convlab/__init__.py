"""Interactive lessons on the convolutions inside modern vision networks.

Everything public can be imported from here; torch, matplotlib and ipywidgets are loaded only when
something that needs them is asked for.
"""

from importlib import import_module

_HOMES = {
    "arithmetic": "ConvSpec ReceptiveField hdc_distances receptive_field tap_offsets",
    "measure.costs": "Cost LayerCost cost",
    "explore.questions": "Question ask",
    "explore.explorers": "Explorer",
    "pictures.figures": (
        "show_cost show_costs show_field show_growth show_kernels show_maps show_photo show_times"
    ),
    "images": "PHOTOS photo",
    "kernels": "KERNELS kernel",
    "lessons.choosing": "filter_bank show_features show_five show_learned_kernels show_patches show_training",
    "lessons.dilated": "show_depth show_dilation show_rates",
    "lessons.grouped": "lift show_connectivity show_groups show_poke",
    "lessons.pointwise": "MIXES mix_matrix show_bottleneck show_collapse show_mix show_weighted_sum",
    "lessons.separable": "show_cost_ratio show_separable_fit show_two_steps",
    "lessons.standard": "show_channel_sum show_gallery show_reach show_steps show_window",
    "networks": "aspp context_module mobilenet_v1 resnet50 resnext50 resnext_block vgg16",
    "pictures.page": "Picture",
    "measure.reach": "MeasuredField measure_receptive_field",
    "measure.timing": "Timing measure_time",
    "training": "Patches alternatives cut_patches small_network",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
