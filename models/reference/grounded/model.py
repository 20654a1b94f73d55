"""The grounded model in PyTorch, made of Hugging Face classes; every size from a `Config`."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn
from transformers import InternVLVisionConfig, InternVLVisionModel, Qwen2Config, Qwen2ForCausalLM
from transformers.initialization import no_init_weights
from transformers.models.internvl.configuration_internvl import InternVLConfig
from transformers.models.internvl.modeling_internvl import InternVLMultiModalProjector
from transformers.models.sam2.configuration_sam2 import (
    Sam2HieraDetConfig,
    Sam2MaskDecoderConfig,
    Sam2PromptEncoderConfig,
    Sam2VisionConfig,
)
from transformers.models.sam2.modeling_sam2 import Sam2MaskDecoder, Sam2PromptEncoder, Sam2VisionModel

from grounded.config import Config

Features = tuple[Tensor, Tensor, Tensor]
"""image_embeddings [b,C,s,s] · high_res_feats_0 [b,C/8 + direct,4s,4s] · high_res_feats_1 [b,C/4,2s,2s]"""


SIXTEENTH = 3
"""Which map of the trunk has a sixteenth of the side: 1/2, 1/4, 1/8, 1/16, 1/32."""


class GroundedModel(nn.Module):
    """Picture and words in; words, and a mask for each `[SEG]`, out.

    The parts bear the names of what they are; a checkpoint is brought to them by `grounded.checkpoint`.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.vision_tower = InternVLVisionModel(vision_config(config))
        self.projector = InternVLMultiModalProjector(projector_config(config))
        self.language_model = Qwen2ForCausalLM(language_config(config))
        hidden = config.mask.projection_hidden or config.language.hidden
        self.text_hidden_fcs = nn.Sequential(
            nn.Linear(config.language.hidden, hidden), nn.ReLU(), nn.Linear(hidden, config.mask.hidden)
        )
        self.image_encoder = _image_encoder(config)
        if config.mask.direct:
            self.direct = nn.Sequential(
                nn.Linear(config.language.hidden, 128), nn.ReLU(), nn.Linear(128, config.mask.direct + 1)
            )
        self.prompt_encoder = Sam2PromptEncoder(prompt_config(config))
        self.mask_decoder = Sam2MaskDecoder(mask_config(config))
        if config.image_encoder.no_memory_embedding:
            self.no_memory_embedding = nn.Parameter(torch.zeros(1, 1, config.mask.hidden))
        if config.vision.stem == 'trunk':
            self.vision_tower.embeddings.patch_embeddings = TrunkPatches(
                config.image_encoder.widths[SIXTEENTH], config.vision.hidden
            )

        if config.language.tied_head:
            self.language_model.tie_weights()

    def visual_tokens(self, pixel_values: Tensor) -> Tensor:
        """Tiles [tiles,3,side,side], normalised, to token embeddings [tiles,T,D] at the decoder's width."""
        if self.config.vision.stem == 'trunk':
            return self.tokens_of(self.image_encoder.encode(pixel_values)[SIXTEENTH])
        return self.tokens_of(pixel_values)

    def tokens_of(self, seen: Tensor) -> Tensor:
        """What the tower's stem takes, pixels or the trunk's map, to token embeddings [tiles,T,D]."""
        patches = self.vision_tower(seen).last_hidden_state[:, 1:]  # the class token is no visual token
        return self.projector(pixel_shuffle(patches, self.config.vision.shuffle))

    def image_features(self, pixel_values: Tensor) -> Features:
        """Picture [b,3,side,side], normalised, to what the mask decoder looks at."""
        if self.config.image_encoder.kind == 'trunk':
            return self.image_encoder.decode(self.image_encoder.encode(pixel_values))
        fine, middle, coarse = self.image_encoder(pixel_values).fpn_hidden_states
        if self.config.image_encoder.no_memory_embedding:
            coarse = coarse + self.no_memory_embedding.reshape(1, -1, 1, 1)
        return coarse, self.mask_decoder.conv_s0(fine), self.mask_decoder.conv_s1(middle)

    def image_positions(self) -> Tensor:
        """Position encoding of the image embeddings [1,C,s,s]: centres of the cells, x first (SAM 2)."""
        side = self.config.image_encoder.side // self.config.image_encoder.stride
        weight = self.prompt_encoder.shared_embedding.positional_embedding
        centres = (torch.arange(side, device=weight.device, dtype=weight.dtype) + 0.5) / side
        y, x = torch.meshgrid(centres, centres, indexing='ij')
        return self.prompt_encoder.shared_embedding(torch.stack([x, y], -1)).permute(2, 0, 1)[None]

    def prompts(self, seg_hidden: Tensor) -> Tensor:
        """Hidden states of `[SEG]` [n,D] to sparse prompts [n,p,C], padding first.

        Without a click SAM 2 makes a point of label -1 and pads one more; both are "not a point", and the decoder was
        trained with both in front of the language model's prompt.
        """
        spoken = self.text_hidden_fcs(seg_hidden)[:, None]
        pads = self.config.mask.padding_prompts
        if pads == 0:
            return spoken
        nothing = self.prompt_encoder.not_a_point_embed.weight[None].expand(spoken.shape[0], pads, -1)
        return torch.cat([nothing, spoken], 1)

    def masks(
        self, features: Features, seg_hidden: Tensor, image_positions: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Masks of `[SEG]` hidden states.

        :param features: of b pictures
        :param seg_hidden: [n,D], n = b * k: k masks of each picture, picture by picture (b = 1: all of one picture)
        :param image_positions: `image_positions()`, where the caller has it already
        :returns: mask_logits [n,4s,4s] · predicted IoU [n], 0 to 1 · object scores [n], a logit, above 0 = present
        """
        embeddings, finest, middle = features
        fine = finest[:, : self.config.mask.hidden // 8]
        pictures = embeddings.shape[0]
        sparse = self.prompts(seg_hidden)
        sparse = sparse.reshape(pictures, -1, *sparse.shape[1:])  # [b,k,p,C]: prompts ride in the point axis
        positions = self.image_positions() if image_positions is None else image_positions
        logits, iou, _, present = self.mask_decoder(
            image_embeddings=embeddings,
            image_positional_embeddings=positions.expand(pictures, -1, -1, -1),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=self.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1),
            multimask_output=self.config.mask.multimask,
            high_resolution_features=[fine, middle],
        )
        logits, iou = logits.flatten(0, 1), iou.flatten(0, 1)  # [n,m,h,w], [n,m]
        best = iou.argmax(1, keepdim=True)
        chosen = best[:, :, None, None].expand(-1, 1, *logits.shape[2:])
        drawn = logits.gather(1, chosen)[:, 0]
        if self.config.mask.direct:
            drawn = drawn + self.read_out(finest, seg_hidden)
        return drawn, iou.gather(1, best)[:, 0], present.flatten()

    def read_out(self, finest: Tensor, seg_hidden: Tensor) -> Tensor:
        """What a `[SEG]` state means, wherever it is: weights and bias for each pixel's features. SAM's way adds what
        depends on the place. -> [n,h,w]"""
        pictures = finest.shape[0]
        weights = self.direct(seg_hidden).reshape(pictures, -1, self.config.mask.direct + 1)
        maps = finest[:, self.config.mask.hidden // 8 :]
        read = torch.einsum('bkc,bchw->bkhw', weights[..., :-1], maps) + weights[..., -1:, None]
        return read.flatten(0, 1)


def state_of(model: GroundedModel) -> dict[str, Tensor]:
    """What a file of weights holds: every parameter and persistent buffer but counters, a tied head once."""
    state = {name: t for name, t in model.state_dict(keep_vars=True).items() if t.is_floating_point()}
    if model.config.language.tied_head:
        del state['language_model.lm_head.weight']
    return state


def without_initialisation() -> AbstractContextManager[None]:
    """For a model whose every number is overwritten: drawing them first takes minutes at the large size."""
    return no_init_weights()


class TrunkPatches(nn.Module):
    """The trunk's 1/16 map [n,c,h,w] as patch embeddings [n,h*w,width]."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.projection = nn.Linear(channels, width)

    def forward(self, maps: Tensor) -> Tensor:
        return self.projection(maps.flatten(2).transpose(1, 2))


def pixel_shuffle(patches: Tensor, factor: int) -> Tensor:
    """[n,h*w,c], h = w, to [n,h*w/f²,c*f²]: each token is an f by f block of patches, row by row.

    InternVL's `ps_version` v2; v1 would leave the picture transposed.
    """
    count, positions, channels = patches.shape
    side = int(positions**0.5) // factor
    blocks = patches.reshape(count, side, factor, side, factor, channels).permute(0, 1, 3, 2, 4, 5)
    return blocks.reshape(count, side * side, factor * factor * channels)


def vision_config(config: Config) -> InternVLVisionConfig:
    v = config.vision
    return InternVLVisionConfig(
        hidden_size=v.hidden,
        num_hidden_layers=v.layers,
        num_attention_heads=v.heads,
        intermediate_size=v.mlp,
        image_size=[v.side, v.side],
        patch_size=[v.patch, v.patch],
        attention_bias=v.qkv_bias,
        use_qk_norm=False,
        layer_scale_init_value=v.layer_scale,
        # The library's name for "no norm after the last layer".
        use_mean_pooling=not v.final_norm,
        attn_implementation='sdpa',
    )


def projector_config(config: Config) -> InternVLConfig:
    return InternVLConfig(
        vision_config=vision_config(config),
        text_config=language_config(config),
        downsample_ratio=1 / config.vision.shuffle,
    )


def language_config(config: Config) -> Qwen2Config:
    c = config.language
    language = Qwen2Config(
        vocab_size=c.vocab_size,
        hidden_size=c.hidden,
        intermediate_size=c.mlp,
        num_hidden_layers=c.layers,
        num_attention_heads=c.heads,
        num_key_value_heads=c.kv_heads,
        max_position_embeddings=c.max_positions,
        rope_parameters={'rope_type': 'default', 'rope_theta': c.rope_theta},
        rms_norm_eps=c.norm_eps,
        tie_word_embeddings=c.tied_head,
        attn_implementation='sdpa',
    )
    language.head_dim = c.head_dim
    return language


def image_encoder_config(config: Config) -> Sam2VisionConfig:
    e = config.image_encoder
    sides = [[e.side // s, e.side // s] for s in (4, 8, 16)]
    hiera = Sam2HieraDetConfig(
        hidden_size=e.widths[0],
        num_attention_heads=e.heads[0],
        image_size=[e.side, e.side],
        blocks_per_stage=list(e.blocks),
        embed_dim_per_stage=list(e.widths),
        num_attention_heads_per_stage=list(e.heads),
        window_size_per_stage=list(e.windows),
        global_attention_blocks=list(e.global_blocks),
        mlp_ratio=e.mlp_ratio,
        window_positional_embedding_background_size=list(e.background),
    )
    return Sam2VisionConfig(
        backbone_config=hiera,
        backbone_channel_list=list(reversed(e.widths)),
        backbone_feature_sizes=sides,
        fpn_hidden_size=config.mask.hidden,
        attn_implementation='sdpa',
    )


def prompt_config(config: Config) -> Sam2PromptEncoderConfig:
    return Sam2PromptEncoderConfig(
        hidden_size=config.mask.hidden,
        image_size=config.image_encoder.side,
        patch_size=config.image_encoder.stride,
    )


def mask_config(config: Config) -> Sam2MaskDecoderConfig:
    m = config.mask
    decoder = Sam2MaskDecoderConfig(
        hidden_size=m.hidden,
        mlp_dim=m.mlp,
        num_hidden_layers=m.layers,
        num_attention_heads=m.heads,
        attention_downsample_rate=m.attention_downsample,
        num_multimask_outputs=3 if m.multimask else 1,
        iou_head_depth=m.iou_head_depth,
        iou_head_hidden_dim=m.iou_head_hidden,
        dynamic_multimask_via_stability=False,
    )
    decoder._attn_implementation = 'sdpa'
    return decoder


def _image_encoder(config: Config) -> nn.Module:
    if config.image_encoder.kind == 'trunk':
        from grounded.trunk import Trunk  # only this kind needs it

        return Trunk(config)
    return Sam2VisionModel(image_encoder_config(config))
