"""Stained histology (haematoxylin and eosin), drawn as the density of each stain and turned to light by Beer and Lambert's law."""

import cv2
import numpy as np
from numpy.typing import NDArray

from .scene import Mask, Scene
from .shapes import Plane, Points
from .texture import Picture, blurred, cloud, colour_finish, grain, paint, shade, vignette

HAEMATOXYLIN = np.array(
    [0.65, 0.70, 0.29], np.float32
)  # absorbance of R, G, B for a unit of stain, after Ruifrok and Johnston 2001; eosin a little warmer
EOSIN = np.array([0.09, 0.92, 0.28], np.float32)


def draw(scene: Scene) -> Picture:
    rng, size = scene.rng, scene.size
    eosin = stroma(scene)
    blue = np.full((size, size), rng.uniform(0.03, 0.1), np.float32)
    nests, dead, lymph = [], [], []
    everywhere = np.ones((size, size), np.float32)
    counts = scene.plan({"tumor nest": 3, "necrosis": 2, "lymphoid aggregate": 2})
    for label, spots, sizes, wobble in (
        ("tumor nest", nests, (0.14, scene.largest), 0.14),
        ("necrosis", dead, (0.17, scene.largest), 0.18),
        ("lymphoid aggregate", lymph, (0.12, 0.24), 0.08),
    ):
        for _ in range(counts[label]):
            spot = scene.settle(label, everywhere, sizes, inside=1.15, aspect=1.6, wobble=wobble, harmonics=7)
            if spot is not None:
                spots.append(spot)
    for spot in nests:
        paint(eosin, spot, rng.uniform(0.25, 0.4))
        paint(blue, spot, rng.uniform(0.28, 0.42))
    for spot in dead:
        soft = blurred(spot, 0.8)
        paint(eosin, soft, rng.uniform(0.5, 0.75) * (1 + 0.3 * cloud(rng, size, 60)))
        paint(blue, soft, 0.03)
    for spot in lymph:
        paint(eosin, spot, 0.2)
        paint(blue, spot, rng.uniform(0.4, 0.55))
    nuclei(scene, blue, nests, dead, lymph)
    strength = rng.uniform(0.9, 1.35)
    dyes = [strength * np.clip(dye + rng.normal(0, 0.04, 3), 0.02, None).astype(np.float32) for dye in (HAEMATOXYLIN, EOSIN)]
    picture = np.exp(cv2.merge([-(blue * dyes[0][band] + eosin * dyes[1][band]) for band in range(3)])) * np.float32(rng.uniform(235, 252))
    shade(picture, vignette(rng, size, 0.15))
    return colour_finish(rng, picture, noise=(1, 6), blur=(0, 0.7), cast=0.05)


def stroma(scene: Scene) -> Plane:
    """Fibres that run one way, clefts between them, sometimes a vessel: eosin only."""
    rng, size = scene.rng, scene.size
    fibre = cv2.GaussianBlur(grain(rng, size), (0, 0), sigmaX=size / 20, sigmaY=size / 130)
    turn = cv2.getRotationMatrix2D((size / 2, size / 2), float(rng.uniform(0, 180)), 1.5)
    fibre = cv2.warpAffine(fibre, turn, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    fibre = fibre / fibre.std()
    eosin = np.float32(rng.uniform(0.28, 0.5)) * (1 + 0.22 * fibre + 0.12 * cloud(rng, size, 5))
    if rng.random() < 0.5:
        eosin *= 1 - np.clip(fibre * 1.5 - rng.uniform(1.5, 3), 0, 0.85)  # clefts
    return np.clip(eosin, 0.02, None)


def nuclei(scene: Scene, blue: Plane, nests: list[Plane], dead: list[Plane], lymph: list[Plane]) -> None:
    """Spindle nuclei in the stroma; large, uneven ones crowded in nests; small round dark ones in lymphoid tissue; dust in necrosis."""
    rng, size = scene.rng, scene.size
    kind = np.zeros((size, size), np.uint8)
    for value, spots in enumerate((nests, dead, lymph), 1):
        for spot in spots:
            kind[spot >= 0.5] = value
    plane = np.zeros((size, size), np.uint8)
    heading = rng.uniform(0, 180)
    scattered = rng.uniform(0, size, (rng.integers(90, 200), 2))
    ellipses(rng, plane, inside(scattered, kind == 0), (0.0055, 0.006), (1.6, 2.9), (heading - 30, heading + 30), (120, 190))
    for value, gap, radii, stretch, depth in (
        (1, 0.034, (0.011, 0.019), (1, 1.5), (130, 230)),
        (3, 0.021, (0.008, 0.0105), (1, 1.05), (200, 250)),
    ):
        room = cv2.erode((kind == value).view(np.uint8), np.ones((3, 3), np.uint8)) > 0
        if room.any():
            line = np.arange(0, 1, gap) * size
            lattice = np.stack(np.meshgrid(line, line), -1).reshape(-1, 2)
            ellipses(rng, plane, inside(lattice + rng.normal(0, gap * 0.22 * size, lattice.shape), room), radii, stretch, (0, 180), depth)
    dust = rng.uniform(0, size, (400, 2))
    ellipses(rng, plane, inside(dust, kind == 2), (0.003, 0.0035), (1, 2), (0, 180), (70, 160))
    paint(blue, np.minimum(plane * np.float32(1 / 210), 1), np.float32(rng.uniform(0.95, 1.35)) * (1 + 0.12 * cloud(rng, size, 80)))


def inside(places: Points, room: Mask) -> Points:
    """The places (x, y in pixels) that lie in the picture and in the room."""
    size = len(room)
    places = places[((places >= 0) & (places < size)).all(1)]
    return places[room[places[:, 1].astype(int), places[:, 0].astype(int)]]


def ellipses(
    rng: np.random.Generator,
    plane: NDArray[np.uint8],
    places: Points,
    radii: tuple[float, float],
    stretch: tuple[float, float],
    angles: tuple[float, float],
    depth: tuple[int, int],
) -> None:
    """Antialiased ellipses at places (pixels); short half axes in sides, long ones so many times longer, angles in degrees, grey values."""
    count, size = len(places), len(plane)
    short = rng.uniform(*radii, count) * size
    axes = np.maximum(np.stack([short * rng.uniform(*stretch, count), short], 1) * 16, 8).astype(int).tolist()
    turns, depths = rng.uniform(*angles, count).tolist(), rng.integers(*depth, count).tolist()
    for place, axis, turn, value in zip((places * 16).astype(int).tolist(), axes, turns, depths, strict=True):
        cv2.ellipse(plane, place, axis, turn, 0, 360, value, -1, cv2.LINE_AA, 4)
