"""Small tokenizers in the form of the large one: byte-level pairs, Qwen2's splitting rule, added special tokens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from grounded.config import Config
from grounded.dialogue import Dialogue

SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# The published tokenizer's added tokens in the order of their ids (Qwen2.5's, InternVL's nine, UniBiomed's five).
FIRST_ADDED = 151_643
PUBLISHED_ADDED = (
    *('<|endoftext|>', '<|im_start|>', '<|im_end|>', '<|object_ref_start|>', '<|object_ref_end|>'),
    *('<|box_start|>', '<|box_end|>', '<|quad_start|>', '<|quad_end|>', '<|vision_start|>', '<|vision_end|>'),
    *('<|vision_pad|>', '<|image_pad|>', '<|video_pad|>', '<tool_call>', '</tool_call>', '<|fim_prefix|>'),
    *('<|fim_middle|>', '<|fim_suffix|>', '<|fim_pad|>', '<|repo_name|>', '<|file_sep|>'),
    *('<img>', '</img>', '<IMG_CONTEXT>', '<quad>', '</quad>', '<ref>', '</ref>', '<box>', '</box>'),
    *('[SEG]', '<p>', '</p>', '<vp>', '</vp>'),
)


def train(corpus: Iterable[str], special: Sequence[str], size: int) -> Tokenizer:
    """Pairs learnt from `corpus`, at most `size` tokens, the special ones after them; no text is unknown to it."""
    t = Tokenizer(models.BPE())
    t.normalizer = normalizers.NFC()
    t.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(SPLIT), 'isolated'),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    t.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size - len(special),
        min_frequency=2,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    t.train_from_iterator(corpus, trainer)
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in special])
    return t


def for_size(config: Config) -> Tokenizer:
    """A tokenizer of exactly the size's vocabulary, learnt from its task prompts; the published ids where it has them.

    For proofs and tests where no trained one is at hand.
    """
    if config.language.vocab_size == FIRST_ADDED + len(PUBLISHED_ADDED):
        return at_published_ids(corpus(config.dialogue))
    special = list(dict.fromkeys(config.dialogue.special_tokens.values()))
    return train(corpus(config.dialogue), special, config.language.vocab_size)


def corpus(dialogue: Dialogue) -> list[str]:
    """The words of the tasks and of the answers that the published model was trained to give.

    The marks of the chat (`<|user|>`, `<|end|>`) are left out, so that they stay in pieces as in the published one.
    """
    prompts = [p for task in dialogue.tasks.values() for p in (task.get('prompt'), *task.get('prompts', ())) if p]
    views = [m['view'] for m in dialogue.modalities]
    answers = ['It is .', 'Sure, .', 'Sure, it is .', 'Sure, the segmentation result is .', ' nodule.', ' lesion in CT.']
    return [*prompts, *views, *answers] * 4


def at_published_ids(corpus: Iterable[str], size: int = 4096) -> Tokenizer:
    """A small tokenizer whose added tokens have the published ids: words that no merge reaches fill the gap.

    For proofs at true shapes where the published tokenizer is not at hand.
    """
    small = train(corpus, [], size)
    data: dict[str, Any] = json.loads(small.to_str())
    vocabulary: dict[str, int] = data['model']['vocab']
    for i in range(len(vocabulary), FIRST_ADDED):
        vocabulary[f'<|unused_{i}|>'] = i
    filled = Tokenizer.from_str(json.dumps(data))
    filled.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in PUBLISHED_ADDED])
    return filled
