"""What PyTorch answers: the oracle of the tests of the gateway's own loop.

    python proof/answers.py PICTURES --bundle BUNDLE (--seed N | --weights DIR) --out answers.json

PICTURES is a folder as proof/pictures.py writes it. The words and limits are those of the bundle's manifest; its graphs
are not touched.
"""

from __future__ import annotations

import argparse
import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from grounded import bundle, checkpoint
from grounded.config import Config
from grounded.export import round_to_half
from grounded.goldens import Question, ask, questions
from grounded.loop import Answer, Loop, TorchGraphs
from grounded.model import GroundedModel
from grounded.random_weights import random_model


def model_of(m: dict[str, Any], config: Config, words: Tokenizer, seed: int | None, weights: Path | None) -> GroundedModel:
    """The model of a bundle, in PyTorch, rounded as its graphs store it."""
    model = checkpoint.load(config, weights) if weights else random_model(config, seed or 0, words)
    if 'fp16' in m['provenance']['precision']:
        round_to_half(model)
    return model


def entry(q: Question, a: Answer) -> dict[str, Any]:
    """One answer as JSON; `bits`: base64, one bit a pixel, row by row, the lowest bit first."""
    return {
        'image': q.image.name,
        'task': q.task,
        'prompt': q.prompt,
        'box': list(q.box) if q.box else None,
        'token_ids': a.token_ids,
        'text': a.text,
        'prompt_tokens': a.prompt_tokens,
        'margin': min(a.margins),
        'states': a.states.tolist(),
        'masks': [
            {
                'bits': base64.b64encode(np.packbits(mask.bits.ravel(), bitorder='little')).decode(),
                'score': mask.score,
                'present': mask.present,
            }
            for mask in a.masks
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('pictures', type=Path)
    parser.add_argument('--bundle', type=Path, required=True)
    parser.add_argument('--seed', type=int)
    parser.add_argument('--weights', type=Path)
    parser.add_argument('--out', type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    m = bundle.read(args.bundle)
    config = bundle.config_of(m)
    words = Tokenizer.from_file(str(args.bundle / 'tokenizer.json'))
    loop = Loop(config, words, TorchGraphs(model_of(m, config, words, args.seed, args.weights)))
    asked = questions(args.pictures, m['tasks'])
    args.out.write_text(json.dumps([entry(q, ask(loop, q)) for q in asked]))


if __name__ == '__main__':
    main()
