"""A plain U-Net of the reference model's size, trained on the same real pictures: what the model is measured beside.

It has as many parameters as the parts of the reference model that draw masks, sees the same pictures with the same
augmentation and loss, as often, and draws all labels at once; it knows no words.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from grounded.config import CONFIGS, Config
from grounded.dense import DenseHeads, train
from grounded.model import GroundedModel
from grounded.trunk import Trunk


def parameters(*parts: nn.Module) -> int:
    return sum(p.numel() for part in parts for p in part.parameters())


def drawing_parameters(model: GroundedModel) -> int:
    """Of everything between pixels and a mask that is not language."""
    return parameters(model.image_encoder, model.mask_decoder, model.prompt_encoder, model.text_hidden_fcs)


def wide() -> Config:
    """The trunk, widened to the parameters of trunk and mask decoder together."""
    c = CONFIGS['reference']
    return replace(c, image_encoder=replace(c.image_encoder, widths=(28, 56, 112, 168, 184)))


def unet() -> Trunk:
    return Trunk(wide(), top=36)


def main() -> None:
    p = argparse.ArgumentParser(prog='python -m grounded.unet', description='Train the U-Net to measure beside.')
    p.add_argument('--pictures', type=Path, required=True)
    p.add_argument('--out', type=Path, required=True)
    p.add_argument('--steps', type=int, default=1750)
    p.add_argument('--minutes', type=float, default=60, help='at most')
    p.add_argument('--seed', type=int, default=3)
    p.add_argument('--threads', type=int, default=1)
    p.add_argument('--workers', type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    net = unet()
    sizes = {
        'unet': parameters(net, DenseHeads(net).pixel),
        'reference': drawing_parameters(GroundedModel(CONFIGS['reference'])),
    }
    print(json.dumps(sizes), flush=True)
    train(net, a.pictures, a.out, a.minutes, 1.0, a.seed, 16, 2e-3, a.workers, steps=a.steps, cells=False)


if __name__ == '__main__':
    main()
