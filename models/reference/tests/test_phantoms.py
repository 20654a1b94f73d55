"""Phantoms are exact, repeatable, in their place, and of a fair size."""

import json
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw

from grounded.phantoms import LABELS, Phantom, make
from grounded.phantoms.__main__ import main
from grounded.phantoms.shapes import blob, coverage, of_diameter

MODALITIES = list(LABELS)
GREY = ("ct", "mr", "xray", "us", "oct", "pet")
SEEDS = 200
SIZE = 96
SMALL = {"kidney stone", "calcification", "drusen", "exudate"}  # from 5 % of the side on; all others from 7 %

each_modality = pytest.mark.parametrize("modality", MODALITIES)


@cache
def phantoms(modality: str) -> list[Phantom]:
    """The same pictures for all tests: making them is what takes time."""
    return [make(modality, np.random.default_rng(seed), SIZE) for seed in range(SEEDS)]


def instances(mask: np.ndarray) -> list[np.ndarray]:
    count, numbers = cv2.connectedComponents(mask.astype(np.uint8))
    return [numbers == number for number in range(1, count)]


def middle(mask: np.ndarray) -> tuple[float, float]:
    """Centre of mass (x, y) in pixels."""
    rows, columns = np.nonzero(mask)
    return float(columns.mean()), float(rows.mean())


@each_modality
def test_the_same_seed_gives_the_same_bytes(modality: str) -> None:
    first, second = (make(modality, np.random.default_rng(7)) for _ in range(2))
    assert first.picture.tobytes() == second.picture.tobytes()
    assert all(first.masks[label].tobytes() == second.masks[label].tobytes() for label in LABELS[modality].all)
    assert first.picture.tobytes() != make(modality, np.random.default_rng(8)).picture.tobytes()


@each_modality
def test_every_label_is_a_key_and_the_picture_has_the_size_asked_for(modality: str) -> None:
    for size in (96, 192, 250):
        phantom = make(modality, np.random.default_rng(3), size)
        assert list(phantom.masks) == list(LABELS[modality].all)
        assert phantom.picture.shape == (size, size, 3) and phantom.picture.dtype == np.uint8
        assert all(mask.shape == (size, size) and mask.dtype == bool for mask in phantom.masks.values())


@each_modality
def test_grey_modalities_have_three_equal_channels_and_colour_ones_do_not(modality: str) -> None:
    equal = [bool((p.picture[..., :1] == p.picture).all()) for p in phantoms(modality)[:20]]
    assert all(equal) if modality in GREY else not all(equal)


@each_modality
def test_findings_never_touch_each_other_or_the_edge(modality: str) -> None:
    for phantom in phantoms(modality):
        masks = [phantom.masks[label] for label in LABELS[modality].findings]
        pieces = [piece for mask in masks for piece in instances(mask)]
        assert sum(piece.astype(int) for piece in pieces).max(initial=0) <= 1 if pieces else True
        grown = [cv2.dilate(piece.astype(np.uint8), np.ones((3, 3), np.uint8)) for piece in pieces]
        assert not pieces or sum(piece.astype(int) for piece in grown).max() <= 1, "a gap of a pixel at least"
        for piece in pieces:
            assert not (piece[0].any() or piece[-1].any() or piece[:, 0].any() or piece[:, -1].any())


@each_modality
def test_instances_have_a_fair_size(modality: str) -> None:
    for phantom in phantoms(modality):
        for label in LABELS[modality].findings:
            for piece in instances(phantom.masks[label]):
                diameter = 2 * np.sqrt(piece.sum() / np.pi) / SIZE
                assert (0.05 if label in SMALL else 0.07) <= diameter <= LABELS[modality].largest, label


@each_modality
def test_each_finding_shows_in_about_half_of_the_pictures(modality: str) -> None:
    for label in LABELS[modality].findings:
        share = np.mean([phantom.masks[label].any() for phantom in phantoms(modality)])
        assert 0.3 <= share <= 0.6, label


