"""Digests of what Pillow resizes, to judge ours: writes test/unit/inference/expected/resize.json.

usage: pillow_resize.py FILE

Pictures are made from integers alone, so that any language makes the same bytes:
`noise`  xorshift32 from `seed`, the top byte of each state
`ramp`   red rises from left to right, green from top to bottom, blue along the diagonal and over again
"""
import hashlib
import json
import sys

import numpy as np
import PIL
from PIL import Image

FILTERS = {"bilinear-antialias": Image.Resampling.BILINEAR, "bicubic-antialias": Image.Resampling.BICUBIC}

# (width, height) before and after
SIZES = [
    # what bundles ask for: tiles and grids of tiles, of the sizes that modalities bring
    ((512, 512), (448, 448)), ((512, 512), (224, 224)), ((512, 400), (224, 224)), ((512, 400), (1792, 1344)),
    ((256, 256), (448, 448)), ((320, 240), (256, 256)), ((640, 480), (448, 448)), ((400, 300), (192, 192)),
    ((768, 768), (256, 256)), ((500, 610), (224, 224)), ((300, 225), (1024, 1024)), ((224, 224), (448, 448)),
    # shrinking, growing, and both at once
    ((100, 300), (224, 224)), ((300, 100), (224, 224)), ((348, 314), (49, 39)), ((382, 378), (149, 67)),
    ((227, 16), (345, 10)), ((96, 10), (155, 10)), ((13, 151), (22, 45)), ((19, 51), (15, 5)), ((255, 254), (31, 127)),
    ((333, 77), (112, 233)), ((128, 64), (64, 128)), ((99, 101), (300, 301)), ((17, 400), (400, 17)),
    # one pass only, or none
    ((64, 64), (64, 64)), ((65, 63), (65, 63)), ((64, 80), (64, 40)), ((80, 64), (40, 64)), ((64, 40), (64, 80)),
    ((60, 200), (60, 31)), ((200, 60), (31, 60)), ((50, 70), (50, 71)), ((70, 50), (71, 50)),
    # the pass order of Pillow 13: vertical first where the height shrinks by more than twice what the width shrinks
    ((41, 61), (40, 59)), ((41, 61), (40, 60)), ((41, 61), (40, 58)), ((30, 97), (41, 20)), ((97, 30), (20, 41)),
    ((60, 90), (50, 70)), ((60, 90), (50, 71)), ((60, 90), (50, 69)), ((42, 112), (1, 6)), ((14, 28), (246, 16)),
    ((20, 33), (3, 21)),
    # whole factors, where taps fall between places
    ((128, 128), (32, 32)), ((96, 96), (32, 32)), ((32, 32), (96, 96)), ((33, 33), (66, 66)), ((448, 448), (28, 28)),
    # a pixel, a row, a column
    ((1, 1), (1, 1)), ((1, 1), (7, 5)), ((7, 5), (1, 1)), ((1, 124), (62, 1)), ((2, 1), (23, 1)), ((1, 2), (1, 23)),
    ((300, 1), (13, 9)), ((1, 300), (13, 9)), ((3, 4), (1, 15)), ((2, 2), (3, 3)), ((3, 3), (2, 2)), ((6, 3), (5, 1)),
    ((302, 156), (1, 3)), ((5, 5), (448, 2)),
]  # fmt: skip


def noise(seed, width, height):
    out = bytearray(width * height * 3)
    x = seed
    for i in range(len(out)):
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        out[i] = x >> 24
    return np.frombuffer(out, np.uint8).reshape(height, width, 3)


def ramp(width, height):
    y, x = np.mgrid[:height, :width]
    planes = [x * 255 // max(1, width - 1), y * 255 // max(1, height - 1), (x + y) % 256]
    return np.stack(planes, axis=-1).astype(np.uint8)


def cases():
    for seed, (size, to) in enumerate(SIZES, start=1):
        for kind, picture in (("noise", noise(seed, *size)), ("ramp", ramp(*size))):
            for name, resample in FILTERS.items():
                resized = Image.fromarray(picture).resize(to, resample)
                digest = hashlib.sha256(np.asarray(resized).tobytes()).hexdigest()
                case = {"kind": kind, "from": size, "to": to, "filter": name, "sha256": digest}
                yield {"seed": seed, **case} if kind == "noise" else case


if __name__ == "__main__":
    lines = ",\n".join("  " + json.dumps(case) for case in cases())
    with open(sys.argv[1], "w") as file:
        file.write(f'{{\n "made_with": "Pillow {PIL.__version__}",\n "cases": [\n{lines}\n ]\n}}\n')
