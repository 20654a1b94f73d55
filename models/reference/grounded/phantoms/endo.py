"""An endoscope's view into the bowel: wet mucosa with folds and vessels, a dark lumen, glare, a black surround."""

import cv2
import numpy as np

from .scene import Scene
from .shapes import Plane, blob, coverage, stroke, wander
from .texture import Picture, blurred, burn_text, cloud, colour_finish, grid, paint, plain, shade


def draw(scene: Scene) -> Picture:
    rng, size = scene.rng, scene.size
    lumen = (scene.near(0.5, 0.2), scene.near(0.48, 0.2))
    tone = np.array([rng.uniform(195, 235), rng.uniform(105, 150), rng.uniform(85, 125)])
    picture = plain(size, tone)
    shade(picture, folds(scene, lumen) * (1 + 0.04 * cloud(rng, size, 8) + 0.02 * cloud(rng, size, 40)))
    vessels(scene, picture)
    dark = lumen_cover(scene, lumen)
    paint(picture, dark * 0.95, (38, 14, 12))
    field = surround(scene)
    findings(scene, picture, field, dark)
    glare(scene, picture, rng.integers(2, 14))
    shade(picture, light(scene))
    picture = colour_finish(rng, picture, noise=(1, 7), blur=(0.1, 1.1), cast=0.1)
    shade(picture, field)
    if rng.random() < 0.35:
        burn_text(rng, picture, (225.0, 225.0, 225.0))
    return picture


def vessels(scene: Scene, picture: Picture) -> None:
    rng, size = scene.rng, scene.size
    lines = [
        wander(rng, tuple(rng.uniform(0.1, 0.9, 2)), rng.uniform(0, 2 * np.pi), rng.uniform(0.15, 0.4), bend=0.4)
        for _ in range(rng.integers(1, 10))
    ]
    paint(picture, blurred(stroke(lines, 0.004, size), 0.6) * rng.uniform(0.15, 0.45), (150, 40, 45))


def folds(scene: Scene, lumen: tuple[float, float]) -> Plane:
    """Rings of light and shade about the lumen."""
    rng, size = scene.rng, scene.size
    x, y = grid(size)
    r = np.sqrt((x - lumen[0]) ** 2 + (y - lumen[1]) ** 2) + np.float32(0.02) * cloud(rng, size, 5)
    wave = np.sin(r * np.float32(rng.uniform(18, 38)) + np.float32(rng.uniform(0, 6)))
    return 1 + np.float32(rng.uniform(0.03, 0.15)) * wave * np.abs(wave)


def lumen_cover(scene: Scene, lumen: tuple[float, float]) -> Plane:
    rng, size = scene.rng, scene.size
    r = rng.uniform(0.05, 0.15)
    return blurred(coverage(blob(rng, lumen, (r, r * rng.uniform(0.7, 1.2)), wobble=0.12), size), rng.uniform(0.01, 0.04) * size)


def surround(scene: Scene) -> Plane:
    """What the optics show: a disc, an octagon, or the whole rectangle."""
    rng, size = scene.rng, scene.size
    x, y = grid(size)
    kind = rng.integers(3)
    if kind == 0:
        return blurred((np.hypot(x - 0.5, y - 0.5) < rng.uniform(0.47, 0.56)).astype(np.float32), 0.6)
    if kind == 1:
        cut = rng.uniform(0.68, 0.85)
        inside = (np.abs(x - 0.5) + np.abs(y - 0.5) < cut) & (np.abs(x - 0.5) < 0.485) & (np.abs(y - 0.5) < 0.485)
        return blurred(inside.astype(np.float32), 0.6)
    return np.ones((size, size), np.float32)


