"""A bundle's folder: its manifest written and read (docs/bundles.md says what each field means)."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from grounded.config import CONFIGS, Config
from grounded.dialogue import Dialogue

TOOLS = ('torch', 'transformers', 'onnx', 'onnxruntime', 'tokenizers')


def manifest(config: Config, tokenizer: Tokenizer, graphs: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, Any]:
    """manifest.json without `files`, which `write` adds.

    :param said: fields that only the maker of the weights knows (name, version, licence, intended_use, provenance,
        modalities, codes, metrics, tasks …); they win, in `masks` and `limits` key by key
    """
    dialogue = config.dialogue
    made: dict[str, Any] = {
        'format': 1,
        'family': 'grounded',
        'name': config.name,
        'version': '1.0.0',
        'modalities': [dict(m) for m in dialogue.modalities],
        'tasks': {key: dict(task) for key, task in dialogue.tasks.items()},
        'chat': {
            'system': dialogue.system,
            'template': dialogue.template,
            'image': dialogue.image,
            'context': dialogue.context,
        },
        'special_tokens': {
            name: {'text': text, 'id': tokenizer.token_to_id(text)} for name, text in dialogue.special_tokens.items()
        },
        'stop_ids': [tokenizer.token_to_id(dialogue.special_tokens[name]) for name in dialogue.stop_names],
        'preprocess': _preprocess(config),
        'decoder': _decoder(config),
        'seg_hidden': {'layer': 'last', 'norm': 'final', 'position': 'seg-input'},
        'masks': _masks(config),
        'limits': {
            'max_new_tokens': config.max_new_tokens,
            'max_masks': config.max_masks,
            'max_prompt_tokens': config.max_prompt_tokens,
        },
        'graphs': dict(graphs),
        **({'stop_texts': list(dialogue.stop_texts)} if dialogue.stop_texts else {}),
        **({'region_prompt': dict(dialogue.region_prompt)} if dialogue.region_prompt else {}),
    }
    provenance = {**dict(said.get('provenance', {})), 'config': config.name, 'tools': tool_versions()}
    merged = {key: {**made[key], **said[key]} for key in ('masks', 'limits') if key in said}
    return {**made, **said, **merged, 'provenance': provenance}


def write(folder: Path, made: Mapping[str, Any]) -> None:
    """Write manifest.json with size and SHA-256 of every other file of the folder."""
    files = {}
    for path in sorted(p for p in folder.rglob('*') if p.is_file() and p.name != 'manifest.json'):
        files[path.relative_to(folder).as_posix()] = {'sha256': digest(path), 'bytes': path.stat().st_size}
    text = json.dumps({**made, 'files': files}, indent=1, ensure_ascii=False)
    (folder / 'manifest.json').write_text(f'{text}\n', encoding='utf-8')


def read(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / 'manifest.json').read_text(encoding='utf-8'))
    return found


def file_problems(folder: Path, m: Mapping[str, Any]) -> list[str]:
    """Files that are missing or have another size or digest than the manifest says."""
    problems = []
    for name, expected in m['files'].items():
        path = folder / name
        if not path.is_file():
            problems.append(f'{name}: missing')
        elif path.stat().st_size != expected['bytes']:
            problems.append(f'{name}: expected {expected["bytes"]} bytes, found {path.stat().st_size}')
        elif digest(path) != expected['sha256']:
            problems.append(f'{name}: another sha256')
    return problems


def config_of(m: Mapping[str, Any]) -> Config:
    """The size of a bundle that `grounded.export` wrote, with the words and limits that its manifest states."""
    name = m.get('provenance', {}).get('config')
    if name not in CONFIGS:
        raise ValueError(f'provenance.config is {name!r}: only bundles written by grounded.export can be verified here')
    config = CONFIGS[name]
    dialogue = Dialogue(
        template=m['chat']['template'],
        system=m['chat'].get('system'),
        image=m['chat']['image'],
        context=m['chat']['context'],
        special_tokens={key: t['text'] for key, t in m['special_tokens'].items()},
        tasks=m['tasks'],
        stop_names=tuple(k for k, t in m['special_tokens'].items() if t['id'] in m['stop_ids']),
        stop_texts=tuple(m.get('stop_texts', ())),
        region_prompt=m.get('region_prompt'),
        modalities=tuple(m.get('modalities', ())),
    )
    limits = {key: m['limits'][key] for key in ('max_new_tokens', 'max_masks', 'max_prompt_tokens')}
    return replace(config.with_vocabulary(m['decoder']['vocab_size']), dialogue=dialogue, **limits)


def digest(path: Path) -> str:
    with path.open('rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def tool_versions() -> dict[str, str]:
    return {name: importlib.metadata.version(name).split('+')[0] for name in TOOLS}


def _preprocess(config: Config) -> dict[str, Any]:
    p, v, side = config.preprocess, config.vision, config.image_encoder.side
    shared = {
        'geometry': 'squash',
        'resample': p.resample,
        'channels': 'rgb',
        'scale': 1 / 255,
        'mean': list(p.mean),
        'std': list(p.std),
    }
    tiling = {
        'min': v.min_tiles,
        'max': v.max_tiles,
        'thumbnail': v.thumbnail,
        'tokens_per_tile': v.tokens_per_tile,
    }
    return {
        'vision': {'width': v.side, 'height': v.side, **shared, 'tiling': tiling},
        'sam': {'width': side, 'height': side, **shared},
    }


def _decoder(config: Config) -> dict[str, int]:
    c = config.language
    return {
        'layers': c.layers,
        'kv_heads': c.kv_heads,
        'head_dim': c.head_dim,
        'hidden_size': c.hidden,
        'vocab_size': c.vocab_size,
        'max_positions': c.max_positions,
    }


def _masks(config: Config) -> dict[str, Any]:
    via = config.preprocess.upsample_via
    return {
        'width': config.mask_side,
        'height': config.mask_side,
        'threshold': 0,
        'upsample': 'bilinear',
        **({'upsample_via': list(via)} if via else {}),
        'score': 'predicted IoU',
    }
