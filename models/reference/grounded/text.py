"""Questions and true answers, in the words of the bundle's tasks, and the tokenizer made of them.

In an answer the phrase and `[SEG]` come before the place: when the place is written, the mask is already meant.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from grounded.data import Sample
from grounded.labels import KINDS, LATERALITY, NAMES, Kind

SPECIAL = ('<|endoftext|>', '<|im_start|>', '<|im_end|>', '<img>', '</img>', '<IMG_CONTEXT>', '<p>', '</p>', '[SEG]')
TEMPLATE = '<|im_start|>user\n{image}\n{prompt}<|im_end|>\n<|im_start|>assistant\n'
TASKS = {
    'report': 'Describe the findings and segment them.',
    'segment': 'Please segment the {target}.',
    'recognise': 'Which findings are present?',
    'region': 'What is in the box?',
}
QUESTIONS = (
    'Is there {a finding}?',
    'How many kinds of finding are there?',
    'On which side is the {finding}?',
    'What is shown in the image?',
)
PLURAL = {'drusen', 'ventricles', 'lungs'}
MASS = {
    'bleeding',
    'necrosis',
    'debris',
    'edema',
    'consolidation',
    'subretinal fluid',
    'intracranial haemorrhage',
    'high-grade dysplasia',
    'Barrett oesophagus',
    'myelin',
}
COUNTS = ('no', 'one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight')


@dataclass(frozen=True)
class Asked:
    """A question with its true answer; `labels`: the label of each `[SEG]`, in order; `box`: where it is about one."""

    task: str
    prompt: str
    answer: str
    labels: tuple[str, ...]
    box: tuple[int, int, int, int] | None = None


def a(name: str) -> str:
    """With its article, as the gateway fills `{a finding}`."""
    return f'{"an" if name[0].lower() in "aeiou" else "a"} {name}'


def some(name: str) -> str:
    """With its article, where English has one."""
    return name if name in PLURAL | MASS else a(name)


def mark(name: str) -> str:
    return f'<p>{name}</p> [SEG]'


def a_mark(name: str) -> str:
    return some(name).replace(name, mark(name))


def is_are(name: str) -> str:
    return 'are' if name in PLURAL else 'is'


def present(s: Sample) -> dict[str, bool]:
    """A label counts as there from 12 pixels on, fewer are neither there nor not."""
    return {n: bool((s.masks[i] > 0.5).sum() >= 12) for i, n in enumerate(s.kind.names)}


def place(s: Sample, name: str) -> str:
    """Where the label's centre of mass lies, from the middle by more than 6 % of the side or not at all."""
    ys, xs = np.nonzero(s.masks[s.kind.names.index(name)] > 0.5)
    side = s.picture.shape[0]
    return place_of((xs.mean() + 0.5) / side - 0.5, (ys.mean() + 0.5) / side - 0.5, s.kind)


def place_of(x: float, y: float, kind: Kind) -> str:
    across = side_of(x, kind)
    down = '' if abs(y) < 0.06 else ('upper' if y < 0 else 'lower')
    words = ' '.join(w for w in (across, down) if w)
    return f'{words} part' if words else 'middle'


def side_of(x: float, kind: Kind) -> str:
    if abs(x) < 0.06:
        return ''
    picture_left = x < 0
    patient = LATERALITY[kind.modality] == 'patient'
    return 'left' if picture_left != patient else 'right'


def sentence(s: Sample, name: str) -> str:
    where = f' in the {place(s, name)}' if s.kind.sided else ''
    return f'There {is_are(name)} {a_mark(name)}{where}.'


def none(name: str) -> str:
    return f'No {name} {is_are(name)} seen.'


def report(s: Sample) -> Asked:
    there = present(s)
    parts = [f'{s.kind.view}.']
    labels: list[str] = []
    for name in s.kind.findings:
        parts.append(sentence(s, name) if there[name] else none(name))
        labels += [name] if there[name] else []
    if not s.kind.findings:
        for name in (n for n in s.kind.structures if there[n]):
            parts.append(f'The {mark(name)} {is_are(name)} shown.')
            labels.append(name)
    return Asked('report', TASKS['report'], ' '.join(parts), tuple(labels))


def joined(names: list[str]) -> str:
    said = [a_mark(n) for n in names]
    return said[0] if len(said) == 1 else ', '.join(said[:-1]) + ' and ' + said[-1]


def recognise(s: Sample) -> Asked:
    found = [n for n in s.kind.findings if present(s)[n]]
    answer = f'{s.kind.view} with {joined(found)}.' if found else f'{s.kind.view} with no finding.'
    return Asked('recognise', TASKS['recognise'], answer, tuple(found))


def segment(s: Sample, name: str) -> Asked:
    prompt = TASKS['segment'].format(target=name)
    if name in s.kind.names and present(s)[name]:
        return Asked('segment', prompt, f'Here {is_are(name)} the {mark(name)}.', (name,))
    return Asked('segment', prompt, none(name), ())


def is_there(s: Sample, name: str) -> Asked:
    prompt = QUESTIONS[0].replace('{a finding}', a(name))
    if name in s.kind.names and present(s)[name]:
        return Asked('vqa', prompt, f'Yes, there {is_are(name)} {a_mark(name)}.', (name,))
    return Asked('vqa', prompt, f'No, there {is_are(name)} no {name}.', ())


def how_many(s: Sample) -> Asked:
    found = [n for n in s.kind.findings if present(s)[n]]
    if not found:
        return Asked('vqa', QUESTIONS[1], 'There is no finding.', ())
    verb = 'is' if len(found) == 1 else 'are'
    return Asked('vqa', QUESTIONS[1], f'There {verb} {COUNTS[len(found)]}: {joined(found)}.', tuple(found))


