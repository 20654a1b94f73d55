"""A picture as both encoders take it: region drawn, resized, cut into tiles, normalised.

The same rules as the gateway's own (docs/bundles.md), by Pillow and OpenCV, which it is tested against.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from grounded.config import Config

Rgb = NDArray[np.uint8]
"""[height,width,3]"""
Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 as fractions of width and height."""

FILTERS = {'bilinear-antialias': Image.Resampling.BILINEAR, 'bicubic-antialias': Image.Resampling.BICUBIC}


def prepare(picture: Rgb, config: Config, box: Box | None = None) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """:returns: vision [tiles,3,side,side] and image encoder input [1,3,side,side]"""
    views, sam = views_of(picture, config, box)
    return normalise(views, config), normalise([sam], config)


def views_of(picture: Rgb, config: Config, box: Box | None = None) -> tuple[list[Rgb], Rgb]:
    """The same in 8 bit: tiles, and the image encoder's picture."""
    rule = config.dialogue.region_prompt if box else None
    stage = rule.get('stage', 'resized') if rule else None

    def marked(p: Rgb) -> Rgb:
        return draw_box(p, box, rule) if stage == 'resized' and box and rule else p

    source = draw_box(picture, box, rule) if stage == 'source' and box and rule else picture
    side = config.image_encoder.side
    shared = rule is not None and rule['branch'] == 'both'
    sam = marked(resize(source, side, side, config)) if shared else resize(picture, side, side, config)
    return tiles(source, config, marked), sam


def tiles(picture: Rgb, config: Config, marked: Any = lambda p: p) -> list[Rgb]:
    """The grid nearest to the picture's aspect, row by row; the whole squashed last where there is more than one."""
    v = config.vision
    columns, rows = tile_grid(picture.shape[1], picture.shape[0], config)
    whole = marked(resize(picture, columns * v.side, rows * v.side, config))
    if columns * rows == 1:
        return [whole]
    cut = [
        whole[r * v.side : (r + 1) * v.side, c * v.side : (c + 1) * v.side]
        for r in range(rows)
        for c in range(columns)
    ]
    return [*cut, marked(resize(picture, v.side, v.side, config))] if v.thumbnail else cut


def tile_grid(width: int, height: int, config: Config) -> tuple[int, int]:
    """Columns and rows (InternVL's `dynamic_preprocess`): nearest aspect, a tie to the larger one for large pictures."""
    v = config.vision
    grids = [
        (c, r)
        for c in range(1, v.max_tiles + 1)
        for r in range(1, v.max_tiles + 1)
        if v.min_tiles <= c * r <= v.max_tiles
    ]
    best, least = (1, 1), float('inf')
    for columns, rows in sorted(grids, key=lambda g: g[0] * g[1]):
        difference = abs(width / height - columns / rows)
        large = width * height > 0.5 * v.side * v.side * columns * rows
        if difference < least or (difference == least and large):
            best = (columns, rows)
        least = min(least, difference)
    return best


def resize(picture: Rgb, width: int, height: int, config: Config) -> Rgb:
    image = Image.fromarray(picture).resize((width, height), FILTERS[config.preprocess.resample])
    return np.asarray(image, np.uint8)


def normalise(views: list[Rgb], config: Config) -> NDArray[np.float32]:
    """(x / 255 - mean) / std in float32, channels first."""
    x = np.stack(views).astype(np.float32) * np.float32(1 / 255)
    mean, std = (np.asarray(v, np.float32) for v in (config.preprocess.mean, config.preprocess.std))
    return np.ascontiguousarray(((x - mean) / std).transpose(0, 3, 1, 2))


def draw_box(picture: Rgb, box: Box, rule: Mapping[str, Any]) -> Rgb:
    """`source`: a line along the edge as OpenCV draws it; `resized`: a frame whose inner edge is the box."""
    height, width = picture.shape[:2]
    left, top, right, bottom = (round(v * (height if i % 2 else width)) for i, v in enumerate(box))
    drawn = picture.copy()
    if rule.get('stage', 'resized') == 'source':
        import cv2  # only the source stage needs it

        return np.asarray(cv2.rectangle(drawn, (left, top), (right, bottom), rule['color'], rule['width_px']), np.uint8)
    w = rule['width_px']
    drawn[max(0, top - w) : bottom + w, max(0, left - w) : right + w] = rule['color']
    drawn[top:bottom, left:right] = picture[top:bottom, left:right]
    return drawn
