"""The committed tiny bundle against the model that it was exported from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import BUNDLE
from tokenizers import Tokenizer

from grounded import bundle, verify
from grounded.config import CONFIGS
from grounded.loop import OnnxGraphs, TorchGraphs
from grounded.model import GroundedModel


@pytest.mark.parametrize('graph', ['vision_encoder', 'token_embed', 'decoder', 'sam_encoder', 'mask_decoder'])
def test_each_graph_gives_what_pytorch_gives(graph: str, tiny: GroundedModel, manifest: dict[str, Any]) -> None:
    graphs = OnnxGraphs(BUNDLE, manifest['graphs'], threads=1)
    check = verify.compare(graph, TorchGraphs(tiny), graphs, tiny.config, verify.RELATIVE)
    assert check.ok, check.figures


def test_the_bundle_verifies_itself() -> None:
    checks = list(verify.verify(BUNDLE))
    assert [c.what for c in checks if not c.ok] == []
    assert len(checks) == 11


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    copy = tmp_path / 'bundle'
    shutil.copytree(BUNDLE, copy)
    with (copy / 'token_embed.onnx').open('r+b') as file:
        file.seek(200)
        file.write(b'\0\1\2')
    (copy / 'golden' / '01.txt').write_text('')
    checks = list(verify.verify(copy))
    assert [c.ok for c in checks] == [False]
    assert 'token_embed.onnx: another sha256' in checks[0].figures
    assert 'golden/01.txt: expected' in checks[0].figures


def test_another_answer_is_told_apart_from_the_golden(tmp_path: Path) -> None:
    copy = tmp_path / 'bundle'
    shutil.copytree(BUNDLE, copy)
    m = bundle.read(copy)
    m['golden'][1]['token_ids'][0] += 1
    m['golden'] = m['golden'][1:2]
    m.pop('files')
    bundle.write(copy, m)
    assert [(c.what, c.ok) for c in verify.verify(copy)] == [('files', True), ('golden 02 (segment)', False)]


def test_the_sizes_in_the_manifest_are_those_of_the_graphs_and_of_the_contract(manifest: dict[str, Any]) -> None:
    c = bundle.config_of(manifest)
    ports = {n: {p['name']: p['shape'] for p in (*g['inputs'], *g['outputs'])} for n, g in manifest['graphs'].items()}
    assert ports['vision_encoder'] == {'pixel_values': ['tiles', 3, 56, 56], 'image_embeds': ['tiles', 4, 64]}
    assert ports['decoder']['past_key_values.1.value'] == ['batch', 2, 'past', 16]
    assert ports['decoder']['present.0.key'] == ['batch', 2, 'total', 16]
    assert ports['decoder']['attention_mask'] == ['batch', 'total']
    assert ports['decoder']['logits'] == ['batch', c.language.vocab_size]
    assert ports['mask_decoder']['mask_logits'] == ['n', 64, 64]
    assert list(ports['mask_decoder'])[-3:] == ['mask_logits', 'iou_scores', 'object_scores']


def test_nothing_of_the_machine_that_exported_stays_in_the_graphs() -> None:
    for path in BUNDLE.glob('*.onnx'):
        found = path.read_bytes()
        assert b'site-packages' not in found and b'.py' not in found and b'/tmp' not in found, path.name


def test_the_published_size_has_the_published_shapes(words: Tokenizer) -> None:
    # unibiomed's parts: InternVL2.5-1B, Qwen2.5-0.5B, SAM 2 Hiera-L.
    c = CONFIGS['unibiomed-1b']
    assert (c.vision.tokens_per_tile, c.mask_side) == (256, 256)
    m = bundle.manifest(c, words, {}, {})
    assert m['decoder'] | {'max_positions': 0} == {
        'layers': 24,
        'kv_heads': 2,
        'head_dim': 64,
        'hidden_size': 896,
        'vocab_size': 151_679,
        'max_positions': 0,
    }
    assert m['masks']['upsample_via'] == [1024, 1024]
    assert m['stop_texts'] == ['<|end|>']
    assert json.dumps(m['preprocess']['vision']['tiling']) == '{"min": 1, "max": 12, "thumbnail": true, "tokens_per_tile": 256}'

