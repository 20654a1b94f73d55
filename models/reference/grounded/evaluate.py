"""What the trained model can do on pictures that it has not seen; prints the tables of the model card as JSON."""

from __future__ import annotations

import argparse
import json
import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

from grounded.answer import Answer, Trained, answers, opened, pixels
from grounded.data import SIDE, Sample, number, phantom
from grounded.dense import DenseHeads, chosen
from grounded.labels import INDEX, KINDS, NAMES
from grounded.text import QUESTIONS, Asked, how_many, is_there, present, recognise, region, report, segment, which_side
from grounded.train import drawn_box
from grounded.unet import unet

SPAN = re.compile(r'<p>(.*?)</p>\s*\[SEG\]')
SEEDS = 900_000_000
# What the gateway's grounding gate asks of a mask before a positive sentence is written (policy of the bundle).
GATE_IOU, GATE_AREA = 0.4, 20


def dice(a: np.ndarray, b: np.ndarray) -> float:
    total = a.sum() + b.sum()
    return float(2 * (a & b).sum() / total) if total else 1.0


@dataclass
class Tally:
    """Sums by name: `mean()` gives each name's mean, `count` how many stand behind it."""

    values: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, value: float | bool) -> None:
        self.values[name].append(float(value))

    def mean(self) -> dict[str, float]:
        return {k: round(float(np.mean(v)), 4) for k, v in sorted(self.values.items())}

    def count(self) -> dict[str, int]:
        return {k: len(v) for k, v in sorted(self.values.items())}


def asked_of(trained: Trained, samples: list[Sample], questions: list[Asked]) -> list[Answer]:
    """In portions, so that memory stays small."""
    out: list[Answer] = []
    for i in range(0, len(samples), 16):
        some, what = samples[i : i + 16], questions[i : i + 16]
        pictures = [s.picture for s in some]
        seen = [drawn_box(s.picture, q.box) if q.box else s.picture for s, q in zip(some, what)]
        boxed = any(q.box for q in what)
        out += answers(trained, pictures, [q.prompt for q in what], seen if boxed else None)
    return out


def grounded(answer: Answer) -> list[tuple[str, np.ndarray, float]]:
    return list(zip(SPAN.findall(answer.text), answer.masks, answer.iou))


def passes(mask: np.ndarray, iou: float) -> bool:
    return iou >= GATE_IOU and int(mask.sum()) >= GATE_AREA


def place_words(answer: str, name: str) -> str | None:
    m = re.search(re.escape(f'<p>{name}</p> [SEG]') + r' (?:in|on) the ([a-z ]+?)(?: part)?\.', answer)
    return m.group(1) if m else None


def judge_report(tally: Tally, s: Sample, truth: Asked, answer: Answer) -> None:
    spans = grounded(answer)
    there = present(s)
    before = {name for name, _, _ in spans}
    after = {name for name, mask, iou in spans if passes(mask, iou)}
    for name in s.kind.findings:
        tally.add('finding accuracy', (name in before) == there[name])
        tally.add('finding accuracy after gate', (name in after) == there[name])
        (tally.add('sensitivity', name in before) if there[name] else tally.add('specificity', name not in before))
    false = [n for n in before if not there.get(n, False)]
    tally.add('false positives a picture', len(false))
    tally.add('false positives a picture after gate', len([n for n in false if n in after]))
    tally.add('positive without mask after gate', any(not m.any() for n, m, _ in spans if n in after))
    for name, mask, iou in spans:
        if there.get(name):
            true = s.masks[s.kind.names.index(name)] > 0.5
            tally.add('report Dice', dice(mask, true))
            tally.add('predicted IoU error', abs(iou - (mask & true).sum() / max(1, (mask | true).sum())))
            said, meant = place_words(answer.text, name), place_words(truth.answer, name)
            sides = {'left', 'right'}
            a, b = sides & set((said or '').split()), sides & set((meant or '').split())
            if b:
                tally.add('side confused', bool(a) and a != b)
                tally.add('side named', a == b)
    tally.add('report word for word', answer.text == truth.answer)


def judge_phantoms(trained: Trained, modality: str, count: int) -> Tally:
    tally = Tally()
    samples = [
        phantom(modality, np.random.default_rng(SEEDS + 1000 * list(KINDS).index(modality) + i)) for i in range(count)
    ]
    reports = [report(s) for s in samples]
    for s, truth, answer in zip(samples, reports, asked_of(trained, samples, reports)):
        judge_report(tally, s, truth, answer)
    named = [(s, n) for s in samples for n in s.kind.names]
    for (s, n), answer in zip(named, asked_of(trained, [s for s, _ in named], [segment(s, n) for s, n in named])):
        if present(s)[n]:
            d = dice(answer.masks[0], s.masks[s.kind.names.index(n)] > 0.5) if answer.masks else 0.0
            tally.add('Dice', d)
            tally.add('Dice findings' if n in s.kind.findings else 'Dice structures', d)
            tally.add(f'Dice: {n}', d)
        else:
            tally.add('absent target refused', not answer.masks)
    rng = np.random.default_rng(SEEDS)
    rest: list[tuple[Sample, str, Asked]] = []
    for s in samples:
        name = s.kind.findings[rng.integers(len(s.kind.findings))]
        rest += [(s, 'recognise', recognise(s)), (s, 'yes or no', is_there(s, name)), (s, 'how many', how_many(s))]
        rest += [(s, 'which side', which_side(s, n)) for n in s.kind.findings if present(s)[n]][:1]
        boxed = region(s, rng)
        rest += [(s, 'region', boxed)] if boxed else []
    for (s, task, truth), answer in zip(rest, asked_of(trained, [s for s, _, _ in rest], [q for _, _, q in rest])):
        right = answer.text == truth.answer
        if task == 'yes or no':
            right = answer.text.split(',')[0] == truth.answer.split(',')[0]
        tally.add(task, right)
        tally.add('answers', right)
        if task == 'region' and truth.labels and answer.masks:
            tally.add('region Dice', dice(answer.masks[0], s.masks[s.kind.names.index(truth.labels[0])] > 0.5))
    return tally


