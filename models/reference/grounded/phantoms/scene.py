"""A picture in the making: its source of chance, its pose, the masks so far and the room that findings have taken."""

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from .shapes import Plane, Points, blob, coverage, of_diameter, patch
from .texture import Picture, paint_box

Mask = NDArray[np.bool_]
Outline = Callable[[tuple[float, float], float], Points]

PRESENT = 0.47  # chance that a finding of a class is wanted; a few find no room
COLLAR = 0.02  # gap kept between findings, in sides
CROWDED = 0.30  # largest equivalent diameter (sides) of an instance where a picture shows several


@dataclass
class Scene:
    """``pose`` [2, 3] takes the anatomy's own coordinates to the picture's (sides). ``masks`` hold coverage, [size, size] in 0..1.
    ``largest``: the equivalent diameter (sides) that no instance of a finding exceeds."""

    rng: np.random.Generator
    size: int
    largest: float = CROWDED
    pose: NDArray[np.float64] = field(default_factory=lambda: np.array([[1.0, 0, 0], [0, 1.0, 0]]))
    masks: dict[str, Plane] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.taken: Mask = np.zeros((self.size, self.size), bool)

    def stand(self, centre: tuple[float, float], scale: tuple[float, float], angle: float) -> None:
        """Poses the anatomy: its origin at ``centre``, its unit ``scale`` sides long, turned by ``angle`` degrees."""
        c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        self.pose = np.array([[c * scale[0], -s * scale[1], centre[0]], [s * scale[0], c * scale[1], centre[1]]])

    def posed(self, points: Points) -> Points:
        return points @ self.pose[:, :2].T + self.pose[:, 2]

    def draw(self, points: Points) -> Plane:
        """Coverage of an outline given in the anatomy's coordinates."""
        return coverage(self.posed(points), self.size)

    def body(self, x: float, y: float, rx: float, ry: float, angle: float = 0.0, wobble: float = 0.05, harmonics: int = 5) -> Plane:
        """Coverage of a wobbled ellipse given in the anatomy's coordinates; ``angle`` in degrees."""
        return self.draw(blob(self.rng, (x, y), (rx, ry), angle=np.radians(angle), wobble=wobble, harmonics=harmonics))

    def fill(
        self,
        picture: Picture,
        value: float | Picture,
        x: float,
        y: float,
        rx: float,
        ry: float,
        angle: float = 0.0,
        wobble: float = 0.05,
        within: Plane | None = None,
    ) -> None:
        """Paints a wobbled ellipse, given as to ``body``, where it lies ``within`` a region; quicker than a plane of its own."""
        box, cover = patch(
            self.posed(blob(self.rng, (x, y), (rx, ry), angle=np.radians(angle), wobble=wobble, points=48)), self.size, exact=False
        )
        paint_box(picture, box, cover if within is None else cover * within[box], value)

    def near(self, value: float, by: float) -> float:
        """A number near ``value``: evenly spread, at most ``by`` away."""
        return float(self.rng.uniform(value - by, value + by))

    def plan(self, most: dict[str, int]) -> dict[str, int]:
        """How many instances of each finding to show: none, mostly one, at most so many. Where one is alone it may be larger."""
        counts = {label: self.wanted(limit) for label, limit in most.items()}
        total = sum(counts.values())
        if total > 1:
            self.largest = CROWDED if total > 2 else (CROWDED + self.largest) / 2
        return counts

    def wanted(self, most: int) -> int:
        if self.rng.random() > PRESENT:
            return 0
        extra = 0.2 if most <= 2 else 0.45
        count = 1
        while count < most and self.rng.random() < extra:
            count += 1
        return count

    def mark(self, label: str, cover: Plane) -> None:
        """Adds an organ's shape to its mask."""
        self.masks[label] = np.maximum(self.masks[label], cover) if label in self.masks else cover

    def claim(self, label: str, cover: Plane, smallest: float) -> bool:
        """Adds a finding if it is one piece of fair size (equivalent diameter in sides), in the picture, apart from others.

        Says whether it was added.
        """
        mask = (cover >= 0.5).view(np.uint8)
        x, y, wide, tall = cv2.boundingRect(mask)
        piece = mask[y : y + tall, x : x + wide]
        diameter = 2 * np.sqrt(np.count_nonzero(piece) / np.pi) / self.size
        edge = x == 0 or y == 0 or x + wide == self.size or y + tall == self.size
        if edge or not smallest <= diameter <= self.largest or self.taken[y : y + tall, x : x + wide][piece > 0].any():
            return False
        if cv2.connectedComponents(piece)[0] != 2:
            return False
        self.mark(label, cover)
        reach = max(1, round(COLLAR * self.size))
        box = (slice(max(0, y - reach), y + tall + reach), slice(max(0, x - reach), x + wide + reach))
        self.taken[box] |= cv2.dilate(mask[box], np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)).view(bool)
        return True

    def settle(
        self,
        label: str,
        region: Plane,
        sizes: tuple[float, float],
        *,
        inside: float = 1.0,
        smallest: float = 0.07,
        clip: bool = True,
        aspect: float = 1.5,
        wobble: float = 0.1,
        harmonics: int = 5,
        rough: float = 1.3,
        outline: Outline | None = None,
    ) -> Plane | None:
        """Finds room for a finding in a region, draws and claims it; its coverage, or nothing where there is no room.

        ``sizes``: equivalent diameters (sides) to draw from. ``inside``: how many of its radii the middle keeps from the region's edge
        (0: the middle may lie on it). ``clip``: what lies beyond the region is cut off. ``outline`` draws another shape than a blob.
        """
        rng = self.rng
        free = (region >= 0.5) & ~self.taken
        depth = cv2.distanceTransform(cv2.copyMakeBorder(free.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0), cv2.DIST_L2, 3)[
            1:-1, 1:-1
        ]
        low, high = sizes
        for _ in range(8):
            diameter = rng.uniform(low, high)
            places = np.flatnonzero(depth > inside * diameter / 2 * self.size)
            if len(places) == 0:
                high = (low + high) / 2
                continue
            y, x = divmod(int(places[rng.integers(len(places))]), self.size)
            centre = ((x + 0.5) / self.size, (y + 0.5) / self.size)
            if outline:
                points = outline(centre, diameter)
            else:
                stretch = np.sqrt(rng.uniform(1, aspect))
                points = of_diameter(
                    blob(
                        rng,
                        centre,
                        (diameter / 2 * stretch, diameter / 2 / stretch),
                        angle=rng.uniform(0, np.pi),
                        wobble=wobble,
                        harmonics=harmonics,
                        rough=rough,
                    ),
                    diameter,
                )
            cover = coverage(points, self.size)
            if clip:
                cover = cover * region
            if self.claim(label, cover, smallest):
                return cover
            high = max(low * 1.05, high * 0.85)
        return None
