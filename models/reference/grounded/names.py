"""Where each of our tensors stands in the published checkpoint: its names, by rule, one way.

Published layout: Luffy03/UniBiomed, projects/unibiomed/hf (`sa2va_chat`): InternVL2.5, Qwen2.5 and SAM 2 in one file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

SAM = 'grounding_encoder.sam2_model.'


@dataclass(frozen=True)
class Source:
    """One of our tensors in the published file."""

    names: tuple[str, ...]
    """One name, or several that are joined along the first axis."""
    third: int | None = None
    """Which third of the rows, where query, key and value are one tensor there."""


def sources(ours: Iterable[str]) -> dict[str, Source]:
    """Our names -> where they stand. The names are those of a model made from `unibiomed-1b` or `tiny`."""
    return {name: source(name) for name in ours}


def source(name: str) -> Source:
    """:raises KeyError: where no rule knows the name"""
    for pattern, target in RULES:
        found = re.fullmatch(pattern, name)
        if found:
            return target(found)
    raise KeyError(f'no rule says where {name} stands in the published checkpoint')


# Tensors of SAM 2's memory over frames: known, and of no use for a single picture.
FRAMES_ONLY = re.compile(
    re.escape(SAM)
    + r'(memory_attention\..*|memory_encoder\..*|maskmem_tpos_enc|no_mem_pos_enc|no_obj_ptr|mask_downsample\..*|obj_ptr_proj\..*)'
)

_QKV = {'q': 0, 'k': 1, 'v': 2}


def _vision_qkv(m: re.Match[str]) -> Source:
    return Source((f'vision_model.encoder.layers.{m[1]}.attn.qkv.{m[3]}',), _QKV[m[2]])


def _points(m: re.Match[str]) -> Source:
    return Source(tuple(f'{SAM}sam_prompt_encoder.point_embeddings.{i}.weight' for i in range(4)))


_VISION_LAYER = {
    'attention.projection_layer.weight': 'attn.proj.weight',
    'attention.projection_layer.bias': 'attn.proj.bias',
    'layernorm_before.weight': 'norm1.weight',
    'layernorm_before.bias': 'norm1.bias',
    'layernorm_after.weight': 'norm2.weight',
    'layernorm_after.bias': 'norm2.bias',
    'lambda_1': 'ls1',
    'lambda_2': 'ls2',
}
_VISION_EMBEDDINGS = {
    'cls_token': 'class_embedding',
    'position_embeddings': 'position_embedding',
    'patch_embeddings.projection.weight': 'patch_embedding.weight',
    'patch_embeddings.projection.bias': 'patch_embedding.bias',
}
_PROJECTOR = {'layer_norm': '0', 'linear_1': '1', 'linear_2': '3'}
_DOWNSCALING = {'conv1': 0, 'layer_norm1': 1, 'conv2': 3, 'layer_norm2': 4, 'conv3': 6}
_UPSCALING = {'upscale_conv1': 0, 'upscale_layer_norm': 1, 'upscale_conv2': 3}


def _one(text: str) -> Source:
    return Source((text,))


def _hiera(rest: str) -> str:
    rest = re.sub(r'\blayer_norm(\d)', r'norm\1', rest)
    rest = rest.replace('mlp.proj_in', 'mlp.layers.0').replace('mlp.proj_out', 'mlp.layers.1')
    return rest.replace('patch_embed.projection', 'patch_embed.proj')


def _transformer(rest: str) -> str:
    rest = rest.replace('layer_norm_final_attn', 'norm_final_attn').replace('o_proj', 'out_proj')
    return _hiera(rest)


def _three_layers(rest: str) -> str:
    """SAM's MLPs of three layers: `proj_in`, `layers.0`, `proj_out` are 0, 1, 2 there."""
    return rest.replace('.layers.0', '.layers.1').replace('.proj_in', '.layers.0').replace('.proj_out', '.layers.2')


RULES = (
    (r'vision_tower\.encoder\.layer\.(\d+)\.attention\.([qkv])_proj\.(weight|bias)', _vision_qkv),
    (
        r'vision_tower\.encoder\.layer\.(\d+)\.(mlp\..*)',
        lambda m: _one(f'vision_model.encoder.layers.{m[1]}.{m[2]}'),
    ),
    (
        r'vision_tower\.encoder\.layer\.(\d+)\.(.*)',
        lambda m: _one(f'vision_model.encoder.layers.{m[1]}.{_VISION_LAYER[m[2]]}'),
    ),
    (r'vision_tower\.embeddings\.(.*)', lambda m: _one(f'vision_model.embeddings.{_VISION_EMBEDDINGS[m[1]]}')),
    (r'projector\.(\w+)\.(weight|bias)', lambda m: _one(f'mlp1.{_PROJECTOR[m[1]]}.{m[2]}')),
    (r'(language_model|text_hidden_fcs)\..*', lambda m: _one(m[0])),
    (r'image_encoder\.backbone\.(.*)', lambda m: _one(f'{SAM}image_encoder.trunk.{_hiera(m[1])}')),
    (
        r'image_encoder\.neck\.convs\.(\d+)\.(weight|bias)',
        lambda m: _one(f'{SAM}image_encoder.neck.convs.{m[1]}.conv.{m[2]}'),
    ),
    (r'no_memory_embedding', lambda m: _one(f'{SAM}no_mem_embed')),
    (
        r'prompt_encoder\.shared_embedding\.positional_embedding',
        lambda m: _one(f'{SAM}sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix'),
    ),
    (r'prompt_encoder\.point_embed\.weight', _points),
    (
        r'prompt_encoder\.mask_embed\.(\w+)\.(weight|bias)',
        lambda m: _one(f'{SAM}sam_prompt_encoder.mask_downscaling.{_DOWNSCALING[m[1]]}.{m[2]}'),
    ),
    (r'prompt_encoder\.((no_mask|not_a_point)_embed\.weight)', lambda m: _one(f'{SAM}sam_prompt_encoder.{m[1]}')),
    (
        r'mask_decoder\.transformer\.(.*)',
        lambda m: _one(f'{SAM}sam_mask_decoder.transformer.{_transformer(m[1])}'),
    ),
    (
        r'mask_decoder\.(upscale_\w+)\.(weight|bias)',
        lambda m: _one(f'{SAM}sam_mask_decoder.output_upscaling.{_UPSCALING[m[1]]}.{m[2]}'),
    ),
    (
        r'mask_decoder\.(output_hypernetworks_mlps\.\d+|iou_prediction_head|pred_obj_score_head)(\..*)',
        lambda m: _one(f'{SAM}sam_mask_decoder.{m[1]}{_three_layers(m[2])}'),
    ),
    (r'mask_decoder\.(.*)', lambda m: _one(f'{SAM}sam_mask_decoder.{m[1]}')),
)
