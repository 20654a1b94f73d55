"""What several tests look at: the tiny model of the committed bundle, and the bundle itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from grounded import bundle
from grounded.export import round_to_half
from grounded.model import GroundedModel
from grounded.random_weights import random_model

BUNDLE = Path(__file__).parents[3] / 'test' / 'golden' / 'grounded-tiny'


@pytest.fixture(scope='session', autouse=True)
def one_thread() -> Iterator[None]:
    torch.set_num_threads(1)
    yield


@pytest.fixture(scope='session')
def manifest() -> dict[str, Any]:
    return bundle.read(BUNDLE)


@pytest.fixture(scope='session')
def words() -> Tokenizer:
    return Tokenizer.from_file(str(BUNDLE / 'tokenizer.json'))


@pytest.fixture(scope='session')
def tiny(manifest: dict[str, Any], words: Tokenizer) -> GroundedModel:
    """The model of the committed bundle, made again from its seed."""
    model = random_model(bundle.config_of(manifest), manifest['provenance']['seed'], words)
    round_to_half(model)
    return model
