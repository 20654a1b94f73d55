"""The whole greedy loop as one graph: ``generate.onnx`` of a bundle, made from its decoder and its token embedding.

A decoder that is run once for each token hands its key-value cache to the caller and takes it back, and the binding for
Node copies every output. In a ``Loop`` the cache stays inside the runtime from the first token to the last; so does the
row of logits, of which only the index of the largest value is wanted.

==================  =========  ======================  ==================================================================
input               type       shape                   meaning
==================  =========  ======================  ==================================================================
input_ids           int64      [1, seq]                what is read before the first token is said
image_embeds        float32    [visual, hidden]        rows for the places of the image token in ``input_ids``, in order
past_key_values.*   float32    [1, heads, past, dim]   the cache of what was read before
max_new_tokens      int64      [1]                     says no more than these, at least 1
stop_sequences      int64      [stops, longest]        ends after any of these rows; -1 stands for any token
==================  =========  ======================  ==================================================================

==================  =========  ======================  ==================================================================
output              type       shape                   meaning
==================  =========  ======================  ==================================================================
token_ids           int64      [said]                  the tokens said; the last one is not read yet
seg_hidden_states   float32    [segs, hidden]          ``hidden_states`` of every position read here that holds ``[SEG]``
present.*           float32    [1, heads, total, dim]  the cache after ``past + seq + said - 1`` positions
==================  =========  ======================  ==================================================================

Weights are not copied: initializers that lie in a file beside ``decoder.onnx`` are referred to where they lie, and a
runtime that opens this graph need not open the two that it was made of. ``python -m grounded.bundle_loop`` adds it to a
bundle.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto, ValueInfoProto
from onnx import compose, helper, numpy_helper

GENERATE = 'generate'
"""Name of the graph in the manifest, and of its file without the ending."""


@dataclass(frozen=True)
class Part:
    """A graph taken apart: what depends on weights alone is computed once, the rest in every turn."""

    initializers: list[TensorProto]
    fixed: list[NodeProto]
    moving: list[NodeProto]


def generate_graph(decoder: ModelProto, token_embed: ModelProto, *, seg_id: int, image_id: int) -> ModelProto:
    """The greedy loop over a decoder.

    :param decoder: ``inputs_embeds`` [batch, seq, hidden], ``attention_mask``, ``position_ids``, ``past_key_values.*`` ->
        ``logits`` [batch, vocabulary] of the last position, ``hidden_states`` [batch, seq, hidden], ``present.*``
    :param token_embed: ``input_ids`` [batch, seq] -> ``inputs_embeds`` [batch, seq, hidden], of the same opset
    :param seg_id: the token whose hidden states are collected
    :param image_id: the token whose embeddings are replaced by ``image_embeds``
    :raises ValueError: opsets differ or are below 17, or a graph brings functions of its own
    """
    imports = _imports(decoder, token_embed)
    step = _taken_apart(compose.add_prefix(decoder, 'step/'))
    embed = _taken_apart(compose.add_prefix(token_embed, 'embed/'))
    cache = [i.name.removeprefix(_PAST) for i in decoder.graph.input if i.name.startswith(_PAST)]
    nodes = [
        *embed.fixed,
        *step.fixed,
        *_embedded_prompt(embed, image_id),
        *_nothing_yet(_dims(decoder, 'hidden_states')[2]),
        helper.make_node(
            'Loop',
            ['max_new_tokens', '', 'input_ids', 'prompt/embeds', 'loop/recent', 'loop/no_rows']
            + [_PAST + name for name in cache],
            ['loop/ids', 'loop/embeds', 'loop/last', 'seg_hidden_states']
            + [f'present.{name}' for name in cache]
            + ['token_ids'],
            name='loop',
            body=_turn(decoder, step, embed, cache, seg_id),
        ),
    ]
    graph = helper.make_graph(
        nodes,
        GENERATE,
        _inputs(decoder, cache),
        _outputs(decoder, cache),
        initializer=[*embed.initializers, *step.initializers],
    )
    model = helper.make_model(graph, opset_imports=imports, producer_name='plumbline')
    model.ir_version = max(decoder.ir_version, token_embed.ir_version)
    return model


_PAST = 'past_key_values.'
_FLOAT, _INT64 = TensorProto.FLOAT, TensorProto.INT64


def _turn(decoder: ModelProto, step: Part, embed: Part, cache: list[str], seg_id: int) -> GraphProto:
    """Body of the loop: read what is not read yet, say one token, embed it for the next turn.

    Carried from turn to turn: tokens not read yet and their embeddings, the last tokens said, rows of ``[SEG]``, cache.
    """
    hidden = _dims(decoder, 'hidden_states')[2]
    one_cache = [1, *_dims(decoder, _PAST + cache[0])[1:2], None, *_dims(decoder, _PAST + cache[0])[3:]]
    kinds: list[tuple[int, list[int | str | None]]] = [
        (_INT64, [1, None]),
        (_FLOAT, [1, None, hidden]),
        (_INT64, [None]),
        (_FLOAT, [None, hidden]),
        *((_FLOAT, one_cache) for _ in cache),
    ]
    found = ['turn/ids', 'step/inputs_embeds', 'turn/recent', 'turn/rows', *(f'step/{_PAST}{name}' for name in cache)]
    left = ['turn/next', 'next/inputs_embeds', 'turn/recent_now', 'turn/rows_now', *(f'step/present.{n}' for n in cache)]
    nodes = [
        *_positions(f'step/{_PAST}{cache[0]}'),
        *step.moving,
        *_rows_of_seg(seg_id),
        *_next_token(),
        *_renamed(embed.moving, {'embed/input_ids': 'turn/next'}, 'embed/', 'next/'),
        *_ends(),
    ]
    value = helper.make_tensor_value_info
    return helper.make_graph(
        nodes,
        'turn',
        [
            value('turn/number', _INT64, []),
            value('turn/going', TensorProto.BOOL, []),
            *(value(name, *kind) for name, kind in zip(found, kinds, strict=True)),
        ],
        [
            value('turn/go_on', TensorProto.BOOL, []),
            *(value(name, *kind) for name, kind in zip(left, kinds, strict=True)),
            value('turn/said', _INT64, []),
        ],
    )


def _positions(past: str) -> list[NodeProto]:
    """``attention_mask``: all ones; ``position_ids``: on from the length of the cache."""
    return [
        _constant('turn/zero', np.array([0])),
        _constant('turn/one', np.array([1])),
        _constant('turn/step', np.array(1)),
        helper.make_node('Shape', [past], ['turn/before'], start=2, end=3),
        helper.make_node('Shape', ['step/inputs_embeds'], ['turn/length'], start=1, end=2),
        helper.make_node('Add', ['turn/before', 'turn/length'], ['turn/total']),
        helper.make_node('Concat', ['turn/one', 'turn/total'], ['turn/mask_shape'], axis=0),
        helper.make_node(
            'ConstantOfShape',
            ['turn/mask_shape'],
            ['step/attention_mask'],
            value=numpy_helper.from_array(np.array([1])),
        ),
        helper.make_node('Squeeze', ['turn/before', 'turn/zero'], ['turn/from']),
        helper.make_node('Squeeze', ['turn/total', 'turn/zero'], ['turn/to']),
        helper.make_node('Range', ['turn/from', 'turn/to', 'turn/step'], ['turn/places']),
        helper.make_node('Unsqueeze', ['turn/places', 'turn/zero'], ['step/position_ids']),
    ]


def _rows_of_seg(seg_id: int) -> list[NodeProto]:
    """Hidden states of the positions read in this turn that hold ``[SEG]``, after those of the turns before."""
    return [
        _constant('turn/seg', np.array(seg_id)),
        helper.make_node('Squeeze', ['turn/ids', 'turn/zero'], ['turn/flat_ids']),
        helper.make_node('Equal', ['turn/flat_ids', 'turn/seg'], ['turn/is_seg']),
        helper.make_node('Squeeze', ['step/hidden_states', 'turn/zero'], ['turn/states']),
        helper.make_node('Compress', ['turn/states', 'turn/is_seg'], ['turn/new_rows'], axis=0),
        helper.make_node('Concat', ['turn/rows', 'turn/new_rows'], ['turn/rows_now'], axis=0),
    ]


def _next_token() -> list[NodeProto]:
    """The likeliest token, the lowest id on a tie."""
    return [
        helper.make_node('ArgMax', ['step/logits'], ['turn/likeliest'], axis=1, keepdims=0, select_last_index=0),
        helper.make_node('Squeeze', ['turn/likeliest', 'turn/zero'], ['turn/said']),
        helper.make_node('Unsqueeze', ['turn/likeliest', 'turn/zero'], ['turn/next']),
    ]


def _ends() -> list[NodeProto]:
    """Go on unless the last tokens are one of the rows of ``stop_sequences``: no place of the row differs."""
    return [
        _constant('turn/end', np.array([np.iinfo(np.int64).max])),
        _constant('turn/any', np.array(-1)),
        helper.make_node('Slice', ['turn/recent', 'turn/one', 'turn/end', 'turn/zero'], ['turn/later']),
        helper.make_node('Concat', ['turn/later', 'turn/likeliest'], ['turn/recent_now'], axis=0),
        helper.make_node('Equal', ['stop_sequences', 'turn/recent_now'], ['turn/same']),
        helper.make_node('Equal', ['stop_sequences', 'turn/any'], ['turn/free']),
        helper.make_node('Or', ['turn/same', 'turn/free'], ['turn/fits']),
        helper.make_node('Not', ['turn/fits'], ['turn/differs']),
        helper.make_node('Cast', ['turn/differs'], ['turn/differences'], to=_INT64),
        helper.make_node('ReduceSum', ['turn/differences', 'turn/one'], ['turn/of_row'], keepdims=0),
        helper.make_node('Cast', ['turn/of_row'], ['turn/row_differs'], to=TensorProto.BOOL),
        helper.make_node('Not', ['turn/row_differs'], ['turn/row_met']),
        helper.make_node('Cast', ['turn/row_met'], ['turn/rows_met'], to=_INT64),
        helper.make_node('ReduceSum', ['turn/rows_met', 'turn/zero'], ['turn/met'], keepdims=0),
        helper.make_node('Cast', ['turn/met'], ['turn/ended'], to=TensorProto.BOOL),
        helper.make_node('Not', ['turn/ended'], ['turn/go_on']),
    ]


def _embedded_prompt(embed: Part, image_id: int) -> list[NodeProto]:
    """``input_ids`` as embeddings, the image's places filled with ``image_embeds``."""
    return [
        *_renamed(embed.moving, {'embed/input_ids': 'input_ids'}),
        _constant('prompt/image', np.array(image_id)),
        helper.make_node('Equal', ['input_ids', 'prompt/image'], ['prompt/is_image']),
        helper.make_node('NonZero', ['prompt/is_image'], ['prompt/by_axis']),
        helper.make_node('Transpose', ['prompt/by_axis'], ['prompt/all_places'], perm=[1, 0]),
        # A model may say the image's token, for which there is no row then.
        helper.make_node('Shape', ['image_embeds'], ['prompt/rows'], start=0, end=1),
        _constant('prompt/first', np.array([0])),
        helper.make_node(
            'Slice', ['prompt/all_places', 'prompt/first', 'prompt/rows', 'prompt/first'], ['prompt/places']
        ),
        helper.make_node('ScatterND', ['embed/inputs_embeds', 'prompt/places', 'image_embeds'], ['prompt/embeds']),
    ]


