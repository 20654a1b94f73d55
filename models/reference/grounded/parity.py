"""Many goldens in a small file: what Python says and draws, for the gateway to be held to.

    python -m grounded.parity BUNDLE --out FILE [--weights DIR] [--count 108]

Pictures are variations of the bundle's own goldens, made from integers alone, so that the file holds none of them. The
answers come from the bundle's graphs by onnxruntime, or, with the weights, from PyTorch. Only the five plain graphs are
run, so that a gateway that runs `generate` is held to the graphs that it was made of.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import zlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer

from grounded import bundle, checkpoint
from grounded.config import TINY, Config
from grounded.dialogue import Dialogue
from grounded.goldens import filled, read_rgb
from grounded.loop import Arrays, Loop, OnnxGraphs, TorchGraphs
from grounded.pictures import Rgb

LEVEL = 9
"""Of the compression of masks."""


def parity(folder: Path, count: int, weights: Path | None = None) -> dict[str, Any]:
    """Ask `count` questions, each about a picture of its own, in one order for all bundles."""
    m = bundle.read(folder)
    words = Tokenizer.from_file(str(folder / 'tokenizer.json'))
    if weights:
        config = bundle.config_of(m)
        loop = Loop(config, words, TorchGraphs(checkpoint.load(config, weights)))
        made_with = f'PyTorch {torch.__version__.split("+")[0]}'
    else:
        loop = Loop(config_from(m), words, Complete(folder, m['graphs']))
        made_with = f'onnxruntime {onnxruntime.__version__}'
    images = [g['image'] for g in m['golden']]
    asked = list(questions(m).values())
    cases = []
    for seed in range(1, count + 1):
        of_task, turn = asked[seed % len(asked)], seed // len(asked)
        cases.append(_case(loop, folder, images[(seed + turn) % len(images)], seed, of_task[turn % len(of_task)]))
    return {'bundle': m['name'], 'made_with': made_with, 'cases': cases}


def _case(loop: Loop, folder: Path, image: str, seed: int, question: Mapping[str, Any]) -> dict[str, Any]:
    box = tuple(question['box']) if 'box' in question else None
    grounded = bool(loop.config.dialogue.tasks[question['task']]['grounded'])
    answer = loop.answer(variation(read_rgb(folder / image), seed), question['prompt'], box, grounded)
    masks = [_packed(mask.bits) for mask in answer.masks]
    return {'image': image, 'seed': seed, **question, 'token_ids': answer.token_ids, 'masks': masks}


def _packed(bits: NDArray[np.bool_]) -> str:
    """One bit a pixel, lowest first, deflated, base64."""
    raw = np.packbits(bits.reshape(-1), bitorder='little').tobytes()
    return base64.b64encode(zlib.compress(raw, LEVEL)).decode()


def questions(m: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Of each task its own words, with every name that the bundle knows in its slots."""
    names = sorted({n for mod in m['modalities'] for key in ('findings', 'organs') for n in mod.get(key, [])})
    found: dict[str, list[dict[str, Any]]] = {}
    for task, rules in m['tasks'].items():
        box = {'box': [0.25, 0.25, 0.75, 0.75]} if rules.get('needs_box') else {}
        slots = rules.get('slots', [])
        found[task] = [
            {'task': task, 'prompt': filled(prompt, {slot: name for slot in slots}), **box}
            for prompt in ([rules['prompt']] if 'prompt' in rules else rules['prompts'])
            for name in (names if slots else [''])
        ]
    return found


def variation(picture: Rgb, seed: int) -> Rgb:
    """Cut off up to an eighth at each edge, mirrored or not, made lighter or darker by up to 20 levels.

    Numbers are the top bytes of xorshift32 states from `seed`, in this order: left, right, top, bottom, mirror, light.
    """
    numbers = []
    x = seed
    for _ in range(6):
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        numbers.append(x >> 24)
    height, width = picture.shape[:2]
    left, right = (n % (width // 8 + 1) for n in numbers[:2])
    top, bottom = (n % (height // 8 + 1) for n in numbers[2:4])
    cut = picture[top : height - bottom, left : width - right].astype(np.int16)
    turned = cut[:, ::-1] if numbers[4] % 2 else cut
    return np.ascontiguousarray(np.clip(turned + numbers[5] % 41 - 20, 0, 255).astype(np.uint8))


class Complete(OnnxGraphs):
    """The graphs of a bundle; one whose mask decoder gives no `object_scores` counts every object as there."""

    def run(self, graph: str, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        out = super().run(graph, feeds)
        if graph == 'mask_decoder':
            out.setdefault('object_scores', np.ones_like(out['iou_scores']))
        return out


def config_from(m: Mapping[str, Any]) -> Config:
    """What the loop must know to run the graphs of any bundle; the modules inside them are not described."""
    vision, sam, decoder = m['preprocess']['vision'], m['preprocess']['sam'], m['decoder']
    tiling, via = vision['tiling'], m['masks'].get('upsample_via')
    return replace(
        TINY,
        name=m['name'],
        vision=replace(
            TINY.vision,
            side=vision['width'],
            min_tiles=tiling['min'],
            max_tiles=tiling['max'],
            thumbnail=tiling['thumbnail'],
        ),
        language=replace(
            TINY.language,
            vocab_size=decoder['vocab_size'],
            hidden=decoder['hidden_size'],
            layers=decoder['layers'],
            kv_heads=decoder['kv_heads'],
            head_dim=decoder['head_dim'],
            max_positions=decoder.get('max_positions', 1 << 30),
        ),
        image_encoder=replace(TINY.image_encoder, side=sam['width']),
        preprocess=replace(
            TINY.preprocess,
            resample=vision['resample'],
            mean=tuple(vision['mean']),
            std=tuple(vision['std']),
            upsample_via=(via[0], via[1]) if via else None,
        ),
        dialogue=Dialogue(
            template=m['chat']['template'],
            system=m['chat'].get('system'),
            image=m['chat']['image'],
            context=m['chat']['context'],
            special_tokens={key: t['text'] for key, t in m['special_tokens'].items()},
            tasks=m['tasks'],
            stop_names=tuple(k for k, t in m['special_tokens'].items() if t['id'] in m['stop_ids']),
            stop_texts=tuple(m.get('stop_texts', ())),
            region_prompt=m.get('region_prompt'),
        ),
        **{key: m['limits'][key] for key in ('max_new_tokens', 'max_masks', 'max_prompt_tokens')},
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='python -m grounded.parity', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('bundle', type=Path, metavar='BUNDLE')
    parser.add_argument('--out', type=Path, metavar='FILE', required=True)
    parser.add_argument('--weights', type=Path, metavar='DIR')
    parser.add_argument('--count', type=int, default=108)
    args = parser.parse_args(argv)
    made = parity(args.bundle, args.count, args.weights)
    cases = ',\n'.join('  ' + json.dumps(case) for case in made.pop('cases'))
    head = ''.join(f' {json.dumps(key)}: {json.dumps(value)},\n' for key, value in made.items())
    args.out.write_text(f'{{\n{head} "cases": [\n{cases}\n ]\n}}\n', encoding='utf-8')
    print(f'{args.out}: {args.out.stat().st_size:,} bytes')
    return 0


if __name__ == '__main__':
    sys.exit(main())
