"""B-mode ultrasound: layered tissue under speckle, seen through a linear or a curved probe."""

import cv2
import numpy as np

from .scene import Scene
from .shapes import Plane
from .texture import Picture, blurred, cloud, grain, grey_finish, grid, paint


def draw(scene: Scene) -> Picture:
    rng, size = scene.rng, scene.size
    field = window(scene)
    echo = tissue(scene)
    shadow = findings(scene, echo, field)
    deep = grid(size)[1]
    gain = np.float32(rng.uniform(0.9, 1.3)) - np.float32(rng.uniform(0.1, 0.5)) * deep
    level = compressed(scene, echo * shadow) * gain * field
    picture = level + np.float32(rng.uniform(0, 8))
    if rng.random() < 0.5:
        scale_marks(scene, picture)
    return grey_finish(rng, picture, noise=(0, 4), blur=(0, 0.6), text=0.5)


def window(scene: Scene) -> Plane:
    """What the probe sees: nearly the whole picture, or a fan."""
    rng, size = scene.rng, scene.size
    x, y = grid(size)
    if rng.random() < 0.5:
        left, top = rng.uniform(0.0, 0.07), rng.uniform(0.0, 0.06)
        return ((x > left) & (x < 1 - left) & (y > top) & (y < 0.98)).astype(np.float32)
    apex, half = -rng.uniform(0.1, 0.5), rng.uniform(0.55, 0.9)
    near = rng.uniform(0.05, 0.12) - apex
    r = np.sqrt((x - 0.5) ** 2 + (y - apex) ** 2)
    inside = (np.abs(np.arctan2(x - 0.5, y - apex)) < half) & (r > near) & (r < 0.97 - apex)
    return blurred(inside.astype(np.float32), 0.6)


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
        echo += np.float32(rng.uniform(0.1, 0.35)) * np.exp(-((depth - edge) * np.float32(rng.uniform(60, 120))) ** 2)
    streak = cv2.GaussianBlur(grain(rng, size), (0, 0), sigmaX=size / 24, sigmaY=size / 150) * np.float32(rng.uniform(0, 1.4))
    echo += streak * 0.3 * (echo > 0)
    if rng.random() < 0.4:  # a vessel far out at the edge of what matters: dark, but a line, no cyst
        line = rng.uniform(0.55, 0.95)
        paint(echo, np.exp(-((depth - line) * np.float32(rng.uniform(70, 110))) ** 2).astype(np.float32), 0.12)
    return np.clip(echo, 0.05, 1.2)


def findings(scene: Scene, echo: Picture, field: Plane) -> Plane:
    """Draws the findings and returns what passes behind them: enhancement behind fluid, shadow behind lime."""
    rng, size = scene.rng, scene.size
    y, x = grid(size)[1], grid(size)[0]
    behind = np.ones_like(echo)
    counts = scene.plan({"calcification": 2, "cyst": 2, "solid mass": 2})
    region = field * ((y > 0.14) & (y < 0.86))
    for _ in range(counts["calcification"]):
        lime = scene.settle("calcification", region, (0.052, 0.1), inside=1.3, smallest=0.05, aspect=2.2, wobble=0.12)
        if lime is not None:
            behind *= 1 - np.float32(rng.uniform(0.65, 0.9)) * cast(lime, 0)
            paint(echo, lime, 1.7)
    for _ in range(counts["cyst"]):
        cyst = scene.settle("cyst", region, (0.1, scene.largest * 0.93), inside=1.1, aspect=1.5, wobble=0.03)
        if cyst is not None:
            paint(echo, np.clip(blurred(cyst, 0.012 * size) * 3, 0, 1) * (1 - cyst), np.minimum(echo * 1.35, 1.2))
            paint(echo, cyst, rng.uniform(0.0, 0.02))
            behind *= 1 + np.float32(rng.uniform(0.4, 1.3)) * cast(cyst, 0.25)
    for _ in range(counts["solid mass"]):
        mass = scene.settle("solid mass", region, (0.12, scene.largest * 0.96), inside=1.1, aspect=1.5, wobble=0.16, harmonics=8, rough=1.1)
        if mass is not None:
            base = rng.uniform(0.07, 0.15)
            paint(echo, mass, base * (1 + 0.35 * cloud(rng, size, 20)))
            if rng.random() < 0.5:
                behind *= 1 - np.float32(rng.uniform(0.1, 0.35)) * cast(mass, 0.3)
    return behind


def cast(cover: Plane, fade: float) -> Plane:
    """What lies below a shape, seen from the probe above; it fades over ``fade`` sides (0: never)."""
    size = cover.shape[0]
    below = np.maximum.accumulate(cover, 0)
    if fade:
        below = below * np.exp(-np.cumsum(below, 0) / np.float32(fade * size))
    return blurred(below * (1 - cover), 1.2 * size / 192)


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
        picture[row, column:column + 3] = 220
