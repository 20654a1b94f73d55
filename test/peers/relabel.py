"""Copies of DICOM files, each a study of its own: new UIDs and patient number, everything else byte for byte as it was.

usage: relabel.py LIST.json, a list of {"from", "to", "n", "draw"}. With "draw" the copy gets a picture that a model can read
(a disc on a ramp, 64 x 64) in place of whatever pixels it had, so that files without a readable one go the whole way too.
The texts are compared before and after: a copy whose raw bytes differ is an error.
"""

import json
import sys

import pydicom
from pydicom.dataset import FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

# Transfer syntaxes that pydicom does not know yet: JPEG XL, Encapsulated Uncompressed, Deflated Image Frame.
for uid in ["1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.111", "1.2.840.10008.1.2.4.112", "1.2.840.10008.1.2.1.98", "1.2.840.10008.1.2.8.1"]:
    pydicom._uid_dict.UID_dictionary.setdefault(uid, (uid, "Transfer Syntax", "", "", ""))

TEXTS = ["SpecificCharacterSet", "PatientName", "StudyDescription", "ReferringPhysicianName"]
SIDE = 64
GROUPED = (0x0028, 0x7FE0)


def raw(ds, keyword):
    tag = pydicom.datadict.tag_for_keyword(keyword)
    element = ds.get_item(tag) if tag in ds else None
    return element.value if element is not None and element.is_raw else None


def relabel(job):
    ds = pydicom.dcmread(job["from"], force=True)
    before = {k: raw(ds, k) for k in TEXTS}
    meta = getattr(ds, "file_meta", None) or FileMetaDataset()
    ds.file_meta = meta
    if "TransferSyntaxUID" not in meta:
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
    if not ds.get("SOPClassUID"):
        ds.SOPClassUID = meta.get("MediaStorageSOPClassUID") or "1.2.840.10008.5.1.4.1.1.7"
    base = f"2.25.4242{job['n']:03d}"
    ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID = base, base + ".1", base + ".1.1"
    ds.PatientID = f"FILE-{job['n']}"
    if job["draw"]:
        draw(ds)
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    private = {"implicit_vr": True, "little_endian": True} if meta.TransferSyntaxUID.is_private else {}
    ds.save_as(job["to"], enforce_file_format=True, **private)
    after = pydicom.dcmread(job["to"])
    changed = [k for k in TEXTS if before[k] is not None and raw(after, k) != before[k]]
    if changed:
        raise ValueError(f"{job['from']}: {changed} changed")


def draw(ds):
    for element in [e for e in ds.keys() if e.group in GROUPED]:
        del ds[element]
    ds.SOPClassUID, ds.Modality = "1.2.840.10008.5.1.4.1.1.7", "OT"
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.Rows = ds.Columns = SIDE
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 8, 8, 7, 0
    disc = lambda x, y: 90 if (x - 40) ** 2 + (y - 24) ** 2 < 100 else 0
    ds.PixelData = bytes(30 + (x + y) // 2 + disc(x, y) for y in range(SIDE) for x in range(SIDE))
    ds["PixelData"].VR = "OB"


for one in json.load(open(sys.argv[1])):
    relabel(one)
