"""``python -m grounded.phantoms --out DIR --modality ct --count 20 --seed 1``: phantoms as a folder of pictures with masks and an index."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from . import LABELS, make


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m grounded.phantoms", description="Draws phantoms: pictures, masks and index.json.")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to; made where it is missing")
    parser.add_argument("--modality", action="append", choices=list(LABELS), help="may be given several times; all without it")
    parser.add_argument("--count", type=int, default=20, help="pictures of each modality (20)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes (1)")
    parser.add_argument("--size", type=int, default=192, help="side in pixels (192)")
    parser.add_argument("--split", choices=("train", "val"), default="val", help="what the index calls them (val)")
    options = parser.parse_args(arguments)
    if options.count < 1 or options.size < 32 or options.seed < 0:
        parser.error("--count must be 1 or more, --size 32 or more, --seed 0 or more")
    modalities = list(dict.fromkeys(options.modality or LABELS))
    written = write(options.out, modalities, options.count, options.seed, options.size, options.split)
    print(f"{written} pictures in {options.out}")
    return 0


def write(out: Path, modalities: list[str], count: int, seed: int, size: int = 192, split: str = "val") -> int:
    """Writes ``SET/ID.png``, ``SET/ID.mask.png`` (8-bit, the label's number, 0 background, findings on top of organs),
    a mask of 0 and 255 for each label present, since a finding may lie on an organ, and ``index.json``.

    Each picture is a subject of its own. Its generator is seeded with (seed, modality, number), so that it does not
    depend on what else is written. Returns the number of pictures. Raises ``OSError`` where a file cannot be written.
    """
    sets: dict[str, Any] = {}
    items: list[dict[str, Any]] = []
    for modality in modalities:
        labels = LABELS[modality]
        name = f"phantom_{modality}"
        (out / name).mkdir(parents=True, exist_ok=True)
        sets[name] = {
            "modality": labels.view,
            "labels": {str(i): label for i, label in enumerate(labels.all, 1)},
            "licence": "Apache-2.0",
            "source": f"grounded.phantoms, seed {seed}",
            "subject": "picture",
            "note": "drawn, no real image",
            "images": {split: count},
            "groups": {split: count},
        }
        for number in range(1, count + 1):
            rng = np.random.default_rng([seed, list(LABELS).index(modality), number])
            items.append(write_one(out, name, modality, number, rng, size, split))
    (out / "index.json").write_text(json.dumps({"version": 1, "sets": sets, "items": items}, indent=1) + "\n")
    return len(items)


def write_one(out: Path, name: str, modality: str, number: int, rng: np.random.Generator, size: int, split: str) -> dict[str, Any]:
    """One picture with its masks; returns its line of the index: ``px`` has the pixels of each label's whole mask by number,
    ``masks`` their files."""
    labels = LABELS[modality]
    phantom = make(modality, rng, size)
    base = f"{name}/{modality}_{number:04d}"
    numbers = np.zeros((size, size), np.uint8)
    for label in labels.organs + labels.findings:
        numbers[phantom.masks[label]] = labels.all.index(label) + 1
    save(out / f"{base}.png", phantom.picture[..., ::-1])
    save(out / f"{base}.mask.png", numbers)
    shown = [label for label in labels.all if phantom.masks[label].any()]
    masks = {label: f"{base}.{label.replace(' ', '-')}.mask.png" for label in shown}
    for label, path in masks.items():
        save(out / path, phantom.masks[label].astype(np.uint8) * 255)
    px = {str(labels.all.index(label) + 1): int(phantom.masks[label].sum()) for label in shown}
    return {
        "id": base,
        "set": name,
        "split": split,
        "subject": f"{number:04d}",
        "image": f"{base}.png",
        "mask": f"{base}.mask.png",
        "w": size,
        "h": size,
        "src": [size, size],
        "px": px,
        "masks": masks,
    }


def save(path: Path, pixels: np.ndarray) -> None:
    if not cv2.imwrite(str(path), np.ascontiguousarray(pixels)):
        raise OSError(f"{path}: not written")


if __name__ == "__main__":
    sys.exit(main())
