"""Every size and option of the grounded model, as frozen data; nothing here imports PyTorch.

`CONFIGS` names the sizes: `tiny` (tests: the classes and options of the large one, seconds to export), `reference` (the
trained demonstration model) and `unibiomed-1b` (the published checkpoint).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from grounded.dialogue import REFERENCE, UNIBIOMED, Dialogue

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class VisionConfig:
    """The tower that gives the language model its visual tokens (InternVLVisionModel)."""

    side: int
    """Width and height of a tile, pixels."""
    patch: int
    hidden: int
    layers: int
    heads: int
    mlp: int
    layer_scale: float = 0.1
    """Start value of the layer scale; a checkpoint overwrites it."""
    qkv_bias: bool = True
    final_norm: bool = False
    """InternVL2.5 takes the last layer as it is, without a norm."""
    stem: Literal['patch', 'trunk'] = 'patch'
    """`trunk`: the patches are the 1/16 map of the image encoder's trunk, which both branches share."""
    shuffle: int = 2
    """Pixel shuffle: so many patches a side become one token."""
    min_tiles: int = 1
    max_tiles: int = 1
    thumbnail: bool = False

    @property
    def tokens_per_tile(self) -> int:
        return (self.side // self.patch // self.shuffle) ** 2


@dataclass(frozen=True)
class LanguageConfig:
    """The decoder (Qwen2ForCausalLM)."""

    vocab_size: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    mlp: int
    max_positions: int
    rope_theta: float = 1e6
    norm_eps: float = 1e-6
    tied_head: bool = False


@dataclass(frozen=True)
class ImageEncoderConfig:
    """What gives the mask decoder its features: SAM 2's Hiera with its neck, or a convolutional trunk."""

    side: int
    kind: Literal['hiera', 'trunk'] = 'hiera'
    stride: int = 16
    """Pixels of the picture for one cell of the image embeddings, each way."""
    widths: tuple[int, ...] = ()
    """Channels of each stage, fine to coarse."""
    heads: tuple[int, ...] = ()
    blocks: tuple[int, ...] = ()
    windows: tuple[int, ...] = ()
    global_blocks: tuple[int, ...] = ()
    mlp_ratio: float = 4.0
    background: tuple[int, int] = (7, 7)
    """Size of the learnt position table before it is interpolated."""
    no_memory_embedding: bool = True
    """SAM 2 adds it to the features of a picture that has no memory of earlier ones."""


@dataclass(frozen=True)
class MaskConfig:
    """SAM 2's prompt encoder and mask decoder, and the way from a `[SEG]` hidden state to its prompt."""

    hidden: int
    mlp: int
    heads: int
    layers: int = 2
    multimask: bool = True
    """Three masks, of which the one with the best predicted IoU is taken; else one."""
    iou_head_depth: int = 3
    iou_head_hidden: int = 256
    padding_prompts: int = 2
    """Not-a-point prompts before the `[SEG]` prompt: two in SAM 2 without a click (they are part of what was trained)."""
    attention_downsample: int = 2
    direct: int = 0
    """Channels of the finest map that a `[SEG]` state reads out linearly, besides SAM's way (trunk only)."""
    projection_hidden: int | None = None
    """Width between the two layers of the projection; the language model's width where absent."""


@dataclass(frozen=True)
class PreprocessConfig:
    """How 8-bit RGB becomes the input of both encoders, and logits become a mask."""

    resample: Literal['bilinear-antialias', 'bicubic-antialias'] = 'bicubic-antialias'
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    upsample_via: tuple[int, int] | None = None
    """[width, height] between the logits and the picture, where the reference takes two bilinear steps."""


@dataclass(frozen=True)
class Config:
    """One size of the grounded model."""

    name: str
    vision: VisionConfig
    language: LanguageConfig
    image_encoder: ImageEncoderConfig
    mask: MaskConfig
    dialogue: Dialogue
    preprocess: PreprocessConfig = PreprocessConfig()
    max_new_tokens: int = 512
    max_masks: int = 16
    max_prompt_tokens: int = 8192

    @property
    def mask_side(self) -> int:
        """Width and height of the mask logits: four cells of them for one cell of the image embeddings."""
        return 4 * self.image_encoder.side // self.image_encoder.stride

    def with_vocabulary(self, size: int) -> Config:
        """The same with the vocabulary of the tokenizer at hand."""
        return replace(self, language=replace(self.language, vocab_size=size))


UNIBIOMED_1B = Config(
    name='unibiomed-1b',
    # InternViT-300M of InternVL2.5-1B, Qwen2.5-0.5B with its head untied, SAM 2.0 Hiera-L.
    vision=VisionConfig(
        side=448, patch=14, hidden=1024, layers=24, heads=16, mlp=4096, max_tiles=12, thumbnail=True
    ),
    language=LanguageConfig(
        vocab_size=151_679,
        hidden=896,
        layers=24,
        heads=14,
        kv_heads=2,
        head_dim=64,
        mlp=4864,
        max_positions=32_768,
    ),
    image_encoder=ImageEncoderConfig(
        side=1024,
        widths=(144, 288, 576, 1152),
        heads=(2, 4, 8, 16),
        blocks=(2, 6, 36, 4),
        windows=(8, 4, 16, 8),
        global_blocks=(23, 33, 43),
    ),
    mask=MaskConfig(hidden=256, mlp=2048, heads=8),
    dialogue=UNIBIOMED,
    preprocess=PreprocessConfig(upsample_via=(1024, 1024)),
)

TINY = Config(
    name='tiny',
    vision=VisionConfig(
        side=56, patch=14, hidden=32, layers=2, heads=2, mlp=64, max_tiles=12, thumbnail=True
    ),
    language=LanguageConfig(
        vocab_size=512, hidden=64, layers=2, heads=4, kv_heads=2, head_dim=16, mlp=96, max_positions=2048
    ),
    image_encoder=ImageEncoderConfig(
        side=256,
        widths=(16, 32, 64, 128),
        heads=(1, 2, 4, 8),
        blocks=(1, 1, 2, 1),
        windows=(8, 4, 16, 8),
        global_blocks=(3,),
        mlp_ratio=2.0,
    ),
    mask=MaskConfig(hidden=32, mlp=64, heads=4, iou_head_hidden=32),
    dialogue=UNIBIOMED,
    preprocess=PreprocessConfig(upsample_via=(256, 256)),
    max_new_tokens=24,
    max_prompt_tokens=1024,
)

REFERENCE_CONFIG = Config(
    name='reference',
    vision=VisionConfig(
        side=192, patch=16, hidden=144, layers=2, heads=4, mlp=384, layer_scale=0.5, stem='trunk', final_norm=True
    ),
    language=LanguageConfig(
        vocab_size=768,
        hidden=192,
        layers=3,
        heads=6,
        kv_heads=2,
        head_dim=32,
        mlp=384,
        max_positions=1024,
        tied_head=True,
    ),
    image_encoder=ImageEncoderConfig(
        side=192,
        kind='trunk',
        stride=8,
        widths=(24, 48, 96, 144, 160),
        no_memory_embedding=False,
    ),
    mask=MaskConfig(hidden=128, mlp=256, heads=4, multimask=False, iou_head_hidden=128, padding_prompts=0, direct=32),
    dialogue=REFERENCE,
    preprocess=PreprocessConfig(resample='bilinear-antialias'),
    max_new_tokens=160,
    max_masks=12,
    max_prompt_tokens=512,
)

CONFIGS: dict[str, Config] = {c.name: c for c in (TINY, REFERENCE_CONFIG, UNIBIOMED_1B)}
