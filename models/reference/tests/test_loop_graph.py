"""The loop in one graph against the two graphs that it is made of, run step by step by onnxruntime."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from grounded.bundle_loop import add_loop, weight_files
from grounded.loop_graph import generate_graph

BUNDLE = Path(__file__).parents[2] / 'plumbline-tiny'
MANIFEST: dict[str, Any] = json.loads((BUNDLE / 'manifest.json').read_text(encoding='utf8'))
DECODER = MANIFEST['decoder']
SEG, IMAGE = (MANIFEST['special_tokens'][name]['id'] for name in ('seg', 'img_context'))
CACHE = [f'{layer}.{kind}' for layer in range(DECODER['layers']) for kind in ('key', 'value')]
Cache = dict[str, NDArray[np.float32]]


def session(file: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    return ort.InferenceSession(file, options)


def no_cache() -> Cache:
    empty = np.zeros((1, DECODER['kv_heads'], 0, DECODER['head_dim']), np.float32)
    return {name: empty for name in CACHE}


class Stepped:
    """One run of the decoder for each token."""

    def __init__(self, bundle: Path) -> None:
        self.embed, self.decoder = session(bundle / 'token_embed.onnx'), session(bundle / 'decoder.onnx')

    def say(
        self, ids: list[int], visual: NDArray[np.float32], cache: Cache, most: int, stops: tuple[int, ...] = ()
    ) -> tuple[list[int], list[NDArray[np.float32]], Cache]:
        said: list[int] = []
        rows: list[NDArray[np.float32]] = []
        before, unread = cache[CACHE[0]].shape[2], ids
        while len(said) < most and not (said and said[-1] in stops):
            embeds = self.embed.run(None, {'input_ids': np.array([unread])})[0]
            if not said:
                embeds[0, np.array(unread) == IMAGE] = visual
            places = np.arange(before, before + len(unread))[None]
            feeds = {
                'inputs_embeds': embeds,
                'attention_mask': np.ones((1, before + len(unread)), np.int64),
                'position_ids': places,
            }
            out = self.decoder.run(None, feeds | {f'past_key_values.{name}': cache[name] for name in CACHE})
            logits, hidden, cache = out[0], out[1], dict(zip(CACHE, out[2:], strict=True))
            rows += [hidden[0, i] for i, token in enumerate(unread) if token == SEG]
            before += len(unread)
            unread = [int(logits[0].argmax())]
            said += unread
        return said, rows, cache


class Looped:
    """The graph ``generate``."""

    def __init__(self, bundle: Path) -> None:
        self.graph = session(bundle / 'generate.onnx')

    def say(
        self, ids: list[int], visual: NDArray[np.float32], cache: Cache, most: int, stops: list[list[int]]
    ) -> tuple[list[int], NDArray[np.float32], Cache]:
        longest = max((len(s) for s in stops), default=1)
        rows = np.array([[-1] * (longest - len(s)) + s for s in stops], np.int64).reshape(len(stops), longest)
        feeds = {
            'input_ids': np.array([ids]),
            'image_embeds': visual,
            'max_new_tokens': np.array([most]),
            'stop_sequences': rows,
        }
        out = self.graph.run(None, feeds | {f'past_key_values.{name}': cache[name] for name in CACHE})
        return out[0].tolist(), out[1], dict(zip(CACHE, out[2:], strict=True))


@pytest.fixture(scope='module')
def stepped() -> Stepped:
    return Stepped(BUNDLE)


@pytest.fixture(scope='module')
def looped() -> Looped:
    return Looped(BUNDLE)


def prompt(seed: int) -> tuple[list[int], NDArray[np.float32]]:
    """Tokens with five places of the image among them, and rows for those: of no meaning, and different each time."""
    random = np.random.default_rng(seed)
    text = random.integers(0, 600, 18).tolist()
    ids = [*text[:4], *[IMAGE] * 5, *text[4:]]
    return ids, random.standard_normal((5, DECODER['hidden_size'])).astype(np.float32)


def test_says_the_same_tokens_and_gives_the_same_states_on_100_prompts(stepped: Stepped, looped: Looped) -> None:
    segs = 0
    for seed in range(100):
        ids, visual = prompt(seed)
        ids = [*ids, SEG]  # so that every prompt has a state to compare
        said, rows, cache = stepped.say(ids, visual, no_cache(), 24, stops=tuple(MANIFEST['stop_ids']))
        ours, states, present = looped.say(ids, visual, no_cache(), 24, [[i] for i in MANIFEST['stop_ids']])
        assert ours == said
        assert states.shape == (len(rows), DECODER['hidden_size'])
        np.testing.assert_allclose(states, np.array(rows), atol=1e-5)
        for name in CACHE:
            np.testing.assert_allclose(present[name], cache[name], atol=1e-5)
        segs += len(rows)
    assert segs >= 100


def test_goes_on_from_a_cache_and_leaves_it_as_it_was(looped: Looped) -> None:
    ids, visual = prompt(1)
    whole, _, _ = looped.say(ids, visual, no_cache(), 12, [])
    none = visual[:0]
    first, _, cache = looped.say(ids, visual, no_cache(), 5, [])
    kept = {name: value.copy() for name, value in cache.items()}
    second, _, _ = looped.say(first[-1:], none, cache, 7, [])
    assert first + second == whole
    assert all(np.array_equal(cache[name], kept[name]) for name in CACHE)


@pytest.mark.parametrize('length', [1, 2, 3])
def test_stops_after_a_sequence_whatever_stands_before_it(looped: Looped, length: int) -> None:
    ids, visual = prompt(2)
    whole, _, _ = looped.say(ids, visual, no_cache(), 20, [])
    sequence = whole[7 - length : 7]
    end = next(i for i in range(length, 21) if whole[i - length : i] == sequence)
    said, _, _ = looped.say(ids, visual, no_cache(), 20, [[599, 599, 599, 599], sequence])
    assert said == whole[:end]


def test_reads_the_image_token_as_a_word_where_there_is_no_row_for_it(stepped: Stepped, looped: Looped) -> None:
    none = np.zeros((0, DECODER['hidden_size']), np.float32)
    embeds = stepped.embed.run(None, {'input_ids': np.array([[IMAGE]])})[0][0]
    assert looped.say([1, IMAGE, 2], none, no_cache(), 4, [])[0] == stepped.say([1, IMAGE, 2], embeds, no_cache(), 4)[0]


def test_is_added_to_a_bundle_without_a_second_copy_of_the_weights(tmp_path: Path, looped: Looped) -> None:
    bundle = tmp_path / 'bundle'
    shutil.copytree(BUNDLE, bundle)
    for name in ('decoder', 'token_embed'):
        file = bundle / f'{name}.onnx'
        onnx.save(onnx.load(file), file, save_as_external_data=False)
        (bundle / f'{name}.onnx.data').unlink()
    (bundle / 'generate.onnx').unlink()
    before = sum(f.stat().st_size for f in bundle.glob('*.onnx*'))
    add_loop(bundle)
    assert weight_files(bundle / 'generate.onnx') == ['decoder.onnx.data', 'token_embed.onnx.data']
    assert sum(f.stat().st_size for f in bundle.glob('*.onnx*')) < before + 200_000
    ids, visual = prompt(3)
    assert Looped(bundle).say(ids, visual, no_cache(), 8, []) [0] == looped.say(ids, visual, no_cache(), 8, [])[0]
    files = json.loads((bundle / 'manifest.json').read_text(encoding='utf8'))['files']
    assert {name: entry['bytes'] for name, entry in files.items() if '.onnx' in name} == {
        f.name: f.stat().st_size for f in bundle.glob('*.onnx*')
    }


def test_refuses_graphs_of_two_opsets() -> None:
    def model(opset: int) -> onnx.ModelProto:
        port = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in 'xy']
        graph = helper.make_graph([helper.make_node('Relu', ['x'], ['y'])], 'g', port[:1], port[1:])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid('', opset)])

    with pytest.raises(ValueError, match='one opset, 17 or newer'):
        generate_graph(model(18), model(17), seg_id=1, image_id=2)
    with pytest.raises(ValueError, match='one opset, 17 or newer'):
        generate_graph(model(16), model(16), seg_id=1, image_id=2)
