"""A frontal chest radiograph: bright where the body absorbs. Radiological display: the heart mainly on the right."""

import numpy as np

from .scene import Scene
from .shapes import Plane, Points, smooth, stroke, wander
from .texture import Picture, blurred, cloud, grey_finish, grid, paint


def draw(scene: Scene) -> Picture:
    rng, size = scene.rng, scene.size
    scene.stand((scene.near(0.5, 0.03), scene.near(0.5, 0.03)), (rng.uniform(0.46, 0.56), rng.uniform(0.47, 0.55)), rng.uniform(-12, 12))
    soft, air = rng.uniform(140, 180), rng.uniform(30, 70)
    picture = np.full((size, size), rng.uniform(0, 15), np.float32)
    paint(picture, blurred(trunk(scene), 1.5), soft + 8 * cloud(rng, size, 3))
    domes = rng.uniform(0.34, 0.48) + np.array([0.0, rng.uniform(0.0, 0.08)])
    middle, heart = mediastinum(scene), scene.draw(heart_outline(scene, float(domes.mean())))
    right, left = (
        scene.draw(lung_outline(scene, side, float(dome))) * (1 - middle) * (1 - heart) for side, dome in zip((-1, 1), domes, strict=True)
    )
    lungs = np.maximum(right, left)
    paint(picture, blurred(lungs, 1.0), air + 7 * cloud(rng, size, 6))
    vessels(scene, picture, lungs)
    bones(scene, picture, lungs)
    paint(picture, blurred(heart, 1.0) * 0.92, soft + rng.uniform(12, 40))
    scene.mark("heart", heart)
    findings(scene, picture, (right, left), lungs, soft)
    devices(scene, picture)
    if rng.random() < 0.1:
        picture *= vignette_of_collimator(scene)
    return grey_finish(rng, picture, noise=(1, 8), blur=(0.2, 1.0), bias=0.06, text=0.4)


def trunk(scene: Scene) -> Plane:
    corners = np.array(
        [
            (-0.2, -1.2),
            (-0.22, -0.92),
            (-0.55, -0.82),
            (-0.95, -0.66),
            (-1.15, -0.2),
            (-0.93, 0.0),
            (-0.88, 0.5),
            (-0.9, 1.3),
            (0.9, 1.3),
            (0.88, 0.5),
            (0.93, 0.0),
            (1.15, -0.2),
            (0.95, -0.66),
            (0.55, -0.82),
            (0.22, -0.92),
            (0.2, -1.2),
        ]
    )
    return scene.draw(smooth(corners))


def lung_outline(scene: Scene, side: int, dome: float) -> Points:
    """side -1: the patient's right lung, on the left of the picture. The dome of the diaphragm is its lower edge."""
    rng = scene.rng
    corners = np.array(
        [
            (0.28, -0.8),
            (0.46, -0.66),
            (0.62, -0.3),
            (0.7, 0.1),
            (0.73, dome + 0.12),
            (0.7, dome + 0.17),
            (0.58, dome + 0.04),
            (0.42, dome - 0.03),
            (0.24, dome),
            (0.12, dome + 0.02),
            (0.08, 0.1),
            (0.1, -0.3),
            (0.15, -0.66),
        ]
    )
    corners = corners + rng.normal(0, 0.015, corners.shape)
    return smooth(corners * (side * rng.uniform(0.94, 1.08), 1))


def heart_outline(scene: Scene, dome: float) -> Points:
    """Right atrium, left ventricle and apex, which points to the patient's left; it rests on the diaphragm."""
    rng = scene.rng
    wide, base = rng.uniform(0.8, 1.25), dome + rng.uniform(0.08, 0.12)
    top = rng.uniform(-0.12, -0.02)
    corners = np.array(
        [
            (-0.1, top + 0.03),
            (0.04, top - 0.04),
            (0.17, top + 0.04),
            (0.28, (top * 2 + base) / 3),
            (0.4, (top + base * 3) / 4),
            (0.42, base - 0.06),
            (0.3, base),
            (0.02, base + 0.02),
            (-0.17, base - 0.02),
            (-0.22, (top + base) / 2),
        ]
    )
    return smooth((corners + rng.normal(0, 0.012, corners.shape)) * (wide, 1))


def mediastinum(scene: Scene) -> Plane:
    """The great vessels above the heart, with the aortic knob on the patient's left: no part of the heart."""
    corners = np.array(
        [
            (-0.1, -0.95),
            (0.1, -0.95),
            (0.11, -0.5),
            (0.17, -0.42),
            (0.16, -0.3),
            (0.13, -0.2),
            (0.15, 0.0),
            (0.1, 0.6),
            (-0.1, 0.6),
            (-0.14, -0.1),
            (-0.1, -0.4),
        ]
    )
    return scene.draw(smooth(corners + scene.rng.normal(0, 0.01, corners.shape)) * (scene.rng.uniform(0.9, 1.2), 1))


