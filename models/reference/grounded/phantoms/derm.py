"""Dermoscopy: skin of any tone under a lens, with hairs, ruler, gel bubbles and dark corners."""

import cv2
import numpy as np

from .scene import Scene
from .shapes import Plane, blob, coverage, stroke, wander
from .texture import Picture, blurred, cloud, colour_finish, grid, paint, plain, shade, vignette


def draw(scene: Scene) -> Picture:
    rng, size = scene.rng, scene.size
    light, dark = np.array([238, 200, 180]), np.array([150, 104, 78])
    tone = light + (dark - light) * rng.beta(1, 2.2) + rng.uniform(-12, 12, 3)
    picture = plain(size, tone)
    shade(picture, 1 + 0.03 * cloud(rng, size, 5) + 0.02 * cloud(rng, size, 48))
    redness(scene, picture)
    findings(scene, picture, tone)
    hairs(scene, picture)
    extras(scene, picture)
    shade(picture, vignette(rng, size, 0.5))
    if rng.random() < 0.2:  # the round end of the lens
        x, y = grid(size)
        shade(picture, blurred(((x - 0.5) ** 2 + (y - 0.5) ** 2 < rng.uniform(0.5, 0.58) ** 2).astype(np.float32), 1))
    return colour_finish(rng, picture, noise=(1, 6))


def redness(scene: Scene, picture: Picture) -> None:
    """Flush and pores of healthy skin."""
    rng, size = scene.rng, scene.size
    flush = np.clip(cloud(rng, size, 3), 0, 2) * rng.uniform(0, 0.06)
    picture *= cv2.merge([np.ones_like(flush), 1 - flush, 1 - flush])


def findings(scene: Scene, picture: Picture, tone: np.ndarray) -> None:
    everywhere = np.ones((scene.size, scene.size), np.float32)
    counts = scene.plan({"melanoma": 2, "vascular lesion": 2, "nevus": 2})
    for _ in range(counts["melanoma"]):
        spot = scene.settle("melanoma", everywhere, (0.16, scene.largest), inside=1.2, aspect=1.6, wobble=0.14, harmonics=9, rough=1.0)
        if spot is not None:
            melanoma(scene, picture, spot, tone)
    for _ in range(counts["vascular lesion"]):
        spot = scene.settle("vascular lesion", everywhere, (0.1, scene.largest * 0.85), inside=1.2, aspect=1.4, wobble=0.07)
        if spot is not None:
            vascular(scene, picture, spot)
    for _ in range(counts["nevus"]):
        spot = scene.settle("nevus", everywhere, (0.1, scene.largest * 0.95), inside=1.2, aspect=1.3, wobble=0.04)
        if spot is not None:
            nevus(scene, picture, spot, tone)


def nevus(scene: Scene, picture: Picture, spot: Plane, tone: np.ndarray) -> None:
    """One even brown, a regular outline, often a fine net of pigment."""
    rng, size = scene.rng, scene.size
    brown = tone * np.array([0.62, 0.5, 0.42]) * rng.uniform(0.8, 1.15)
    colour = plain(size, brown)
    shade(colour, 1 + 0.05 * cloud(rng, size, 10))
    if rng.random() < 0.6:
        shade(colour, 1 - 0.14 * np.abs(net(scene)))
    paint(picture, blurred(spot, rng.uniform(0.3, 0.012 * size)) * rng.uniform(0.88, 1), colour)


def net(scene: Scene) -> Plane:
    """A honeycomb of thin dark lines, about 2 % of the side wide."""
    rng, size = scene.rng, scene.size
    x, y = grid(size)
    k = np.float32(rng.uniform(120, 190))
    bend = 1.2 * cloud(rng, size, 6)
    return (np.cos(k * x + bend) * np.cos(k * y + bend)).astype(np.float32)


def melanoma(scene: Scene, picture: Picture, spot: Plane, tone: np.ndarray) -> None:
    """Uneven outline, several colours side by side: black, dark brown, blue-grey, red, a pale veil."""
    rng, size = scene.rng, scene.size
    colour = plain(size, tone * (0.42, 0.33, 0.28))
    for hue in ((28, 20, 20), (72, 80, 105), (150, 75, 65), (55, 35, 25)):
        patch = np.clip(cloud(rng, size, int(rng.integers(4, 12))) * 2.5 - rng.uniform(0.5, 1.8), 0, 1)
        paint(colour, patch, tuple(c * rng.uniform(0.85, 1.15) for c in hue))
    shade(colour, 1 + 0.1 * cloud(rng, size, 30))
    paint(picture, blurred(spot, rng.uniform(0.3, 1.0)), colour)


def vascular(scene: Scene, picture: Picture, spot: Plane) -> None:
    """Red to purple lakes, divided by paler septa."""
    rng, size = scene.rng, scene.size
    red = np.array([rng.uniform(150, 200), rng.uniform(30, 60), rng.uniform(45, 90)])
    colour = plain(size, red)
    lakes = np.clip(cloud(rng, size, 18) * 1.5, -1, 1)
    shade(colour, 1 - 0.25 * lakes)
    paint(picture, blurred(spot, rng.uniform(0.3, 1.0)) * rng.uniform(0.9, 1), colour)


def hairs(scene: Scene, picture: Picture) -> None:
    rng, size = scene.rng, scene.size
    if rng.random() < 0.5:
        return
    heading, bend = rng.uniform(0, 2 * np.pi), rng.uniform(0.04, 0.16)
    lines = [
        wander(rng, tuple(rng.uniform(0, 1, 2)), heading + rng.normal(0, 0.5), rng.uniform(0.3, 0.9), bend=bend)
        for _ in range(rng.integers(2, 14))
    ]
    paint(
        picture,
        stroke(lines, 0.005 if rng.random() < 0.8 else 0.009, size) * rng.uniform(0.6, 1),
        rng.uniform(15, 90) * np.array([1, 0.85, 0.75]),
    )


def extras(scene: Scene, picture: Picture) -> None:
    """Ruler, ink, bubbles in the gel."""
    rng, size = scene.rng, scene.size
    if rng.random() < 0.2:
        row = int(size * rng.choice([0.04, 0.93]))
        gap = rng.uniform(0.03, 0.06)
        for number, x in enumerate(np.arange(0.05, 0.95, gap)):
            long = 8 if number % 5 == 0 else 4
            cv2.line(picture, (int(x * size), row), (int(x * size), row + long * size // 192), (40, 40, 40), 1)
    if rng.random() < 0.15:
        corner = blob(rng, (rng.choice([0.02, 0.98]), rng.uniform(0, 1)), (0.07, 0.12))
        paint(picture, coverage(corner, size) * 0.7 * (1 - scene.taken), (60, 60, 150))
    if rng.random() < 0.3:
        rings = np.zeros((size, size), np.uint8)
        for x, y in rng.uniform(0, size * 16, (rng.integers(1, 6), 2)).astype(int):
            cv2.circle(rings, (int(x), int(y)), int(size * 16 * rng.uniform(0.008, 0.03)), 255, 1, cv2.LINE_AA, 4)
        paint(picture, rings * np.float32(rng.uniform(0.3, 0.8) / 255), (240, 240, 235))