@each_modality
def test_findings_of_a_modality_come_alone_together_and_not_at_all(modality: str) -> None:
    kinds = {sum(bool(p.masks[label].any()) for label in LABELS[modality].findings) for p in phantoms(modality)}
    assert kinds == set(range(len(LABELS[modality].findings) + 1))


@each_modality
def test_every_organ_is_in_every_picture(modality: str) -> None:
    for label in LABELS[modality].organs:
        assert all(phantom.masks[label].sum() > 20 for phantom in phantoms(modality)), label


def test_the_liver_lies_on_the_left_of_the_picture_and_the_spleen_on_its_right() -> None:
    for phantom in phantoms("ct"):
        liver, aorta, spleen = (middle(phantom.masks[label])[0] for label in ("liver", "aorta", "spleen"))
        assert liver < aorta < spleen


def test_the_heart_lies_mainly_on_the_right_of_the_picture() -> None:
    for phantom in phantoms("xray"):
        columns = np.nonzero(phantom.masks["lungs"] | phantom.masks["pleural effusion"])[1]
        assert middle(phantom.masks["heart"])[0] > (columns.min() + columns.max()) / 2


@pytest.mark.parametrize(
    ("modality", "finding", "organ"),
    [
        ("ct", "liver lesion", "liver"),
        ("xray", "lung nodule", "lungs"),
        ("xray", "consolidation", "lungs"),
        ("oct", "intraretinal cyst", "retina"),
    ],
)
def test_a_finding_in_an_organ_is_part_of_its_mask(modality: str, finding: str, organ: str) -> None:
    shown = [phantom.masks for phantom in phantoms(modality) if phantom.masks[finding].any()]
    assert shown and all((masks[finding] & ~masks[organ]).sum() == 0 for masks in shown)


@pytest.mark.parametrize(
    ("modality", "finding", "organ"),
    [
        ("ct", "renal cyst", "liver"),
        ("ct", "renal cyst", "spleen"),
        ("ct", "kidney stone", "liver"),
        ("xray", "pleural effusion", "lungs"),
        ("xray", "pleural effusion", "heart"),
        ("mr", "brain tumor", "ventricles"),
        ("mr", "edema", "ventricles"),
        ("mr", "infarct", "ventricles"),
        ("oct", "subretinal fluid", "retina"),
        ("oct", "drusen", "retina"),
        ("fundus", "exudate", "optic disc"),
        ("pet", "hypermetabolic lesion", "bladder"),
    ],
)
def test_a_finding_beside_an_organ_is_no_part_of_its_mask(modality: str, finding: str, organ: str) -> None:
    shown = [phantom.masks for phantom in phantoms(modality) if phantom.masks[finding].any()]
    assert shown and all(not (masks[finding] & masks[organ]).any() for masks in shown)


def test_fluid_lies_under_the_retina_and_effusions_at_the_base_of_a_lung() -> None:
    for masks in (phantom.masks for phantom in phantoms("oct") if phantom.masks["subretinal fluid"].any()):
        columns = masks["subretinal fluid"].any(0)
        top = masks["subretinal fluid"].argmax(0)
        assert (masks["retina"].argmax(0)[columns] < top[columns]).all()
    for masks in (phantom.masks for phantom in phantoms("xray") if phantom.masks["pleural effusion"].any()):
        for piece in instances(masks["pleural effusion"]):
            assert middle(piece)[1] > middle(masks["lungs"])[1]


