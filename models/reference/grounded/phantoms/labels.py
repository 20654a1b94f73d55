"""What a phantom of each modality may show: the names that masks, answers and codes share."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Labels:
    """The labels of one modality.

    ``laterality`` says what "left" means in an answer: of the ``patient`` (radiological display, the
    patient's right on the left of the picture) or of the ``image``. ``largest``: the equivalent diameter, in
    sides of the picture, that no instance of a finding exceeds.
    """

    view: str
    findings: tuple[str, ...]
    organs: tuple[str, ...] = ()
    laterality: Literal["patient", "image"] = "image"
    largest: float = 0.30

    @property
    def all(self) -> tuple[str, ...]:
        """Findings, then organs: the keys of a phantom's masks, in this order."""
        return self.findings + self.organs


LABELS: dict[str, Labels] = {
    "ct": Labels("Abdominal CT slice", ("liver lesion", "renal cyst", "kidney stone"), ("liver", "spleen", "aorta"), "patient"),
    "mr": Labels("Brain MR slice", ("brain tumor", "edema", "infarct"), ("ventricles",), "patient"),
    "xray": Labels("Chest radiograph", ("lung nodule", "consolidation", "pleural effusion"), ("heart", "lungs"), "patient"),
    "us": Labels("Ultrasound image", ("cyst", "solid mass", "calcification"), largest=0.40),
    "path": Labels("Histology image", ("tumor nest", "necrosis", "lymphoid aggregate"), largest=0.40),
    "endo": Labels("Endoscopy frame", ("polyp", "ulcer", "bleeding"), largest=0.42),
    "fundus": Labels("Fundus photograph", ("hemorrhage", "exudate", "cotton wool spot"), ("optic disc",)),
    "oct": Labels("OCT scan", ("subretinal fluid", "intraretinal cyst", "drusen"), ("retina",)),
    "derm": Labels("Dermoscopy image", ("nevus", "melanoma", "vascular lesion"), largest=0.55),
    "micro": Labels("Fluorescence micrograph", ("mitotic cell", "cell cluster", "debris")),
    "pet": Labels("PET slice", ("hypermetabolic lesion",), ("bladder",), "patient"),
}
