"""What a phantom of each modality may show: the names that masks, answers and codes share."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Labels:
    """The labels of one modality.

    ``laterality`` says what "left" means in an answer: of the ``patient`` (radiological display, the
    patient's right on the left of the picture) or of the ``image``.
    """

    view: str
    findings: tuple[str, ...]
    organs: tuple[str, ...] = ()
    laterality: Literal["patient", "image"] = "image"

    @property
    def all(self) -> tuple[str, ...]:
        """Findings, then organs: the keys of a phantom's masks, in this order."""
        return self.findings + self.organs


LABELS: dict[str, Labels] = {
    "ct": Labels("Abdominal CT slice", ("liver lesion", "renal cyst", "kidney stone"),
                 ("liver", "spleen", "aorta"), "patient"),
    "mr": Labels("Brain MR slice", ("brain tumor", "edema", "infarct"), ("ventricles",), "patient"),
    "xray": Labels("Chest radiograph", ("lung nodule", "consolidation", "pleural effusion"),
                   ("heart", "lungs"), "patient"),
    "us": Labels("Ultrasound image", ("cyst", "solid mass", "calcification")),
    "path": Labels("Histology image", ("tumor nest", "necrosis", "lymphoid aggregate")),
    "endo": Labels("Endoscopy frame", ("polyp", "ulcer", "bleeding")),
    "fundus": Labels("Fundus photograph", ("hemorrhage", "exudate", "cotton wool spot"), ("optic disc",)),
    "oct": Labels("OCT scan", ("subretinal fluid", "intraretinal cyst", "drusen"), ("retina",)),
    "derm": Labels("Dermoscopy image", ("nevus", "melanoma", "vascular lesion")),
    "micro": Labels("Fluorescence micrograph", ("mitotic cell", "cell cluster", "debris")),
    "pet": Labels("PET slice", ("hypermetabolic lesion",), ("bladder",), "patient"),
}
