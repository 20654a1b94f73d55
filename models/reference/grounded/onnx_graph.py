"""One module to one ONNX file: exporter, stored precision, external data, stated inputs and outputs."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import torch
from torch.export import Dim

from grounded.graphs import GraphSpec

OPSET = 18
EXTERNAL_FROM = 1 << 28
"""Graphs with more bytes of weights than this keep them in a file beside: a protobuf ends at 2 GiB."""
HALF_FROM = 512
"""Tensors with fewer numbers stay float32: they are scales, biases and norms, and would save nothing."""

Port = dict[str, Any]
TYPES = {ir.DataType.FLOAT: 'float32', ir.DataType.INT64: 'int64'}


def write_graph(spec: GraphSpec, folder: Path, precision: str = 'fp32') -> dict[str, Any]:
    """Export a graph to `folder`, weights stored as `precision` (`fp32` or `fp16`, cast to float32 inside).

    :returns: its entry under `graphs` of the manifest: file, opset, inputs, outputs
    """
    if precision not in ('fp32', 'fp16'):
        raise ValueError(f'precision {precision!r}: a graph is stored as fp32 or fp16; int8 is made by grounded.quantize')
    model = _exported(spec)
    _name_dimensions(model.graph, spec)
    _tidy(model, spec.name)
    if precision == 'fp16':
        store_half(model.graph)
    file = f'{spec.name}.onnx'
    save(model, folder / file)
    return entry(model, file)


def entry(model: ir.Model, file: str) -> dict[str, Any]:
    """What the manifest says of a graph."""
    return {
        'file': file,
        'opset': model.opset_imports[''],
        'inputs': [_port(v) for v in model.graph.inputs],
        'outputs': [_port(v) for v in model.graph.outputs],
    }


def save(model: ir.Model, path: Path) -> None:
    """Write a model; a large one with its weights in `NAME.onnx.data` beside it, named without a folder."""
    size = sum(v.const_value.nbytes for v in model.graph.initializers.values() if v.const_value is not None)
    if size < EXTERNAL_FROM:
        ir.external_data.load_to_model(model)  # it may have come with its weights in a file beside
        ir.save(model, path)
        onnx.checker.check_model(str(path), full_check=False)
        return
    ir.save(model, path, external_data=f'{path.name}.data')
    onnx.checker.check_model(str(path), full_check=False)


def weight_files(folder: Path, file: str) -> list[str]:
    """The graph's file and, where there is one, that of its weights."""
    return [f for f in (file, f'{file}.data') if (folder / f).exists()]


def _exported(spec: GraphSpec) -> ir.Model:
    dynamic: list[Any] = [_dynamic(spec, name) for name in spec.inputs if name not in spec.listed]
    if spec.listed:
        dynamic.append([_dynamic(spec, name) for name in spec.listed])
    logging.getLogger('torch.onnx').setLevel(logging.ERROR)  # it names operators of libraries that are not here
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter('ignore')
        program = torch.onnx.export(
            spec.module.eval(),
            spec.arguments(),
            input_names=list(spec.inputs),
            output_names=list(spec.outputs),
            dynamic_shapes=tuple(dynamic),
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    return program.model


def _dynamic(spec: GraphSpec, name: str) -> dict[int, Any] | None:
    return {axis: Dim.DYNAMIC for axis in spec.free.get(name, {})} or None


def _name_dimensions(graph: ir.Graph, spec: GraphSpec) -> None:
    """Free dimensions get the contract's names; all others must have come out as numbers."""
    for value in (*graph.inputs, *graph.outputs):
        free = spec.free.get(value.name or '', {})
        found = list(value.shape or ())
        for axis, size in enumerate(found):
            if axis in free:
                found[axis] = ir.SymbolicDim(free[axis])
            elif not isinstance(size, int):
                raise ValueError(f'{spec.name}: {value.name} axis {axis} came out free ({size}), but must be fixed')
        value.shape = ir.Shape(found)


def _tidy(model: ir.Model, name: str) -> None:
    """Nothing of the machine or the source code stays in the file."""
    model.producer_name, model.producer_version, model.doc_string = 'plumbline', None, None
    model.metadata_props.clear()
    model.graph.name, model.graph.doc_string = name, None
    model.graph.metadata_props.clear()
    for node in model.graph.all_nodes():
        node.doc_string = None
        node.metadata_props.clear()
        for value in node.outputs:
            value.metadata_props.clear()
            if value not in model.graph.outputs:
                value.shape = None  # sizes of the example, as symbols of the exporter
    for value in (*model.graph.inputs, *model.graph.initializers.values()):
        value.metadata_props.clear()


def store_half(graph: ir.Graph, rounding: bool = False) -> None:
    """Large float32 weights become float16, each with a cast back before its first use.

    A model that was rounded before its export loses nothing; what the export computed from its weights (sums of
    position tables) would, and stays float32. The graph is then exactly the rounded model.

    :param rounding: for a graph of a model that was not: all weights are rounded but such tables, told by their shape
    """
    casts = []
    for name, value in list(graph.initializers.items()):
        if not _worth_halving(value):
            continue
        assert value.const_value is not None
        numbers = value.const_value.numpy()
        halved = numbers.astype(np.float16)
        table = numbers.ndim >= 3 and numbers.shape[0] == 1
        lost = not np.isfinite(halved).all() if rounding and not table else not np.array_equal(halved, numbers)
        if lost:
            continue
        half = ir.Value(
            name=f'{name}.half',
            type=ir.TensorType(ir.DataType.FLOAT16),
            shape=value.shape,
            const_value=ir.Tensor(halved, name=f'{name}.half'),
        )
        cast = ir.node('Cast', [half], {'to': int(ir.DataType.FLOAT)})
        ir.convenience.replace_all_uses_with(value, cast.outputs[0])
        del graph.initializers[name]
        cast.outputs[0].name = name
        graph.initializers[half.name] = half
        casts.append(cast)
    if casts:
        graph.insert_before(next(iter(graph)), casts)


def _worth_halving(value: ir.Value) -> bool:
    tensor = value.const_value
    return tensor is not None and tensor.dtype == ir.DataType.FLOAT and tensor.size >= HALF_FROM


def _port(value: ir.Value) -> Port:
    return {
        'name': value.name,
        'type': TYPES[value.dtype],
        'shape': [d if isinstance(d, int) else d.value for d in value.shape or ()],
    }


def names(ports: Iterable[Port]) -> list[str]:
    return [p['name'] for p in ports]
