"""An OCT B-scan through the macula: vitreous above, the layers of the retina, pigment epithelium, choroid below."""

import cv2
import numpy as np

from .scene import Scene
from .shapes import Plane, Points, blob
from .texture import Picture, cloud, grain, grey_finish, grid, paint

# Depth in the retina (0 inner limiting membrane, 1 pigment epithelium) where a layer ends, and its mean level.
LAYERS = ((0.1, 190), (0.3, 120), (0.42, 70), (0.52, 130), (0.86, 58), (0.92, 165), (1.0, 95))


def draw(scene: Scene) -> Picture:
    size = scene.size
    x = grid(size)[0][0]
    top, base = surfaces(scene, x)
    fluid = np.zeros_like(x)
    drusen = np.zeros_like(x)
    counts = scene.plan({"subretinal fluid": 2, "drusen": 4, "intraretinal cyst": 3})
    bumps = places(scene, counts)
    for kind, at, half, height in bumps:
        arch = np.clip(1 - ((x - at) / half) ** 2, 0, None) ** np.float32(0.6 if kind == "drusen" else 0.8) * np.float32(height)
        if kind == "drusen":
            drusen = np.maximum(drusen, arch)
        else:
            fluid = np.maximum(fluid, arch)
    epithelium = base - drusen  # the pigment epithelium rides on drusen
    floor = epithelium - fluid  # the neurosensory retina rides on fluid
    roof = top - 0.85 * fluid - 0.3 * cv2.blur(drusen[None, :], (size // 24 * 2 + 1, 1))[0]  # the inner surface hardly follows drusen
    picture = layered(scene, roof, floor, epithelium, base)
    retina = between(roof, floor, size)
    lie_below(scene, picture, bumps, x, epithelium, floor, base)
    cysts(scene, picture, retina, counts["intraretinal cyst"])
    scene.mark("retina", retina)
    return speckled(scene, picture)


def surfaces(scene: Scene, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Heights (sides, from above) of the inner limiting membrane and of the pigment epithelium, along x."""
    rng = scene.rng
    tilt, curve = rng.uniform(-0.18, 0.18), rng.uniform(-0.25, 0.15)
    base = rng.uniform(0.58, 0.68) + tilt * (x - 0.5) + curve * (x - 0.5) ** 2 + 0.006 * np.sin(x * rng.uniform(5, 12) + rng.uniform(0, 6))
    thick = rng.uniform(0.22, 0.29) + 0.01 * np.sin(x * rng.uniform(2, 6) + rng.uniform(0, 6))
    pit = rng.uniform(0.04, 0.1) * np.exp(-(((x - rng.uniform(0.35, 0.65)) / rng.uniform(0.07, 0.13)) ** 2)) * (rng.random() < 0.8)
    return (base - thick + pit).astype(np.float32), base.astype(np.float32)


def places(scene: Scene, counts: dict[str, int]) -> list[tuple[str, float, float, float]]:
    """Where fluid and drusen lie along the scan: (kind, middle, half width, height), apart from each other."""
    rng = scene.rng
    bumps: list[tuple[str, float, float, float]] = []
    for kind in ["subretinal fluid"] * counts["subretinal fluid"] + ["drusen"] * counts["drusen"]:
        for _ in range(6):
            if kind == "drusen":
                half, height = rng.uniform(0.03, 0.065), rng.uniform(0.042, 0.075)
            else:
                half, height = rng.uniform(0.09, 0.2), rng.uniform(0.07, 0.13)
            at = rng.uniform(half + 0.03, 0.97 - half)
            if all(abs(at - other[1]) > half + other[2] + 0.03 for other in bumps):
                bumps.append((kind, at, half, height))
                break
    return bumps


def between(upper: np.ndarray, lower: np.ndarray, size: int) -> Plane:
    """Coverage of the band between two heights (sides) along x."""
    y = grid(size)[1]
    return np.clip((y - upper) * size + 0.5, 0, 1) * np.clip((lower - y) * size + 0.5, 0, 1)


def layered(scene: Scene, roof: np.ndarray, floor: np.ndarray, epithelium: np.ndarray, base: np.ndarray) -> Picture:
    rng, size = scene.rng, scene.size
    y = grid(size)[1]
    picture = np.full((size, size), rng.uniform(8, 30), np.float32)
    under = np.exp(-np.clip(y - base, 0, 1) * np.float32(rng.uniform(4, 9)))
    paint(picture, between(base, base + 2, size), rng.uniform(95, 140) * under * (1 + 0.25 * cloud(rng, size, 24)))
    begin = 0.0
    for end, level in LAYERS:
        end = end if end == 1.0 else end + rng.uniform(-0.02, 0.02)
        paint(picture, between(roof + (floor - roof) * begin, roof + (floor - roof) * end, size), level * rng.uniform(0.85, 1.15))
        begin = end
    thick = rng.uniform(0.02, 0.03)
    paint(picture, between(epithelium, epithelium + thick, size), rng.uniform(215, 250))
    picture *= 1 + np.float32(0.1) * cloud(rng, size, 8)
    return picture


def lie_below(
    scene: Scene,
    picture: Picture,
    bumps: list[tuple[str, float, float, float]],
    x: np.ndarray,
    epithelium: np.ndarray,
    floor: np.ndarray,
    base: np.ndarray,
) -> None:
    """Fills the room under the retina (fluid: dark) and under the epithelium (drusen: grey), and claims it."""
    rng, size = scene.rng, scene.size
    for kind, at, half, _ in bumps:
        here = (np.abs(x - at) <= half).astype(np.float32)[None, :]
        if kind == "drusen":
            line = rng.uniform(0.012, 0.02)
            cover = between(epithelium, base + 0.012, size) * here
            if scene.claim("drusen", cover, 0.05):
                inside = between(epithelium + line, base + 0.012, size) * here
                paint(picture, inside, rng.uniform(120, 165))
        else:
            cover = between(floor, epithelium, size) * here
            if scene.claim("subretinal fluid", cover, 0.08):
                paint(picture, cover, rng.uniform(6, 26))


def cysts(scene: Scene, picture: Picture, retina: Plane, count: int) -> None:
    rng = scene.rng

    def oval(centre: tuple[float, float], diameter: float) -> Points:
        stretch = rng.uniform(1.0, 1.35)
        return blob(rng, centre, (diameter / 2 * stretch, diameter / 2 / stretch), angle=rng.uniform(-0.3, 0.3), wobble=0.04)

    for _ in range(count):
        cyst = scene.settle("intraretinal cyst", retina, (0.075, 0.15), inside=1.05, outline=oval)
        if cyst is not None:
            paint(picture, cyst, rng.uniform(6, 28))


def speckled(scene: Scene, picture: Picture) -> Picture:
    rng, size = scene.rng, scene.size
    strength = np.float32(rng.uniform(0.12, 0.38))
    picture = picture * (1 + strength * grain(rng, size, rng.uniform(0, 0.9) * size / 192))
    if rng.random() < 0.3:  # shadow of a vessel
        x = grid(size)[0]
        picture *= 1 - np.float32(rng.uniform(0.2, 0.5)) * np.exp(-(((x - rng.uniform(0.1, 0.9)) * np.float32(60)) ** 2))
    return grey_finish(rng, picture, noise=(2, 10), blur=(0.2, 0.8), text=0.2)
