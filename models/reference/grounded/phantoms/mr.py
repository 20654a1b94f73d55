"""An axial slice through the brain, at the height of the lateral ventricles, in one of four weightings."""

import numpy as np

from .scene import Scene
from .shapes import Plane, Points, blob, smooth
from .texture import Picture, blurred, cloud, grey_finish, paint

# Grey levels: scalp fat, cerebrospinal fluid, grey matter, white matter, then tumor rim, edema, infarct.
WEIGHTINGS: dict[str, tuple[float, float, float, float, float, float, float]] = {
    "t1": (220, 30, 105, 145, 70, 85, 55),
    "t1 with contrast": (210, 30, 100, 140, 235, 85, 55),
    "t2": (170, 235, 130, 90, 165, 190, 215),
    "flair": (150, 25, 120, 95, 175, 205, 230),
}


def draw(scene: Scene) -> Picture:
    rng, size = scene.rng, scene.size
    scene.stand((scene.near(0.5, 0.03), scene.near(0.5, 0.03)), (rng.uniform(0.33, 0.41), rng.uniform(0.39, 0.46)), rng.uniform(-20, 20))
    weighting = str(rng.choice(list(WEIGHTINGS)))
    fat, fluid, grey, white, rim, edema, infarct = (level + rng.uniform(-10, 10) for level in WEIGHTINGS[weighting])
    picture = np.full((size, size), rng.uniform(2, 10), np.float32)
    outline = blob(rng, (0, 0), (1, 1), wobble=0.02)
    paint(picture, scene.draw(outline), fat)
    paint(picture, scene.draw(outline * rng.uniform(0.93, 0.955)), 20)  # skull: no signal
    paint(picture, scene.draw(outline * 0.885), fluid)
    brain = scene.draw(folds(scene, outline * 0.865))
    paint(picture, brain, grey + 4 * cloud(rng, size, 20))
    matter = scene.draw(blob(rng, (0, 0), (0.75, 0.77), wobble=0.04, harmonics=22, rough=0.4, points=144))
    paint(picture, matter * brain, white + 4 * cloud(rng, size, 12))
    for side in (-1, 1):
        scene.fill(picture, (grey * 2 + white) / 3, side * 0.33, 0.02, 0.1, 0.24, side * -12)  # basal ganglia
    scene.fill(picture, (grey + fluid) / 2, 0, 0, 0.014, 0.86, wobble=0.2, within=brain)  # falx
    ventricles = lateral_ventricles(scene)
    paint(picture, ventricles, fluid)
    scene.mark("ventricles", ventricles)
    findings(scene, picture, outline, brain, matter, (rim, edema, infarct), weighting)
    return grey_finish(rng, picture, noise=(2, 10), blur=(0.2, 1.0), bias=0.14, text=0.2)


def folds(scene: Scene, outline: Points) -> Points:
    """The brain's surface: the skull's shape, dented by sulci."""
    turn = np.linspace(0, 2 * np.pi, len(outline), endpoint=False)
    dent = 1 - 0.03 * np.abs(np.sin(turn * scene.rng.integers(7, 12) + scene.rng.uniform(0, 6))) - scene.rng.uniform(0, 0.02, len(outline))
    return outline * dent[:, None]


def lateral_ventricles(scene: Scene) -> Plane:
    """Frontal horns, bodies and occipital horns of both sides, alike but not equal; sometimes the third ventricle."""
    rng = scene.rng
    wide, long = rng.uniform(0.85, 1.7), rng.uniform(0.85, 1.15)
    half = np.array(
        [
            (0.035, -0.2),
            (0.06, -0.34),
            (0.15, -0.44),
            (0.21, -0.42),
            (0.17, -0.25),
            (0.115, -0.08),
            (0.12, 0.06),
            (0.2, 0.2),
            (0.27, 0.36),
            (0.22, 0.4),
            (0.13, 0.25),
            (0.055, 0.05),
        ]
    )
    middle = np.array([0.1, 0.0])
    cover = np.zeros((scene.size, scene.size), np.float32)
    for side in (-1, 1):
        spread = 1 + (wide - 1) * 0.45
        corners = half * (spread, long) + rng.normal(0, 0.008, half.shape)
        grown = middle + (corners - middle) * (rng.uniform(0.95, 1.1), rng.uniform(0.95, 1.05))
        cover = np.maximum(cover, scene.draw(smooth(grown) * (side, 1)))
    if rng.random() < 0.4:
        cover = np.maximum(cover, scene.body(0, 0.05, 0.025 * wide, 0.1))
    return cover


def findings(
    scene: Scene, picture: Picture, outline: Points, brain: Plane, matter: Plane, levels: tuple[float, float, float], weighting: str
) -> None:
    rng, size = scene.rng, scene.size
    rim, edema_level, infarct_level = levels
    counts = scene.plan({"infarct": 2, "brain tumor": 2, "edema": 2})
    solid = brain * (1 - scene.masks["ventricles"])
    for _ in range(counts["infarct"]):
        for _ in range(6):
            wedge = scene.draw(wedge_outline(scene, outline)) * solid
            if scene.claim("infarct", wedge, 0.09):
                paint(picture, wedge, infarct_level + 4 * cloud(rng, size, 12))
                break
    for _ in range(counts["brain tumor"]):
        tumor = scene.settle("brain tumor", solid, (0.09, 0.2), inside=0.95, aspect=1.35, wobble=0.08, harmonics=6)
        if tumor is None:
            continue
        paint(picture, tumor, rim + 14 * cloud(rng, size, 28))
        core = np.clip((blurred(tumor, 0.022 * size) - 0.62) * 4, 0, 1) * tumor
        if rng.random() < 0.75:  # necrotic core
            dark = weighting in ("t1", "t1 with contrast", "flair")
            paint(picture, core, 45 + 15 * cloud(rng, size, 28) if dark else 225 + 12 * cloud(rng, size, 28))
    for _ in range(counts["edema"]):
        inner = matter * solid
        edema = scene.settle("edema", inner, (0.1, 0.21), inside=0.6, aspect=1.6, wobble=0.2, harmonics=9, rough=0.8)
        if edema is not None:
            paint(picture, blurred(edema, 0.008 * size), edema_level)


def wedge_outline(scene: Scene, outline: Points) -> Points:
    """A vessel's territory: broad on the cortex, pointed towards the middle."""
    rng = scene.rng
    count = len(outline)
    width = int(rng.integers(8, 15))
    start = int(rng.integers(1, count // 2 - width)) + count // 4 * int(rng.choice([1, 3]))  # the falx is never crossed
    arc = outline[np.arange(start, start + width) % count] * 0.86
    middle = outline[(start + width // 2 + int(rng.integers(-1, 2))) % count]
    tip = middle * rng.uniform(0.28, 0.5)
    sides = [arc[-1] * (1 - t) + tip * t for t in (0.35, 0.7)], [tip * (1 - t) + arc[0] * t for t in (0.3, 0.65)]
    inner = np.array([*sides[0], tip, *sides[1]])
    return smooth(np.vstack([arc[::2], inner + rng.normal(0, 0.02, inner.shape)]), 5)
