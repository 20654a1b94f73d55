"""A coronal FDG PET slice from the skull's base to the thighs, hot as black on white or the other way round."""

import numpy as np

from .scene import Scene
from .shapes import smooth
from .texture import Picture, blurred, cloud, grain, grey_finish, paint


def draw(scene: Scene) -> Picture:
    rng, size = scene.rng, scene.size
    scene.stand((scene.near(0.5, 0.03), scene.near(0.5, 0.02)), (rng.uniform(0.4, 0.52), rng.uniform(0.45, 0.5)), rng.uniform(-10, 10))
    uptake = np.zeros((size, size), np.float32)
    body = scene.draw(outline(scene))
    if rng.random() < 0.4:  # arms beside the trunk
        for side in (-1, 1):
            body = np.maximum(body, scene.body(side * rng.uniform(0.47, 0.52), 0.0, 0.06, 0.52, side * -4))
    paint(uptake, body, 0.11 + 0.02 * cloud(rng, size, 10))
    for side in (-1, 1):
        scene.fill(uptake, 0.05, side * 0.22, -0.3, 0.15, 0.22, side * 6)  # lungs
    hot = np.zeros_like(uptake)
    brain = scene.body(0, -0.88, 0.16, 0.1)
    paint(uptake, brain, rng.uniform(0.75, 1.0) * (1 + 0.12 * cloud(rng, size, 24)))
    scene.fill(uptake, rng.uniform(0.24, 0.34), -0.2, 0.05, 0.22, 0.12, -10)  # liver
    scene.fill(uptake, rng.uniform(0.18, 0.26), 0.3, 0.02, 0.08, 0.08)  # spleen
    heart = scene.body(0.12, -0.16, 0.11, 0.09, 30)
    paint(uptake, heart, rng.uniform(0.2, 0.7))
    hot = np.maximum(brain, heart)
    for side in (-1, 1):
        kidney = scene.body(side * scene.near(0.22, 0.03), scene.near(0.24, 0.03), 0.055, 0.1, side * -8)
        paint(uptake, kidney, rng.uniform(0.3, 0.6))
        hot = np.maximum(hot, kidney)
    for _ in range(rng.integers(3, 8)):  # bowel
        scene.fill(uptake, rng.uniform(0.14, 0.25), rng.uniform(-0.22, 0.22), rng.uniform(0.2, 0.5), 0.04, 0.06, rng.uniform(0, 180))
    bladder = scene.body(scene.near(0, 0.03), scene.near(0.62, 0.03), rng.uniform(0.09, 0.14), rng.uniform(0.07, 0.11), wobble=0.05)
    paint(uptake, bladder, rng.uniform(0.85, 1.3))
    scene.mark("bladder", bladder)
    hot = np.maximum(hot, bladder)
    region = scene.draw(outline(scene) * 0.9) * (blurred(hot, 0.02 * size) < 0.04)
    for _ in range(scene.plan({"hypermetabolic lesion": 3})["hypermetabolic lesion"]):
        lesion = scene.settle("hypermetabolic lesion", region, (0.07, 0.14), inside=1.0, aspect=1.5, wobble=0.12)
        if lesion is not None:
            paint(uptake, lesion, rng.uniform(0.65, 1.3))
    uptake = blurred(uptake, rng.uniform(0.8, 1.8) * size / 192)
    uptake += np.sqrt(np.maximum(uptake, 0)) * np.float32(rng.uniform(0.01, 0.06)) * grain(rng, size, rng.uniform(0.8, 1.5))
    level = np.clip(uptake * rng.uniform(0.8, 1.2), 0, 1) ** np.float32(rng.uniform(0.7, 1.0)) * 255
    return grey_finish(rng, (255 - level if rng.random() < 0.6 else level).astype(np.float32), noise=(0, 4), blur=(0, 0.3), text=0.25)


def outline(scene: Scene) -> np.ndarray:
    """Head, shoulders, trunk and the beginning of the thighs; arms up or out of the field."""
    half = [
        (0.07, -0.99),
        (0.16, -0.9),
        (0.15, -0.78),
        (0.09, -0.7),
        (0.3, -0.62),
        (0.42, -0.5),
        (0.4, -0.25),
        (0.36, 0.1),
        (0.36, 0.4),
        (0.4, 0.6),
        (0.38, 0.99),
    ]
    return smooth(np.array(half + [(-x, y) for x, y in reversed(half)]))
