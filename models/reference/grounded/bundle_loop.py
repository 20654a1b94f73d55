"""Give a bundle the optional graph ``generate``: ``python -m grounded.bundle_loop BUNDLE``.

Weights are stored once. Those that lie inside ``decoder.onnx`` and ``token_embed.onnx`` move to a file beside each, and
``generate.onnx`` refers to the same bytes. The manifest lists the new files, and the graph with its inputs and outputs.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import onnx
from onnx import ModelProto, TensorProto, external_data_helper

from grounded.loop_graph import GENERATE, generate_graph

SMALLEST = 1024
"""Weights of so many bytes or more move; shapes and scalars stay where they are."""


def add_loop(bundle: Path) -> None:
    """Write ``generate.onnx`` and its entries into the manifest; the other graphs compute what they did before.

    :param bundle: folder with ``manifest.json``, ``decoder.onnx``, ``token_embed.onnx``
    :raises ValueError: as :func:`~grounded.loop_graph.generate_graph`
    """
    file = bundle / 'manifest.json'
    manifest: dict[str, Any] = json.loads(file.read_text(encoding='utf8'))
    tokens = manifest['special_tokens']
    parts = {name: bundle / manifest['graphs'][name]['file'] for name in ('decoder', 'token_embed')}
    for path in parts.values():
        move_weights(path)
    graph = generate_graph(
        onnx.load(parts['decoder'], load_external_data=False),
        onnx.load(parts['token_embed'], load_external_data=False),
        seg_id=tokens['seg']['id'],
        image_id=tokens['img_context']['id'],
    )
    target = bundle / f'{GENERATE}.onnx'
    onnx.save(graph, target)
    onnx.checker.check_model(target)
    manifest['graphs'][GENERATE] = {'file': target.name, 'opset': _opset(graph), **_ports(graph)}
    touched = [target, *parts.values(), *(bundle / name for path in parts.values() for name in weight_files(path))]
    for path in touched:
        manifest['files'][path.name] = {'sha256': _sha256(path), 'bytes': path.stat().st_size}
    file.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + '\n', encoding='utf8')


def move_weights(path: Path) -> None:
    """Move what a graph file holds of weights into ``NAME.onnx.data`` beside it; nothing where they lie there already."""
    model = onnx.load(path, load_external_data=False)
    inside = [t for t in model.graph.initializer if not external_data_helper.uses_external_data(t)]
    if all(_bytes_inside(t) < SMALLEST for t in inside):
        return
    onnx.save(
        onnx.load(path),
        path,
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=f'{path.name}.data',
        size_threshold=SMALLEST,
        convert_attribute=False,
    )
    path.with_name(f'{path.name}.data').chmod(path.stat().st_mode)


def weight_files(path: Path) -> list[str]:
    """Names of the files beside a graph that hold its weights."""
    model = onnx.load(path, load_external_data=False)
    entries = (entry for t in model.graph.initializer for entry in t.external_data)
    return sorted({entry.value for entry in entries if entry.key == 'location'})


def _bytes_inside(tensor: TensorProto) -> int:
    return len(tensor.raw_data) if tensor.HasField('raw_data') else tensor.ByteSize()


def _opset(model: ModelProto) -> int:
    return int(next(entry.version for entry in model.opset_import if entry.domain == ''))


_TYPES = {TensorProto.FLOAT: 'float32', TensorProto.INT64: 'int64'}


def _ports(model: ModelProto) -> dict[str, list[dict[str, Any]]]:
    """Inputs and outputs as the manifest states them: a free dimension by its name."""
    return {
        side: [
            {
                'name': port.name,
                'type': _TYPES[port.type.tensor_type.elem_type],
                'shape': [d.dim_param or d.dim_value for d in port.type.tensor_type.shape.dim],
            }
            for port in ports
        ]
        for side, ports in (('inputs', model.graph.input), ('outputs', model.graph.output))
    }


def _sha256(path: Path) -> str:
    with path.open('rb') as stream:
        return hashlib.file_digest(stream, 'sha256').hexdigest()


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('bundle', type=Path)
    add_loop(parser.parse_args().bundle)
