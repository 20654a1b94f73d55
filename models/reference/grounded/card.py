"""The model card of the trained bundle, printed from its figures.

    python -m grounded.card --figures figures.json --recipe recipe.json --out MODEL-CARD.md

`recipe.json` says how these weights were made: a list of `{stage, command, steps, pictures, seed}`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from grounded.config import CONFIGS
from grounded.model import GroundedModel

PART = {
    'image_encoder': 'trunk: a convolutional encoder-decoder of 192 px, shared by both branches',
    'vision_tower': 'InternVLVisionModel, two layers on the 1/16 map of the trunk',
    'projector': 'InternVL projector after 2x2 pixel shuffle',
    'language_model': 'Qwen2ForCausalLM, three layers, tied head',
    'text_hidden_fcs': 'from the state of [SEG] to a prompt of the mask decoder',
    'prompt_encoder': 'Sam2PromptEncoder (position encoding)',
    'mask_decoder': 'Sam2MaskDecoder, one mask',
}


def table(head: list[str], rows: list[list[Any]]) -> str:
    cells = [head, ['---'] * len(head), *([shown(v) for v in row] for row in rows)]
    return '\n'.join('| ' + ' | '.join(str(c) for c in row) + ' |' for row in cells)


def shown(v: Any) -> str:
    return '-' if v is None else f'{v:.3f}' if isinstance(v, float) else str(v)


def masks_table(f: dict[str, Any]) -> str:
    keys = ['Dice', 'Dice findings', 'Dice structures', 'report Dice', 'region Dice', 'absent target refused']
    rows = [[name, *(m.get(k) for k in keys)] for name, m in [*f['modalities'].items(), ('all', f['all'])]]
    return table(['modality', 'Dice', 'findings', 'structures', 'in reports', 'boxed', 'absent target refused'], rows)


def words_table(f: dict[str, Any]) -> str:
    keys = [
        'finding accuracy', 'sensitivity', 'specificity', 'false positives a picture', 'finding accuracy after gate',
        'false positives a picture after gate', 'positive without mask after gate', 'side confused', 'answers',
    ]  # fmt: skip
    head = [
        'modality',
        'finding accuracy',
        'sens',
        'spec',
        'FP',
        'accuracy, gated',
        'FP, gated',
        'no mask, gated',
        'L/R confused',
        'answers',
    ]
    return table(head, [[name, *(m.get(k) for k in keys)] for name, m in [*f['modalities'].items(), ('all', f['all'])]])


def answers_table(f: dict[str, Any]) -> str:
    keys = ['recognise', 'yes or no', 'how many', 'which side', 'region', 'report word for word']
    return table(
        ['modality', *keys],
        [[name, *(m.get(k) for k in keys)] for name, m in [*f['modalities'].items(), ('all', f['all'])]],
    )


def real_table(f: dict[str, Any]) -> str:
    real = f['real']
    rows = [[k, v['n'], v['Dice'], v.get('U-Net'), v['refused']] for k, v in real['sets'].items()]
    rows.append(
        [
            'all masks',
            sum(v['n'] for v in real['sets'].values()),
            real['all']['Dice'],
            real['all'].get('U-Net'),
            real['all']['refused'],
        ]
    )
    return table(['set', 'masks', 'Dice', 'U-Net', 'refused'], rows)


def stages(recipe: list[dict[str, Any]]) -> str:
    rows = [[r['stage'], '`' + r['command'] + '`', r['steps'], r['pictures'], r['seed']] for r in recipe]
    return table(['stage', 'command', 'steps', 'pictures a step', 'seed'], rows)


def card(f: dict[str, Any], recipe: list[dict[str, Any]], sets: dict[str, Any]) -> str:
    model = GroundedModel(CONFIGS['reference'].with_vocabulary(f.get('vocabulary', 800)))
    parts = [[name, what, sum(p.numel() for p in getattr(model, name).parameters())] for name, what in PART.items()]
    unseen = '\n'.join(f'| {k} | {v} |' for k, v in f['unseen'].items())
    licences = '\n'.join(
        f'| `{k}` | {s["modality"]} | {s["licence"]} | {s["source"].split(":")[0]} |' for k, s in sets.items()
    )
    return f"""# Model card: plumbline-reference

**Demonstration model, not for clinical use.** It was trained on drawn phantoms and 410 small pictures: it shows how a grounded
model is connected, not what one can do. Licence of the weights: CC BY-SA 4.0 (some of the pictures ask for it).

## What it is

{table(['part', 'made of', 'parameters'], parts)}

Weights are stored as float16 and cast to float32 in the graphs. Sizes: `models/reference/grounded/config.py`, `reference`.
Left and right in its words are the patient's for `ct`, `mr`, `xray` and `pet`, the picture's for the others.

## How it was made

{stages(recipe)}

Phantoms are made as they are asked for; real pictures are those of the training split below, turned, scaled and recoloured. The
stages end by the clock, so another machine makes other weights of the same kind; the bundle itself is fixed by its SHA-256 list.

## Held-out phantoms

{f['count']} of each modality, seeds that training never saw (from 900,000,000), greedy answers in PyTorch; findings and structures asked for
by name. `Dice` counts 0 where a target that is there is refused. `pet` is an extra.

{masks_table(f)}

Words of the report, before and after the grounding gate (a positive sentence needs a mask of 20 pixels and a predicted IoU of 0.4;
what fails is written as *ungrounded*, never as a finding; in the gateway the score is the bundle's, the pixels are the route's, 4 unless it
says otherwise). `FP`: false findings a picture. `L/R confused`: of the sentences about
findings that are there and lie to one side, those that say the other.

{words_table(f)}

Answers equal to the truth (yes or no: the first word):

{answers_table(f)}

## Real pictures of subjects never trained on

The validation split, Dice at the size of the source, each label that is there asked for by name. Beside it a plain U-Net of
equal size ({parameters_line(f)}), trained on the same pictures as often, with the same augmentation and loss.

{real_table(f)}

## Pictures of no kind that it knows

| picture | report |
|---|---|
{unseen}

It cannot say that a picture is none of its business: modality and input checks are the gateway's.

## Pictures it was trained on

| set | modality | licence | source |
|---|---|---|---|
{licences}
"""


def parameters_line(f: dict[str, Any]) -> str:
    return f.get('sizes', 'both about 2.6 million parameters between pixels and masks')


def main() -> None:
    p = argparse.ArgumentParser(
        prog='python -m grounded.card', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument('--figures', type=Path, required=True)
    p.add_argument('--recipe', type=Path, required=True)
    p.add_argument('--index', type=Path, required=True, help='index.json of the real pictures')
    p.add_argument('--out', type=Path, required=True)
    a = p.parse_args()
    figures, recipe = json.loads(a.figures.read_text()), json.loads(a.recipe.read_text())
    a.out.write_text(card(figures, recipe, json.loads(a.index.read_text())['sets']))


if __name__ == '__main__':
    main()
