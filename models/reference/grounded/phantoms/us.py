"""B-mode ultrasound: layered tissue under speckle, seen through a linear or a curved probe."""

from functools import lru_cache

import cv2
import numpy as np

from .scene import Scene
from .shapes import Plane
from .texture import Picture, blurred, cloud, grain, grey_finish, grid, paint


def draw(scene: Scene) -> Picture:
    rng, size = scene.rng, scene.size
    field, apex = window(scene)
    echo = tissue(scene)
    shadow = findings(scene, echo, field, apex)
    deep = grid(size)[1]
    gain = np.float32(rng.uniform(0.9, 1.3)) - np.float32(rng.uniform(0.1, 0.5)) * deep
    level = compressed(scene, echo * shadow) * gain * field
    picture = level + np.float32(rng.uniform(0, 8))
    if rng.random() < 0.5:
        scale_marks(scene, picture)
    return grey_finish(rng, picture, noise=(0, 4), blur=(0, 0.6), text=0.5)


def window(scene: Scene) -> tuple[Plane, float | None]:
    """What the probe sees: nearly the whole picture, or a fan; and how high its rays meet (y in sides, at x = 0.5), if they do."""
    rng, size = scene.rng, scene.size
    x, y = grid(size)
    if rng.random() < 0.5:
        left, top = rng.uniform(0.0, 0.07), rng.uniform(0.0, 0.06)
        return ((x > left) & (x < 1 - left) & (y > top) & (y < 0.98)).astype(np.float32), None
    apex, half = -rng.uniform(0.1, 0.5), rng.uniform(0.55, 0.9)
    near = rng.uniform(0.05, 0.12) - apex
    r = np.sqrt((x - 0.5) ** 2 + (y - apex) ** 2)
    inside = (np.abs(np.arctan2(x - 0.5, y - apex)) < half) & (r > near) & (r < 0.97 - apex)
    return blurred(inside.astype(np.float32), 0.6), apex


def tissue(scene: Scene) -> Picture:
    """Mean echo (0..1): skin, fat, fascia and muscle in wavy layers, and what lies deeper."""
    rng, size = scene.rng, scene.size
    x, y = grid(size)
    wave = np.float32(0.02) * np.sin(x * rng.uniform(3, 9) + rng.uniform(0, 6)) + np.float32(rng.uniform(-0.15, 0.15)) * (x - 0.5)
    depth = y + wave
    echo = np.full((size, size), rng.uniform(0.35, 0.55), np.float32) * (1 + np.float32(0.18) * cloud(rng, size, 6))
    edges = np.sort(rng.uniform(0.05, 0.5, rng.integers(1, 4)))
    for edge in edges:
        echo = np.where(depth < edge, echo * rng.uniform(0.65, 1.3), echo)
        echo += np.float32(rng.uniform(0.1, 0.35)) * np.exp(-(((depth - edge) * np.float32(rng.uniform(60, 120))) ** 2))
    streak = cv2.GaussianBlur(grain(rng, size), (0, 0), sigmaX=size / 24, sigmaY=size / 150) * np.float32(rng.uniform(0, 1.4))
    echo += streak * 0.3 * (echo > 0)
    if rng.random() < 0.4:  # a vessel far out at the edge of what matters: dark, but a line, no cyst
        line = rng.uniform(0.55, 0.95)
        paint(echo, np.exp(-(((depth - line) * np.float32(rng.uniform(70, 110))) ** 2)).astype(np.float32), 0.12)
    return np.clip(echo, 0.05, 1.2)


