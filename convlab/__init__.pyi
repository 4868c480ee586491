"""The public names and where each lives, for editors, type checkers and, by ``__init__.py``, at run time.

``X as X`` is how a stub hands a name on.
"""

from .arithmetic import (
    ConvSpec as ConvSpec,
    ReceptiveField as ReceptiveField,
    hdc_distances as hdc_distances,
    receptive_field as receptive_field,
    tap_offsets as tap_offsets,
)
from .explore.choices import grid as grid, photos as photos
from .explore.drills import Drill as Drill
from .explore.explorers import Explorer as Explorer, Prediction as Prediction
from .explore.questions import Question as Question, ask as ask, quiz as quiz
from .explore.tasks import Verdict as Verdict, check as check
from .images import PHOTOS as PHOTOS, as_photo as as_photo, photo as photo
from .kernels import KERNELS as KERNELS, kernel as kernel
from .lessons.choosing import (
    filter_bank as filter_bank,
    show_features as show_features,
    show_five as show_five,
    show_learned_kernels as show_learned_kernels,
    show_patches as show_patches,
    show_training as show_training,
)
from .lessons.dilated import (
    show_depth as show_depth,
    show_dilation as show_dilation,
    show_rates as show_rates,
)
from .lessons.grouped import (
    lift as lift,
    show_connectivity as show_connectivity,
    show_groups as show_groups,
    show_poke as show_poke,
)
from .lessons.pointwise import (
    MIXES as MIXES,
    show_bottleneck as show_bottleneck,
    show_collapse as show_collapse,
    show_colour_target as show_colour_target,
    show_mix as show_mix,
    show_weighted_sum as show_weighted_sum,
)
from .lessons.separable import (
    show_cost_ratio as show_cost_ratio,
    show_separable_fit as show_separable_fit,
    show_two_steps as show_two_steps,
)
from .lessons.standard import (
    show_channel_sum as show_channel_sum,
    show_gallery as show_gallery,
    show_reach as show_reach,
    show_steps as show_steps,
    show_target as show_target,
    show_window as show_window,
)
from .measure.costs import Cost as Cost, LayerCost as LayerCost, cost as cost
from .measure.reach import MeasuredField as MeasuredField, measure_receptive_field as measure_receptive_field
from .measure.timing import Timing as Timing, measure_time as measure_time
from .networks import (
    aspp as aspp,
    context_module as context_module,
    mobilenet_v1 as mobilenet_v1,
    resnet50 as resnet50,
    resnext50 as resnext50,
    resnext_block as resnext_block,
    vgg16 as vgg16,
)
from .pictures.figures import (
    show_beside as show_beside,
    show_cost as show_cost,
    show_costs as show_costs,
    show_field as show_field,
    show_kernels as show_kernels,
    show_maps as show_maps,
    show_times as show_times,
)
from .pictures.page import Picture as Picture
from .training import (
    Patches as Patches,
    alternatives as alternatives,
    cut_patches as cut_patches,
    small_network as small_network,
)

__course__: str
__version__: str
