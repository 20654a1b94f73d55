"""The five graphs of a bundle as modules: what each takes and gives is the contract of docs/bundles.md.

Tables that depend only on the fixed sizes of a model (positions of patches, cells and prompts) become constants here,
so that no runtime's own interpolation or trigonometry is part of a result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from grounded.config import Config
from grounded.model import GroundedModel

FEATURES = ('image_embeddings', 'high_res_feats_0', 'high_res_feats_1')


@dataclass(frozen=True)
class GraphSpec:
    """One graph, ready for the exporter."""

    name: str
    module: nn.Module
    inputs: Mapping[str, Tensor]
    """Name -> example; its free dimensions are at least 2 and all different, so that none is taken for a constant."""
    free: Mapping[str, Mapping[int, str]]
    """Free dimensions of inputs and outputs by axis."""
    outputs: Sequence[str]
    listed: Sequence[str] = ()
    """Inputs that the module takes as one list, last (the key-value cache)."""

    def arguments(self) -> tuple[Any, ...]:
        """The example as the module's positional arguments."""
        plain = [t for n, t in self.inputs.items() if n not in self.listed]
        return (*plain, [self.inputs[n] for n in self.listed]) if self.listed else tuple(plain)


def graph_specs(model: GroundedModel) -> list[GraphSpec]:
    """The graphs of a model, in the order in which the loop first needs them."""
    c = model.config
    return [_vision(model, c), _embed(model, c), _decoder(model, c), _image(model, c), _masks(model, c)]


def cache_names(layers: int, prefix: str) -> list[str]:
    """`past_key_values.0.key`, `past_key_values.0.value`, …: the names of the cache, layer by layer."""
    return [f'{prefix}.{layer}.{part}' for layer in range(layers) for part in ('key', 'value')]


class VisionEncoder(nn.Module):
    """pixel_values [tiles,3,side,side] -> image_embeds [tiles,T,D]"""

    def __init__(self, model: GroundedModel) -> None:
        super().__init__()
        self.model = model
        # The library interpolates the table whenever it is traced, even to its own size.
        embeddings = model.vision_tower.embeddings
        embeddings.interpolate_pos_encoding = lambda *_: embeddings.position_embeddings

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.model.visual_tokens(pixel_values)


class TokenEmbed(nn.Module):
    """input_ids [batch,seq] -> inputs_embeds [batch,seq,D]"""

    def __init__(self, model: GroundedModel) -> None:
        super().__init__()
        self.table = model.language_model.get_input_embeddings()

    def forward(self, input_ids: Tensor) -> Tensor:
        return self.table(input_ids)