def judge_real(trained: Trained, folder: Path, rival: tuple[torch.nn.Module, DenseHeads] | None) -> dict:
    """Segmentation by name on the validation pictures: our Dice beside the U-Net's, at the size of the source."""
    index = json.loads((folder / 'index.json').read_text())
    rows: dict[str, Tally] = defaultdict(Tally)
    for item in index['items']:
        if item['split'] != 'val':
            continue
        kind = KINDS[item['set']]
        names = index['sets'][item['set']]['labels']
        source = Image.open(folder / item['image']).convert('RGB')
        picture = np.asarray(source.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
        values = np.asarray(Image.open(folder / item['mask']))
        found = [n for n in kind.names if (values == number(names, n)).any()]
        said = answers(
            trained,
            [picture] * len(found),
            [f'Please segment the {n}.' for n in found],
            sizes=[values.shape] * len(found),
        )
        drawn = rival_masks(rival, picture, found, values.shape) if rival else None
        for k, (name, answer) in enumerate(zip(found, said)):
            true = values == number(names, name)
            row = rows[item['set']]
            row.add('Dice', dice(answer.masks[0], true) if answer.masks else 0.0)
            row.add('refused', not answer.masks)
            if drawn is not None:
                row.add('U-Net', dice(drawn[k], true))
    every = Tally()
    for row in rows.values():
        for key, values in row.values.items():
            every.values[key] += values
    return {'all': every.mean(), 'sets': {k: {**v.mean(), 'n': len(v.values['Dice'])} for k, v in rows.items()}}


@torch.inference_mode()
def rival_masks(
    rival: tuple[torch.nn.Module, DenseHeads], picture: np.ndarray, names: list[str], size: tuple[int, int]
) -> np.ndarray:
    net, heads = rival
    labels = torch.tensor([[INDEX[n] for n in names]])
    logits = chosen(heads.pixel, net.pyramid(net.encode(pixels([picture])))[0], labels)
    return (F.interpolate(logits, size=size, mode='bilinear')[0] > 0).numpy()


def rival_of(weights: Path) -> tuple[torch.nn.Module, DenseHeads]:
    net = unet()
    heads = DenseHeads(net)
    torch.nn.ModuleDict({'trunk': net, 'heads': heads}).load_state_dict(torch.load(weights, weights_only=True)['state'])
    return net.eval(), heads.eval()


def unseen(trained: Trained) -> dict[str, str]:
    """What it says of pictures of no kind that it knows."""
    rng = np.random.default_rng(SEEDS)
    ct, xray = phantom('ct', rng).picture, phantom('xray', rng).picture
    shown = {
        'black': np.zeros((SIDE, SIDE, 3), np.uint8),
        'white': np.full((SIDE, SIDE, 3), 255, np.uint8),
        'noise': rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8),
        'CT turned by 90 degrees': np.rot90(ct).copy(),
        'radiograph inverted': 255 - xray,
        'checkerboard': np.kron(np.indices((12, 12)).sum(0) % 2, np.ones((16, 16)))[..., None]
        .repeat(3, 2)
        .astype(np.uint8)
        * 255,
    }
    return {k: answers(trained, [v], ['Describe the findings and segment them.'])[0].text for k, v in shown.items()}


def main() -> None:
    p = argparse.ArgumentParser(
        prog='python -m grounded.evaluate', description='Held-out figures of the trained model.'
    )
    p.add_argument('--weights', type=Path, required=True)
    p.add_argument('--pictures', type=Path, help='folder with index.json of real pictures')
    p.add_argument('--unet', type=Path, help='weights of python -m grounded.unet')
    p.add_argument('--count', type=int, default=40, help='phantoms of each modality')
    p.add_argument('--threads', type=int, default=1)
    p.add_argument('--out', type=Path)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    trained = opened(a.weights)
    result: dict = {'modalities': {}, 'count': a.count, 'labels': len(NAMES)}
    if a.pictures:
        result['real'] = judge_real(trained, a.pictures, rival_of(a.unet) if a.unet else None)
        print(json.dumps(result['real']['all']), flush=True)
    every = Tally()
    for modality in (k for k, v in KINDS.items() if not v.real):
        if not a.count:
            break
        tally = judge_phantoms(trained, modality, a.count)
        result['modalities'][modality] = tally.mean()
        print(modality, json.dumps({k: v for k, v in tally.mean().items() if ':' not in k}), flush=True)
        for k, v in tally.values.items():
            every.values[k] += v
    result['all'] = every.mean()
    result['unseen'] = unseen(trained)
    print(json.dumps(result['all']), json.dumps(result['unseen'], indent=1), flush=True)
    if a.out:
        a.out.write_text(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()
