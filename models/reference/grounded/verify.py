"""Is a bundle what it says? Its files, its goldens, and, with the weights, each graph against PyTorch.

    python -m grounded.verify BUNDLE [--weights DIR]

Prints one line a check and ends with 1 where one fails.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor

from grounded import bundle, checkpoint
from grounded.config import Config
from grounded.export import round_to_half
from grounded.goldens import Question, ask
from grounded.graphs import cache_names
from grounded.loop import Loop, OnnxGraphs, TorchGraphs
from grounded.model import GroundedModel

IOU = 0.999
RELATIVE = 1e-4
"""Largest error of a graph, as a share of the largest value of that output; float32 sums in another order stay below."""


@dataclass(frozen=True)
class Check:
    """One line of the result."""

    what: str
    ok: bool
    figures: str


def verify(folder: Path, weights: Path | None = None, relative: float = RELATIVE) -> Iterator[Check]:
    """Every check of a bundle, as it is made."""
    m = bundle.read(folder)
    problems = bundle.file_problems(folder, m)
    yield Check('files', not problems, '; '.join(problems) or f'{len(m["files"])} as stated')
    if problems:
        return
    config = bundle.config_of(m)
    yield from golden_checks(folder, m, config)
    if weights:
        model = checkpoint.load(config, weights)
        if 'fp16' in m.get('provenance', {}).get('precision', ''):
            round_to_half(model)
        yield from graph_checks(folder, m, model, relative)


def golden_checks(folder: Path, m: Mapping[str, Any], config: Config) -> Iterator[Check]:
    """Golden input to golden output: token ids, text, and the IoU of each mask."""
    words = Tokenizer.from_file(str(folder / 'tokenizer.json'))
    loop = Loop(config, words, OnnxGraphs(folder, m['graphs']))
    for g in m.get('golden', []):
        box = g.get('box')
        q = Question(g['id'], folder / g['image'], g['task'], g['prompt'], tuple(box) if box else None)
        answer = ask(loop, q)
        same = sum(a == b for a, b in zip(answer.token_ids, g['token_ids'], strict=False))
        ious = [
            iou(mask.bits, np.asarray(Image.open(folder / e['file'])) > 127)
            for mask, e in zip(answer.masks, g['masks'], strict=False)
        ]
        ok = (
            answer.token_ids == g['token_ids']
            and answer.text == g['text']
            and len(answer.masks) == len(g['masks'])
            and all(v >= IOU for v in ious)
        )
        shown = ', '.join(f'{v:.4f}' for v in ious) or 'no mask'
        yield Check(f'golden {g["id"]} ({g["task"]})', ok, f'{same}/{len(g["token_ids"])} token ids, IoU {shown}')


def graph_checks(folder: Path, m: Mapping[str, Any], model: GroundedModel, relative: float) -> Iterator[Check]:
    """The largest difference of each graph from PyTorch, on random input of several shapes; one graph at a time."""
    torch_graphs = TorchGraphs(model)
    onnx_graphs = OnnxGraphs(folder, m['graphs'], keep=1)
    for name in torch_graphs.specs:  # `generate` is made of two of them
        yield compare(name, torch_graphs, onnx_graphs, model.config, relative)
        onnx_graphs.close()


def compare(name: str, ours: TorchGraphs, theirs: OnnxGraphs, config: Config, relative: float) -> Check:
    worst: dict[str, tuple[float, float]] = {}
    for feeds in cases(name, ours, config):
        expected, found = ours.run(name, feeds), theirs.run(name, feeds)
        for output, value in expected.items():
            error = float(np.abs(found[output] - value).max()) if value.size else 0.0
            scale = float(np.abs(value).max()) if value.size else 1.0
            before = worst.get(output, (0.0, 1.0))
            if error / max(scale, 1e-6) >= before[0] / max(before[1], 1e-6):
                worst[output] = (error, scale)
        del expected, found
        gc.collect()
    ok = all(error <= relative * max(scale, 1e-6) for error, scale in worst.values())
    shown = {o: v for o, v in worst.items() if not o.startswith('present.')}
    cache = max((v for o, v in worst.items() if o.startswith('present.')), default=None)
    if cache:
        shown['present.*'] = cache
    figures = ', '.join(f'{o} {error:.1e} of {scale:.3g}' for o, (error, scale) in shown.items())
    return Check(f'graph {name}', ok, f'max abs error {figures}')


def cases(name: str, ours: TorchGraphs, config: Config) -> Iterator[dict[str, NDArray[Any]]]:
    """Inputs of several shapes, from a fixed seed."""
    random = torch.Generator().manual_seed(7)
    example = ours.specs[name].inputs

    def some(*shape: int) -> NDArray[np.float32]:
        return torch.randn(*shape, generator=random).numpy()

    c = config.language
    if name == 'vision_encoder':
        for tiles in (1, 3):
            yield {'pixel_values': some(tiles, *example['pixel_values'].shape[1:])}
    elif name == 'token_embed':
        yield {'input_ids': torch.randint(c.vocab_size, (2, 7), generator=random).numpy()}
    elif name == 'decoder':
        for batch, new, past, padded in ((1, 40, 0, 0), (1, 1, 40, 0), (3, 6, 11, 4)):
            yield _decoder_case(config, batch, new, past, padded, some)
    elif name == 'sam_encoder':
        yield {'pixel_values': some(*example['pixel_values'].shape)}
    else:
        features = {n: some(*t.shape) for n, t in example.items() if n != 'seg_hidden_states'}
        for n in (1, 2, 5):
            yield {**features, 'seg_hidden_states': some(n, c.hidden)}


def _decoder_case(config: Config, batch: int, new: int, past: int, padded: int, some: Any) -> dict[str, NDArray[Any]]:
    """`padded`: so many of the first positions of every row but the last are padding."""
    c = config.language
    attend = np.ones((batch, past + new), np.int64)
    attend[:-1, :padded] = 0
    positions = np.maximum(attend.cumsum(1) - 1, 0)[:, past:]
    cache = {n: some(batch, c.kv_heads, past, c.head_dim) for n in cache_names(c.layers, 'past_key_values')}
    return {
        'inputs_embeds': some(batch, new, c.hidden),
        'attention_mask': attend,
        'position_ids': np.ascontiguousarray(positions),
        **cache,
    }


def iou(a: NDArray[np.bool_] | Tensor, b: NDArray[np.bool_] | Tensor) -> float:
    """Of two masks; two empty ones agree."""
    either = int((a | b).sum())
    return 1.0 if either == 0 else int((a & b).sum()) / either


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='python -m grounded.verify', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('bundle', type=Path)
    parser.add_argument('--weights', type=Path, metavar='DIR', help='the weights that it was made of')
    parser.add_argument('--relative', type=float, default=RELATIVE, help='largest error of a graph, of its scale')
    args = parser.parse_args(argv)
    ok = True
    try:
        for check in verify(args.bundle, args.weights, args.relative):
            ok = ok and check.ok
            print(f'{"ok  " if check.ok else "FAIL"} {check.what}: {check.figures}', flush=True)
    except (ValueError, OSError) as e:
        print(f'verify: {e}', file=sys.stderr)
        return 1
    return 0 if ok else 1


if __name__ == '__main__':
    sys.exit(main())
