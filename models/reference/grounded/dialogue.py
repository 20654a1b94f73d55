"""What is said to a model and how its answers are built: chat template, special tokens, tasks, ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Dialogue:
    """The words around a picture, in the form of the bundle's manifest (docs/bundles.md)."""

    template: str
    """`{system}`, `{image}` and `{prompt}` are filled in."""
    special_tokens: Mapping[str, str]
    """Name in the manifest -> text; each has an id of its own in the tokenizer."""
    tasks: Mapping[str, Mapping[str, Any]]
    stop_names: tuple[str, ...] = ()
    """Special tokens that end an answer."""
    stop_texts: tuple[str, ...] = ()
    """Words that end an answer, where the model spells its end out in ordinary tokens."""
    system: str | None = None
    image: str = '<img>{context}</img>'
    context: str = '<IMG_CONTEXT>'
    region_prompt: Mapping[str, Any] | None = None
    modalities: tuple[Mapping[str, Any], ...] = field(default_factory=tuple)

    def chat(self, prompt: str, visual_tokens: int) -> str:
        """The whole text before tokenising, as the gateway writes it."""
        image = self.image.replace('{context}', self.context * visual_tokens)
        parts = {'system': self.system or '', 'image': image, 'prompt': prompt}
        text = self.template
        for key, value in parts.items():
            text = text.replace('{' + key + '}', value)
        return text


_INTERLEAVED = 'Please respond with interleaved segmentation masks for the corresponding parts.'

_MODALITIES = (
    ('ct', 'CT slice', ('CT',), 'patient'),
    ('mr', 'MR slice', ('MR',), 'patient'),
    ('xray', 'Radiograph', ('CR', 'DX'), 'patient'),
    ('mammography', 'Mammogram', ('MG',), 'patient'),
    ('us', 'Ultrasound image', ('US',), 'image'),
    ('oct', 'OCT scan', ('OPT',), 'image'),
    ('fundus', 'Fundus photograph', ('OP',), 'image'),
    ('endo', 'Endoscopy frame', ('ES',), 'image'),
    ('derm', 'Dermoscopy image', ('XC', 'DMS'), 'image'),
    ('path', 'Histology image', ('SM', 'GM'), 'image'),
)

# The published model's own words: Luffy03/UniBiomed, projects/unibiomed (datasets/*, hf/models/templates.py phi3_chat).
# `<|user|>`, `<|assistant|>` and `<|end|>` are no tokens of its vocabulary, so its end is a text, not an id.
UNIBIOMED = Dialogue(
    template='<|user|>\n{image}{prompt}<|end|>\n<|assistant|>\n',
    stop_names=('eos',),
    stop_texts=('<|end|>',),
    special_tokens={
        'eos': '<|im_end|>',
        'img_start': '<img>',
        'img_end': '</img>',
        'img_context': '<IMG_CONTEXT>',
        'seg': '[SEG]',
        'phrase_start': '<p>',
        'phrase_end': '</p>',
    },
    tasks={
        'segment': {
            'prompt': 'Please segment {target}.',
            'slots': ['target'],
            'grounded': True,
            'grounding': 'slot',
        },
        'recognise': {
            'prompt': f'Can we observe any signs of abnormality? {_INTERLEAVED}',
            'grounded': True,
            'grounding': 'seg-then-phrase',
        },
        'report': {
            'prompt': 'Could you describe the abnormality in this image? '
            'Please highlight the region with interleaved segmentation masks.',
            'grounded': True,
            'grounding': 'phrase-then-seg',
            'sentences': 'whole',
        },
        'vqa': {
            'prompt': 'Can abnormality be identified in {anatomy}? '
            'Please output with interleaved segmentation masks for the corresponding parts.',
            'slots': ['anatomy'],
            'grounded': True,
            'grounding': 'phrase-then-seg',
        },
        'region': {
            'prompt': '\nWhat is the <region> in the picture?',
            'grounded': False,
            'needs_box': True,
            'grounding': 'none',
        },
    },
    region_prompt={
        'kind': 'drawn_box',
        'stage': 'source',
        'branch': 'both',
        'color': [0, 255, 0],
        'width_px': 2,
    },
    modalities=tuple(
        {'key': key, 'view': view, 'dicom_modality': list(dicom), 'laterality': laterality}
        for key, view, dicom, laterality in _MODALITIES
    ),
)

# The demonstration model's: every positive sentence has a phrase and a mask of its own.
REFERENCE = Dialogue(
    template='<|im_start|>user\n{image}\n{prompt}<|im_end|>\n<|im_start|>assistant\n',
    stop_names=('im_end', 'eos'),
    special_tokens={
        'eos': '<|endoftext|>',
        'im_start': '<|im_start|>',
        'im_end': '<|im_end|>',
        'img_start': '<img>',
        'img_end': '</img>',
        'img_context': '<IMG_CONTEXT>',
        'phrase_start': '<p>',
        'phrase_end': '</p>',
        'seg': '[SEG]',
    },
    tasks={
        'report': {'prompt': 'Describe the findings and segment them.', 'grounded': True},
        'segment': {'prompt': 'Please segment the {target}.', 'slots': ['target'], 'grounded': True},
        'recognise': {'prompt': 'Which findings are present?', 'grounded': True},
        'region': {'prompt': 'What is in the box?', 'grounded': True, 'needs_box': True},
        'vqa': {
            'prompts': [
                'Is there {a finding}?',
                'How many kinds of finding are there?',
                'On which side is the {finding}?',
                'What is shown in the image?',
            ],
            'slots': ['finding'],
            'grounded': True,
        },
    },
    region_prompt={'kind': 'drawn_box', 'branch': 'vision', 'color': [0, 255, 0], 'width_px': 2},
)