class Decoder(nn.Module):
    """One call of the language model: a whole prompt, or one more token, on the cache so far.

    inputs_embeds [batch,seq,D], attention_mask [batch,past+seq] (1 = attend), position_ids [batch,seq], past: key and
    value of each layer [batch,kv_heads,past,head_dim] -> logits [batch,V] of the last position, hidden_states
    [batch,seq,D] after the final norm, the grown cache
    """

    def __init__(self, model: GroundedModel) -> None:
        super().__init__()
        self.body = model.language_model.model
        self.head = model.language_model.lm_head
        self.layers = model.config.language.layers

    def forward(
        self, inputs_embeds: Tensor, attention_mask: Tensor, position_ids: Tensor, past: list[Tensor]
    ) -> tuple[Tensor, ...]:
        cache = DynamicCache([(past[2 * i], past[2 * i + 1]) for i in range(self.layers)])
        seen = self.body(
            inputs_embeds=inputs_embeds,
            attention_mask=causal_mask(attention_mask, inputs_embeds.shape[1]),
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        grown = [t for layer in cache.layers for t in (layer.keys, layer.values)]
        # The head after the slice: the logits of a long prompt would need gigabytes.
        return self.head(seen[:, -1]), seen, *grown


def causal_mask(attention_mask: Tensor, new: int) -> Tensor:
    """[batch,past+new] of 0 and 1 to what is added to the scores [batch,1,new,past+new].

    Finite, so that a row of padding, which may look at nothing, gives no NaN.
    """
    total = attention_mask.shape[1]
    columns = torch.arange(total)
    rows = columns[total - new :]
    ok = (columns[None, :] <= rows[:, None])[None, None] & (attention_mask[:, None, None, :] > 0)
    return torch.where(ok, 0.0, -1e9)


class ImageEncoder(nn.Module):
    """pixel_values [1,3,side,side] -> the three features of the mask decoder"""

    def __init__(self, model: GroundedModel) -> None:
        super().__init__()
        self.model = model
        if model.config.image_encoder.kind == 'hiera':
            backbone = model.image_encoder.backbone
            side = model.config.image_encoder.side // 4
            with torch.no_grad():
                self.register_buffer('positions', backbone._get_pos_embed((side, side)).clone(), persistent=False)
            backbone._get_pos_embed = lambda _: self.positions

    def forward(self, pixel_values: Tensor) -> tuple[Tensor, ...]:
        return self.model.image_features(pixel_values)


class MaskDecoder(nn.Module):
    """the three features, seg_hidden_states [n,D] -> mask_logits [n,h,w], iou_scores [n], object_scores [n]"""

    def __init__(self, model: GroundedModel) -> None:
        super().__init__()
        self.model = model
        with torch.no_grad():
            self.register_buffer('positions', model.image_positions().clone(), persistent=False)

    def forward(
        self, image_embeddings: Tensor, high_res_feats_0: Tensor, high_res_feats_1: Tensor, seg_hidden_states: Tensor
    ) -> tuple[Tensor, ...]:
        features = (image_embeddings, high_res_feats_0, high_res_feats_1)
        return self.model.masks(features, seg_hidden_states, self.positions)


def _vision(model: GroundedModel, c: Config) -> GraphSpec:
    return GraphSpec(
        name='vision_encoder',
        module=VisionEncoder(model),
        inputs={'pixel_values': torch.zeros(2, 3, c.vision.side, c.vision.side)},
        outputs=['image_embeds'],
        free={'pixel_values': {0: 'tiles'}, 'image_embeds': {0: 'tiles'}},
    )


def _embed(model: GroundedModel, c: Config) -> GraphSpec:
    return GraphSpec(
        name='token_embed',
        module=TokenEmbed(model),
        inputs={'input_ids': torch.zeros(2, 5, dtype=torch.int64)},
        outputs=['inputs_embeds'],
        free={'input_ids': {0: 'batch', 1: 'seq'}, 'inputs_embeds': {0: 'batch', 1: 'seq'}},
    )


def _decoder(model: GroundedModel, c: Config) -> GraphSpec:
    batch, past, new = 2, 5, 3
    language = c.language
    before, after = cache_names(language.layers, 'past_key_values'), cache_names(language.layers, 'present')
    one = torch.zeros(batch, language.kv_heads, past, language.head_dim)
    return GraphSpec(
        name='decoder',
        module=Decoder(model),
        inputs={
            'inputs_embeds': torch.zeros(batch, new, language.hidden),
            'attention_mask': torch.ones(batch, past + new, dtype=torch.int64),
            'position_ids': torch.arange(past, past + new)[None].repeat(batch, 1),
            **{name: one.clone() for name in before},
        },
        listed=before,
        outputs=['logits', 'hidden_states', *after],
        free={
            'inputs_embeds': {0: 'batch', 1: 'seq'},
            'attention_mask': {0: 'batch', 1: 'total'},
            'position_ids': {0: 'batch', 1: 'seq'},
            'logits': {0: 'batch'},
            'hidden_states': {0: 'batch', 1: 'seq'},
            **{name: {0: 'batch', 2: 'past'} for name in before},
            **{name: {0: 'batch', 2: 'total'} for name in after},
        },
    )


def _image(model: GroundedModel, c: Config) -> GraphSpec:
    return GraphSpec(
        name='sam_encoder',
        module=ImageEncoder(model),
        inputs={'pixel_values': torch.zeros(1, 3, c.image_encoder.side, c.image_encoder.side)},
        outputs=list(FEATURES),
        free={},
    )


def _masks(model: GroundedModel, c: Config) -> GraphSpec:
    side, width = c.image_encoder.side // c.image_encoder.stride, c.mask.hidden
    return GraphSpec(
        name='mask_decoder',
        module=MaskDecoder(model),
        inputs={
            'image_embeddings': torch.zeros(1, width, side, side),
            'high_res_feats_0': torch.zeros(1, width // 8 + model.config.mask.direct, 4 * side, 4 * side),
            'high_res_feats_1': torch.zeros(1, width // 4, 2 * side, 2 * side),
            'seg_hidden_states': torch.zeros(3, c.language.hidden),
        },
        outputs=['mask_logits', 'iou_scores', 'object_scores'],
        free={
            'seg_hidden_states': {0: 'n'},
            **{name: {0: 'n'} for name in ('mask_logits', 'iou_scores', 'object_scores')},
        },
    )
