"""Pictures for training: phantoms made as they are asked for, and real pictures turned, scaled and recoloured."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator

import cv2
import numpy as np
from PIL import Image

from grounded.labels import KINDS, Kind
from grounded.phantoms import make

SIDE = 192
# Kept larger than they are shown, so that an augmentation that enlarges still has something to show.
KEPT = 288
# Modalities whose findings look most alike are practised more often.
EFFORT = {'mr': 2.5, 'ct': 1.7, 'xray': 1.2, 'path': 1.2}


@dataclass
class Sample:
    """`picture` uint8 [SIDE, SIDE, 3]; `masks` one float32 [SIDE, SIDE] in 0..1 for each name of the kind."""

    kind: Kind
    picture: np.ndarray
    masks: np.ndarray
    box: tuple[int, int, int, int] | None = None


class RealPictures:
    """The pictures of an `index.json` (form: see README), read once and kept."""

    def __init__(self, folder: Path, split: str) -> None:
        index = json.loads((folder / 'index.json').read_text())
        self.items: dict[str, list[tuple[str, np.ndarray, np.ndarray]]] = {}
        for item in index['items']:
            if item['split'] != split or item['set'] not in KINDS:
                continue
            kind = KINDS[item['set']]
            names = index['sets'][item['set']]['labels']
            picture = Image.open(folder / item['image']).convert('RGB')
            values = np.asarray(Image.open(folder / item['mask']))
            masks = np.stack([values == number(names, name) for name in kind.names])
            self.items.setdefault(item['set'], []).append((item['id'], shrunk(picture), shrunk_masks(masks)))

    def draw(self, rng: np.random.Generator) -> Sample:
        # Between "each set alike" and "each picture alike": small sets are seen often, not learnt by heart.
        keys = list(self.items)
        weights = np.sqrt([len(self.items[k]) for k in keys])
        key = keys[rng.choice(len(keys), p=weights / weights.sum())]
        pictures = self.items[key]
        _, picture, masks = pictures[rng.integers(len(pictures))]
        return augmented(KINDS[key], picture, masks, rng)


def number(names: dict[str, str], name: str) -> int:
    return next(int(n) for n, said in names.items() if said == name)


def shrunk(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.resize((KEPT, KEPT), Image.Resampling.BICUBIC))


def shrunk_masks(masks: np.ndarray) -> np.ndarray:
    """Cover of each pixel, 0..255."""
    return np.stack(
        [cv2.resize(m.astype(np.float32), (KEPT, KEPT), interpolation=cv2.INTER_AREA) * 255 for m in masks]
    ).astype(np.uint8)


def augmented(kind: Kind, picture: np.ndarray, masks: np.ndarray, rng: np.random.Generator) -> Sample:
    turn = float(rng.uniform(-kind.turn, kind.turn)) if rng.random() < 0.8 else 0.0
    scale = float(np.exp(rng.normal(0, 0.14)))
    aspect = float(np.exp(rng.normal(0, 0.08)))
    flip = -1.0 if kind.mirror and rng.random() < 0.5 else 1.0
    a = np.deg2rad(turn)
    zoom = SIDE / KEPT * scale
    linear = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]]) @ np.diag(
        [zoom * aspect * flip, zoom / aspect]
    )
    shift = SIDE / 2 + rng.normal(0, 0.05 * SIDE, 2) - linear @ np.array([KEPT / 2, KEPT / 2])
    m = np.hstack([linear, shift[:, None]])
    border = cv2.BORDER_REFLECT_101 if rng.random() < 0.3 else cv2.BORDER_CONSTANT
    warp = lambda x: cv2.warpAffine(x, m, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=border)  # noqa: E731
    # A little blur before it is made smaller stands in for the antialiasing of the reader.
    soft = cv2.GaussianBlur(picture, (3, 3), 0.6) if zoom < 0.75 else picture
    out = recoloured(warp(soft), rng)
    return Sample(kind, out, np.stack([warp(k).astype(np.float32) / 255 for k in masks]))


def recoloured(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    x = picture.astype(np.float32) / 255
    grey = bool((picture[..., 0] == picture[..., 1]).all())
    if rng.random() < 0.7:
        x = np.clip(x, 0, 1) ** float(np.exp(rng.normal(0, 0.25)))
    if rng.random() < 0.7:
        x = (x - 0.5) * float(np.exp(rng.normal(0, 0.18))) + 0.5 + float(rng.normal(0, 0.06))
    if not grey and rng.random() < 0.7:
        x = x * np.exp(rng.normal(0, 0.08, 3)).astype(np.float32) + rng.normal(0, 0.02, 3).astype(np.float32)
        if rng.random() < 0.3:
            mean = x.mean(2, keepdims=True)
            x = mean + (x - mean) * float(rng.uniform(0.5, 1.4))
    if rng.random() < 0.3:
        x = cv2.GaussianBlur(x, (0, 0), float(rng.uniform(0.4, 1.3)))
    if rng.random() < 0.4:
        noise = rng.normal(0, float(rng.uniform(0.005, 0.05)), x.shape[:2] + (1 if grey else 3,))
        x = x + noise.astype(np.float32)
    return (np.clip(x, 0, 1) * 255 + 0.5).astype(np.uint8)


def phantom(modality: str, rng: np.random.Generator) -> Sample:
    kind = KINDS[modality]
    made = make(modality, rng, SIDE)
    return Sample(kind, made.picture, np.stack([made.masks[n] for n in kind.names]).astype(np.float32))


class Mixture:
    """An endless stream of samples: `share` of them real."""

    def __init__(self, folder: Path | None, share: float, seed: int, split: str = 'train') -> None:
        self.real = RealPictures(folder, split) if folder else None
        self.share = share if folder else 0.0
        self.rng = np.random.default_rng(seed)
        self.modalities = [k for k, v in KINDS.items() if not v.real]
        weights = np.array([EFFORT.get(k, 1.0) for k in self.modalities])
        self.weights = weights / weights.sum()

    def __iter__(self) -> Iterator[Sample]:
        while True:
            if self.real and self.rng.random() < self.share:
                yield self.real.draw(self.rng)
            else:
                yield phantom(self.modalities[self.rng.choice(len(self.modalities), p=self.weights)], self.rng)


def main() -> None:
    p = argparse.ArgumentParser(prog='python -m grounded.data', description='Draw samples as training sees them.')
    p.add_argument('--pictures', type=Path, help='folder with index.json of real pictures')
    p.add_argument('--out', type=Path, required=True)
    p.add_argument('--count', type=int, default=40)
    p.add_argument('--seed', type=int, default=1)
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    stream = iter(Mixture(a.pictures, 0.5, a.seed))
    for i in range(a.count):
        s = next(stream)
        edge = np.zeros(s.picture.shape[:2], bool)
        for mask in s.masks:
            edge |= cv2.morphologyEx((mask > 0.5).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
        shown = s.picture.copy()
        shown[edge] = (0, 255, 0)
        Image.fromarray(np.hstack([s.picture, shown])).save(a.out / f'{i:03d}-{s.kind.key}.png')


if __name__ == '__main__':
    main()
