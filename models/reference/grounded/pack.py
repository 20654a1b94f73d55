"""From the weights of training to a folder that `grounded.export --weights` takes, with the pictures of its goldens.

python -m grounded.pack --weights train.pt --figures figures.json --out DIR --pictures GOLDEN_DIR
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from grounded.answer import opened
from grounded.checkpoint import save
from grounded.data import SIDE, phantom
from grounded.evaluate import GATE_IOU
from grounded.labels import KINDS, LATERALITY
from grounded.text import QUESTIONS, TASKS, present, region

# Real photographs in the public domain (CC0) may go along; others stay out of the bundle.
SEEDS = 910_000_000
DICOM = {
    'ct': ['CT'], 'mr': ['MR'], 'xray': ['CR', 'DX', 'MG', 'RG'], 'us': ['US'], 'path': ['SM'], 'endo': ['ES'],
    'fundus': ['OP'], 'oct': ['OPT', 'OCT'], 'derm': ['XC', 'DMS'], 'micro': ['GM'], 'pet': ['PT'],
}  # fmt: skip


def modalities() -> list[dict[str, Any]]:
    """What each modality shows and what can be asked for in it, phantoms and real pictures together."""
    out = []
    for key, kind in ((k, v) for k, v in KINDS.items() if not v.real):
        kinds = [k for k in KINDS.values() if k.modality == key]
        out.append({
            'key': key,
            'view': kind.view,
            'dicom_modality': DICOM[key],
            'laterality': LATERALITY[key],
            'findings': list(dict.fromkeys(n for k in kinds for n in k.findings)),
            'organs': list(dict.fromkeys(n for k in kinds for n in k.structures)),
        })  # fmt: skip
    return out


def said(figures: dict[str, Any], sets: dict[str, Any], version: str) -> dict[str, Any]:
    return {
        'name': 'plumbline-reference',
        'version': version,
        'licence': 'CC-BY-SA-4.0',
        'intended_use': 'Demonstration model. Not for clinical use: it was trained on drawn phantoms and 410 small pictures.',
        'provenance': {
            'architecture': 'convolutional encoder-decoder shared by both branches, InternVL layers and 2x2 pixel '
            'shuffle, Qwen2 decoder, SAM 2 mask decoder (models/reference)',
            'data': 'procedural phantoms of eleven modalities (models/reference/grounded/phantoms) and real pictures: '
            + '; '.join(f'{name} ({s["licence"].split(":")[0]})' for name, s in sets.items()),
            'training': 'models/reference/README.md; MODEL-CARD.md has recipe, seeds and figures',
        },
        # The gate of the figures in the card (evaluate.GATE_IOU).
        'masks': {'min_score': GATE_IOU},
        'modalities': modalities(),
        'metrics': figures,
    }


def goldens(folder: Path) -> None:
    """One report of each modality, and the other tasks once; one picture that is not square."""
    folder.mkdir(parents=True, exist_ok=True)
    listed: list[dict[str, Any]] = []

    def add(modality: str, task: str, picture: np.ndarray, **more: Any) -> None:
        name = f'{len(listed) + 1:02d}.png'
        Image.fromarray(picture).save(folder / name)
        listed.append({'image': name, 'task': task, 'modality': modality, **more})

    for i, modality in enumerate(k for k, v in KINDS.items() if not v.real):
        # The first with a finding: a golden without a mask proves little, the last one below has none.
        sample = first(modality, SEEDS + 1000 * i, lambda s: any(present(s)[n] for n in s.kind.findings))
        add(modality, 'report', sample.picture)
    ct = first('ct', SEEDS + 50_000, lambda s: present(s)['liver lesion'])
    wide = np.asarray(Image.fromarray(ct.picture).resize((320, 240), Image.Resampling.BICUBIC))
    add('ct', 'segment', wide, slots={'target': 'liver'})
    add('ct', 'vqa', ct.picture, prompt=QUESTIONS[0].replace('{a finding}', 'a liver lesion'))
    add('us', 'recognise', first('us', SEEDS + 60_000, lambda s: present(s)['cyst']).picture)
    boxed = first('derm', SEEDS + 70_000, lambda s: present(s)['melanoma'])
    rng = np.random.default_rng(1)
    asked = next(q for q in (region(boxed, rng) for _ in range(50)) if q and q.labels)
    add('derm', 'region', boxed.picture, box=[v / SIDE for v in asked.box])
    bare = first('mr', SEEDS + 80_000, lambda s: not any(present(s)[n] for n in s.kind.findings))
    add('mr', 'report', bare.picture)
    (folder / 'golden.json').write_text(json.dumps(listed, indent=1))


def first(modality: str, seed: int, wanted: Any) -> Any:
    return next(s for s in (phantom(modality, np.random.default_rng(seed + i)) for i in range(1000)) if wanted(s))


def main() -> None:
    p = argparse.ArgumentParser(
        prog='python -m grounded.pack', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument('--weights', type=Path, required=True, help='of python -m grounded.train')
    p.add_argument('--figures', type=Path, help='of python -m grounded.evaluate')
    p.add_argument('--index', type=Path, required=True, help='index.json of the real pictures, for their licences')
    p.add_argument('--version', default='1.0.0')
    p.add_argument('--out', type=Path, required=True)
    p.add_argument('--pictures', type=Path, required=True, help='folder for the pictures of the goldens')
    a = p.parse_args()
    trained = opened(a.weights)
    a.out.mkdir(parents=True, exist_ok=True)
    save(trained.model, a.out)
    trained.tokenizer.save(str(a.out / 'tokenizer.json'))
    figures = json.loads(a.figures.read_text())['all'] if a.figures else {}
    figures = {k: v for k, v in figures.items() if ':' not in k}
    sets = json.loads(a.index.read_text())['sets']
    (a.out / 'bundle.json').write_text(json.dumps(said(figures, sets, a.version), indent=1))
    goldens(a.pictures)


if __name__ == '__main__':
    main()
