"""A smaller bundle from one that is there: weights stored as float16, or the language model's matrices in int8.

    python -m grounded.quantize BUNDLE --to fp16 --out BUNDLE16
    python -m grounded.quantize BUNDLE --to int8 --out BUNDLE8 [--keep-head]

`fp16`: every graph's weights rounded and cast back inside; arithmetic stays float32. `int8`: the decoder alone, by dynamic
quantisation per channel (weights int8, activations by the range of each call, sums int32; plain ONNX operators). Neither
SAM nor the projection to its prompt is touched: a mask's edge is where a logit is zero. The new bundle counts only after
`grounded.verify`: its goldens are those of the original.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path
from typing import Any

import onnx
import onnx_ir as ir
from onnxruntime.quantization import QuantType, quantize_dynamic

from grounded import bundle
from grounded.bundle_loop import add_loop
from grounded.loop_graph import GENERATE
from grounded.onnx_graph import EXTERNAL_FROM, entry, save, store_half, weight_files


def halve(folder: Path, out: Path) -> None:
    """Write `out`: `folder` with the weights of every graph stored as float16."""
    m = bundle.read(folder)
    if 'fp32' not in m.get('provenance', {}).get('precision', ''):
        raise ValueError(f'{folder} does not say that its weights are stored fp32')
    looped = m['graphs'].pop(GENERATE, None)  # made of two of the others, and made anew
    graphs = [g['file'] for g in m['graphs'].values()]
    _copy_beside(folder, out, graphs)
    for file in graphs:
        model = ir.load(folder / file)
        store_half(model.graph, rounding=True)
        save(model, out / file)
        del model
    m.pop('files')
    m['provenance'] = {**m['provenance'], 'precision': 'weights stored fp16 (rounded afterwards), float32 arithmetic'}
    bundle.write(out, m)
    if looped:
        add_loop(out)


def quantize(folder: Path, out: Path, head: bool = True) -> dict[str, Any]:
    """Write `out`: `folder` with its decoder in int8.

    :param head: the head, too; without it the logits keep their own precision
    :returns: the new manifest
    """
    m = bundle.read(folder)
    if 'int8' in m.get('provenance', {}).get('precision', ''):
        raise ValueError(f'{folder} is quantised already')
    _copy_beside(folder, out, [m['graphs']['decoder']['file']])
    source = folder / m['graphs']['decoder']['file']
    work = out / 'work'
    work.mkdir()
    try:
        plain = _as_matmul(source, work / 'plain.onnx')
        _quantize_file(plain, work / 'int8.onnx', head)
        model = ir.load(work / 'int8.onnx')
        save(model, out / 'decoder.onnx')
        made = entry(model, 'decoder.onnx')
        model = None
    finally:
        shutil.rmtree(work)
    provenance = m.get('provenance', {})
    precision = f'decoder int8 ({"all" if head else "all but the head"}), rest as before: {provenance.get("precision")}'
    graphs = {name: stated for name, stated in m['graphs'].items() if name != GENERATE}
    new = {**m, 'graphs': {**graphs, 'decoder': {**graphs['decoder'], 'opset': made['opset']}}}
    new['provenance'] = {**provenance, 'precision': precision}
    new.pop('files')
    bundle.write(out, new)
    if GENERATE in m['graphs']:
        add_loop(out)
    return bundle.read(out)


def _copy_beside(folder: Path, out: Path, graphs: list[str]) -> None:
    """`folder` to `out`, made anew, without the graphs that are written again."""
    shutil.rmtree(out, ignore_errors=True)
    left = ['manifest.json', f'{GENERATE}.onnx', *graphs, *(f'{g}.data' for g in graphs)]
    shutil.copytree(folder, out, ignore=shutil.ignore_patterns(*left))


def _as_matmul(source: Path, target: Path) -> Path:
    """`Gemm` with a transposed weight (how the exporter writes a layer with a bias) as `MatMul` and `Add`.

    The quantiser knows only `MatMul`; float16 weights become float32 again on the way.
    """
    model = ir.load(source)
    graph = model.graph
    for node in list(graph):
        if node.op_type == 'Cast' and node.inputs[0] is not None and node.inputs[0].const_value is not None:
            _uncast(graph, node)
    for node in list(graph):
        if node.op_type == 'Gemm':
            _split(graph, node)
    save(model, target)
    return target


def _uncast(graph: ir.Graph, node: ir.Node) -> None:
    half, out = node.inputs[0], node.outputs[0]
    assert half is not None and half.const_value is not None
    numbers = half.const_value.numpy().astype('float32')
    name = f'{out.name}.full'
    full = ir.Value(name=name, type=out.type or ir.TensorType(ir.DataType.FLOAT), shape=half.shape, const_value=ir.Tensor(numbers, name=name))
    graph.initializers[name] = full
    ir.convenience.replace_all_uses_with(out, full)
    graph.remove(node, safe=True)
    if half.name in graph.initializers and not half.uses():
        del graph.initializers[half.name]


def _split(graph: ir.Graph, node: ir.Node) -> None:
    a, b, *c = node.inputs
    assert b is not None and b.const_value is not None
    attributes = {k: v.value for k, v in node.attributes.items()}
    if attributes.get('transA', 0) or attributes.get('alpha', 1.0) != 1.0 or attributes.get('beta', 1.0) != 1.0:
        return
    weight = b
    if attributes.get('transB', 0):
        name = f'{b.name}.t'
        if name in graph.initializers:
            weight = graph.initializers[name]
        else:
            numbers = b.const_value.numpy().T.copy()
            weight = ir.Value(name=name, type=b.type, shape=ir.Shape(numbers.shape), const_value=ir.Tensor(numbers, name=name))
            graph.initializers[name] = weight
    product = ir.node('MatMul', [a, weight], name=f'{node.name or node.outputs[0].name}.matmul')
    new = [product]
    if c and c[0] is not None:
        new.append(ir.node('Add', [product.outputs[0], c[0]], name=f'{node.name or node.outputs[0].name}.add'))
    last, old = new[-1].outputs[0], node.outputs[0]
    last.name, last.type, last.shape = old.name, old.type, old.shape
    graph.insert_before(node, new)
    ir.convenience.replace_all_uses_with(old, last, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    if b.name in graph.initializers and not b.uses():
        del graph.initializers[b.name]


def _quantize_file(source: Path, target: Path, head: bool) -> None:
    nodes = onnx.load(source, load_external_data=False).graph.node
    logits = [n.name for n in nodes if 'logits' in n.output]
    quantize_dynamic(
        source,
        target,
        op_types_to_quantize=['MatMul'],
        per_channel=True,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=[] if head else logits,
        use_external_data_format=sum((source.parent / f).stat().st_size for f in weight_files(source.parent, source.name))
        > EXTERNAL_FROM,
        extra_options={'MatMulConstBOnly': True, 'DefaultTensorType': onnx.TensorProto.FLOAT},
    )


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog='python -m grounded.quantize', description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('bundle', type=Path)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--to', choices=('fp16', 'int8'), default='int8')
    parser.add_argument('--keep-head', action='store_true', help='int8: leave the head as it is')
    args = parser.parse_args(argv)
    try:
        if args.to == 'fp16':
            halve(args.bundle, args.out)
        else:
            quantize(args.bundle, args.out, not args.keep_head)
    except (ValueError, OSError) as e:
        print(f'quantize: {e}', file=sys.stderr)
        return 1
    for folder in (args.bundle, args.out):
        print(f'{folder}: {sum(f["bytes"] for f in bundle.read(folder)["files"].values()):,} bytes')
    return 0


if __name__ == '__main__':
    sys.exit(main())