@each_modality
def test_a_finding_is_brighter_darker_or_of_another_texture_than_what_surrounds_it(modality: str) -> None:
    for label in LABELS[modality].findings:
        differences = []
        for phantom in phantoms(modality):
            picture = cv2.GaussianBlur(phantom.picture.astype(np.float32), (0, 0), 0.7)
            for piece in instances(phantom.masks[label]):
                grown = cv2.dilate(piece.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
                ring = grown & ~(cv2.dilate(piece.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
                inner, outer = picture[piece], picture[ring]
                spread = np.abs(inner.std(0) - outer.std(0)).max()
                differences.append(max(np.abs(inner.mean(0) - outer.mean(0)).max(), spread))
        assert np.median(differences) > 12 and np.percentile(differences, 5) > 4, label


def test_coverage_agrees_with_another_drawing_of_the_same_outline() -> None:
    rng = np.random.default_rng(1)
    size, fine = 64, 32
    for _ in range(10):
        outline = blob(rng, tuple(rng.uniform(0.35, 0.65, 2)), tuple(rng.uniform(0.08, 0.25, 2)), angle=1.0, wobble=0.15)
        drawn = Image.new("L", (size * fine, size * fine))
        ImageDraw.Draw(drawn).polygon([tuple(point) for point in outline * size * fine - 0.5], fill=255)
        other = np.asarray(drawn.resize((size, size), Image.Resampling.BOX), np.float32) / 255
        ours = coverage(outline, size)
        assert ours.sum() == pytest.approx(other.sum(), rel=0.015)
        differ = (ours >= 0.5) != (other >= 0.5)
        assert differ.sum() <= 8 and (np.abs(other[differ] - 0.5) < 0.2).all(), "only where the edge runs through the middle of a pixel"


def test_an_outline_of_a_diameter_has_the_area_of_that_circle() -> None:
    outline = of_diameter(blob(np.random.default_rng(2), (0.5, 0.5), (0.2, 0.1), wobble=0.2), 0.3)
    assert coverage(outline, 192).sum() == pytest.approx(np.pi * (0.15 * 192) ** 2, rel=0.01)


def test_what_lies_outside_the_picture_is_cut_off() -> None:
    square = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    assert coverage(square, 64).sum() == pytest.approx(32 * 32, rel=0.02)
    assert not coverage(square + 3, 64).any()


def test_an_unknown_modality_is_no_phantom() -> None:
    with pytest.raises(KeyError):
        make("mammography", np.random.default_rng(0))


def test_the_command_writes_pictures_masks_and_an_index_that_agree_with_make(tmp_path: Path) -> None:
    assert main(["--out", str(tmp_path), "--modality", "ct", "--modality", "derm", "--count", "3", "--seed", "5", "--size", "64"]) == 0
    index = json.loads((tmp_path / "index.json").read_text())
    assert [item["id"] for item in index["items"]] == [f"phantom_{m}/{m}_{n:04d}" for m in ("ct", "derm") for n in (1, 2, 3)]
    for item in index["items"]:
        modality, number = item["set"].removeprefix("phantom_"), int(item["subject"])
        labels = index["sets"][item["set"]]["labels"]
        phantom = make(modality, np.random.default_rng([5, MODALITIES.index(modality), number]), 64)
        assert (np.asarray(Image.open(tmp_path / item["image"]).convert("RGB")) == phantom.picture).all()
        numbers = np.asarray(Image.open(tmp_path / item["mask"]))
        for key, label in labels.items():
            assert item["px"].get(key, 0) == phantom.masks[label].sum()
            assert (label in item["masks"]) == phantom.masks[label].any()
            if label in item["masks"]:
                assert ((np.asarray(Image.open(tmp_path / item["masks"][label])) == 255) == phantom.masks[label]).all()
            if label in LABELS[modality].findings:
                assert ((numbers == int(key)) == phantom.masks[label]).all()


def test_a_picture_does_not_depend_on_what_else_is_written(tmp_path: Path) -> None:
    main(["--out", str(tmp_path / "alone"), "--modality", "us", "--count", "2", "--size", "64"])
    main(["--out", str(tmp_path / "among"), "--count", "3", "--size", "64"])
    one, other = (tmp_path / folder / "phantom_us" / "us_0002.png" for folder in ("alone", "among"))
    assert one.read_bytes() == other.read_bytes()
    assert len(json.loads((tmp_path / "among" / "index.json").read_text())["items"]) == 3 * len(MODALITIES)


def test_the_command_refuses_what_it_cannot_draw(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (["--modality", "mammography"], ["--count", "0"], ["--seed", "-1"], ["--size", "8"]):
        with pytest.raises(SystemExit):
            main(["--out", str(tmp_path), *wrong])
    assert "--size 32 or more" in capsys.readouterr().err
