"""SAM 2 memory as two graphs: what a mask leaves behind, and the mask of the next picture from what was left.

    python -m grounded.memory --out DIR [--hidden 128] [--frames 8] [--seed 1]

writes both graphs of a small `Sam2VideoModel` with random weights, and what that model itself answers about a few
synthetic frames (`expected.json`), for the test of the loop in the gateway. SAM 2.0: seven frames of memory, object
pointers without positions in time, no embedding of occlusion; none of what 2.1 added.

| graph | takes | gives |
|---|---|---|
| `memory_encoder` | `image_embeddings` [1,C,s,s] of `sam_encoder`, `mask_logits` [n,h,w] | `memory` [n,s*s,M] |
| `memory_attention` | the three features of the picture, `memory` [m,s*s,M], `memory_offsets` [m] (0 = key frame, else 1 to 6 frames away), `object_pointers` [p,C] | `mask_logits` [1,h,w], `iou_scores` [1], `object_scores` [1], `object_pointer` [1,C] |
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import Sam2VideoConfig, Sam2VideoModel
from transformers.models.sam2_video.modeling_sam2_video import NO_OBJ_SCORE, rotate_pairwise

from grounded.export import round_to_half
from grounded.graphs import FEATURES, GraphSpec
from grounded.onnx_graph import write_graph

KEY = 0
"""Offset of a key frame; it takes the last of the seven temporal encodings (SAM 2)."""


class MemoryEncoder(nn.Module):
    """image_embeddings [1,C,s,s], mask_logits [n,h,w] -> memory [n,s*s,M]

    :param with_no_memory: the features hold SAM's "no memory" embedding, as those of a bundle's `sam_encoder` do; the
        memory is of the bare picture
    """

    def __init__(self, video: Sam2VideoModel, with_no_memory: bool) -> None:
        super().__init__()
        self.video = video
        self.with_no_memory = with_no_memory

    def forward(self, image_embeddings: Tensor, mask_logits: Tensor) -> Tensor:
        config = self.video.config
        bare = _bare(self.video, image_embeddings, self.with_no_memory)
        large = F.interpolate(
            mask_logits[:, None], size=(config.image_size, config.image_size), mode='bilinear', align_corners=False
        )
        masks = torch.sigmoid(large) * config.sigmoid_scale_for_mem_enc + config.sigmoid_bias_for_mem_enc
        encoder = self.video.memory_encoder
        fused = encoder.feature_projection(bare) + encoder.mask_downsampler(masks)
        return encoder.projection(encoder.memory_fuser(fused)).flatten(2).transpose(1, 2)


class MemoryAttention(nn.Module):
    """One object on one picture, from its memory; the module's shapes are those of the table above."""

    def __init__(self, video: Sam2VideoModel, with_no_memory: bool) -> None:
        super().__init__()
        self.video = video
        self.with_no_memory = with_no_memory
        rows, columns = video.backbone_feature_sizes[-1]
        attention = video.memory_attention
        with torch.no_grad():
            probe = torch.zeros(1)
            cos, sin = attention.rotary_emb(probe, attention.position_ids)
            shape = torch.Size((1, video.mem_dim, rows, columns))
            space = video.memory_encoder.position_encoding(shape, probe.device, probe.dtype)
            picture_shape = torch.Size((1, video.hidden_dim, rows, columns))
            picture = video.vision_encoder.neck.position_encoding(picture_shape, probe.device, probe.dtype)
            nothing = torch.zeros(1, 1, 1, 2), -torch.ones(1, 1, 1, dtype=torch.int32)
            sparse, dense = video.prompt_encoder(*nothing, input_boxes=None, input_masks=None)
        for name, table in (
            ('cos', cos),
            ('sin', sin),
            ('space', space.flatten(2).transpose(1, 2)),
            ('picture', picture.flatten(2).transpose(1, 2)),
            ('sparse', sparse),
            ('dense', dense),
            ('positions', video.get_image_wide_positional_embeddings().detach()),
        ):
            self.register_buffer(name, table.clone(), persistent=False)

    def forward(
        self,
        image_embeddings: Tensor,
        high_res_feats_0: Tensor,
        high_res_feats_1: Tensor,
        memory: Tensor,
        memory_offsets: Tensor,
        object_pointers: Tensor,
    ) -> tuple[Tensor, ...]:
        video = self.video
        bare = _bare(video, image_embeddings, self.with_no_memory)
        latest = torch.where(memory_offsets == KEY, video.num_maskmem - 1, memory_offsets - 1)
        in_time = video.memory_temporal_positional_encoding[:, 0, 0][latest]  # [m,M]
        where = self.space + in_time[:, None]  # [m,s*s,M]
        pointers = object_pointers.reshape(1, -1, video.mem_dim)
        seen = bare.flatten(2).transpose(1, 2) + 0.1 * self.picture
        for layer in video.memory_attention.layers:
            seen = seen + self._of_picture(layer.self_attn, layer.layer_norm1(seen))
            seen = seen + self._of_memory(layer.cross_attn_image, layer.layer_norm2(seen), memory, where, pointers)
            seen = seen + layer.linear2(layer.activation(layer.linear1(layer.layer_norm3(seen))))
        conditioned = video.memory_attention.layer_norm(seen).transpose(1, 2).reshape(image_embeddings.shape)
        return self._masks(conditioned, high_res_feats_0, high_res_feats_1)

    def _of_picture(self, attention: Any, x: Tensor) -> Tensor:
        q, k, v = (self._heads(attention, part) for part in (attention.q_proj(x), attention.k_proj(x), attention.v_proj(x)))
        return self._attend(attention, self._turned(q), self._turned(k), v)

    def _of_memory(self, attention: Any, x: Tensor, memory: Tensor, where: Tensor, pointers: Tensor) -> Tensor:
        """Each frame of memory turns by the places of its pixels; object pointers have no place and are not turned."""
        frames = self._heads(attention, attention.k_proj(memory + where))  # [m,heads,s*s,d]
        turned = self._turned(frames).transpose(0, 1).flatten(1, 2)[None]  # [1,heads,m*s*s,d]
        told = self._heads(attention, attention.k_proj(pointers))
        values = torch.cat([memory.reshape(1, -1, memory.shape[2]), pointers], 1)
        q = self._turned(self._heads(attention, attention.q_proj(x)))
        v = self._heads(attention, attention.v_proj(values))
        return self._attend(attention, q, torch.cat([turned, told], 2), v)

    def _heads(self, attention: Any, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1, attention.num_attention_heads, attention.head_dim).transpose(1, 2)

    def _turned(self, x: Tensor) -> Tensor:
        return x * self.cos + rotate_pairwise(x) * self.sin

    def _attend(self, attention: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        weights = torch.softmax(q @ k.transpose(2, 3) * attention.scaling, -1)
        return attention.o_proj((weights @ v).transpose(1, 2).flatten(2))

    def _masks(self, conditioned: Tensor, fine: Tensor, middle: Tensor) -> tuple[Tensor, ...]:
        video = self.video
        several = video._use_multimask(False, None)
        logits, iou, tokens, present = video.mask_decoder(
            image_embeddings=conditioned,
            image_positional_embeddings=self.positions,
            sparse_prompt_embeddings=self.sparse,
            dense_prompt_embeddings=self.dense,
            multimask_output=several,
            high_resolution_features=[fine, middle],
        )
        logits, iou, tokens = logits[:, 0], iou[:, 0], tokens[:, 0]  # [1,m,h,w], [1,m], [1,m,C]
        best = iou.argmax(1, keepdim=True)
        mask = logits.gather(1, best[:, :, None, None].expand(-1, 1, *logits.shape[2:]))[:, 0]
        token = tokens.gather(1, best[:, :, None].expand(-1, 1, tokens.shape[2]))[:, 0]
        present = present.reshape(1)
        there = present > 0
        pointer = torch.where(there[:, None], video.object_pointer_proj(token), video.no_object_pointer)
        shown = torch.where(there[:, None, None], mask, NO_OBJ_SCORE)
        return shown, iou.gather(1, best)[:, 0], present, pointer


def _bare(video: Sam2VideoModel, image_embeddings: Tensor, with_no_memory: bool) -> Tensor:
    return image_embeddings - video.no_memory_embedding.reshape(1, -1, 1, 1) if with_no_memory else image_embeddings


def memory_specs(video: Sam2VideoModel, with_no_memory: bool = True) -> list[GraphSpec]:
    """Both graphs, ready for `grounded.onnx_graph.write_graph`.

    :raises ValueError: the model has something of SAM 2.1, which the bundle format does not know
    """
    config = video.config
    if config.enable_temporal_pos_encoding_for_object_pointers or config.enable_occlusion_spatial_embedding:
        raise ValueError('SAM 2.1 memory (positions of object pointers, occlusion embedding) is not exported')
    channels, memory = video.hidden_dim, video.mem_dim
    side = video.backbone_feature_sizes[-1][0]
    features = {
        FEATURES[0]: torch.randn(1, channels, side, side),
        FEATURES[1]: torch.randn(1, channels // 8, 4 * side, 4 * side),
        FEATURES[2]: torch.randn(1, channels // 4, 2 * side, 2 * side),
    }
    encoder = GraphSpec(
        name='memory_encoder',
        module=MemoryEncoder(video, with_no_memory),
        inputs={FEATURES[0]: features[FEATURES[0]], 'mask_logits': torch.randn(3, 4 * side, 4 * side)},
        free={'mask_logits': {0: 'masks'}, 'memory': {0: 'masks'}},
        outputs=['memory'],
    )
    attention = GraphSpec(
        name='memory_attention',
        module=MemoryAttention(video, with_no_memory),
        inputs={
            **features,
            'memory': torch.randn(3, side * side, memory),
            'memory_offsets': torch.tensor([0, 1, 2]),
            'object_pointers': torch.randn(5, channels),
        },
        free={'memory': {0: 'frames'}, 'memory_offsets': {0: 'frames'}, 'object_pointers': {0: 'pointers'}},
        outputs=['mask_logits', 'iou_scores', 'object_scores', 'object_pointer'],
    )
    return [encoder, attention]


def small_video(hidden: int, seed: int, image: int = 128) -> Sam2VideoModel:
    """A SAM 2.0 video model of one layer of memory attention with random weights."""
    torch.manual_seed(seed)
    side = image // 16
    sizes = [[side * 4, side * 4], [side * 2, side * 2], [side, side]]
    config = Sam2VideoConfig(
        vision_config={
            'backbone_config': {
                'model_type': 'sam2_hiera_det_model',
                'hidden_size': 8,
                'num_attention_heads': 1,
                'image_size': [image, image],
                'blocks_per_stage': [1, 1, 1, 1],
                'embed_dim_per_stage': [8, 16, 32, 64],
                'num_attention_heads_per_stage': [1, 2, 4, 8],
                'window_size_per_stage': [4, 4, 4, 4],
                'global_attention_blocks': [],
            },
            'backbone_channel_list': [64, 32, 16, 8],
            'backbone_feature_sizes': sizes,
            'fpn_hidden_size': hidden,
        },
        prompt_encoder_config={'hidden_size': hidden, 'image_size': image, 'patch_size': 16, 'mask_input_channels': 4},
        mask_decoder_config={
            'hidden_size': hidden,
            'mlp_dim': hidden,
            'num_attention_heads': 4,
            'iou_head_hidden_dim': hidden,
        },
        image_size=image,
        memory_attention_hidden_size=hidden,
        memory_attention_num_layers=1,
        memory_attention_feed_forward_hidden_size=hidden,
        memory_attention_rope_feat_sizes=[side, side],
        memory_encoder_hidden_size=hidden,
        memory_encoder_output_channels=64,
        mask_downsampler_embed_dim=hidden,
        memory_fuser_embed_dim=hidden,
        memory_fuser_intermediate_dim=hidden,
        memory_fuser_num_layers=1,
        enable_temporal_pos_encoding_for_object_pointers=False,
        enable_occlusion_spatial_embedding=False,
    )
    video = Sam2VideoModel(config).eval()
    with torch.no_grad():
        for name, p in video.named_parameters():
            p.copy_(torch.randn_like(p) * (0.35 if p.ndim < 2 else 1 / math.sqrt(p[0].numel())))
            if name.endswith('layer_norm.weight') or '.layer_norm' in name and name.endswith('weight'):
                p.add_(1)
        # Every frame shows the object, so that no track ends before the last.
        video.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(20)
    return video


def frame_features(hidden: int, side: int, frame: int) -> dict[str, Tensor]:
    """Features of a synthetic frame: waves that move on from frame to frame; the gateway's test makes the same."""
    shapes = ((hidden, side), (hidden // 8, 4 * side), (hidden // 4, 2 * side))
    made = {}
    for level, (name, (channels, size)) in enumerate(zip(FEATURES, shapes, strict=True)):
        n = channels * size * size
        i = torch.arange(n, dtype=torch.float64)
        made[name] = torch.sin(i * 0.37 + i % 97 * 0.11 + frame * 0.6 + level).float().reshape(1, channels, size, size)
    return made


@torch.no_grad()
def oracle(video: Sam2VideoModel, frames: int, key: int) -> dict[str, Any]:
    """What `Sam2VideoModel` says of the frames, from a key frame whose mask a prompt gave: forward, then backward."""
    hidden, side = video.hidden_dim, video.backbone_feature_sizes[-1][0]
    session = _session(video, frames, hidden, side)
    logits = key_mask(4 * side)
    pointer = torch.cos(torch.arange(hidden, dtype=torch.float64) * 0.9).float()[None]
    large = F.interpolate(logits[None, None], size=(video.image_size, video.image_size), mode='bilinear')
    out = {
        'pred_masks': logits[None, None],
        'object_pointer': pointer[None],
        'high_res_masks': large,
        'object_score_logits': torch.full((1, 1, 1), 5.0),
    }
    session.obj_id_to_idx(1)
    session.store_output(0, key, output_value=out, is_conditioning_frame=True)
    video._batch_encode_memories(session, key, [0], [large], [out['object_score_logits']], [False])
    said: dict[int, Any] = {}
    for reverse in (False, True):
        for step in video.propagate_in_video_iterator(session, start_frame_idx=key, reverse=reverse):
            if step.frame_idx != key:
                mask = step.pred_masks[0, 0]
                said[step.frame_idx] = {
                    'score': float(step.object_score_logits.flatten()[0]),
                    'bits': ''.join('1' if v else '0' for v in (mask > 0).flatten().tolist()),
                    'logits': [round(v, 5) for v in mask.flatten()[:8].tolist()],
                }
    return {'hidden': hidden, 'side': side, 'frames': frames, 'key': key, 'said': said}


def key_mask(size: int) -> Tensor:
    """Logits [size,size] of a disc left of the middle."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing='ij')
    return (size / 5 - torch.sqrt((x - 0.4 * size) ** 2.0 + (y - 0.5 * size) ** 2.0)).float()


def _session(video: Sam2VideoModel, frames: int, hidden: int, side: int) -> Any:
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    pixels = torch.zeros(frames, 3, video.image_size, video.image_size)
    session = Sam2VideoInferenceSession(
        video=pixels,
        video_height=video.image_size,
        video_width=video.image_size,
        dtype=torch.float32,
        max_vision_features_cache_size=frames,
    )
    neck = video.vision_encoder.neck.position_encoding
    for frame in range(frames):
        coarse, fine, middle = frame_features(hidden, side, frame).values()
        flat = [f.flatten(2).permute(2, 0, 1) for f in (fine, middle, coarse)]
        places = [neck(f.shape, f.device, f.dtype).flatten(2).permute(2, 0, 1) for f in (fine, middle, coarse)]
        session.cache.cache_vision_features(frame, {'vision_feats': flat, 'vision_pos_embeds': places})
    return session


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--hidden', type=int, default=128)
    parser.add_argument('--frames', type=int, default=8)
    parser.add_argument('--seed', type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    video = small_video(args.hidden, args.seed)
    round_to_half(video)
    for spec in memory_specs(video, with_no_memory=False):
        write_graph(spec, args.out, 'fp16')
    expected = oracle(video, args.frames, args.frames // 2 - 1)
    (args.out / 'expected.json').write_text(json.dumps(expected) + '\n')


if __name__ == '__main__':
    main()
