"""Random weights that behave like trained ones where it matters: distinct choices, `[SEG]` now and then, real masks.

Fresh weights of their usual size make flat logits, whose largest one changes with the last bit of a sum. So the head is
scaled until the best choice stands clear of the next, and the row of `[SEG]` more, so that it is chosen in some steps;
layer scales and tables that start at zero or one get random values, since a part that does nothing proves nothing.
"""

from __future__ import annotations

import math

import torch
from torch import nn

from grounded.config import Config
from grounded.model import GroundedModel

HEAD_STD = 0.3
SEG_STEPS = 1.3
"""How many of its standard deviations the logit of `[SEG]` must reach to be chosen: one step in ten or so."""


def random_model(config: Config, seed: int, seg_id: int | None = None) -> GroundedModel:
    """A model of a size with weights from a seed.

    :param seg_id: whose row of the head is scaled, so that its logit reaches the largest of the others, about
        sqrt(2 ln V) of their standard deviations, in some steps
    """
    torch.manual_seed(seed)
    model = GroundedModel(config)
    with torch.no_grad():
        for name, p in model.named_parameters():
            _fill(name, p)
        if not config.language.tied_head:
            nn.init.normal_(model.language_model.lm_head.weight, std=HEAD_STD)
        if seg_id is not None:
            model.language_model.lm_head.weight[seg_id] *= math.sqrt(2 * math.log(config.language.vocab_size)) / SEG_STEPS
    return model.eval()


def _fill(name: str, p: nn.Parameter) -> None:
    if name.endswith('norm.weight') or 'norm' in name and p.dim() == 1 and name.endswith('weight'):
        nn.init.normal_(p, 1.0, 0.1)
    elif 'lambda_' in name:
        nn.init.normal_(p, 0.3, 0.05)
    elif p.dim() == 1:
        nn.init.normal_(p, 0.0, 0.02)
    elif 'embed' in name or 'token' in name or p.dim() == 3:
        nn.init.normal_(p, 0.0, 0.5)
    else:
        # Keeps the size of what passes through: one over the root of how many numbers are summed.
        fan_in = p[0].numel() if 'upscale_conv' not in name else p.shape[0]
        nn.init.normal_(p, 0.0, fan_in**-0.5)
