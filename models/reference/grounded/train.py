"""Second stage: pictures, words and masks together.

Each picture is asked twice. The trunk goes on learning all labels (`dense`), the language model learns the answers, and
the mask decoder learns to draw what the state of each `[SEG]` means.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional as F

from grounded.batches import Batch, batches, gather, normalised
from grounded.config import CONFIGS, Config
from grounded.data import Sample
from grounded.dense import Average, DenseHeads, dense_loss, rate
from grounded.labels import INDEX
from grounded.model import SIXTEENTH, Features, GroundedModel
from grounded.text import Asked, ask, report, tokenizer

GREEN = (0, 255, 0)


@dataclass
class Lesson:
    """A batch with its questions. `ids`, `targets` int64 [q, length] (-100 where nothing is asked of the model);
    `row` the picture of each question among those that the vision branch sees; `segs` [m, 2] question and position of
    each `[SEG]`; `owner` [m] its picture; `covers` uint8 [m, s, s]; `named` [m] its label."""

    batch: Batch
    boxed: Tensor
    ids: Tensor
    targets: Tensor
    row: Tensor
    segs: Tensor
    owner: Tensor
    covers: Tensor
    named: Tensor


def drawn_box(picture: np.ndarray, box: tuple[int, int, int, int], width: int = 2) -> np.ndarray:
    """The outline lies outside of the box, as the gateway draws it on the resized picture."""
    out = picture.copy()
    x0, y0, x1, y1 = box
    h, w = out.shape[:2]
    grown = (max(0, x0 - width), max(0, y0 - width), min(w, x1 + width), min(h, y1 + width))
    inner = out[y0:y1, x0:x1].copy()
    out[grown[1] : grown[3], grown[0] : grown[2]] = GREEN
    out[y0:y1, x0:x1] = inner
    return out


def encoded(t: Tokenizer, config: Config, asked: Asked) -> tuple[list[int], list[int]]:
    prompt = config.dialogue.chat(asked.prompt, config.vision.tokens_per_tile)
    return t.encode(prompt, add_special_tokens=False).ids, t.encode(
        asked.answer + '<|im_end|>', add_special_tokens=False
    ).ids


class Teacher:
    """Makes lessons of samples; in the process that makes the samples, so that it costs training nothing."""

    def __init__(self, config: Config, seed: int, words: Tokenizer | None = None, questions: int = 2) -> None:
        self.config, self.tokenizer, self.questions = config, words or tokenizer(), questions
        self.rng = np.random.default_rng(seed)
        self.seg = self.tokenizer.token_to_id('[SEG]')

    def __call__(self, samples: list[Sample]) -> Lesson:
        batch = gather(samples)
        asked: list[tuple[int, Asked]] = []
        for i, s in enumerate(samples):
            # The report says most about a picture, so each second picture is asked for it.
            first = report(s) if self.rng.random() < 0.4 else ask(s, self.rng)
            asked += [(i, first)] + [(i, ask(s, self.rng)) for _ in range(self.questions - 1)]
        boxed: list[np.ndarray] = []
        row: list[int] = []
        texts = []
        segs, owner, covers, named = [], [], [], []
        for q, (i, question) in enumerate(asked):
            if question.box is None:
                row.append(i)
            else:
                row.append(len(samples) + len(boxed))
                boxed.append(drawn_box(samples[i].picture, question.box))
            prompt, answer = encoded(self.tokenizer, self.config, question)
            texts.append((prompt, answer))
            at = [len(prompt) + k for k, token in enumerate(answer) if token == self.seg]
            names = samples[i].kind.names
            for position, label in zip(at, question.labels, strict=True):
                segs.append((q, position))
                owner.append(i)
                covers.append(batch.covers[i, names.index(label)])
                named.append(INDEX[label])
        longest = max(len(p) + len(x) for p, x in texts)
        ids = torch.zeros(len(texts), longest, dtype=torch.int64)
        targets = torch.full((len(texts), longest), -100, dtype=torch.int64)
        for q, (prompt, answer) in enumerate(texts):
            n, m = len(prompt), len(answer)
            ids[q, : n + m] = torch.tensor(prompt + answer)
            targets[q, n - 1 : n + m - 1] = torch.tensor(answer)
        side = batch.pictures.shape[-1]
        extra = (
            torch.from_numpy(np.stack(boxed)).permute(0, 3, 1, 2)
            if boxed
            else torch.zeros(0, 3, side, side, dtype=torch.uint8)
        )
        return Lesson(
            batch, extra.contiguous(), ids, targets, torch.tensor(row),
            torch.tensor(segs, dtype=torch.int64).reshape(-1, 2), torch.tensor(owner, dtype=torch.int64),
            torch.stack(covers) if covers else torch.zeros(0, side // 2, side // 2, dtype=torch.uint8),
            torch.tensor(named, dtype=torch.int64),
        )  # fmt: skip


def hidden_states(model: GroundedModel, lesson: Lesson, visual: Tensor, context: int) -> Tensor:
    """[q, length, D] after the final norm; the padding lies behind and is seen by nobody."""
    embeds = model.language_model.get_input_embeddings()(lesson.ids)
    places = lesson.ids == context
    embeds = embeds.masked_scatter(places[..., None], visual[lesson.row].flatten(0, 1).to(embeds.dtype))
    return model.language_model.model(inputs_embeds=embeds, use_cache=False).last_hidden_state


def losses(model: GroundedModel, heads: DenseHeads, lesson: Lesson, context: int) -> dict[str, Tensor]:
    batch = lesson.batch
    with torch.autocast('cpu', torch.bfloat16):
        maps = model.image_encoder.encode(normalised(batch.pictures))
        levels = model.image_encoder.pyramid(maps)
        seen = maps[SIXTEENTH]
        if lesson.boxed.shape[0]:
            seen = torch.cat([seen, model.image_encoder.encode(normalised(lesson.boxed))[SIXTEENTH]])
        visual = model.tokens_of(seen)
        states = hidden_states(model, lesson, visual, context)
        answering = lesson.targets >= 0
        logits = model.language_model.lm_head(states[answering])
    out = {
        'dense': dense_loss(heads, maps, levels, batch),
        'text': F.cross_entropy(logits.float(), lesson.targets[answering]),
    }
    if lesson.segs.shape[0]:
        with torch.autocast('cpu', torch.bfloat16):
            features: Features = tuple(f[lesson.owner] for f in model.image_encoder.heads(levels))
            meant = states[lesson.segs[:, 0], lesson.segs[:, 1]]
            drawn, iou, _ = model.masks(features, meant)
            weights = model.direct(meant)
        drawn, target = drawn.float(), lesson.covers.float() / 255
        p = drawn.sigmoid()
        bce = F.binary_cross_entropy_with_logits(drawn, target, reduction='none').mean((1, 2))
        dice = 1 - (2 * (p * target).sum((1, 2)) + 1) / (p.sum((1, 2)) + target.sum((1, 2)) + 1)
        out['mask'] = (4 * bce + dice).mean()
        # The state of a [SEG] is taught what the trunk knows of its label already.
        pixel = heads.pixel
        taught = torch.cat([pixel.weight[lesson.named, :, 0, 0], pixel.bias[lesson.named, None]], 1).detach()
        out['meaning'] = F.mse_loss(weights.float(), taught)
        with torch.no_grad():
            hard, there = drawn > 0, target > 0.5
            true = (hard & there).sum((1, 2)) / (hard | there).sum((1, 2)).clamp(min=1)
        out['iou'] = F.mse_loss(iou.float(), true)
    return out


WEIGHTS = {'dense': 0.7, 'text': 1.0, 'mask': 1.0, 'meaning': 0.3, 'iou': 0.5}


def train(
    config: Config,
    pictures: Path | None,
    start: Path | None,
    out: Path,
    minutes: float,
    share: float,
    seed: int,
    size: int,
    peak: float,
    workers: int,
) -> None:
    torch.manual_seed(seed)
    teacher = Teacher(config, seed, words_of(start) if start else None)
    config = config.with_vocabulary(teacher.tokenizer.get_vocab_size())
    model = GroundedModel(config)
    # The fused attention of a CPU is slow backwards.
    model.language_model.set_attn_implementation('eager')
    model.vision_tower.set_attn_implementation('eager')
    model.mask_decoder.config._attn_implementation = 'eager'
    heads = DenseHeads(model.image_encoder)
    both = nn.ModuleDict({'model': model, 'heads': heads})
    if start:
        load(both, start)
    model.image_encoder.to(memory_format=torch.channels_last)
    # The trunk has learnt already and is taught gently, what is new learns fast.
    trunk = [p for n, p in both.named_parameters() if 'image_encoder' in n or n.startswith('heads')]
    rest = [p for n, p in both.named_parameters() if not ('image_encoder' in n or n.startswith('heads'))]
    groups = [{'params': trunk, 'scale': 0.5 if start else 1.0}, {'params': rest, 'scale': 1.0}]
    optimizer = torch.optim.AdamW(groups, lr=peak, weight_decay=0.02, betas=(0.9, 0.98))
    average = Average(both, 0.997)
    context = teacher.tokenizer.token_to_id('<IMG_CONTEXT>')
    begun, step, total, said = time.time(), 0, 1e9, []
    for lesson in batches(pictures, share, seed, size, workers, teacher):
        spent = time.time() - begun
        if spent > minutes * 60:
            break
        if step >= 20:
            total = step * minutes * 60 / spent
        for g in optimizer.param_groups:
            g['lr'] = rate(step, total, peak) * g['scale']
        parts = losses(model, heads, lesson, context)
        loss = sum(WEIGHTS[k] * v for k, v in parts.items())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(both.parameters(), 2.0)
        optimizer.step()
        average.update(both, step)
        said.append({k: v.item() for k, v in parts.items()})
        step += 1
        if step % 25 == 0:
            mean = {k: round(float(np.mean([s[k] for s in said[-25:] if k in s])), 4) for k in WEIGHTS}
            print(json.dumps({'step': step, 's': round(time.time() - begun), **mean}), flush=True)
        if step % 200 == 0:
            save(average, teacher, step, out)
    save(average, teacher, step, out)


def save(average: Average, teacher: Teacher, step: int, out: Path) -> None:
    part = out.with_suffix('.part')
    torch.save({'state': average.state, 'step': step, 'tokenizer': teacher.tokenizer.to_str()}, part)
    part.replace(out)


def words_of(start: Path) -> Tokenizer | None:
    """The tokenizer of earlier weights: their embeddings are in its order."""
    said = torch.load(start, weights_only=True).get('tokenizer')
    return Tokenizer.from_str(said) if said else None


def load(both: nn.ModuleDict, start: Path) -> None:
    """From the first stage (trunk and heads) or from an earlier second one."""
    state = torch.load(start, weights_only=True)['state']
    if any(k.startswith('trunk.') for k in state):
        state = {k.replace('trunk.', 'model.image_encoder.', 1): v for k, v in state.items()}
    missing, unexpected = both.load_state_dict(state, strict=False)
    if unexpected:
        raise SystemExit(f'{start}: not of this model: {", ".join(unexpected[:5])}')
    print(json.dumps({'start': str(start), 'new': len(missing)}), flush=True)


def main() -> None:
    p = argparse.ArgumentParser(prog='python -m grounded.train', description='Train the reference model.')
    p.add_argument('--pictures', type=Path, help='folder with index.json of real pictures')
    p.add_argument('--start', type=Path, help='weights of python -m grounded.dense, or of an earlier run')
    p.add_argument('--out', type=Path, required=True)
    p.add_argument('--minutes', type=float, default=75)
    p.add_argument('--share', type=float, default=0.5, help='share of real pictures')
    p.add_argument('--seed', type=int, default=2)
    p.add_argument('--size', type=int, default=16)
    p.add_argument('--rate', type=float, default=1.5e-3)
    p.add_argument('--threads', type=int, default=1)
    p.add_argument('--workers', type=int, default=1)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    train(CONFIGS['reference'], a.pictures, a.start, a.out, a.minutes, a.share, a.seed, a.size, a.rate, a.workers)


if __name__ == '__main__':
    main()
