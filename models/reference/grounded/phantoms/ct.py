"""An axial slice through the upper abdomen, in Hounsfield units until windowed. Radiological display: the liver on the left."""

import numpy as np

from .scene import Scene
from .shapes import Plane, Points, smooth
from .texture import Picture, blurred, cloud, grain, grey_finish, grid, paint

FAT, MUSCLE, AIR = -100.0, 50.0, -1000.0


def draw(scene: Scene) -> Picture:
    rng, size = scene.rng, scene.size
    scene.stand((scene.near(0.5, 0.03), scene.near(0.5, 0.04)), (rng.uniform(0.4, 0.48), rng.uniform(0.3, 0.4)), rng.uniform(-18, 18))
    hu = np.full((size, size), AIR, np.float32)
    contrast = rng.uniform(0, 1)  # none .. portal venous
    cavity = wall(scene, hu)
    bowel(scene, hu, cavity)
    spine(scene, hu)
    kidneys = organs(scene, hu, cavity, contrast)
    findings(scene, hu, kidneys, cavity)
    return windowed(scene, hu)


def wall(scene: Scene, hu: Picture) -> Plane:
    """Skin, fat, muscle and ribs; returns the abdominal cavity."""
    rng, size = scene.rng, scene.size
    if rng.random() < 0.6:  # the table's upper edge
        x, y = grid(size)
        line = 0.93 + rng.uniform(-0.02, 0.03) - rng.uniform(0.0, 0.15) * (x - 0.5) ** 2
        hu += np.float32(rng.uniform(500, 900)) * np.exp(-(((y - line) * np.float32(110)) ** 2))
    fat = rng.uniform(0.04, 0.16)
    scene.fill(hu, FAT + 6 * cloud(scene.rng, size, 12), 0, 0, 1, 1, wobble=0.03)
    scene.fill(hu, MUSCLE, 0, 0.01, 1 - fat, 1 - fat, wobble=0.025)
    inner = 0.93 - fat - rng.uniform(0.02, 0.05)
    cavity = scene.body(0, -0.02, inner, inner, wobble=0.02)
    paint(hu, cavity, FAT + 12 * cloud(scene.rng, size, 16))
    for turn in np.arange(0, 360, 36) + rng.uniform(0, 36):
        if 60 < turn % 360 < 120 or rng.random() < 0.25:
            continue
        at = np.radians(turn)
        rib = (1 - fat - 0.055) * np.array([np.cos(at), np.sin(at)])
        scene.fill(hu, rng.uniform(250, 600), rib[0], rib[1], 0.07, 0.026, turn + 90)
    return cavity


def bowel(scene: Scene, hu: Picture, cavity: Plane) -> None:
    """Loops with wall and content (fluid, gas, oral contrast), and the stomach: none of them a finding."""
    rng = scene.rng
    oral = rng.random() < 0.2
    for _ in range(rng.integers(6, 12)):
        x, y = rng.uniform(-0.2, 0.62), rng.uniform(-0.6, 0.15)
        r = rng.uniform(0.07, 0.13)
        angle = rng.uniform(0, 180)
        scene.fill(hu, rng.uniform(30, 70), x, y, r, r * 1.2, angle, within=cavity)
        content = rng.uniform(180, 300) if oral and rng.random() < 0.4 else AIR * 0.8 if rng.random() < 0.25 else rng.uniform(-20, 40)
        scene.fill(hu, content, x, y, r * 0.6, r * 0.7, angle, within=cavity)
    if rng.random() < 0.8:
        x, y = scene.near(0.33, 0.06), scene.near(-0.42, 0.05)
        scene.fill(hu, rng.uniform(40, 70), x, y, 0.26, 0.22, rng.uniform(-20, 30), within=cavity)
        inside = scene.body(x, y, 0.21, 0.17, rng.uniform(-20, 30)) * cavity
        paint(hu, inside, rng.uniform(0, 40))
        if rng.random() < 0.6:  # gas rises to the front
            _, rows = grid(scene.size)
            level = (scene.pose @ np.array([x, y - 0.05, 1]))[1]
            paint(hu, inside * (rows < level), AIR * 0.9)


