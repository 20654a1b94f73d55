"""Pictures and questions for the proofs: phantoms of several shapes, every task of the published dialogue.

    python proof/pictures.py DIR [--pictures 10] [--each 10] [--seed 1] [--side 96]

Writes DIR/NN.png and DIR/golden.json, as `grounded.export --pictures` takes them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from grounded.phantoms import LABELS, make

SHAPES = ((1.0, 1.0), (1.0, 1.0), (1.5, 1.0), (1.0, 1.4), (3.0, 1.0))
"""Width and height as multiples of the side; the others than square give several tiles."""
TASKS = ('report', 'segment', 'recognise', 'vqa', 'region')


def write(folder: Path, pictures: int, each: int, seed: int, side: int) -> None:
    """`pictures` phantoms with `each` questions about every one, as golden.json lists them."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    listed: list[dict[str, Any]] = []
    modalities = sorted(LABELS)
    for i in range(pictures):
        modality = modalities[i % len(modalities)]
        width, height = (round(side * v) for v in SHAPES[i % len(SHAPES)])
        picture = Image.fromarray(make(modality, rng, 192).picture).resize((width, height), Image.Resampling.BICUBIC)
        picture.save(folder / f'{i:02d}.png')
        names = (*LABELS[modality].findings, *LABELS[modality].organs)
        listed += [question(f'{i:02d}.png', TASKS[(i + k) % len(TASKS)], names[k % len(names)], rng) for k in range(each)]
    (folder / 'golden.json').write_text(json.dumps(listed, indent=1))


def question(image: str, task: str, name: str, rng: np.random.Generator) -> dict[str, Any]:
    """One question; a box where the task is about a region."""
    asked: dict[str, Any] = {'image': image, 'task': task}
    if task == 'segment':
        asked['slots'] = {'target': name}
    if task == 'vqa':
        asked['slots'] = {'anatomy': f'the region of the {name}'}
    if task == 'region':
        left, top = rng.uniform(0.05, 0.5, 2)
        width, height = rng.uniform(0.2, 0.45, 2)
        asked['box'] = [round(float(v), 3) for v in (left, top, left + width, top + height)]
    return asked


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path)
    parser.add_argument('--pictures', type=int, default=10)
    parser.add_argument('--each', type=int, default=10)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--side', type=int, default=96)
    args = parser.parse_args()
    write(args.folder, args.pictures, args.each, args.seed, args.side)


if __name__ == '__main__':
    main()