def bones(scene: Scene, picture: Picture, lungs: Plane) -> None:
    """Spine, ribs and clavicles, added to what lies before and behind them; they show best over air."""
    rng, size = scene.rng, scene.size
    gap = rng.uniform(0.15, 0.2)
    t = np.linspace(0, 1, 12)
    ribs, clavicles = [], []
    for side in (-1, 1):
        for number in range(8):
            reach = 0.5 + 0.3 * np.sin(min(1.0, (number + 1.5) / 5) * np.pi / 2)
            x = side * reach * np.sin(t * np.pi * 0.62)
            y = number * gap - 0.72 + 0.34 * t**1.6 + 0.02 * np.sin(t * 6) - 0.1 * np.sin(t * np.pi)
            ribs.append(scene.posed(np.stack([x, y], 1)))
        clavicles.append(scene.posed(np.array([(side * 0.06, -0.62), (side * 0.3, -0.7), (side * 0.55, -0.72), (side * 0.85, -0.8)])))
    plane = (0.25 + 0.75 * lungs) * stroke(ribs, rng.uniform(0.018, 0.028), size) + stroke(clavicles, 0.026, size)
    for number in range(13):
        scene.fill(plane, 0.6, 0, -1 + number * 0.16, 0.075, 0.06, wobble=0.03)
    picture += np.float32(rng.uniform(14, 38)) * blurred(plane, 0.8 * size / 192)


def vessels(scene: Scene, picture: Picture, lungs: Plane) -> None:
    """Branching markings from both hila: no findings."""
    rng, size = scene.rng, scene.size
    lines = []
    for side in (-1, 1):
        for _ in range(rng.integers(6, 11)):
            start = scene.posed(np.array([[side * 0.17, rng.uniform(-0.15, 0.1)]]))[0]
            heading = (0 if side > 0 else np.pi) + rng.uniform(-1.3, 1.3)
            lines.append(wander(rng, tuple(start), heading, rng.uniform(0.1, 0.25), steps=8))
    plane = np.maximum(stroke(lines[::2], 0.011, size), stroke(lines[1::2], 0.005, size))
    picture += np.float32(rng.uniform(15, 40)) * blurred(plane, 0.8 * size / 192) * lungs


def findings(scene: Scene, picture: Picture, both: tuple[Plane, Plane], lungs: Plane, soft: float) -> None:
    rng, size = scene.rng, scene.size
    seen = lungs
    counts = scene.plan({"pleural effusion": 2, "consolidation": 2, "lung nodule": 2})
    for side in rng.permutation(2)[: counts["pleural effusion"]]:
        for _ in range(5):
            effusion = scene.draw(effusion_outline(scene, -1 if side == 0 else 1)) * both[side]
            if scene.claim("pleural effusion", effusion, 0.08):
                paint(picture, blurred(effusion, 0.6), soft + rng.uniform(25, 50))
                seen = seen * (1 - effusion)  # fluid lies in the pleural space, not in the lung
                break
    for _ in range(counts["consolidation"]):
        patch = scene.settle("consolidation", seen, (0.12, 0.24), inside=0.7, aspect=1.5, wobble=0.2, harmonics=9)
        if patch is not None:
            fuzzy = blurred(patch, 0.012 * size) * np.clip(0.78 + 0.2 * cloud(rng, size, 26), 0.35, 1)
            paint(picture, fuzzy, soft + rng.uniform(-15, 20))
    for _ in range(counts["lung nodule"]):
        nodule = scene.settle("lung nodule", seen, (0.07, 0.11), inside=1.15, aspect=1.2, wobble=0.04)
        if nodule is not None:
            paint(picture, blurred(nodule, 0.5) * rng.uniform(0.6, 0.95), soft + rng.uniform(5, 45))
    scene.mark("lungs", seen)


def effusion_outline(scene: Scene, side: int) -> Points:
    """Fluid at the base with the meniscus that climbs along the side wall."""
    rng = scene.rng
    high, low = rng.uniform(-0.15, 0.3), rng.uniform(0.22, 0.4)
    high = min(high, low - 0.08)
    corners = [
        (0.95, high - 0.05),
        (0.66, high),
        (0.58, (high + low * 2) / 3 - 0.02),
        (0.42, low),
        (0.05, low + 0.05),
        (0.05, 0.9),
        (0.95, 0.9),
    ]
    return np.array(corners) * (side, 1)


def devices(scene: Scene, picture: Picture) -> None:
    """Leads, a catheter, a side marker: no findings."""
    rng, size = scene.rng, scene.size
    if rng.random() < 0.25:
        line = wander(rng, (rng.uniform(0.3, 0.7), 0.02), np.pi / 2 + rng.uniform(-0.3, 0.3), rng.uniform(0.3, 0.6), bend=0.12)
        picture += np.float32(rng.uniform(20, 60)) * stroke(line, 0.007, size)
    if rng.random() < 0.15:
        for _ in range(3):
            scene.fill(picture, 235, *rng.uniform(-0.6, 0.6, 2), 0.018, 0.018)


def vignette_of_collimator(scene: Scene) -> Plane:
    """Borders that the collimator kept dark."""
    x, y = grid(scene.size)
    left, top = scene.rng.uniform(0, 0.05, 2)
    return ((x > left) & (x < 1 - left) & (y > top) & (y < 1 - top)).astype(np.float32)