def _nothing_yet(hidden: int | str | None) -> list[NodeProto]:
    """What the first turn finds: no row of a ``[SEG]``, and recent tokens that are none."""
    return [
        _constant('loop/no_rows', np.zeros((0, int(hidden or 0)), np.float32)),
        helper.make_node('Shape', ['stop_sequences'], ['loop/longest'], start=1, end=2),
        helper.make_node(
            'ConstantOfShape', ['loop/longest'], ['loop/recent'], value=numpy_helper.from_array(np.array([-2]))
        ),
    ]


def _inputs(decoder: ModelProto, cache: list[str]) -> list[ValueInfoProto]:
    value = helper.make_tensor_value_info
    return [
        value('input_ids', _INT64, [1, 'seq']),
        value('image_embeds', _FLOAT, ['visual', _dims(decoder, 'hidden_states')[2]]),
        *(value(_PAST + name, _FLOAT, _cache_dims(decoder, name, 'past')) for name in cache),
        value('max_new_tokens', _INT64, [1]),
        value('stop_sequences', _INT64, ['stops', 'longest']),
    ]


def _outputs(decoder: ModelProto, cache: list[str]) -> list[ValueInfoProto]:
    value = helper.make_tensor_value_info
    return [
        value('token_ids', _INT64, ['said']),
        value('seg_hidden_states', _FLOAT, ['segs', _dims(decoder, 'hidden_states')[2]]),
        *(value(f'present.{name}', _FLOAT, _cache_dims(decoder, name, 'total')) for name in cache),
    ]


