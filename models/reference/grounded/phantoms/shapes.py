"""Outlines, and how much of each pixel they cover.

Points are float arrays [n, 2] of (x, y), in sides of the picture: (0, 0) is its upper left corner, (1, 1) its lower right.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
Plane = NDArray[np.float32]
Box = tuple[slice, slice]

FINE = 4  # sub-pixels a pixel, each way
THICK = 0.45  # of a sub-pixel: by how much a filled outline is too large


def blob(
    rng: np.random.Generator,
    centre: tuple[float, float],
    radii: tuple[float, float],
    *,
    angle: float = 0.0,
    wobble: float = 0.08,
    harmonics: int = 5,
    rough: float = 1.3,
    points: int = 72,
) -> Points:
    """An ellipse whose radius wavers: a Fourier series from two turns up, of ``harmonics`` terms, its size about ``wobble``.

    Terms fade as order^-``rough``: 1.3 gives smooth lobes, 0.7 spikes. Angles in radians.
    """
    circle, waves, fade = _waves(points, harmonics, rough)
    radius = 1 + (rng.standard_normal(2 * harmonics) * fade * wobble) @ waves
    np.maximum(radius, 0.35, out=radius)
    c, s = np.cos(angle), np.sin(angle)
    axes = np.array([[radii[0] * c, radii[0] * s], [-radii[1] * s, radii[1] * c]])
    return (circle * radius[:, None]) @ axes + centre


@lru_cache(maxsize=64)
def _waves(points: int, harmonics: int, rough: float) -> tuple[Points, Points, Points]:
    """The unit circle [points, 2], cosines and sines of each order [2 * harmonics, points], and how large each order is."""
    turn = np.arange(points) * (2 * np.pi / points)
    orders = np.arange(2, harmonics + 2)
    waves = np.concatenate([np.cos(orders[:, None] * turn), np.sin(orders[:, None] * turn)])
    fade = np.tile((orders / 2.0) ** -rough, 2)
    return np.stack([np.cos(turn), np.sin(turn)], 1), waves, fade


def turned(points: Points, angle: float) -> Points:
    """The points turned about the origin by ``angle`` radians, clockwise as seen (y points down)."""
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, s], [-s, c]])


def smooth(corners: Points, steps: int = 8) -> Points:
    """A closed Catmull-Rom curve through the corners."""
    before, after, beyond = np.roll(corners, 1, 0), np.roll(corners, -1, 0), np.roll(corners, -2, 0)
    t = np.linspace(0, 1, steps, endpoint=False)[None, :, None]
    a, b, c, d = (p[:, None, :] for p in (before, corners, after, beyond))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return curve.reshape(-1, 2)


def area(points: Points) -> float:
    """The area inside a closed outline, in squared sides (shoelace formula)."""
    x, y = points[:, 0], points[:, 1]
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def of_diameter(points: Points, diameter: float) -> Points:
    """The outline about its own middle, scaled to the area of a circle of ``diameter``."""
    middle = points.mean(0)
    return middle + (points - middle) * np.sqrt(np.pi * diameter**2 / 4 / max(area(points), 1e-9))


def coverage(points: Points, size: int) -> Plane:
    """The share of each pixel inside a closed outline, [size, size] in 0..1; what lies outside the picture is cut off."""
    out = np.zeros((size, size), np.float32)
    box, tile = patch(points, size)
    out[box] = tile
    return out


def patch(points: Points, size: int, exact: bool = True) -> tuple[Box, Plane]:
    """Coverage of a closed outline, of the rectangle about it only: (rows and columns, plane); an empty one where it lies outside.

    Not ``exact`` is quicker, and an eighth of a pixel too large on every side: for what is in no mask.
    """
    place = points * size
    (left, top), (right, bottom) = place.min(0), place.max(0)
    left, top = max(0, int(left) - 1), max(0, int(top) - 1)
    wide, tall = min(size, int(right) + 2) - left, min(size, int(bottom) + 2) - top
    if wide <= 0 or tall <= 0:
        return (slice(0, 0), slice(0, 0)), np.zeros((0, 0), np.float32)
    tile = np.zeros((tall * FINE, wide * FINE), np.uint8)
    fine = (place - (left, top)) * FINE
    if exact:
        fine = _inset(fine, THICK)
    fine = fine * 16 + (0.5 - 8)  # in sixteenths of a sub-pixel, whose middle is its place; rounded
    cv2.fillPoly(tile, [fine.astype(np.int32)], 255, cv2.LINE_8, 4)
    cover = cv2.resize(tile, (wide, tall), interpolation=cv2.INTER_AREA) * np.float32(1 / 255)
    return (slice(top, top + tall), slice(left, left + wide)), cover


def _inset(points: Points, by: float) -> Points:
    """The outline moved inwards by ``by``: OpenCV fills every sub-pixel that the outline touches, half of one too many."""
    along = np.concatenate([points[1:], points[:1]]) - np.concatenate([points[-1:], points[:-1]])
    length = np.sqrt(along[:, 0] ** 2 + along[:, 1] ** 2) + 1e-9
    x, y = points[:, 0], points[:, 1]
    way = by if np.dot(x[:-1], y[1:]) - np.dot(y[:-1], x[1:]) + x[-1] * y[0] - y[-1] * x[0] > 0 else -by
    return points + np.stack([-along[:, 1], along[:, 0]], 1) * (way / length)[:, None]


def stroke(lines: Points | list[Points], width: float, size: int) -> Plane:
    """How much one or more open lines of ``width`` (in sides) cover of each pixel, [size, size]."""
    out = np.zeros((size, size), np.uint8)
    paths = [((line * size - 0.5) * 16).astype(np.int32) for line in (lines if isinstance(lines, list) else [lines])]
    cv2.polylines(out, paths, False, 255, max(1, round(width * size)), cv2.LINE_AA, 4)
    return out * np.float32(1 / 255)


def wander(
    rng: np.random.Generator, start: tuple[float, float], heading: float, length: float, *, steps: int = 16, bend: float = 0.25
) -> Points:
    """A line that starts at ``start`` and changes its heading a little at each step."""
    headings = heading + np.cumsum(rng.normal(0, bend, steps))
    path = np.cumsum(np.stack([np.cos(headings), np.sin(headings)], 1) * length / steps, 0)
    return np.vstack([[0, 0], path]) + start
