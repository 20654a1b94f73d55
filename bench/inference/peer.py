"""The grounded loop of models/reference by onnxruntime, timed. Prints JSON.

usage: peer.py pictures BUNDLE COUNT THREADS   ms of each stage of each report on the pictures of the goldens
       peer.py loop BUNDLE PROMPT TOKENS ROUNDS THREADS   processor ms of a prefill, and of each token after it
"""
import json
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer

from grounded import bundle, loop, parity
from grounded.goldens import read_rgb


class Timed(parity.Complete):
    """Adds up the time of each stage; the first run of the decoder is the prefill."""

    def run(self, graph, feeds):
        begun = time.perf_counter()
        out = super().run(graph, feeds)
        stage = {"vision_encoder": "vision", "sam_encoder": "sam", "mask_decoder": "masks", "token_embed": "decode"}.get(graph)
        if graph == "decoder":
            stage = "prefill" if feeds["inputs_embeds"].shape[1] > 1 else "decode"
        self.spent[stage] += 1000 * (time.perf_counter() - begun)
        return out


def pictures(folder, count, threads):
    m = bundle.read(folder)
    graphs = Timed(folder, m["graphs"], threads=threads)
    asking = loop.Loop(parity.config_from(m), Tokenizer.from_file(str(folder / "tokenizer.json")), graphs)
    images = [read_rgb(folder / g["image"]) for g in m["golden"]]
    stages = defaultdict(list)
    for i in range(-2, count):
        graphs.spent = defaultdict(float)
        begun = time.perf_counter()
        answer = asking.answer(images[i % len(images)], m["tasks"]["report"]["prompt"])
        total = 1000 * (time.perf_counter() - begun)
        if i < 0:
            continue
        for stage, ms in {**graphs.spent, "total": total}.items():
            stages[stage].append(ms)
        stages["a token"].append(graphs.spent["decode"] / max(1, len(answer.token_ids) - 1))
    return {"onnxruntime": onnxruntime.__version__, "stages": stages}


def decode(folder, prompt, tokens, rounds, threads):
    m = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    graphs = parity.Complete(folder, m["graphs"], threads=threads)
    d = m["decoder"]
    names = [f"{i}.{kind}" for i in range(d["layers"]) for kind in ("key", "value")]
    prefills, steps, said = [], [], []
    for _ in range(rounds):
        cache = {n: np.zeros((1, d["kv_heads"], 0, d["head_dim"]), np.float32) for n in names}
        unread = [10 + (i * 37) % 600 for i in range(prompt)]
        before, said = 0, []
        for turn in range(tokens):
            begun = time.process_time()
            embeds = graphs.run("token_embed", {"input_ids": np.array([unread])})["inputs_embeds"]
            feeds = {
                "inputs_embeds": embeds,
                "attention_mask": np.ones((1, before + len(unread)), np.int64),
                "position_ids": np.arange(before, before + len(unread))[None],
            }
            out = graphs.run("decoder", feeds | {f"past_key_values.{n}": cache[n] for n in names})
            cache = {n: out[f"present.{n}"] for n in names}
            before += len(unread)
            unread = [int(out["logits"][0].argmax())]
            said += unread
            (steps if turn else prefills).append(1000 * (time.process_time() - begun))
    return {"onnxruntime": onnxruntime.__version__, "prefill": prefills, "steps": steps, "said": said}


if __name__ == "__main__":
    what, folder, *numbers = sys.argv[1:]
    result = {"pictures": pictures, "loop": decode}[what](Path(folder), *map(int, numbers))
    print(json.dumps(result))
