"""What can be named: the labels of the phantoms and of the real pictures, with the view that each kind shows."""

from __future__ import annotations

from dataclasses import dataclass

from grounded.phantoms import LABELS as PHANTOMS


@dataclass(frozen=True)
class Kind:
    """A kind of picture: one modality of the phantoms, or one set of real pictures."""

    key: str
    modality: str
    view: str
    findings: tuple[str, ...]
    structures: tuple[str, ...]
    real: bool
    # Whether left and right mean something that the picture shows: not in sagittal or turned views.
    sided: bool
    # How far an augmentation may turn the picture, degrees, and whether it may mirror it.
    turn: int = 15
    mirror: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return self.findings + self.structures


def _real(
    key: str, modality: str, view: str, findings: str = '', structures: str = '', turn: int = 15, mirror: bool = False
) -> Kind:
    split = lambda s: tuple(x for x in s.split('|') if x)  # noqa: E731
    return Kind(key, modality, view, split(findings), split(structures), True, False, turn, mirror)


_SETS = (
    _real('cxr_lungs', 'xray', 'Chest radiograph', structures='lung (image left)|lung (image right)'),
    _real('ct_head_hemorrhage', 'ct', 'Head CT slice', 'intracranial haemorrhage', mirror=True, turn=25),
    _real('ct_spleen', 'ct', 'Abdominal CT slice', structures='spleen'),
    _real('ct_lung_tumour', 'ct', 'Chest CT slice', 'lung tumour', mirror=True),
    _real(
        'ct_abdomen_organs',
        'ct',
        'Abdominal CT slice',
        structures='spleen|right kidney|left kidney|liver|stomach|aorta|small bowel|colon',
    ),
    _real(
        'mr_whole_heart',
        'mr',
        'Cardiac MR slice',
        structures='left ventricle|right ventricle|left atrium|right atrium|aorta|pulmonary artery|superior vena cava|inferior vena cava',
        turn=20,
    ),
    _real('mr_lumbar_spine', 'mr', 'Lumbar spine MR slice', structures='vertebra|intervertebral disc|spinal canal'),
    _real('mr_brain_tumour', 'mr', 'Brain MR slice', 'meningioma|glioma|pituitary tumour', mirror=True, turn=20),
    _real('mr_hippocampus', 'mr', 'Hippocampus MR crop', structures='anterior hippocampus|posterior hippocampus'),
    _real('us_breast_busbra', 'us', 'Breast ultrasound image', 'benign lesion|malignant lesion', mirror=True),
    _real('us_breast_usg', 'us', 'Breast ultrasound image', 'benign lesion|malignant lesion', mirror=True),
    _real('us_fetal_head', 'us', 'Fetal ultrasound image', structures='fetal head', mirror=True, turn=30),
    _real('fundus_vessels', 'fundus', 'Fundus photograph', structures='retinal vessel', mirror=True, turn=20),
    _real('fundus_disc_exudates', 'fundus', 'Fundus photograph', 'hard exudate', 'optic disc', mirror=True, turn=20),
    _real('octa_faz', 'oct', 'OCT angiogram', structures='foveal avascular zone', mirror=True, turn=180),
    _real('derm_lesion', 'derm', 'Dermoscopy image', 'skin lesion', mirror=True, turn=180),
    _real(
        'endo_disease',
        'endo',
        'Endoscopy frame',
        'Barrett oesophagus|cancer|high-grade dysplasia|polyp|suspicious area',
        mirror=True,
        turn=180,
    ),
    _real('nuclei_fluorescence', 'micro', 'Fluorescence micrograph', structures='nucleus', mirror=True, turn=180),
    _real('nuclei_histology', 'path', 'Histology image', structures='nucleus', mirror=True, turn=180),
    _real('nuclei_brightfield', 'micro', 'Bright-field micrograph', structures='nucleus', mirror=True, turn=180),
    _real('hist_prostate_glands', 'path', 'Histology image', 'tumour', 'gland', mirror=True, turn=180),
    _real('sem_axon_myelin', 'micro', 'Electron micrograph', structures='myelin|axon', mirror=True, turn=180),
)

KINDS: dict[str, Kind] = {
    **{key: Kind(key, key, v.view, tuple(v.findings), tuple(v.organs), False, True) for key, v in PHANTOMS.items()},
    **{k.key: k for k in _SETS},
}
# One class for each name: the same structure in a phantom and in a real picture is the same target.
NAMES: tuple[str, ...] = tuple(dict.fromkeys(n for k in KINDS.values() for n in k.names))
INDEX = {name: i for i, name in enumerate(NAMES)}
# How the side words are meant: from the patient, or as seen.
LATERALITY = {key: v.laterality for key, v in PHANTOMS.items()}
