"""The grounded loop over the five graphs, as the gateway runs it: encode once, decode greedily, draw each `[SEG]`.

`TorchGraphs` runs them as PyTorch modules, `OnnxGraphs` as the files of a bundle; what differs is the runtime alone.
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn import functional as F

from grounded.config import Config
from grounded.graphs import FEATURES, cache_names, graph_specs
from grounded.model import GroundedModel
from grounded.pictures import Box, Rgb, prepare

Arrays = dict[str, NDArray[Any]]
KEPT = 4
"""Encoded pictures that are kept, of either encoder."""
CHUNK = 16
"""Masks in one call: each holds megabytes of upscaled features."""


class Graphs(Protocol):
    def run(self, graph: str, feeds: Mapping[str, NDArray[Any]]) -> Arrays: ...


class TorchGraphs:
    """The modules themselves."""

    def __init__(self, model: GroundedModel) -> None:
        self.specs = {s.name: s for s in graph_specs(model.eval())}

    def run(self, graph: str, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        spec = self.specs[graph]
        given = {name: torch.from_numpy(np.ascontiguousarray(feeds[name])) for name in spec.inputs}
        plain = [t for name, t in given.items() if name not in spec.listed]
        listed = [[given[name] for name in spec.listed]] if spec.listed else []
        with torch.no_grad():
            out = spec.module(*plain, *listed)
        found = out if isinstance(out, tuple) else (out,)
        return {name: t.numpy() for name, t in zip(spec.outputs, found, strict=True)}


class OnnxGraphs:
    """The files of a bundle.

    :param keep: sessions held open at a time; a large model needs them one after the other
    """

    def __init__(self, folder: Path, entries: Mapping[str, Any], threads: int = 0, keep: int = 5) -> None:
        self.folder, self.entries, self.threads, self.keep = folder, entries, threads, keep
        self.sessions: dict[str, onnxruntime.InferenceSession] = {}

    def run(self, graph: str, feeds: Mapping[str, NDArray[Any]]) -> Arrays:
        session = self._session(graph)
        names = [o.name for o in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(feeds)), strict=True))

    def close(self) -> None:
        self.sessions.clear()
        gc.collect()

    def _session(self, graph: str) -> onnxruntime.InferenceSession:
        if graph not in self.sessions:
            while len(self.sessions) >= self.keep:
                self.sessions.pop(next(iter(self.sessions)))
                gc.collect()
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = self.threads
            options.log_severity_level = 3
            self.sessions[graph] = onnxruntime.InferenceSession(
                str(self.folder / self.entries[graph]['file']), options, providers=['CPUExecutionProvider']
            )
        return self.sessions[graph]


@dataclass(frozen=True)
class Mask:
    bits: NDArray[np.bool_]
    """[height,width] of the picture"""
    logits: NDArray[np.float32]
    """[h,w] as the graph gave them"""
    score: float
    present: float


@dataclass(frozen=True)
class Answer:
    text: str
    token_ids: list[int]
    prompt_tokens: int
    states: NDArray[np.float32]
    """[n,D] hidden state of each `[SEG]`"""
    masks: list[Mask]
    margins: list[float]
    """Logit of each chosen token above the next best: how near another choice was."""


class Loop:
    """A model with its words, ready to be asked."""

    def __init__(self, config: Config, tokenizer: Tokenizer, graphs: Graphs) -> None:
        self.config, self.tokenizer, self.graphs = config, tokenizer, graphs
        self.ids = {name: tokenizer.token_to_id(text) for name, text in config.dialogue.special_tokens.items()}
        self.stop_ids = {self.ids[name] for name in config.dialogue.stop_names}
        self._seen: dict[tuple[str, bytes], Arrays] = {}

    def answer(self, picture: Rgb, prompt: str, box: Box | None = None, grounded: bool = True) -> Answer:
        """Ask one question about one picture; masks come at its size."""
        vision, sam = prepare(picture, self.config, box)
        visual = self._encoded('vision_encoder', vision)['image_embeds']
        visual = visual.reshape(-1, visual.shape[-1])
        asked = self.encode(self.config.dialogue.chat(prompt, len(visual)))
        ids, states, margins = self._speak(self._embedded(asked, visual))
        masks: list[Mask] = []
        if grounded and len(states) > 0:
            features = self._encoded('sam_encoder', sam)
            masks = self._draw(features, states[: self.config.max_masks], picture.shape[:2])
        return Answer(self._text(ids), ids, len(asked), states, masks, margins)

    def _encoded(self, graph: str, pixels: NDArray[np.float32]) -> Arrays:
        """What an encoder sees; that of the last few pictures is kept, since several questions are asked about one."""
        key = (graph, hashlib.sha256(pixels.tobytes()).digest())
        if key not in self._seen:
            while len(self._seen) >= KEPT:
                self._seen.pop(next(iter(self._seen)))
            self._seen[key] = self.graphs.run(graph, {'pixel_values': pixels})
        return self._seen[key]

    def encode(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def _embedded(self, ids: Sequence[int], visual: NDArray[np.float32]) -> NDArray[np.float32]:
        embeds = self.graphs.run('token_embed', {'input_ids': np.asarray([ids], np.int64)})['inputs_embeds'].copy()
        places = np.flatnonzero(np.asarray(ids) == self.ids['img_context'])
        if len(places) != len(visual):
            raise ValueError(f'{len(places)} image places for {len(visual)} visual tokens')
        embeds[0, places] = visual
        return embeds

    def _speak(self, embeds: NDArray[np.float32]) -> tuple[list[int], NDArray[np.float32], list[float]]:
        """Greedy. The state of a `[SEG]` is the row of the step whose input it is, not of the one that chose it."""
        cache, before = self._empty(), 0
        ids: list[int] = []
        states: list[NDArray[np.float32]] = []
        margins: list[float] = []
        limit = min(self.config.max_new_tokens, self.config.language.max_positions - embeds.shape[1] - 1)
        out = self._decode(embeds, cache, before)
        while True:
            before += embeds.shape[1]
            scores = out['logits'][0]
            chosen = int(scores.argmax())
            two = np.partition(scores, -2)[-2:]
            margins.append(float(two[1] - two[0]))
            ids.append(chosen)
            seg = chosen == self.ids['seg']
            ended = chosen in self.stop_ids or self._stop_text(ids) is not None
            last = ended or len(ids) >= limit
            if last and not seg:
                break
            embeds = self.graphs.run('token_embed', {'input_ids': np.asarray([[chosen]], np.int64)})['inputs_embeds']
            out = self._decode(embeds, out, before)
            if seg:
                states.append(out['hidden_states'][0, 0])
            if last:
                break
        hidden = self.config.language.hidden
        return ids, np.asarray(states, np.float32).reshape(-1, hidden), margins

    def _empty(self) -> Arrays:
        c = self.config.language
        empty = np.zeros((1, c.kv_heads, 0, c.head_dim), np.float32)
        return {name: empty for name in cache_names(c.layers, 'present')}

    def _decode(self, embeds: NDArray[np.float32], cache: Arrays, before: int) -> Arrays:
        new, layers = embeds.shape[1], self.config.language.layers
        past = zip(cache_names(layers, 'past_key_values'), cache_names(layers, 'present'), strict=True)
        return self.graphs.run(
            'decoder',
            {
                'inputs_embeds': embeds,
                'attention_mask': np.ones((1, before + new), np.int64),
                'position_ids': np.arange(before, before + new, dtype=np.int64)[None],
                **{name: cache[old] for name, old in past},
            },
        )

    def _draw(self, features: Arrays, states: NDArray[np.float32], size: tuple[int, ...]) -> list[Mask]:
        masks: list[Mask] = []
        for i in range(0, len(states), CHUNK):
            seen = {name: features[name] for name in FEATURES}
            out = self.graphs.run('mask_decoder', {**seen, 'seg_hidden_states': states[i : i + CHUNK]})
            for logits, score, present in zip(out['mask_logits'], out['iou_scores'], out['object_scores'], strict=True):
                bits = upsample(logits, size, self.config.preprocess.upsample_via) > 0
                masks.append(Mask(bits, logits, float(score), float(present)))
        return masks

    def _text(self, ids: Sequence[int]) -> str:
        text = self.tokenizer.decode([i for i in ids if i not in self.stop_ids], skip_special_tokens=False)
        cut = self._stop_text(ids)
        return text if cut is None else text[: text.rindex(cut)]

    def _stop_text(self, ids: Sequence[int]) -> str | None:
        if not self.config.dialogue.stop_texts:
            return None
        tail = self.tokenizer.decode(list(ids[-32:]), skip_special_tokens=False).rstrip('\r\n')
        return next((s for s in self.config.dialogue.stop_texts if tail.endswith(s)), None)


def upsample(logits: NDArray[np.float32], size: tuple[int, ...], via: tuple[int, int] | None) -> NDArray[np.float32]:
    """Bilinear with half-pixel centres, over `via` (width, height) where the reference takes two steps."""
    x = torch.from_numpy(np.ascontiguousarray(logits))[None, None]
    steps = ([(via[1], via[0])] if via else []) + [(size[0], size[1])]
    for step in steps:
        x = F.interpolate(x, size=step, mode='bilinear', align_corners=False)
    return x[0, 0].numpy()
