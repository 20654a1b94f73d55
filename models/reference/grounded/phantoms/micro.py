"""Fluorescence microscopy: nuclei that shine on black, in one or two dyes."""

import cv2
import numpy as np

from .scene import COLLAR, Scene
from .shapes import Plane, Points, blob, coverage, of_diameter, patch, turned
from .texture import Picture, blurred, burn_text, cloud, grain, paint, paint_box

DYES = ((40, 90, 255), (50, 255, 90), (255, 60, 50), (255, 255, 255), (60, 220, 255), (255, 90, 230))


def draw(scene: Scene) -> Picture:
    rng, size = scene.rng, scene.size
    light = np.full((size, size), rng.uniform(0.01, 0.07), np.float32) * (1 + 0.3 * cloud(rng, size, 3))
    findings(scene, light)
    lone(scene, light)
    light = blurred(light, rng.uniform(0.3, 1.0) * size / 192)
    shots = np.float32(rng.uniform(40, 400))
    light = light + np.sqrt(np.maximum(light, 0) / shots) * grain(rng, size) + np.float32(rng.uniform(0.002, 0.02)) * grain(rng, size)
    dye = np.array(DYES[rng.integers(len(DYES))], np.float32) * rng.uniform(0.9, 1, 3).astype(np.float32)
    glow, over, floor = np.clip(light, 0, 1.4), np.clip(light - 1, 0, 1) * np.float32(255), np.float32(rng.uniform(0, 8))
    picture = cv2.merge([glow * dye[band] + over + floor for band in range(3)])  # a saturated sensor bleeds to white
    if rng.random() < 0.2:
        bar = int(size * rng.uniform(0.1, 0.2))
        cv2.rectangle(picture, (int(size * 0.95) - bar, int(size * 0.94)), (int(size * 0.95), int(size * 0.955)), (255, 255, 255), -1)
    if rng.random() < 0.15:
        burn_text(rng, picture, (230.0, 230.0, 230.0))
    return picture


def findings(scene: Scene, light: Plane) -> None:
    rng, size = scene.rng, scene.size
    everywhere = np.ones((size, size), np.float32)
    counts = scene.plan({"cell cluster": 2, "debris": 3, "mitotic cell": 4})
    for _ in range(counts["cell cluster"]):
        spot = scene.settle("cell cluster", everywhere, (0.17, 0.29), inside=1.15, aspect=1.5, wobble=0.14)
        if spot is not None:
            cluster(scene, light, spot)
    for _ in range(counts["debris"]):
        spot = scene.settle("debris", everywhere, (0.075, 0.16), inside=1.3, outline=lambda at, d: shard(scene, at, d))
        if spot is not None:
            paint(light, spot, rng.uniform(0.95, 1.35) * (1 + 0.1 * cloud(rng, size, 50)))
            light += 0.25 * blurred(spot, 0.02 * size) * (1 - spot)
    for _ in range(counts["mitotic cell"]):
        spot = scene.settle("mitotic cell", everywhere, (0.08, 0.12), inside=1.2, aspect=1.15, wobble=0.03)
        if spot is not None:
            mitosis(scene, light, spot)


def cluster(scene: Scene, light: Plane, spot: Plane) -> None:
    """Nuclei pressed against each other; the outline is that of the whole clump."""
    rng, size = scene.rng, scene.size
    base = rng.uniform(0.22, 0.32)
    paint(light, spot, base)
    gap = rng.uniform(0.048, 0.062)
    rows, columns = np.nonzero(spot >= 0.5)
    clump = np.zeros_like(light)
    for y in np.arange(rows.min() / size, rows.max() / size + gap, gap * 0.9):
        for x in np.arange(columns.min() / size, columns.max() / size + gap, gap):
            at = (x + rng.normal(0, gap * 0.15), y + rng.normal(0, gap * 0.15))
            box, nucleus = patch(
                blob(rng, at, (gap * 0.52, gap * 0.45), angle=rng.uniform(0, 3), wobble=0.05, points=28), size, exact=False
            )
            paint_box(clump, box, nucleus, rng.uniform(0.6, 1))
    paint(light, spot * clump, rng.uniform(0.5, 0.75) * (1 + 0.1 * cloud(rng, size, 40)))


def mitosis(scene: Scene, light: Plane, spot: Plane) -> None:
    """A rounded cell, dim, with its chromosomes condensed to one plate or two parting ones."""
    rng, size = scene.rng, scene.size
    paint(light, spot, rng.uniform(0.2, 0.32))
    rows, columns = np.nonzero(spot >= 0.5)
    at = (float(columns.mean() + 0.5) / size, float(rows.mean() + 0.5) / size)
    r = float(np.sqrt(spot.sum() / np.pi)) / size
    angle = rng.uniform(0, np.pi)
    apart = 0.0 if rng.random() < 0.5 else rng.uniform(0.35, 0.5) * r
    for way in (-1, 1):
        shift = turned(np.array([[0, way * apart]]), angle)[0]
        plate = blob(rng, (at[0] + shift[0], at[1] + shift[1]), (r * 0.68, r * 0.2), angle=angle, wobble=0.1, harmonics=8)
        paint(light, coverage(plate, size) * spot, rng.uniform(0.9, 1.15))


def shard(scene: Scene, centre: tuple[float, float], diameter: float) -> Points:
    """An angular scrap: few corners, straight edges."""
    rng = scene.rng
    corners = int(rng.integers(5, 9))
    turn = np.sort((np.arange(corners) + rng.uniform(-0.35, 0.35, corners)) / corners * 2 * np.pi)
    radius = rng.uniform(0.45, 1.3, corners)
    stretch = rng.uniform(1, 1.8)
    points = turned(np.stack([radius * np.cos(turn) * stretch, radius * np.sin(turn) / stretch], 1), rng.uniform(0, np.pi))
    return of_diameter(points, diameter) + np.array(centre) - points.mean(0)


def lone(scene: Scene, light: Plane) -> None:
    """Resting nuclei, apart from each other and from every finding: no finding."""
    rng, size = scene.rng, scene.size
    taken = scene.taken.copy()
    level = rng.uniform(0.35, 0.7)
    r = rng.uniform(0.02, 0.03)
    texture = 1 + 0.12 * cloud(rng, size, 40)
    for _ in range(rng.integers(3, 26)):
        at = tuple(rng.uniform(0, 1, 2))
        box, cover = patch(blob(rng, at, (r * rng.uniform(1, 1.4), r), angle=rng.uniform(0, 3), wobble=0.05, points=28), size, exact=False)
        if taken[box].any():
            continue
        reach = 1 + round(COLLAR * size)
        taken[max(0, box[0].start - reach) : box[0].stop + reach, max(0, box[1].start - reach) : box[1].stop + reach] = True
        paint_box(light, box, cover, level * rng.uniform(0.7, 1.2) * texture)