def findings(scene: Scene, picture: Picture, field: Plane, dark: Plane) -> None:
    rng = scene.rng
    region = field * (dark < 0.3)
    counts = scene.plan({"polyp": 2, "ulcer": 2, "bleeding": 2})
    for _ in range(counts["polyp"]):
        spot = scene.settle("polyp", region, (0.12, scene.largest), inside=1.2, aspect=1.4, wobble=0.05)
        if spot is not None:
            polyp(scene, picture, spot)
    for _ in range(counts["ulcer"]):
        spot = scene.settle("ulcer", region, (0.1, 0.24), inside=1.3, aspect=1.6, wobble=0.15, harmonics=8)
        if spot is not None:
            ulcer(scene, picture, spot)
    for _ in range(counts["bleeding"]):
        spot = scene.settle("bleeding", region, (0.1, 0.28), inside=1.2, aspect=1.9, wobble=0.2, harmonics=8, rough=1.1)
        if spot is not None:
            paint(picture, spot * 0.97, (rng.uniform(105, 160), rng.uniform(4, 20), rng.uniform(6, 22)))
            shade(picture, 1 + spot * 0.12 * cloud(rng, scene.size, 16))
            glare(scene, picture, rng.integers(1, 5), spot)


def polyp(scene: Scene, picture: Picture, spot: Plane) -> None:
    """A dome: shaded by its own slope, with a shadow on one side and a highlight on the top."""
    rng, size = scene.rng, scene.size
    wide = np.sqrt(spot.sum() / np.pi)
    dome = blurred(spot, wide * 0.45)
    slope_x, slope_y = cv2.Sobel(dome, cv2.CV_32F, 1, 0), cv2.Sobel(dome, cv2.CV_32F, 0, 1)
    at = rng.uniform(0, 2 * np.pi)
    lit = (slope_x * np.cos(at) + slope_y * np.sin(at)) * np.float32(wide / 8)
    shadow = np.roll(blurred(spot, wide * 0.15), (int(-np.sin(at) * wide * 0.22), int(-np.cos(at) * wide * 0.22)), (0, 1))
    shade(picture, 1 - np.float32(rng.uniform(0.1, 0.5)) * shadow * (1 - spot))
    tint = np.array([rng.uniform(1.0, 1.12), rng.uniform(0.7, 1.0), rng.uniform(0.75, 1.05)]).astype(np.float32)
    inside = picture * tint
    shade(inside, (0.78 + 0.5 * dome + np.float32(rng.uniform(0.3, 1)) * lit) * (1 + 0.06 * cloud(rng, size, 44)))
    paint(picture, spot, inside)
    glare(scene, picture, rng.integers(1, 4), spot * (dome > 0.6))


def ulcer(scene: Scene, picture: Picture, spot: Plane) -> None:
    """A yellow-white base of fibrin in a red, swollen rim; the rim's outer part lies outside the mask."""
    rng, size = scene.rng, scene.size
    rim = np.clip(blurred(spot, 0.018 * size) * 2.2, 0, 1) * (1 - spot)
    paint(picture, rim * rng.uniform(0.4, 0.8), (190, 60, 55))
    base = np.array([rng.uniform(215, 245), rng.uniform(195, 225), rng.uniform(135, 185)])
    fibrin = plain(size, base)
    shade(fibrin, 1 + 0.07 * cloud(rng, size, 30))
    paint(picture, spot * rng.uniform(0.88, 1), fibrin)


def glare(scene: Scene, picture: Picture, count: int, where: Plane | None = None) -> None:
    """Small specular highlights, anywhere or on a wet surface."""
    rng, size = scene.rng, scene.size
    places = np.flatnonzero(where > 0.5) if where is not None else None
    if places is not None and len(places) == 0:
        return
    spots = np.zeros((size, size), np.uint8)
    for _ in range(count):
        at = rng.uniform(0.08, 0.92, 2) if places is None else np.array(divmod(int(rng.choice(places)), size))[::-1] / size
        r = rng.uniform(0.004, 0.014)
        outline = blob(rng, tuple(at), (r, r * rng.uniform(1, 2)), angle=rng.uniform(0, 3), points=24)
        cv2.fillPoly(spots, [np.rint((outline * size - 0.5) * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    paint(picture, spots * np.float32(1 / 255), (250, 246, 238))


def light(scene: Scene) -> Plane:
    """The lamp: brighter where it points, falling off to the edge."""
    rng, size = scene.rng, scene.size
    x, y = grid(size)
    cx, cy = rng.uniform(0.35, 0.65, 2)
    return np.float32(rng.uniform(0.95, 1.12)) - np.float32(rng.uniform(0.3, 1.1)) * ((x - cx) ** 2 + (y - cy) ** 2)
