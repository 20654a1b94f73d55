"""Phantoms: procedurally drawn medical pictures of eleven modalities with exact masks.

Never a real image: for training and testing the reference model. Its main type is ``Phantom``.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from . import ct, derm, endo, fundus, micro, mr, oct, path, pet, us, xray
from .labels import LABELS, Labels
from .scene import Scene
from .texture import Picture, bytes_of

__all__ = ["LABELS", "Labels", "Phantom", "make"]

DRAW: dict[str, Callable[[Scene], Picture]] = {
    "ct": ct.draw,
    "mr": mr.draw,
    "xray": xray.draw,
    "us": us.draw,
    "path": path.draw,
    "endo": endo.draw,
    "fundus": fundus.draw,
    "oct": oct.draw,
    "derm": derm.draw,
    "micro": micro.draw,
    "pet": pet.draw,
}


@dataclass(frozen=True)
class Phantom:
    """``picture`` uint8 [size, size, 3] RGB; ``masks`` bool [size, size] for every label of the modality, empty where absent."""

    picture: NDArray[np.uint8]
    masks: dict[str, NDArray[np.bool_]]


def make(modality: str, rng: np.random.Generator, size: int = 192) -> Phantom:
    """Draws one phantom. The same state of ``rng`` gives the same bytes; a mask is where its drawn shape covers half a pixel or more.

    Raises ``KeyError`` for a modality that ``LABELS`` does not name.
    """
    scene = Scene(rng, size, LABELS[modality].largest)
    picture = DRAW[modality](scene)
    empty = np.zeros((size, size), np.float32)
    masks = {label: scene.masks.get(label, empty) >= 0.5 for label in LABELS[modality].all}
    return Phantom(bytes_of(picture), masks)
