"""Weights by their published names: each used once, with its shape, or refused by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from grounded import checkpoint
from grounded.checkpoint import CheckpointError
from grounded.config import CONFIGS
from grounded.model import GroundedModel, state_of
from grounded.names import FRAMES_ONLY, SAM, sources

FILE = 'model.safetensors'


@pytest.fixture(scope='module')
def published(tiny: GroundedModel, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Tensor]:
    folder = tmp_path_factory.mktemp('published')
    checkpoint.save(tiny, folder, published=True)
    return load_file(folder / FILE)


def refused(model: GroundedModel, folder: Path, tensors: dict[str, Tensor]) -> str:
    save_file(tensors, folder / FILE)
    with pytest.raises(CheckpointError) as e:
        checkpoint.load(model.config, folder)
    return str(e.value)


def test_what_is_written_in_published_names_comes_back_the_same(
    tiny: GroundedModel, published: dict[str, Tensor], tmp_path: Path
) -> None:
    save_file(published, tmp_path / FILE)
    again = state_of(checkpoint.load(tiny.config, tmp_path))
    assert all(torch.equal(value, again[name]) for name, value in state_of(tiny).items())


def test_query_key_and_value_are_the_thirds_of_one_published_tensor_in_this_order(
    tiny: GroundedModel, published: dict[str, Tensor]
) -> None:
    # InternVL: `qkv.reshape(B, N, 3, heads, dim)`, q first.
    layer = tiny.vision_tower.encoder.layer[1].attention
    rows = published['vision_model.encoder.layers.1.attn.qkv.weight'].split(32)
    assert torch.equal(rows[0], layer.q_proj.weight)
    assert torch.equal(rows[1], layer.k_proj.weight)
    assert torch.equal(rows[2], layer.v_proj.weight)


def test_the_four_point_embeddings_are_joined(tiny: GroundedModel, published: dict[str, Tensor]) -> None:
    third = published[f'{SAM}sam_prompt_encoder.point_embeddings.2.weight']
    assert torch.equal(third[0], tiny.prompt_encoder.point_embed.weight[2])


def test_a_missing_tensor_is_named(tiny: GroundedModel, published: dict[str, Tensor], tmp_path: Path) -> None:
    gone = {n: t for n, t in published.items() if n != 'mlp1.3.bias'}
    assert 'mlp1.3.bias is missing' in refused(tiny, tmp_path, gone)


def test_an_unknown_tensor_is_named(tiny: GroundedModel, published: dict[str, Tensor], tmp_path: Path) -> None:
    more = {**published, 'language_model.model.extra.weight': torch.zeros(1)}
    said = refused(tiny, tmp_path, more)
    assert 'language_model.model.extra.weight is unknown' in said
    assert "not those of the size 'tiny'" in said


def test_another_shape_is_named_with_both(tiny: GroundedModel, published: dict[str, Tensor], tmp_path: Path) -> None:
    other = {**published, 'language_model.model.norm.weight': torch.zeros(65)}
    said = refused(tiny, tmp_path, other)
    assert 'language_model.model.norm.weight gives [65] for language_model.model.norm.weight, which takes [64]' in said


def test_memory_over_frames_may_lie_beside(tiny: GroundedModel, published: dict[str, Tensor], tmp_path: Path) -> None:
    memory = {f'{SAM}memory_encoder.fuser.layers.0.g_weight': torch.zeros(4), f'{SAM}maskmem_tpos_enc': torch.zeros(7)}
    save_file({**published, **memory}, tmp_path / FILE)
    checkpoint.load(tiny.config, tmp_path)


def test_an_adapter_that_is_not_merged_is_refused(
    tiny: GroundedModel, published: dict[str, Tensor], tmp_path: Path
) -> None:
    adapter = {'language_model.base_model.model.layers.0.q_proj.lora_A.weight': torch.zeros(2, 2)}
    said = refused(tiny, tmp_path, {**published, **adapter})
    assert 'belongs to a LoRA adapter' in said and 'Merge the adapter first' in said


@pytest.mark.parametrize(
    ('key', 'value', 'expected'),
    [
        ('ps_version', 'v1', "ps_version = 'v1', but tiny is 'v2'"),
        ('template', 'internlm2_chat', "template = 'internlm2_chat', but tiny is 'phi3_chat'"),
        ('llm_config', {'rope_theta': 1e4}, 'llm_config.rope_theta = 10000.0'),
    ],
)
def test_settings_that_make_it_another_model_are_refused(
    tiny: GroundedModel, published: dict[str, Tensor], tmp_path: Path, key: str, value: object, expected: str
) -> None:
    (tmp_path / 'config.json').write_text(json.dumps({key: value, 'use_thumbnail': True}))
    assert expected in refused(tiny, tmp_path, published)


def test_an_empty_folder_says_what_belongs_there(tiny: GroundedModel, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match='Give the folder that holds model.safetensors'):
        checkpoint.load(tiny.config, tmp_path)


def test_the_published_size_names_the_tensors_of_the_published_file() -> None:
    """Counts of the reference repository's own classes at true shapes: 900 of SAM 2, of which 157 are memory."""
    with torch.device('meta'):
        model = GroundedModel(CONFIGS['unibiomed-1b'])
    found = sources(state_of(model))
    names = {n for s in found.values() for n in s.names}
    sam = {n for n in names if n.startswith(SAM)}
    assert len(sam) == 743
    assert not any(FRAMES_ONLY.fullmatch(n) for n in names)
    count = {
        part: sum(t.numel() for n, t in state_of(model).items() if n.startswith(part))
        for part in ('vision_tower', 'projector', 'language_model', 'text_hidden_fcs', 'image_encoder')
    }
    assert count == {
        'vision_tower': 304_012_288,
        'projector': 4_482_816,
        'language_model': 493_802_496 + 135_904_384,
        'text_hidden_fcs': 1_033_344,
        'image_encoder': 212_703_280,
    }
