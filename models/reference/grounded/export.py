"""Weights to a bundle: five ONNX graphs, tokenizer, manifest, goldens.

    python -m grounded.export --config unibiomed-1b --weights DIR --out BUNDLE [--precision fp16]

DIR holds model.safetensors (published names, or those of `grounded.checkpoint.save`) and tokenizer.json; a bundle.json
there states what only the maker knows (name, version, licence, intended_use, provenance, modalities, codes, metrics …).
Without --weights the model is random: the graphs are then good for tests alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from grounded import bundle, checkpoint, tokenizer
from grounded.config import CONFIGS, Config
from grounded.goldens import questions, write_golden
from grounded.graphs import graph_specs
from grounded.loop import Loop, TorchGraphs
from grounded.model import GroundedModel
from grounded.onnx_graph import HALF_FROM, write_graph
from grounded.random_weights import random_model

# What is true of every bundle of a size, where the weights' folder says nothing else.
SAID: dict[str, dict[str, Any]] = {
    'unibiomed-1b': {
        'licence': 'Apache-2.0',
        'intended_use': 'Research. Masks and texts are drafts for a physician to check; not a medical device.',
        'provenance': {
            'architecture': 'InternViT-300M, 2x2 pixel shuffle, Qwen2.5-0.5B, SAM 2.0 Hiera-L (Sa2VA, UniBiomed)',
            'weights': 'Luffy503/UniBiomed, Apache-2.0',
            'data': 'ten modalities, listed in the paper (arXiv 2504.21336); some of the sets are non-commercial',
        },
    },
    'tiny': {
        'licence': 'Apache-2.0',
        'intended_use': 'Tests of the program only: it has never seen a medical image. Not for clinical use.',
    },
    'reference': {
        'licence': 'Apache-2.0',
        'intended_use': 'Demonstration model. Not for clinical use.',
    },
}
RANDOM: dict[str, Any] = {
    'intended_use': 'Tests of the program only: the weights are random numbers. Not for clinical use.',
    'provenance': {'weights': 'random'},
}


def export(
    model: GroundedModel,
    words: Tokenizer,
    out: Path,
    precision: str = 'fp32',
    said: Mapping[str, Any] | None = None,
    pictures: Path | None = None,
) -> dict[str, Any]:
    """Write a bundle to the folder `out`, which is made anew.

    :param precision: how weights are stored, `fp32` or `fp16`; the model itself is rounded first for `fp16`, so that
        the goldens, which PyTorch makes, hold the same numbers
    :param said: manifest fields beside those that follow from the model
    :param pictures: a folder of pictures for the goldens (`grounded.goldens.questions`)
    :returns: the manifest, without `files`
    """
    config = model.config
    if words.get_vocab_size() > config.language.vocab_size:
        raise ValueError(
            f'the tokenizer has {words.get_vocab_size()} tokens, the model {config.language.vocab_size} embeddings'
        )
    _check_words(config, words)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    if model.config.image_encoder.kind == 'trunk':
        model.eval().image_encoder.fuse()
    if precision == 'fp16':
        round_to_half(model)
    graphs = {}
    for spec in graph_specs(model.eval()):
        begun = time.monotonic()
        graphs[spec.name] = write_graph(spec, out, precision)
        print(f'{spec.name}: {time.monotonic() - begun:.0f} s', flush=True)
    words.save(str(out / 'tokenizer.json'))
    made = bundle.manifest(config, words, graphs, _said(config, precision, said or {}))
    if pictures:
        loop = Loop(bundle.config_of(made), words, TorchGraphs(model))
        made['golden'] = [write_golden(loop, q, out) for q in questions(pictures, made['tasks'])]
    bundle.write(out, made)
    return made


def round_to_half(model: GroundedModel) -> None:
    """Large weights as float16 can hold them, still float32; those beyond its range stay as they are."""
    with torch.no_grad():
        for p in model.parameters():
            half = p.half().float()
            if p.numel() >= HALF_FROM and bool(half.isfinite().all()):
                p.copy_(half)


def _check_words(config: Config, words: Tokenizer) -> None:
    missing = [text for text in config.dialogue.special_tokens.values() if words.token_to_id(text) is None]
    if missing:
        raise ValueError(f'tokenizer.json has no token for {", ".join(missing)}: it is not the one of these weights')


def _said(config: Config, precision: str, said: Mapping[str, Any]) -> dict[str, Any]:
    usual = SAID.get(config.name, {})
    provenance = {
        **usual.get('provenance', {}),
        'precision': f'weights stored {precision}, float32 arithmetic',
        **said.get('provenance', {}),
    }
    return {**usual, **said, 'provenance': provenance}


def _tokenizer(config: Config, folder: Path | None) -> Tokenizer:
    path = folder / 'tokenizer.json' if folder else None
    if path is None:
        return tokenizer.for_size(config)
    if not path.exists():
        raise FileNotFoundError(f'{path} is missing: it belongs beside the weights')
    return Tokenizer.from_file(str(path))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='python -m grounded.export', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--config', choices=CONFIGS, required=True)
    parser.add_argument('--weights', type=Path, metavar='DIR')
    parser.add_argument('--out', type=Path, metavar='BUNDLE', required=True)
    parser.add_argument('--precision', choices=('fp32', 'fp16'), default='fp32')
    parser.add_argument('--pictures', type=Path, metavar='DIR', help='pictures of which goldens are made')
    parser.add_argument('--seed', type=int, default=1, help='of random weights')
    args = parser.parse_args(argv)
    config = CONFIGS[args.config]
    try:
        if args.pictures and not args.pictures.is_dir():
            raise FileNotFoundError(f'{args.pictures} is no folder of pictures')
        words = _tokenizer(config, args.weights)
        if args.weights:
            if config.name != 'unibiomed-1b':
                config = config.with_vocabulary(words.get_vocab_size())
            model = checkpoint.load(config, args.weights)
            said = _bundle_json(args.weights)
        else:
            config = config.with_vocabulary(words.get_vocab_size())
            model = random_model(config, args.seed, words)
            said = {**RANDOM, 'provenance': {**RANDOM['provenance'], 'seed': args.seed}}
        export(model, words, args.out, args.precision, said, args.pictures)
    except (ValueError, OSError) as e:
        print(f'export: {e}', file=sys.stderr)
        return 1
    print(f'{args.out}: {sum(p.stat().st_size for p in args.out.rglob("*") if p.is_file()):,} bytes')
    return 0


def _bundle_json(folder: Path) -> dict[str, Any]:
    path = folder / 'bundle.json'
    found: dict[str, Any] = json.loads(path.read_text(encoding='utf-8')) if path.exists() else {}
    return found


if __name__ == '__main__':
    sys.exit(main())
