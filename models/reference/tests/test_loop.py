"""The loop that the goldens come from, against the library's own generation and against whole forward passes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import BUNDLE
from PIL import Image
from tokenizers import Tokenizer

from grounded.config import CONFIGS
from grounded.goldens import filled, read_rgb
from grounded.graphs import Decoder
from grounded.loop import Loop, TorchGraphs
from grounded.model import GroundedModel
from grounded.pictures import draw_box, prepare, tile_grid, views_of

PROMPTS = ('Please segment liver.', 'Can we observe any signs of abnormality?', 'a', 'Which?')


@pytest.fixture(scope='module')
def loop(tiny: GroundedModel, words: Tokenizer) -> Loop:
    return Loop(tiny.config, words, TorchGraphs(tiny))


def embedded(tiny: GroundedModel, words: Tokenizer, picture: np.ndarray, prompt: str, after: list[int]) -> torch.Tensor:
    """Prompt and answer as embeddings, made without the loop."""
    vision, _ = prepare(picture, tiny.config)
    visual = tiny.visual_tokens(torch.from_numpy(vision)).flatten(0, 1)
    ids = words.encode(tiny.config.dialogue.chat(prompt, len(visual)), add_special_tokens=False).ids
    table = tiny.language_model.get_input_embeddings()
    embeds = table(torch.tensor([ids + after]))
    places = [i for i, t in enumerate(ids) if t == words.token_to_id('<IMG_CONTEXT>')]
    embeds[0, places] = visual
    return embeds


@pytest.mark.parametrize('prompt', PROMPTS)
@torch.no_grad()
def test_tokens_are_those_of_the_librarys_greedy_generation(
    loop: Loop, tiny: GroundedModel, words: Tokenizer, prompt: str
) -> None:
    picture = read_rgb(BUNDLE / 'golden' / '05.png')
    answer = loop.answer(picture, prompt, grounded=False)
    embeds = embedded(tiny, words, picture, prompt, [])
    ids = tiny.language_model.generate(
        inputs_embeds=embeds,
        attention_mask=torch.ones(embeds.shape[:2], dtype=torch.int64),
        max_new_tokens=tiny.config.max_new_tokens,
        do_sample=False,
        eos_token_id=words.token_to_id('<|im_end|>'),
        pad_token_id=words.token_to_id('<|im_end|>'),
    )
    assert answer.token_ids == ids[0].tolist()


@torch.no_grad()
def test_the_state_of_a_seg_is_the_row_of_its_own_position_in_one_forward_pass(
    loop: Loop, tiny: GroundedModel, words: Tokenizer, manifest: dict[str, Any]
) -> None:
    golden = next(g for g in manifest['golden'] if len(g['masks']) > 1 and not g['box'])
    picture = read_rgb(BUNDLE / golden['image'])
    answer = loop.answer(picture, golden['prompt'])
    embeds = embedded(tiny, words, picture, golden['prompt'], answer.token_ids)
    rows = tiny.language_model.model(inputs_embeds=embeds).last_hidden_state[0]
    seg = words.token_to_id('[SEG]')
    places = [answer.prompt_tokens + i for i, t in enumerate(answer.token_ids) if t == seg]
    assert len(places) == len(answer.states) > 1
    assert np.abs(rows[places].numpy() - answer.states).max() < 1e-4
    beside = np.abs(rows[[p - 1 for p in places]].numpy() - answer.states).max()
    assert beside > 0.1


@torch.no_grad()
def test_questions_in_one_padded_batch_or_on_a_forked_prefix_are_answered_as_if_alone(
    tiny: GroundedModel, words: Tokenizer
) -> None:
    picture = read_rgb(BUNDLE / 'golden' / '01.png')
    rows = [embedded(tiny, words, picture, p, []) for p in PROMPTS]
    alone = [_logits(tiny, e) for e in rows]
    longest = max(e.shape[1] for e in rows)
    batch = torch.cat([torch.nn.functional.pad(e, (0, 0, longest - e.shape[1], 0)) for e in rows])
    attend = torch.stack([(torch.arange(longest) >= longest - e.shape[1]).long() for e in rows])
    together = _logits(tiny, batch, attend)
    assert (together - torch.cat(alone)).abs().max() < 1e-4
    prefix = 18  # `<|user|>`, newline, `<img>`, four visual tokens, `</img>` and what lies between
    first = _decode(tiny, rows[0][:, :prefix])
    for e, expected in zip(rows, alone, strict=True):
        assert torch.equal(e[:, :prefix], rows[0][:, :prefix])
        assert (_decode(tiny, e[:, prefix:], first[2:])[0] - expected).abs().max() < 1e-4


def _logits(tiny: GroundedModel, embeds: torch.Tensor, attend: torch.Tensor | None = None) -> torch.Tensor:
    return _decode(tiny, embeds, None, attend)[0]


def _decode(
    tiny: GroundedModel, embeds: torch.Tensor, past: tuple[torch.Tensor, ...] | None = None, attend: torch.Tensor | None = None
) -> tuple[torch.Tensor, ...]:
    c = tiny.config.language
    batch, new = embeds.shape[:2]
    before = list(past) if past else [torch.zeros(batch, c.kv_heads, 0, c.head_dim)] * (2 * c.layers)
    total = before[0].shape[2] + new
    mask = attend if attend is not None else torch.ones(batch, total, dtype=torch.int64)
    positions = (mask.cumsum(1) - 1).clamp(min=0)[:, total - new :]
    return Decoder(tiny)(embeds, mask, positions, before)


@torch.no_grad()
def test_masks_of_several_pictures_at_once_are_those_of_each(tiny: GroundedModel) -> None:
    random = torch.Generator().manual_seed(3)
    pictures = torch.randn(2, 3, 256, 256, generator=random)
    states = torch.randn(6, 64, generator=random)
    together = tiny.masks(tiny.image_features(pictures), states)
    for i in range(2):
        alone = tiny.masks(tiny.image_features(pictures[i : i + 1]), states[3 * i : 3 * i + 3])
        for both, one in zip(together, alone, strict=True):
            assert (both[3 * i : 3 * i + 3] - one).abs().max() < 1e-4


@torch.no_grad()
def test_the_two_padding_prompts_are_part_of_the_model(tiny: GroundedModel) -> None:
    """Without a click SAM 2 gives its decoder two prompts that are no point; leaving one out moves the mask."""
    prompts = tiny.prompts(torch.randn(3, 64))
    assert prompts.shape == (3, 3, 32)
    nothing = tiny.prompt_encoder.not_a_point_embed.weight[0]
    assert torch.equal(prompts[1, 0], nothing) and torch.equal(prompts[1, 1], nothing)
    sparse, _ = tiny.prompt_encoder(torch.zeros(1, 1, 1, 2), -torch.ones(1, 1, 1, dtype=torch.int64), None, None)
    assert torch.equal(sparse[0, 0, 0], nothing) and torch.equal(sparse[0, 0, 1], nothing)


def test_slots_are_filled_with_their_article() -> None:
    assert filled('Is there {a finding}?', {'finding': 'ulcer'}) == 'Is there an ulcer?'
    assert filled('Please segment {target}.', {'target': 'nuclei'}) == 'Please segment nuclei.'


@pytest.mark.parametrize(
    ('width', 'height', 'grid'),
    # InternVL's dynamic_preprocess, at most 12 tiles of 448.
    [
        (512, 512, (1, 1)),
        (633, 633, (1, 1)),
        (634, 634, (2, 2)),
        (951, 951, (3, 3)),
        (512, 400, (4, 3)),
        (640, 480, (4, 3)),
        (2048, 2500, (3, 4)),
    ],
)
def test_the_grid_of_tiles_is_the_published_one(width: int, height: int, grid: tuple[int, int]) -> None:
    assert tile_grid(width, height, CONFIGS['unibiomed-1b']) == grid


def test_a_box_is_drawn_on_the_source_before_tiles_are_cut() -> None:
    config = CONFIGS['tiny']
    picture = np.zeros((80, 200, 3), np.uint8)
    tiles, sam = views_of(picture, config, (0.1, 0.2, 0.6, 0.7))
    assert len(tiles) > 1
    assert all(v[..., 1].max() > 100 for v in (tiles[-1], sam))
    rule = {'stage': 'resized', 'color': [0, 255, 0], 'width_px': 2}
    framed = draw_box(picture, (0.1, 0.25, 0.6, 0.75), rule)
    assert framed[20:60, 20:120].max() == 0
    assert framed[19, 20].tolist() == framed[60, 119].tolist() == framed[18, 18].tolist() == [0, 255, 0]
    assert framed[17].max() == 0


def test_pictures_are_read_as_rgb(tmp_path: Path) -> None:
    Image.fromarray(np.full((4, 5), 7, np.uint8)).save(tmp_path / 'grey.png')
    assert read_rgb(tmp_path / 'grey.png').shape == (4, 5, 3)
