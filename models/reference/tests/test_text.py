"""Questions and true answers of samples."""

import re

import numpy as np
import pytest

from grounded.data import SIDE, Sample, phantom
from grounded.labels import KINDS
from grounded.text import SPECIAL, ask, place_of, present, recognise, region, report, segment, side_of, tokenizer

SPAN = re.compile(r'<p>(.*?)</p> \[SEG\]')
PHANTOMS = [k for k, v in KINDS.items() if not v.real]


def samples(count: int = 4) -> list[Sample]:
    return [phantom(k, np.random.default_rng(i)) for k in PHANTOMS for i in range(count)]


def test_every_seg_of_an_answer_has_a_label_that_the_picture_shows() -> None:
    rng = np.random.default_rng(3)
    for s in samples():
        for _ in range(6):
            asked = ask(s, rng)
            assert tuple(SPAN.findall(asked.answer)) == asked.labels
            assert asked.answer.count('[SEG]') == len(asked.labels)
            assert all(present(s)[name] for name in asked.labels)


def test_a_report_says_something_of_every_finding_of_its_kind() -> None:
    for s in samples():
        answer = report(s).answer
        for name in s.kind.findings:
            positive = f'<p>{name}</p> [SEG]' in answer
            negative = re.search(rf'No {re.escape(name)} (is|are) seen', answer) is not None
            assert positive == present(s)[name]
            assert negative != positive


def test_left_and_right_are_the_patient_s_where_the_picture_shows_a_body_from_the_front() -> None:
    ct, us = KINDS['ct'], KINDS['us']
    assert side_of(-0.3, ct) == 'right' and side_of(0.3, ct) == 'left'
    assert side_of(-0.3, us) == 'left' and side_of(0.3, us) == 'right'
    assert side_of(0.01, ct) == ''
    assert place_of(-0.3, -0.3, ct) == 'right upper part'
    assert place_of(0, 0, ct) == 'middle'


def test_a_target_that_is_not_there_is_denied_without_a_mask() -> None:
    s = absent('ct', 'liver lesion')
    asked = segment(s, 'liver lesion')
    assert asked.answer == 'No liver lesion is seen.' and asked.labels == ()


def absent(modality: str, name: str) -> Sample:
    return next(s for s in (phantom(modality, np.random.default_rng(i)) for i in range(50)) if not present(s)[name])


def test_recognition_names_all_findings_that_are_there() -> None:
    for s in samples():
        found = [n for n in s.kind.findings if present(s)[n]]
        assert list(recognise(s).labels) == found


def test_the_box_of_a_region_question_holds_the_named_finding_and_no_other() -> None:
    rng = np.random.default_rng(5)
    boxes = 0
    for s in samples(6):
        asked = region(s, rng)
        if asked is None or asked.box is None:
            continue
        boxes += 1
        x0, y0, x1, y1 = asked.box
        assert 0 <= x0 < x1 <= SIDE and 0 <= y0 < y1 <= SIDE
        for i, name in enumerate(s.kind.findings):
            inside = (s.masks[i] > 0.5)[y0:y1, x0:x1].sum()
            assert (name in asked.labels) or inside <= 20
    assert boxes > 20


@pytest.mark.parametrize(
    'text', ['There is a <p>liver lesion</p> [SEG] in the left upper part.', 'Größe 3 µm, 漢字 🫁', '']
)
def test_the_tokenizer_gives_every_text_back(text: str) -> None:
    t = tokenizer()
    assert t.decode(t.encode(text, add_special_tokens=False).ids, skip_special_tokens=False) == text


def test_special_tokens_are_one_id_each() -> None:
    t = tokenizer()
    for token in SPECIAL:
        assert t.encode(token, add_special_tokens=False).ids == [t.token_to_id(token)]
