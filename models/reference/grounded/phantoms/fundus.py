"""A fundus photograph: the round field, the disc with its vessels, the macula; either eye."""

import numpy as np

from .scene import Scene
from .shapes import Plane, blob, coverage, stroke
from .texture import Picture, blurred, burn_text, cloud, colour_finish, grid, paint, plain, shade


def draw(scene: Scene) -> Picture:
    rng, size = scene.rng, scene.size
    x, y = grid(size)
    middle, radius = (scene.near(0.5, 0.02), scene.near(0.5, 0.02)), rng.uniform(0.44, 0.5)
    field = np.hypot(x - middle[0], y - middle[1]) < radius
    if rng.random() < 0.3:
        field &= np.abs(y - middle[1]) < radius * rng.uniform(0.82, 0.95)
    field = blurred(field.astype(np.float32), 0.6)
    tone = np.array([rng.uniform(165, 225), rng.uniform(70, 115), rng.uniform(25, 65)])
    picture = plain(size, tone)
    side = int(rng.choice([-1, 1]))
    disc_at = (0.5 + side * rng.uniform(0.2, 0.28), scene.near(0.5, 0.05))
    macula_at = (0.5 - side * rng.uniform(0.02, 0.12), disc_at[1] + rng.uniform(0.0, 0.05))
    macula = np.exp(-((x - macula_at[0]) ** 2 + (y - macula_at[1]) ** 2) * np.float32(rng.uniform(90, 200)))
    shade(picture, (1 + 0.06 * cloud(rng, size, 4) + 0.025 * cloud(rng, size, 36)) * (1 - np.float32(rng.uniform(0.2, 0.45)) * macula))
    vessels = tree(scene, picture, disc_at, side)
    disc = optic_disc(scene, picture, disc_at)
    paint(picture, vessels * disc * 0.6, (150, 50, 35))
    scene.mark("optic disc", disc)
    room = (np.hypot(x - middle[0], y - middle[1]) < radius - 0.03).astype(np.float32) * (blurred(disc, 0.02 * size) < 0.05)
    findings(scene, picture, room)
    shade(picture, 1 - np.float32(rng.uniform(0.2, 1.1)) * ((x - rng.uniform(0.4, 0.6)) ** 2 + (y - rng.uniform(0.4, 0.6)) ** 2))
    picture = colour_finish(rng, picture, noise=(1, 6), blur=(0.1, 0.9), cast=0.1)
    shade(picture, field)
    picture += np.float32(rng.uniform(0, 8))
    if rng.random() < 0.15:
        burn_text(rng, picture, (215.0, 215.0, 215.0))
    return picture


def tree(scene: Scene, picture: Picture, disc: tuple[float, float], side: int) -> Plane:
    """Arcades: two arteries and two veins above and below that bend about the macula, and their branches."""
    rng, size = scene.rng, scene.size
    plane = np.zeros((size, size), np.float32)
    for up in (-1, 1):
        for kind in range(2):  # artery, vein
            reach, height = rng.uniform(0.5, 0.75), rng.uniform(0.16, 0.34)
            t = np.linspace(0, 1, 24)
            path = np.stack(
                [disc[0] - side * reach * t**1.3, disc[1] + up * height * np.sin(t * 2.3) * (1 + 0.1 * kind) + rng.normal(0, 0.003, 24)], 1
            )
            branch(scene, plane, path, 0.016 if kind else 0.011, 1.0 if kind else 0.7)
        t = np.linspace(0, 1, 12)
        nasal = np.stack([disc[0] + side * 0.3 * t, disc[1] + up * rng.uniform(0.1, 0.35) * t + 0.02 * np.sin(5 * t)], 1)
        branch(scene, plane, nasal, 0.009, 0.8)
    plane = blurred(plane, 0.5)
    paint(picture, plane * rng.uniform(0.55, 0.85), (118, 22, 16))
    return plane


def branch(scene: Scene, plane: Plane, path: np.ndarray, width: float, strength: float) -> None:
    rng, size = scene.rng, scene.size
    half = len(path) // 2
    for part, share in ((path[: half + 1], 1.0), (path[half:], 0.65)):
        np.maximum(plane, strength * stroke(part, width * share, size), out=plane)
    twigs = []
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(3, len(path) - 2))
        ahead = path[at + 1] - path[at]
        heading = np.arctan2(ahead[1], ahead[0]) + rng.choice([-1, 1]) * rng.uniform(0.4, 0.9)
        t = np.linspace(0, rng.uniform(0.1, 0.25), 8)
        bend = heading + rng.uniform(-2, 2) * t
        twigs.append(path[at] + np.stack([t * np.cos(bend), t * np.sin(bend)], 1))
    np.maximum(plane, strength * 0.8 * stroke(twigs, width * 0.45, size), out=plane)


def optic_disc(scene: Scene, picture: Picture, at: tuple[float, float]) -> Plane:
    """The pale disc with its brighter cup."""
    rng, size = scene.rng, scene.size
    r = rng.uniform(0.055, 0.085)
    disc = coverage(blob(rng, at, (r * rng.uniform(0.85, 1), r), wobble=0.03), size)
    paint(picture, disc * 0.92, (rng.uniform(235, 255), rng.uniform(180, 215), rng.uniform(105, 150)))
    cup = rng.uniform(0.3, 0.6) * r
    paint(picture, blurred(coverage(blob(rng, at, (cup, cup)), size), 0.8) * 0.8, (255, 235, 190))
    return disc


def findings(scene: Scene, picture: Picture, room: Plane) -> None:
    rng, size = scene.rng, scene.size
    counts = scene.plan({"hemorrhage": 4, "exudate": 4, "cotton wool spot": 4})
    for _ in range(counts["hemorrhage"]):
        spot = scene.settle("hemorrhage", room, (0.075, 0.16), inside=1.0, aspect=1.8, wobble=0.16, harmonics=7)
        if spot is not None:
            paint(
                picture,
                blurred(spot, rng.uniform(0.2, 0.8)) * rng.uniform(0.7, 1),
                (rng.uniform(70, 110), rng.uniform(8, 24), rng.uniform(8, 18)),
            )
    for _ in range(counts["exudate"]):
        spot = scene.settle("exudate", room, (0.052, 0.12), inside=1.0, smallest=0.05, aspect=1.7, wobble=0.2, harmonics=9)
        if spot is not None:
            paint(
                picture,
                spot * np.clip(0.95 + 0.06 * cloud(rng, size, 40), 0, 1),
                (rng.uniform(240, 255), rng.uniform(210, 235), rng.uniform(90, 135)),
            )
    for _ in range(counts["cotton wool spot"]):
        spot = scene.settle("cotton wool spot", room, (0.075, 0.15), inside=1.0, aspect=1.6, wobble=0.1)
        if spot is not None:
            soft = blurred(spot, 0.013 * size) * rng.uniform(0.75, 0.95)
            paint(picture, soft, (rng.uniform(215, 235), rng.uniform(200, 222), rng.uniform(185, 212)))