def spine(scene: Scene, hu: Picture) -> None:
    rng = scene.rng
    bone = rng.uniform(150, 260)
    for side in (-1, 1):
        scene.fill(hu, MUSCLE + 5, side * 0.24, 0.68, 0.15, 0.12, side * 15)
        scene.fill(hu, MUSCLE, side * 0.2, 0.46, 0.08, 0.1)  # psoas
        scene.fill(hu, bone + 150, side * 0.16, 0.64, 0.12, 0.03, side * -12)
    scene.fill(hu, bone + 150, 0, 0.8, 0.03, 0.1)
    scene.fill(hu, bone + 250, 0, 0.645, 0.1, 0.11)
    scene.fill(hu, 20, 0, 0.645, 0.065, 0.075)
    scene.fill(hu, bone + 300, 0, 0.45, 0.16, 0.17, wobble=0.03)
    scene.fill(hu, bone + 40 * cloud(rng, scene.size, 24), 0, 0.45, 0.135, 0.14, wobble=0.03)


def organs(scene: Scene, hu: Picture, cavity: Plane, contrast: float) -> Plane:
    """Liver, spleen, kidneys, vessels; returns the kidneys, which are no label but hold findings."""
    rng, size = scene.rng, scene.size
    kidneys, sinus = np.zeros_like(hu), np.zeros_like(hu)
    for side in (-1, 1):
        x, y = side * scene.near(0.4, 0.03), scene.near(0.44, 0.05)
        r = rng.uniform(0.15, 0.185)
        tilt = side * rng.uniform(5, 30)
        kidneys = np.maximum(kidneys, scene.body(x, y, r, r * 1.3, tilt, 0.03))
        sinus = np.maximum(sinus, scene.body(x - side * r * 0.75, y - 0.02, r * 0.45, r * 0.4, tilt))
    kidneys *= cavity
    liver = scene.draw(liver_outline(scene)) * cavity * (1 - kidneys)
    aside = scene.near(0.07, 0.03)
    aorta = scene.body(aside, scene.near(0.215, 0.02), rng.uniform(0.07, 0.095), rng.uniform(0.09, 0.115), wobble=0.02)
    cava = scene.body(aside - rng.uniform(0.2, 0.24), scene.near(0.21, 0.03), 0.075, 0.075, wobble=0.05)
    liver *= (1 - aorta) * (1 - cava)
    spleen = scene.draw(spleen_outline(scene)) * cavity * (1 - kidneys)
    liver_value = rng.uniform(55, 70) + 50 * contrast
    if rng.random() < 0.12:
        liver_value -= rng.uniform(20, 45)  # fatty liver
    paint(hu, liver, liver_value + 5 * cloud(rng, size, 24))
    for _ in range(rng.integers(2, 6)):  # hepatic veins
        x, y = rng.uniform(-0.6, -0.2), rng.uniform(-0.35, 0.15)
        paint(
            hu,
            scene.body(x, y, rng.uniform(0.015, 0.04), rng.uniform(0.05, 0.12), rng.uniform(0, 180)) * liver,
            liver_value + (35 * contrast if contrast > 0.3 else -12),
        )
    paint(hu, spleen, liver_value - 10 + 30 * contrast * rng.random() + 4 * cloud(rng, size, 24))
    paint(hu, kidneys, 50 + 110 * contrast + 6 * cloud(rng, size, 20))
    paint(hu, sinus * kidneys, FAT * 0.6)
    vessel = 45 + rng.uniform(100, 230) * contrast
    paint(hu, aorta, vessel)
    if rng.random() < 0.25:
        scene.fill(hu, 400, aside + 0.07, 0.23, 0.012, 0.05)  # calcified wall
    paint(hu, cava, 45 + 100 * contrast)
    if rng.random() < 0.35:  # gallbladder, beside the liver and no part of it
        gall = scene.body(scene.near(-0.22, 0.05), scene.near(-0.02, 0.04), 0.07, 0.12, rng.uniform(-30, 30), 0.05)
        liver *= 1 - gall
        paint(hu, gall, rng.uniform(5, 15))
    scene.mark("liver", liver)
    scene.mark("spleen", spleen)
    scene.mark("aorta", aorta)
    return kidneys * (1 - sinus)


