"""Samples gathered to batches, made in processes of their own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from grounded.data import Mixture, Sample
from grounded.labels import INDEX

MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]


@dataclass
class Batch:
    """`pictures` uint8 [n, 3, side, side]; `labels` int64 [n, k], -1 where a kind has fewer; `covers` uint8
    [n, k, side/2, side/2]: how much of each cell belongs to the label, 0..255."""

    samples: list[Sample]
    pictures: Tensor
    labels: Tensor
    covers: Tensor


def gather(samples: list[Sample]) -> Batch:
    most = max(len(s.kind.names) for s in samples)
    labels = torch.full((len(samples), most), -1, dtype=torch.int64)
    side = samples[0].picture.shape[0] // 2
    covers = torch.zeros(len(samples), most, side, side, dtype=torch.uint8)
    for i, s in enumerate(samples):
        n = len(s.kind.names)
        labels[i, :n] = torch.tensor([INDEX[name] for name in s.kind.names])
        halved = s.masks.reshape(n, side, 2, side, 2).mean((2, 4))
        covers[i, :n] = torch.from_numpy((halved * 255 + 0.5).astype(np.uint8))
    pictures = torch.from_numpy(np.stack([s.picture for s in samples])).permute(0, 3, 1, 2).contiguous()
    return Batch(samples, pictures, labels, covers)


def normalised(pictures: Tensor) -> Tensor:
    return ((pictures.float() / 255 - MEAN) / STD).contiguous(memory_format=torch.channels_last)


class _Stream(IterableDataset):
    def __init__(self, folder: Path | None, share: float, seed: int, size: int, convert) -> None:
        self.args, self.size, self.convert = (folder, share), size, convert
        self.seed = seed

    def __iter__(self) -> Iterator:
        info = torch.utils.data.get_worker_info()
        worker = info.id if info else 0
        stream = iter(Mixture(*self.args, seed=self.seed * 1000 + worker))
        while True:
            yield self.convert([next(stream) for _ in range(self.size)])


def batches(folder: Path | None, share: float, seed: int, size: int, workers: int = 1, convert=gather) -> Iterator:
    """An endless stream of what `convert` makes of `size` samples."""
    stream = _Stream(folder, share, seed, size, convert)
    return iter(DataLoader(stream, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None))
