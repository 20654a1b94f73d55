"""The model asked in PyTorch: greedy answers of many questions at once, and their masks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from grounded.batches import normalised
from grounded.config import CONFIGS
from grounded.dense import DenseHeads
from grounded.model import SIXTEENTH, GroundedModel


@dataclass
class Answer:
    """`masks` bool [k, height, width] at the picture's size, one for each `[SEG]`; `iou` the predicted ones."""

    text: str
    masks: list[np.ndarray]
    iou: list[float]
    ids: list[int]


@dataclass
class Trained:
    model: GroundedModel
    tokenizer: Tokenizer
    heads: DenseHeads


def opened(weights: Path) -> Trained:
    """The averaged weights of `python -m grounded.train`."""
    saved = torch.load(weights, weights_only=True)
    t = Tokenizer.from_str(saved['tokenizer'])
    model = GroundedModel(CONFIGS['reference'].with_vocabulary(t.get_vocab_size()))
    heads = DenseHeads(model.image_encoder)
    torch.nn.ModuleDict({'model': model, 'heads': heads}).load_state_dict(saved['state'])
    return Trained(model.eval(), t, heads.eval())


@torch.inference_mode()
def answers(
    trained: Trained,
    pictures: list[np.ndarray],
    prompts: list[str],
    seen: list[np.ndarray] | None = None,
    sizes: list[tuple[int, int]] | None = None,
    most: int = 140,
) -> list[Answer]:
    """`pictures` uint8 [side, side, 3], one a prompt; `seen`: what the vision branch is shown instead (a drawn box);
    `sizes` (height, width) of the sources that the masks are brought to."""
    model, t = trained.model, trained.tokenizer
    config = model.config
    maps = model.image_encoder.encode(pixels(pictures))
    stem = model.image_encoder.encode(pixels(seen))[SIXTEENTH] if seen else maps[SIXTEENTH]
    visual = model.tokens_of(stem)
    features = model.image_encoder.decode(maps)
    asked = [
        t.encode(config.dialogue.chat(p, config.vision.tokens_per_tile), add_special_tokens=False).ids for p in prompts
    ]
    said = generated(trained, asked, visual, most)
    seg = t.token_to_id('[SEG]')
    out: list[Answer] = []
    for i, (prompt, ids) in enumerate(zip(asked, said)):
        segs = [len(prompt) + k for k, token in enumerate(ids) if token == seg]
        masks, iou = [], []
        if segs:
            states = hidden(trained, prompt + ids, visual[i : i + 1])[0, segs]
            logits, scores, _ = model.masks(tuple(f[i : i + 1] for f in features), states)
            size = sizes[i] if sizes else pictures[i].shape[:2]
            masks = list((F.interpolate(logits[None], size=size, mode='bilinear')[0] > 0).numpy())
            iou = scores.tolist()
        out.append(Answer(t.decode(ids, skip_special_tokens=False).replace('<|im_end|>', ''), masks, iou, ids))
    return out


def pixels(pictures: list[np.ndarray]) -> Tensor:
    return normalised(torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2))


def hidden(trained: Trained, ids: list[int], visual: Tensor) -> Tensor:
    return trained.model.language_model.model(
        inputs_embeds=embedded(trained, ids, visual), use_cache=False
    ).last_hidden_state


def embedded(trained: Trained, ids: list[int], visual: Tensor) -> Tensor:
    tokens = torch.tensor([ids])
    embeds = trained.model.language_model.get_input_embeddings()(tokens)
    places = tokens == trained.tokenizer.token_to_id('<IMG_CONTEXT>')
    return embeds.masked_scatter(places[..., None], visual)


def generated(trained: Trained, asked: list[list[int]], visual: Tensor, most: int) -> list[list[int]]:
    """Greedy, left-padded; the answer ends with `<|im_end|>`, which is kept."""
    longest = max(len(p) for p in asked)
    embeds = torch.cat(
        [F.pad(embedded(trained, p, visual[i : i + 1]), (0, 0, longest - len(p), 0)) for i, p in enumerate(asked)]
    )
    attention = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in asked])
    end = trained.tokenizer.token_to_id('<|im_end|>')
    made = trained.model.language_model.generate(
        inputs_embeds=embeds,
        attention_mask=attention,
        max_new_tokens=most,
        do_sample=False,
        eos_token_id=end,
        pad_token_id=end,
    )
    rows = made.tolist()
    return [row[: row.index(end) + 1] if end in row else row for row in rows]