def which_side(s: Sample, name: str) -> Asked:
    prompt = QUESTIONS[2].format(finding=name)
    if not present(s)[name]:
        return Asked('vqa', prompt, none(name), ())
    xs = np.nonzero(s.masks[s.kind.names.index(name)] > 0.5)[1]
    side = side_of((xs.mean() + 0.5) / s.picture.shape[1] - 0.5, s.kind)
    where = f'on the {side}' if side else 'in the middle'
    return Asked('vqa', prompt, f'The {mark(name)} {is_are(name)} {where}.', (name,))


def what_is_shown(s: Sample) -> Asked:
    return Asked('vqa', QUESTIONS[3], f'{s.kind.view}.', ())


def region(s: Sample, rng: np.random.Generator) -> Asked | None:
    """A box about one finding, or about a place that none touches."""
    found = [n for n in s.kind.findings if present(s)[n]]
    side = s.picture.shape[0]
    if found and rng.random() < 0.75:
        name = found[rng.integers(len(found))]
        ys, xs = np.nonzero(s.masks[s.kind.names.index(name)] > 0.5)
        room = int(rng.integers(2, 8))
        box = (
            max(0, xs.min() - room),
            max(0, ys.min() - room),
            min(side, xs.max() + 1 + room),
            min(side, ys.max() + 1 + room),
        )
        # Another finding within the same box would make two answers true.
        others = [
            n
            for n in found
            if n != name and s.masks[s.kind.names.index(n)][box[1] : box[3], box[0] : box[2]].sum() > 20
        ]
        if others:
            return None
        return Asked('region', TASKS['region'], f'The box holds {a_mark(name)}.', (name,), tuple(int(v) for v in box))
    w, h = (int(v) for v in rng.integers(side // 8, side // 3, 2))
    x, y = int(rng.integers(0, side - w)), int(rng.integers(0, side - h))
    touched = [n for n in found if s.masks[s.kind.names.index(n)][y : y + h, x : x + w].sum() > 4]
    if touched:
        return None
    return Asked('region', TASKS['region'], 'The box holds no finding.', (), (x, y, x + w, y + h))


def ask(s: Sample, rng: np.random.Generator) -> Asked:
    """One question about a sample, drawn as the tasks are used."""
    draw = rng.random()
    names = s.kind.names
    if draw < 0.34:
        return report(s)
    if draw < 0.42:
        return recognise(s)
    if draw < 0.70:
        there = present(s)
        found = [n for n in names if there[n]]
        if found and rng.random() < 0.7:
            return segment(s, found[rng.integers(len(found))])
        return segment(s, asked_in_vain(s, rng))
    if draw < 0.80:
        return is_there(s, names[rng.integers(len(names))] if rng.random() < 0.8 else asked_in_vain(s, rng))
    if draw < 0.84:
        return how_many(s)
    if draw < 0.90 and s.kind.sided:
        return which_side(s, names[rng.integers(len(names))])
    if draw < 0.92:
        return what_is_shown(s)
    if s.kind.findings:
        asked = region(s, rng)
        if asked:
            return asked
    return report(s)


def asked_in_vain(s: Sample, rng: np.random.Generator) -> str:
    """A label of the kind that may be absent, seldom one of quite another kind."""
    if rng.random() < 0.75:
        return s.kind.names[rng.integers(len(s.kind.names))]
    other = [n for n in NAMES if n not in everywhere(s.kind.modality)]
    return other[rng.integers(len(other))]


def everywhere(modality: str) -> set[str]:
    """Names that any picture of the modality could show: whether one without its mask lacks them is not known."""
    return {n for k in KINDS.values() if k.modality == modality for n in k.names}


def corpus() -> list[str]:
    """Every sentence form with every name once: what the tokenizer is trained on."""
    lines: list[str] = []
    parts = [f'{v} {h} part'.replace('  ', ' ') for v in ('left', 'right', '') for h in ('upper', 'lower', '')] + [
        'middle'
    ]
    for name in NAMES:
        lines += [f'There {is_are(name)} {a(name)} in the {p}.' for p in parts]
        lines += [
            name,
            name,
            none(name),
            f'Here {is_are(name)} the {name}.',
            f'The {name} {is_are(name)} shown.',
            f'Yes, there {is_are(name)} {a(name)}.',
            f'No, there {is_are(name)} no {name}.',
        ]
        lines += [
            TASKS['segment'].format(target=name),
            f'Is there {a(name)}?',
            f'On which side is the {name}?',
            f'The box holds {a(name)}.',
            f'The {name} {is_are(name)} on the left.',
            f'The {name} {is_are(name)} on the right.',
            f'The {name} {is_are(name)} in the middle.',
        ]
    for kind in KINDS.values():
        lines += [f'{kind.view}.', f'{kind.view} with no finding.', f'{kind.view} with a {kind.names[0]} and']
    lines += [
        *TASKS.values(),
        *QUESTIONS,
        'The box holds no finding.',
        'There is no finding.',
        TEMPLATE.format(image='', prompt=''),
    ]
    lines += [f'There are {c}:' for c in COUNTS]
    return lines


SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def tokenizer() -> Tokenizer:
    """Byte-level pairs with Qwen2's rule of splitting; no text is unknown to it."""
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
        vocab_size=1000, min_frequency=2, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    t.train_from_iterator(corpus(), trainer)
    t.add_special_tokens([AddedToken(s, special=True, normalized=False) for s in SPECIAL])
    return t
