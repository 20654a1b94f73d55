"""Random weights that behave like trained ones where it matters: distinct choices, `[SEG]` now and then, real masks.

Fresh weights of their usual size make flat logits, whose largest one changes with the last bit of a sum. So the head is
scaled until the best choice stands clear of the next, and the rows of `[SEG]` and of the ends more, so that each is
chosen in some steps; layer scales and tables that start at zero or one get random values, since a part that does nothing proves nothing.

Each tensor is drawn by NumPy from the seed and its own name: the same numbers on every machine.
"""

from __future__ import annotations

import math
import zlib

import numpy as np
import torch
from tokenizers import Tokenizer

from grounded.config import Config
from grounded.model import GroundedModel, state_of, without_initialisation

HEAD_STD = 0.3
SEG_AT, END_AT = 1.3, 1.9
"""How many of its standard deviations the logit of `[SEG]`, or of an end, must reach to be chosen: 1 step in 10, in 35."""


def random_model(config: Config, seed: int, words: Tokenizer | None = None) -> GroundedModel:
    """A model of a size with weights from a seed.

    :param words: its tokenizer: the head's rows of `[SEG]` and of the tokens that end an answer are scaled, so that
        their logits reach the largest of the others, about sqrt(2 ln V) of their standard deviations, in some steps
    """
    with without_initialisation():
        model = GroundedModel(config)
    with torch.no_grad():
        for name, p in state_of(model).items():
            mean, std = _spread(name, p)
            drawn = np.random.default_rng([seed, zlib.crc32(name.encode())])
            p.copy_(torch.from_numpy(drawn.standard_normal(tuple(p.shape), np.float32)).mul_(std).add_(mean))
        if words:
            _favour(model, words)
    return model.eval()


def _favour(model: GroundedModel, words: Tokenizer) -> None:
    dialogue = model.config.dialogue
    head = model.language_model.get_output_embeddings().weight
    largest = math.sqrt(2 * math.log(model.config.language.vocab_size))
    for name, at in (('seg', SEG_AT), *((stop, END_AT) for stop in dialogue.stop_names)):
        head[words.token_to_id(dialogue.special_tokens[name])] *= largest / at


def _spread(name: str, p: torch.Tensor) -> tuple[float, float]:
    """Mean and standard deviation of a tensor's numbers."""
    if name.endswith('running_var'):
        return 1.0, 0.0
    if 'lambda_' in name:
        return 0.3, 0.05
    if p.dim() <= 1:
        return (1.0, 0.1) if 'norm' in name and name.endswith('weight') else (0.0, 0.02)
    if name == 'language_model.lm_head.weight':
        return 0.0, HEAD_STD
    if name.endswith('positional_embedding'):
        return 0.0, 1.0
    if 'embed' in name or 'token' in name or p.dim() == 3:
        return 0.0, 0.5
    # One over the root of how many numbers are summed: what passes through keeps its size.
    summed = p.shape[0] if 'upscale_conv' in name else p[0].numel()
    return 0.0, summed**-0.5
