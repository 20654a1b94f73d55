"""First stage: the trunk learns every label at every pixel at once.

One picture teaches all labels of its kind in one pass, so the features are there before words ask for them. The two
heads serve training alone: all labels at half the side, and whether a label touches each sixteenth of the side.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from grounded.config import CONFIGS
from grounded.batches import Batch, batches, normalised
from grounded.labels import NAMES
from grounded.trunk import Trunk


class DenseHeads(nn.Module):
    def __init__(self, trunk: Trunk, count: int = len(NAMES)) -> None:
        super().__init__()
        self.pixel = nn.Conv2d(trunk.top, count, 1)
        self.cell = nn.Conv2d(trunk.widths[3], count, 1)
        nn.init.constant_(self.pixel.bias, -3.0)
        nn.init.constant_(self.cell.bias, -3.0)


def chosen(head: nn.Conv2d, features: Tensor, labels: Tensor) -> Tensor:
    """Logits of the labels that a kind has only: [n, k, h, w]; rows of -1 are those of label 0 and to be masked."""
    index = labels.clamp(min=0)
    weight = head.weight[index, :, 0, 0]
    return torch.einsum('nkc,nchw->nkhw', weight, features) + head.bias[index][..., None, None]


def mask_loss(logits: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Cross-entropy of each pixel, and 1 - soft Dice where the label is there. [n, k, h, w]; `valid` [n, k]."""
    logits = logits.float()
    target = target.float() / 255 if target.dtype == torch.uint8 else target
    bce = F.binary_cross_entropy_with_logits(logits, target, reduction='none').mean((2, 3))
    p = logits.sigmoid()
    there = (target.sum((2, 3)) > 2) & valid
    dice = 1 - (2 * (p * target).sum((2, 3)) + 1) / (p.sum((2, 3)) + target.sum((2, 3)) + 1)
    return 4 * bce[valid].mean() + (dice[there].mean() if there.any() else 0.0)


def dense_loss(heads: DenseHeads, maps: list[Tensor], levels: list[Tensor], batch: Batch, cells: bool = True) -> Tensor:
    valid = batch.labels >= 0
    pixels = mask_loss(chosen(heads.pixel, levels[0].float(), batch.labels), batch.covers, valid)
    if not cells:
        return pixels
    most = F.max_pool2d(batch.covers.float() / 255, batch.covers.shape[-1] // maps[3].shape[-1])
    touched = (most > 0.3).float()
    cell = F.binary_cross_entropy_with_logits(
        chosen(heads.cell, maps[3].float(), batch.labels), touched, reduction='none'
    )
    return pixels + cell.mean((2, 3))[valid].mean()


def rate(step: int, total: float, peak: float, warm: int = 100) -> float:
    """Warm-up, then a half cosine to a fiftieth. `total` in steps."""
    if step < warm:
        return peak * (step + 1) / warm
    t = min(1.0, (step - warm) / max(1.0, total - warm))
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * t)))


class Average:
    """Exponential mean of weights and of the running statistics of the norms."""

    def __init__(self, model: nn.Module, decay: float = 0.998) -> None:
        self.decay = decay
        self.state = {k: v.detach().clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        d = min(self.decay, (step + 1) / (step + 10))
        for k, v in model.state_dict().items():
            if v.is_floating_point():
                self.state[k].lerp_(v, 1 - d)
            else:
                self.state[k].copy_(v)


def train(
    trunk: Trunk,
    pictures: Path | None,
    out: Path,
    minutes: float,
    share: float,
    seed: int,
    size: int,
    peak: float,
    workers: int,
    steps: int | None = None,
    cells: bool = True,
    start: Path | None = None,
) -> None:
    torch.manual_seed(seed)
    trunk.to(memory_format=torch.channels_last)
    model = nn.ModuleDict({'trunk': trunk, 'heads': DenseHeads(trunk)})
    if start:
        model.load_state_dict(torch.load(start, weights_only=True)['state'])
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak, weight_decay=0.02, betas=(0.9, 0.98))
    average = Average(model)
    begun, step, total, losses = time.time(), 0, 1e9, []
    for batch in batches(pictures, share, seed, size, workers):
        spent = time.time() - begun
        if spent > minutes * 60 or step == steps:
            break
        if steps:
            total = steps
        elif step >= 20:
            total = step * minutes * 60 / spent
        for g in optimizer.param_groups:
            g['lr'] = rate(step, total, peak)
        with torch.autocast('cpu', torch.bfloat16):
            maps = trunk.encode(normalised(batch.pictures))
            levels = trunk.pyramid(maps)
        loss = dense_loss(model['heads'], maps, levels, batch, cells)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        average.update(model, step)
        losses.append(loss.item())
        step += 1
        if step % 50 == 0:
            print(
                json.dumps({'step': step, 's': round(time.time() - begun), 'loss': round(sum(losses[-50:]) / 50, 4)}),
                flush=True,
            )
        if step % 500 == 0:
            torch.save({'state': average.state, 'step': step}, out)
    torch.save({'state': average.state, 'step': step}, out)


def main() -> None:
    p = argparse.ArgumentParser(prog='python -m grounded.dense', description='Train the trunk on every label at once.')
    p.add_argument('--pictures', type=Path)
    p.add_argument('--start', type=Path, help='weights of an earlier run to go on from')
    p.add_argument('--out', type=Path, required=True)
    p.add_argument('--minutes', type=float, default=30)
    p.add_argument('--share', type=float, default=0.5, help='share of real pictures')
    p.add_argument('--seed', type=int, default=1)
    p.add_argument('--size', type=int, default=16)
    p.add_argument('--rate', type=float, default=2e-3)
    p.add_argument('--threads', type=int, default=1)
    p.add_argument('--workers', type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    train(
        Trunk(CONFIGS['reference']),
        a.pictures,
        a.out,
        a.minutes,
        a.share,
        a.seed,
        a.size,
        a.rate,
        a.workers,
        start=a.start,
    )


if __name__ == '__main__':
    main()