def findings(scene: Scene, echo: Picture, field: Plane, apex: float | None) -> Plane:
    """Draws the findings and returns what passes behind them: enhancement behind fluid, shadow behind lime."""
    rng, size = scene.rng, scene.size
    y = grid(size)[1]
    behind = np.ones_like(echo)
    counts = scene.plan({"calcification": 2, "cyst": 2, "solid mass": 2})
    region = field * ((y > 0.14) & (y < 0.86))
    for _ in range(counts["calcification"]):
        lime = scene.settle("calcification", region, (0.052, 0.1), inside=1.3, smallest=0.05, aspect=2.2, wobble=0.12)
        if lime is not None:
            shadow = cast(lime, 0, apex)
            behind *= 1 - np.float32(rng.uniform(0.65, 0.9)) * shadow
            region = region * (shadow < 0.05)  # nothing is hidden in it
            paint(echo, lime, 1.7)
    for _ in range(counts["cyst"]):
        cyst = scene.settle("cyst", region, (0.1, scene.largest * 0.93), inside=1.1, aspect=1.5, wobble=0.03)
        if cyst is not None:
            paint(echo, np.clip(blurred(cyst, 0.012 * size) * 3, 0, 1) * (1 - cyst), np.minimum(echo * 1.35, 1.2))
            paint(echo, cyst, rng.uniform(0.0, 0.02))
            behind *= 1 + np.float32(rng.uniform(0.4, 1.3)) * cast(cyst, 0.25, apex)
    for _ in range(counts["solid mass"]):
        mass = scene.settle("solid mass", region, (0.12, scene.largest * 0.96), inside=1.1, aspect=1.5, wobble=0.16, harmonics=8, rough=1.1)
        if mass is not None:
            base = rng.uniform(0.07, 0.15)
            paint(echo, mass, base * (1 + 0.35 * cloud(rng, size, 20)))
            if rng.random() < 0.5:
                behind *= 1 - np.float32(rng.uniform(0.1, 0.35)) * cast(mass, 0.3, apex)
    return behind


def cast(cover: Plane, fade: float, apex: float | None) -> Plane:
    """What lies behind a shape, along the rays of the probe; it fades over ``fade`` sides (0: never)."""
    size = cover.shape[0]
    beams = cover if apex is None else cv2.remap(cover, *fan(size, apex)[0], cv2.INTER_LINEAR)
    behind = np.maximum.accumulate(beams, 0)
    if fade:
        behind = behind * np.exp(-np.cumsum(behind, 0) / np.float32(fade * size))
    if apex is not None:
        behind = cv2.remap(behind, *fan(size, apex)[1], cv2.INTER_LINEAR)
    return blurred(behind * (1 - cover), 1.2 * size / 192)


@lru_cache(maxsize=1)
def fan(size: int, apex: float) -> tuple[tuple[Plane, Plane], tuple[Plane, Plane]]:
    """Columns and rows [size, size] to look up: in the picture for each depth (row) and ray (column), and the other way round."""
    x, y = grid(size)
    far = np.float32(np.hypot(0.5, 1 - apex))
    angle, depth = 2 * x - 1, y * far
    from_picture = ((0.5 + depth * np.sin(angle)) * size - 0.5, (apex + depth * np.cos(angle)) * size - 0.5)
    rays, depths = np.arctan2(x - 0.5, y - np.float32(apex)), np.hypot(x - 0.5, y - np.float32(apex))
    from_rays = ((rays + 1) / 2 * size - 0.5, depths / far * size - 0.5)
    return tuple(a.astype(np.float32) for a in from_picture), tuple(a.astype(np.float32) for a in from_rays)


def compressed(scene: Scene, echo: Picture) -> Picture:
    """Speckle (a Rayleigh amplitude of correlated noise) under logarithmic compression, 0..255."""
    rng, size = scene.rng, scene.size
    across, along = rng.uniform(0.8, 1.8) * size / 192, rng.uniform(0.5, 1.0) * size / 192
    both = [cv2.GaussianBlur(grain(rng, size), (0, 0), sigmaX=across, sigmaY=along) for _ in range(2)]
    amplitude = np.sqrt(both[0] ** 2 + both[1] ** 2)
    amplitude /= amplitude.mean()
    spread = np.float32(rng.uniform(0.55, 1.0))
    linear = np.maximum(echo, 0) * (1 - spread + spread * amplitude)
    knee = np.float32(rng.uniform(6, 20))
    return np.log1p(knee * linear) / np.log1p(knee) * np.float32(rng.uniform(190, 235))


def scale_marks(scene: Scene, picture: Picture) -> None:
    """Depth ticks at an edge."""
    rng, size = scene.rng, scene.size
    column = int(rng.choice([2, size - 5]))
    for row in range(int(size * 0.05), size, int(size * rng.uniform(0.08, 0.15))):
        picture[row, column : column + 3] = 220