def _cache_dims(decoder: ModelProto, name: str, length: str | None) -> list[int | str | None]:
    _, heads, _, dim = _dims(decoder, _PAST + name)
    return [1, heads, length, dim]


def _dims(model: ModelProto, port: str) -> list[int | str | None]:
    """Shape of an input or output: numbers, names where a dimension is free."""
    found = next(v for v in [*model.graph.input, *model.graph.output] if v.name == port)
    return [d.dim_value or d.dim_param or None for d in found.type.tensor_type.shape.dim]


def _taken_apart(model: ModelProto) -> Part:
    known = {t.name for t in model.graph.initializer}
    fixed: list[NodeProto] = []
    moving: list[NodeProto] = []
    for node in model.graph.node:
        inner = any(a.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS) for a in node.attribute)
        if not inner and all(name == '' or name in known for name in node.input):
            known.update(node.output)
            fixed.append(node)
        else:
            moving.append(node)
    return Part(list(model.graph.initializer), fixed, moving)


def _renamed(nodes: list[NodeProto], names: dict[str, str], old: str = '', new: str = '') -> list[NodeProto]:
    """The nodes once more: ``names`` replaced, and the prefix of all that they make themselves."""
    made = {name: new + name.removeprefix(old) for node in nodes for name in node.output if name}
    names = {**made, **names}
    copies: list[NodeProto] = []
    for node in nodes:
        copy = NodeProto()
        copy.CopyFrom(node)
        copy.name = new + node.name.removeprefix(old)
        copy.input[:] = [names.get(name, name) for name in node.input]
        copy.output[:] = [names.get(name, name) for name in node.output]
        copies.append(copy)
    return copies


def _constant(name: str, value: np.ndarray) -> NodeProto:
    return helper.make_node('Constant', [], [name], value=numpy_helper.from_array(value))


def _imports(decoder: ModelProto, token_embed: ModelProto) -> list[OperatorSetIdProto]:
    if decoder.functions or token_embed.functions:
        raise ValueError('the graphs bring functions of their own; export them inlined')
    found: dict[str, set[int]] = {}
    for model in (decoder, token_embed):
        for entry in model.opset_import:
            found.setdefault(entry.domain, set()).add(entry.version)
    if any(len(versions) > 1 for versions in found.values()) or min(found['']) < 17:
        raise ValueError(f'decoder and token_embed need one opset, 17 or newer: {found}')
    return [helper.make_opsetid(domain, versions.pop()) for domain, versions in found.items()]
