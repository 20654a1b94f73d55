"""Grain, clouds and what cameras and scanners do to a picture.

Planes are float32 [size, size]; pictures float32 [size, size] or [size, size, 3], in 0..255 unless said otherwise.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from .shapes import Box, Plane

Picture = NDArray[np.float32]


def grain(rng: np.random.Generator, size: int, blur: float = 0.0) -> Plane:
    """White noise of unit spread; ``blur`` (pixels) makes it coarser and keeps the spread."""
    noise = rng.standard_normal((size, size), np.float32)
    if blur <= 0.3:
        return noise
    return cv2.GaussianBlur(noise, (0, 0), blur) * np.float32(2 * np.sqrt(np.pi) * blur)


def cloud(rng: np.random.Generator, size: int, cells: int) -> Plane:
    """Smooth noise of about unit spread with features about 1/cells of the side wide."""
    coarse = rng.standard_normal((cells + 2, cells + 2), np.float32)
    return cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC) * np.float32(1.3)


def grid(size: int) -> tuple[Plane, Plane]:
    """Pixel centres as (x [1, size], y [size, 1]), in sides."""
    line = (np.arange(size, dtype=np.float32) + np.float32(0.5)) / np.float32(size)
    return line[None, :], line[:, None]


def paint(picture: Picture, alpha: Plane, value: float | Picture | tuple[float, float, float]) -> None:
    """Lays ``value`` over the picture, in place, as far as ``alpha`` (0..1) covers it. Only the rectangle that it covers is touched."""
    x, y, wide, tall = cv2.boundingRect((alpha > 0.002).view(np.uint8))
    box = (slice(y, y + tall), slice(x, x + wide))
    paint_box(picture, box, alpha[box], value)


def paint_box(picture: Picture, box: Box, cover: Plane, value: float | Picture | tuple[float, float, float]) -> None:
    """Lays ``value`` (of the whole picture) over a rectangle of it, as far as ``cover`` (of the rectangle) says."""
    part = picture[box]
    value = value[box] if isinstance(value, np.ndarray) and value.ndim >= 2 else np.asarray(value, np.float32)
    if picture.ndim == 3 and cover.size:
        cover = rgb(cover)
    part += cover * (value - part)


def rgb(plane: Plane) -> Picture:
    """A grey plane as three equal channels, [rows, columns, 3]."""
    return cv2.merge([plane, plane, plane])


def shade(picture: Picture, gain: Plane) -> None:
    """Multiplies every channel of a colour picture, in place, by a gain of its own at each pixel."""
    picture *= rgb(np.ascontiguousarray(np.broadcast_to(gain, picture.shape[:2]), dtype=np.float32))


def plain(size: int, tone: NDArray[np.float64]) -> Picture:
    """A picture of one colour."""
    return np.full((size, size, 3), tone, np.float32)


def blurred(picture: Picture, sigma: float) -> Picture:
    """Gaussian blur, sigma in pixels."""
    return picture if sigma < 0.2 else cv2.GaussianBlur(picture, (0, 0), sigma)


def vignette(rng: np.random.Generator, size: int, most: float) -> Plane:
    """A gain that falls off by up to ``most`` to the corners, about a middle of its own."""
    x, y = grid(size)
    cx, cy = rng.uniform(0.4, 0.6, 2)
    return (1 - np.float32(rng.uniform(0, most) * 2) * ((x - cx) ** 2 + (y - cy) ** 2)).astype(np.float32)


def bytes_of(picture: Picture) -> NDArray[np.uint8]:
    """The picture (0..255) as RGB bytes [size, size, 3]; a grey one becomes three equal channels."""
    level = cv2.convertScaleAbs(np.maximum(picture, 0))  # rounds and saturates
    return cv2.merge([level, level, level]) if level.ndim == 2 else level


def burn_text(rng: np.random.Generator, picture: Picture, value: float | tuple[float, float, float] = 255.0) -> None:
    """Writes a few letters or figures near a corner or edge, as machines do."""
    size = picture.shape[0]
    letters = "ABCDEFGHKLMPRSTVX0123456789.:"
    for _ in range(rng.integers(1, 4)):
        text = "".join(rng.choice(list(letters), rng.integers(1, 8)))
        x = int(rng.choice([0.02, 0.7, 0.85]) * size)
        y = int(rng.choice([0.06, 0.11, 0.92, 0.97]) * size)
        ink = np.zeros((size, size), np.uint8)
        cv2.putText(
            ink,
            text,
            (x, y),
            int(rng.choice([cv2.FONT_HERSHEY_PLAIN, cv2.FONT_HERSHEY_SIMPLEX])),
            size / 192 * rng.uniform(0.3, 0.6),
            255,
            1,
            cv2.LINE_AA,
        )
        paint(picture, ink / np.float32(255), value)


def grey_finish(
    rng: np.random.Generator,
    picture: Picture,
    *,
    noise: tuple[float, float],
    blur: tuple[float, float] = (0, 0.9),
    bias: float = 0.0,
    text: float = 0.3,
) -> Picture:
    """What a grey picture (0..255) meets on its way to the screen: bias field, blur, noise (levels), contrast, gamma, text."""
    size = picture.shape[0]
    if bias:
        picture = picture * (1 + np.float32(rng.uniform(0, bias)) * cloud(rng, size, 2))
    picture = blurred(picture, rng.uniform(*blur) * size / 192)
    picture = picture + np.float32(rng.uniform(*noise)) * grain(rng, size, rng.uniform(0, 0.9))
    if rng.random() < 0.4:
        gamma = np.exp(rng.uniform(-0.35, 0.35))
        picture = 255 * np.clip(picture / 255, 0, 1) ** np.float32(gamma)
    picture = picture * np.float32(rng.uniform(0.85, 1.1)) + np.float32(rng.uniform(-8, 10))
    if rng.random() < text:
        burn_text(rng, picture, float(rng.uniform(170, 255)))
    return picture


def colour_finish(
    rng: np.random.Generator,
    picture: Picture,
    *,
    noise: tuple[float, float] = (1, 7),
    blur: tuple[float, float] = (0, 0.9),
    cast: float = 0.08,
) -> Picture:
    """What a colour picture (0..255) meets: colour cast, blur, noise (levels), exposure."""
    size = picture.shape[0]
    gain = rng.uniform(1 - cast, 1 + cast, 3) * rng.uniform(0.85, 1.12)
    picture = blurred(picture * gain.astype(np.float32), rng.uniform(*blur) * size / 192)
    level = np.float32(rng.uniform(*noise))
    picture += rgb(level * grain(rng, size, rng.uniform(0, 0.8)))
    return picture