def liver_outline(scene: Scene) -> Points:
    """Right lobe against the side wall, left lobe tapering across the midline."""
    rng = scene.rng
    reach = rng.uniform(-0.02, 0.24)
    corners = np.array(
        [
            (-0.86, -0.3),
            (-0.62, -0.62),
            (-0.3, -0.78),
            (-0.05, -0.72),
            (reach, -0.6),
            (reach - 0.05, -0.45),
            (-0.14, -0.3),
            (-0.2, 0.0),
            (-0.3, 0.16),
            (-0.42, 0.3),
            (-0.62, 0.48),
            (-0.8, 0.35),
            (-0.93, 0.05),
        ]
    )
    return smooth(corners + rng.normal(0, 0.022, corners.shape)) * rng.uniform(0.93, 1.03)


def spleen_outline(scene: Scene) -> Points:
    """A crescent along the left side wall, hollow towards stomach and kidney."""
    rng = scene.rng
    length = rng.uniform(0.7, 1.15)
    corners = np.array(
        [(0.66, -0.28), (0.84, -0.12), (0.9, 0.12), (0.82, 0.36), (0.66, 0.56), (0.56, 0.54), (0.58, 0.36), (0.6, 0.15), (0.58, -0.08)]
    )
    corners = (corners - (0.72, 0.15)) * (rng.uniform(0.9, 1.15), length) + (0.72, 0.15)
    return smooth(corners + rng.normal(0, 0.016, corners.shape))


def findings(scene: Scene, hu: Picture, kidneys: Plane, cavity: Plane) -> None:
    rng, size = scene.rng, scene.size
    counts = scene.plan({"kidney stone": 2, "renal cyst": 2, "liver lesion": 2})
    free = (blurred(cavity * (1 - scene.masks["aorta"]), 0.022 * size) > 0.93).astype(np.float32)
    for _ in range(counts["kidney stone"]):
        stone = scene.settle("kidney stone", kidneys, (0.05, 0.066), inside=0.5, smallest=0.05, aspect=1.8, wobble=0.12)
        if stone is not None:
            paint(hu, stone, rng.uniform(500, 1200))
    for _ in range(counts["renal cyst"]):
        rim = kidneys * free * (blurred(kidneys, 0.03 * size) < 0.8)
        cyst = scene.settle("renal cyst", rim, (0.075, 0.12), inside=0, clip=False, aspect=1.15, wobble=0.02)
        if cyst is not None:
            paint(hu, cyst, rng.uniform(-4, 12))
            scene.masks["liver"] = scene.masks["liver"] * (1 - cyst)
            scene.masks["spleen"] = scene.masks["spleen"] * (1 - cyst)
    for _ in range(counts["liver lesion"]):
        lesion = scene.settle("liver lesion", scene.masks["liver"], (0.075, 0.17), inside=0.8, wobble=0.12)
        if lesion is None:
            continue
        around = float(np.median(hu[lesion > 0.5]))
        value = around - rng.uniform(35, 75) if rng.random() < 0.75 else around + rng.uniform(45, 90)
        paint(hu, lesion, value + 8 * cloud(rng, size, 24))
        if rng.random() < 0.35:  # a core of another density
            core = blurred(lesion, 0.02 * size)
            paint(hu, np.clip((core - 0.75) * 4, 0, 1), 2 * value - around)


def windowed(scene: Scene, hu: Picture) -> Picture:
    """Noise of the scan, then centre and width of the window."""
    rng = scene.rng
    hu = blurred(hu, rng.uniform(0.3, 0.9) * scene.size / 192)
    hu += np.float32(rng.uniform(4, 20)) * grain(rng, scene.size, rng.uniform(0.4, 1.0))
    centre, width = rng.uniform(25, 80), rng.uniform(280, 450)
    level = np.clip((hu - centre) / width + 0.5, 0, 1) * 255
    return grey_finish(rng, level.astype(np.float32), noise=(0, 3), blur=(0, 0.4), text=0.3)
