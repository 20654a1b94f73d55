"""Weights from files into a model, and back: the published layout by tensor name, or our own names.

    python -m grounded.checkpoint --config unibiomed-1b --random DIR   writes random weights in the published names
    python -m grounded.checkpoint --config unibiomed-1b --check DIR    says whether a folder's weights fit
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor

from grounded import tokenizer
from grounded.config import CONFIGS, Config
from grounded.model import GroundedModel, state_of, without_initialisation
from grounded.names import FRAMES_ONLY, SAM, Source, sources
from grounded.random_weights import random_model

SHOWN = 8


class CheckpointError(ValueError):
    """A folder of weights does not fit: every problem, each by name."""

    def __init__(self, folder: Path, problems: list[str], remedy: str) -> None:
        shown = [*problems[:SHOWN], *([f'… and {len(problems) - SHOWN} more'] if len(problems) > SHOWN else [])]
        super().__init__(f'{folder}: {"; ".join(shown)}. {remedy}')
        self.problems = problems


def load(config: Config, folder: Path) -> GroundedModel:
    """A model in float32 with the weights of `folder` (*.safetensors).

    Every tensor of the files is used exactly once, with its shape, and every parameter of the model is filled;
    SAM 2's memory over frames alone may be left over.

    :raises CheckpointError: with each tensor that is missing, left over, or of another shape
    """
    with ExitStack() as stack:
        files = _open(folder, stack)
        published = any(name.startswith(SAM) for name in files)
        if published:
            _check_settings(config, folder)
            _refuse_adapters(folder, files)
        with without_initialisation():
            model = GroundedModel(config)
        state = state_of(model)
        wanted = sources(state) if published else {name: Source((name,)) for name in state}
        problems = _mismatches(state, wanted, files)
        if problems:
            raise CheckpointError(
                folder,
                problems,
                f'The weights are not those of the size {config.name!r}: name another --config, '
                'or merge and convert them as models/reference/README.md says.',
            )
        with torch.no_grad():
            for name, target in state.items():
                target.copy_(_taken(wanted[name], files))
    return model.eval()


def save(model: GroundedModel, folder: Path, published: bool = False, half_vision: bool = False) -> None:
    """Write a model's weights as model.safetensors, in our names or the published ones (the inverse of `load`).

    :param half_vision: the vision tower as bfloat16, as the published file's size says it is
    """
    folder.mkdir(parents=True, exist_ok=True)
    state = {name: t.detach() for name, t in state_of(model).items()}
    tensors = dict(_published(state)) if published else {name: t.contiguous() for name, t in state.items()}
    if half_vision:
        tensors |= {name: t.bfloat16() for name, t in tensors.items() if name.startswith('vision_model.')}
    save_file(tensors, folder / 'model.safetensors', metadata={'format': 'pt'})


def _state(model: GroundedModel) -> dict[str, Tensor]:
    """What a file must hold: every parameter and persistent buffer, a tied head once."""
    # How many batches a norm has seen matters to training alone.
    state = {k: v for k, v in model.state_dict(keep_vars=True).items() if not k.endswith('.num_batches_tracked')}
    if model.config.language.tied_head:
        del state['language_model.lm_head.weight']
    return state


class Files(dict[str, Any]):
    """Tensor name -> the open file that holds it."""

    def tensor(self, name: str) -> Tensor:
        found: Tensor = self[name].get_tensor(name)
        return found

    def shape(self, name: str) -> tuple[int, ...]:
        return tuple(self[name].get_slice(name).get_shape())


def _open(folder: Path, stack: ExitStack) -> Files:
    paths = sorted(folder.glob('*.safetensors'))
    if not paths:
        raise CheckpointError(
            folder, ['no *.safetensors file'], 'Give the folder that holds model.safetensors and tokenizer.json.'
        )
    files = Files()
    for path in paths:
        file = stack.enter_context(safe_open(path, framework='pt'))
        for name in file.keys():  # noqa: SIM118 (no mapping)
            if name in files:
                raise CheckpointError(folder, [f'{name} stands in two files'], 'Keep one of them.')
            files[name] = file
    return files


def _mismatches(state: Mapping[str, Tensor], wanted: Mapping[str, Source], files: Files) -> list[str]:
    problems: list[str] = []
    used: dict[tuple[str, int | None], str] = {}
    for ours, source in wanted.items():
        for name in source.names:
            first = used.setdefault((name, source.third), ours)
            if first != ours:
                problems.append(f'{name} would be used twice, for {first} and {ours}')
            if name not in files:
                problems.append(f'{name} is missing')
        if all(name in files for name in source.names):
            found, expected = _shape(source, files), tuple(state[ours].shape)
            if found != expected:
                problems.append(f'{source.names[0]} gives {list(found)} for {ours}, which takes {list(expected)}')
    known = {name for name, _ in used}
    problems += [f'{name} is unknown' for name in files if name not in known and not FRAMES_ONLY.fullmatch(name)]
    return problems


def _shape(source: Source, files: Files) -> tuple[int, ...]:
    shapes = [files.shape(name) for name in source.names]
    rows = sum(s[0] for s in shapes) if len(shapes) > 1 else shapes[0][0] if shapes[0] else 1
    if source.third is not None:
        rows //= 3
    return (rows, *shapes[0][1:])


def _taken(source: Source, files: Files) -> Tensor:
    parts = [files.tensor(name) for name in source.names]
    whole = torch.cat(parts) if len(parts) > 1 else parts[0]
    if source.third is not None:
        whole = whole.chunk(3)[source.third]
    return whole.float()


def _published(state: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    thirds: dict[str, dict[int, Tensor]] = {}
    for ours, source in sources(state).items():
        value = state[ours]
        if source.third is not None:
            rows = thirds.setdefault(source.names[0], {})
            rows[source.third] = value
            if len(rows) == 3:
                yield source.names[0], torch.cat([rows[i] for i in range(3)])
        elif len(source.names) > 1:
            yield from ((n, p.clone()) for n, p in zip(source.names, value.chunk(len(source.names)), strict=True))
        else:
            yield source.names[0], value.contiguous()


def _refuse_adapters(folder: Path, files: Files) -> None:
    adapters = [name for name in files if 'lora_' in name or '.base_model.' in name]
    if adapters:
        raise CheckpointError(
            folder,
            [f'{name} belongs to a LoRA adapter' for name in adapters],
            'Merge the adapter first (UniBiomed: projects/unibiomed/hf/convert_to_hf.py, `_merge_lora`).',
        )


# What config.json of the published folder must say for our graphs to be that model; absent keys say nothing.
_SETTINGS: tuple[tuple[str, Any], ...] = (
    ('template', 'phi3_chat'),
    ('ps_version', 'v2'),
    ('select_layer', -1),
    ('downsample_ratio', 0.5),
    ('llm_config.model_type', 'qwen2'),
    ('vision_config.qk_normalization', False),
    ('vision_config.norm_type', 'layer_norm'),
)


def _check_settings(config: Config, folder: Path) -> None:
    path = folder / 'config.json'
    if not path.exists():
        return
    said = json.loads(path.read_text())
    expected = (
        *_SETTINGS,
        ('min_dynamic_patch', config.vision.min_tiles),
        ('max_dynamic_patch', config.vision.max_tiles),
        ('use_thumbnail', config.vision.thumbnail),
        ('llm_config.rope_theta', config.language.rope_theta),
        ('llm_config.rms_norm_eps', config.language.norm_eps),
        ('llm_config.vocab_size', config.language.vocab_size),
    )
    problems = [
        f'config.json says {key} = {found!r}, but {config.name} is {value!r}'
        for key, value in expected
        if (found := _at(said, key)) is not None and found != value
    ]
    if problems:
        raise CheckpointError(folder, problems, 'Export it with a configuration of its own (grounded/config.py).')


def _at(value: Any, key: str) -> Any:
    for part in key.split('.'):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog='python -m grounded.checkpoint', description=__doc__.splitlines()[0])
    parser.add_argument('--config', choices=CONFIGS, default='unibiomed-1b')
    parser.add_argument('--seed', type=int, default=1)
    work = parser.add_mutually_exclusive_group(required=True)
    work.add_argument('--random', type=Path, metavar='DIR', help='write random weights in the published names')
    work.add_argument('--check', type=Path, metavar='DIR', help='say whether the weights of a folder fit')
    args = parser.parse_args(argv)
    config = CONFIGS[args.config]
    if args.check:
        try:
            words = args.check / 'tokenizer.json'
            if config.name != 'unibiomed-1b' and words.exists():
                config = config.with_vocabulary(Tokenizer.from_file(str(words)).get_vocab_size())
            model = load(config, args.check)
        except CheckpointError as e:
            print(e, file=sys.stderr)
            return 1
        print(f'{sum(t.numel() for t in state_of(model).values()):,} numbers fit {config.name}')
        return 0
    write_random(config, args.random, args.seed)
    return 0


def write_random(config: Config, folder: Path, seed: int) -> None:
    """A folder like the published one, with random weights at the size's shapes and a tokenizer with its ids."""
    words = tokenizer.for_size(config)
    config = config.with_vocabulary(words.get_vocab_size())
    save(random_model(config, seed, words), folder, published=True, half_vision=True)
    words.save(str(folder / 'tokenizer.json'))


if __name__ == '__main__':
    sys.exit(main())
