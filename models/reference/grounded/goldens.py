"""Goldens of a bundle: pictures, questions, and what the model itself, in PyTorch, says and draws."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from grounded.loop import Answer, Loop
from grounded.pictures import Box, Rgb, views_of


@dataclass(frozen=True)
class Question:
    """One golden to be made; `golden.json` in a folder of pictures is a list of these."""

    id: str
    image: Path
    task: str
    prompt: str
    box: Box | None = None
    modality: str | None = None


def questions(folder: Path, tasks: Mapping[str, Any]) -> list[Question]:
    """`golden.json` of a folder (`image`, `task`, and where needed `slots`, `prompt`, `box`, `modality`); without one,
    every picture is asked the first task that needs neither slots nor a box."""
    path = folder / 'golden.json'
    listed = json.loads(path.read_text()) if path.exists() else list(_plain(folder, tasks))
    return [_question(i, q, folder, tasks) for i, q in enumerate(listed)]


def _plain(folder: Path, tasks: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    task = next(k for k, t in tasks.items() if 'prompt' in t and not t.get('slots') and not t.get('needs_box'))
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in ('.png', '.jpg', '.jpeg'):
            yield {'image': path.name, 'task': task}


def _question(index: int, q: Mapping[str, Any], folder: Path, tasks: Mapping[str, Any]) -> Question:
    prompt = q.get('prompt') or tasks[q['task']]['prompt']
    box = q.get('box')
    return Question(
        id=f'{index + 1:02d}',
        image=folder / q['image'],
        task=q['task'],
        prompt=filled(prompt, q.get('slots', {})),
        box=(box[0], box[1], box[2], box[3]) if box else None,
        modality=q.get('modality'),
    )


def filled(prompt: str, slots: Mapping[str, str]) -> str:
    """`{slot}` by its value, `{a slot}` with the article before it, as the gateway does."""

    def value(found: re.Match[str]) -> str:
        word = slots.get(found[2], found[0])
        return f'{"an" if word[0].lower() in "aeiou" else "a"} {word}' if found[1] else word

    return re.sub(r'\{(an? )?(\w+)\}', value, prompt)


def ask(loop: Loop, q: Question) -> Answer:
    grounded = bool(loop.config.dialogue.tasks[q.task]['grounded'])
    return loop.answer(read_rgb(q.image), q.prompt, q.box, grounded)


def write_golden(loop: Loop, q: Question, folder: Path) -> dict[str, Any]:
    """Ask, write pictures, text and masks to `folder`/golden, and return the manifest's entry."""
    golden = folder / 'golden'
    golden.mkdir(parents=True, exist_ok=True)
    picture = read_rgb(q.image)
    answer = ask(loop, q)
    Image.fromarray(picture).save(golden / f'{q.id}.png')
    (golden / f'{q.id}.txt').write_text(f'{answer.text}\n', encoding='utf-8')
    masks = []
    for k, mask in enumerate(answer.masks):
        name = f'golden/{q.id}.mask-{k}.png'
        Image.fromarray(mask.bits.astype(np.uint8) * 255).save(folder / name)
        masks.append({'file': name, 'score': round(mask.score, 6), 'present': round(mask.present, 6)})
    return {
        'id': q.id,
        'task': q.task,
        'image': f'golden/{q.id}.png',
        **_views(loop, q, picture, folder),
        'width': picture.shape[1],
        'height': picture.shape[0],
        'box': list(q.box) if q.box else None,
        'prompt': q.prompt,
        'text': answer.text,
        'text_file': f'golden/{q.id}.txt',
        'token_ids': answer.token_ids,
        'prompt_tokens': answer.prompt_tokens,
        'masks': masks,
        **({'modality': q.modality} if q.modality else {}),
    }


def _views(loop: Loop, q: Question, picture: Rgb, folder: Path) -> dict[str, str]:
    """The 8-bit pictures as the encoders see them, where they are one tile: they tell a wrong resize from the rest."""
    tiles, sam = views_of(picture, loop.config, q.box)
    names = {}
    for key, view, short in (
        ('vision_image', tiles[0] if len(tiles) == 1 else None, 'llm'),
        ('sam_image', sam, 'sam'),
    ):
        if view is None:
            continue
        if view.shape == picture.shape and np.array_equal(view, picture):
            names[key] = f'golden/{q.id}.png'
            continue
        names[key] = f'golden/{q.id}.{short}.png'
        Image.fromarray(view).save(folder / names[key])
    return names


def read_rgb(path: Path) -> Rgb:
    return np.asarray(Image.open(path).convert('RGB'), np.uint8)
