"""Display values as pydicom computes them, to judge ours.

usage: pydicom_pictures.py OUT --make            writes OUT/<case>.dcm and OUT/<case>.rgb for made-up cases
       pydicom_pictures.py OUT FILE...           writes OUT/<n>.rgb for existing files, frame after frame
Each .rgb holds 8-bit RGB, [frames, rows, columns, 3], in source orientation.
"""
import os
import subprocess
import sys
import tempfile
import warnings

import numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi, apply_windowing, pixel_array
from pydicom.uid import ExplicitVRLittleEndian, JPEGLosslessSV1, generate_uid

warnings.filterwarnings("ignore")
np.seterr(all="ignore")


def group(ds, frame, sequence):
    """Item of a functional group: the frame's own, else the shared one."""
    per = ds.get("PerFrameFunctionalGroupsSequence")
    for item in ([per[frame]] if per else []) + list(ds.get("SharedFunctionalGroupsSequence") or []):
        if sequence in item:
            return item[sequence][0]
    return None


def frame_dataset(ds, frame):
    """A data set with the frame's rescale and window at the top level, where pydicom looks for them."""
    flat = Dataset()
    flat.file_meta = ds.file_meta
    for keyword in ("BitsStored", "BitsAllocated", "PixelRepresentation", "PhotometricInterpretation", "ModalityLUTSequence", "VOILUTSequence",
                    "RescaleSlope", "RescaleIntercept", "WindowCenter", "WindowWidth", "VOILUTFunction"):
        if keyword in ds:
            flat[keyword] = ds[keyword]
    for sequence in ("PixelValueTransformationSequence", "FrameVOILUTSequence"):
        for element in group(ds, frame, sequence) or []:
            flat[element.tag] = element
    return flat


def grey(ds, flat, stored):
    values = apply_modality_lut(stored, flat).astype("float64")
    if flat.get("VOILUTSequence"):
        bits = flat.VOILUTSequence[0].LUTDescriptor[2]
        shown = apply_voi(values.astype("int64"), flat).astype("float64") * 255 / (2**bits - 1)
    elif "WindowCenter" in flat and "ModalityLUTSequence" not in flat:
        low, high = (0, 2**ds.BitsStored - 1) if ds.PixelRepresentation == 0 else (-(2 ** (ds.BitsStored - 1)), 2 ** (ds.BitsStored - 1) - 1)
        if "RescaleSlope" in flat:
            low, high = (v * float(flat.RescaleSlope) + float(flat.RescaleIntercept) for v in (low, high))
        shown = (apply_windowing(values, flat).astype("float64") - low) * 255 / (high - low)
    elif "WindowCenter" in flat:
        bits = flat.ModalityLUTSequence[0].LUTDescriptor[2]
        shown = apply_windowing(values.astype("int64"), flat).astype("float64") * 255 / (2**bits - 1)
    else:
        shown = values * 255 / (2**ds.BitsStored - 1)
    shown = np.floor(np.clip(shown, 0, 255) + 0.5)
    if ds.PhotometricInterpretation == "MONOCHROME1":
        shown = 255 - shown
    return np.repeat(shown[..., None], 3, axis=-1).astype("uint8")


def colour(ds, frame):
    kind = ds.PhotometricInterpretation
    if kind == "PALETTE COLOR":
        looked = apply_color_lut(frame, ds)
        bits = ds.RedPaletteColorLookupTableDescriptor[2]
        # Tables that say 16 bits and fill 8.
        return looked.astype("uint8") if bits == 8 or looked.max() < 256 else np.floor(looked * 255.0 / 65535 + 0.5).astype("uint8")
    if frame.dtype != np.uint8:
        return np.floor(frame * 255.0 / (2**ds.BitsStored - 1) + 0.5).astype("uint8")
    return frame


def rendered(path):
    ds = dcmread(path)
    if ds.file_meta.TransferSyntaxUID == JPEGLosslessSV1:  # Pillow has no decoder for it, DCMTK has
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["dcmdjpeg", path, os.path.join(folder, "plain.dcm")], check=True)
            ds = dcmread(os.path.join(folder, "plain.dcm"))
    stored = pixel_array(ds)  # YBR is already RGB here, as pydicom's default is
    count = int(ds.get("NumberOfFrames") or 1)
    frames = stored if count > 1 else stored[None]
    mono = ds.PhotometricInterpretation.startswith("MONOCHROME")
    return np.stack([grey(ds, frame_dataset(ds, i), f) if mono else colour(ds, f) for i, f in enumerate(frames)])


def base(name, values, **more):
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    ds.SOPInstanceUID = generate_uid(entropy_srcs=[name])
    ds.StudyInstanceUID = generate_uid(entropy_srcs=["study"])
    ds.SeriesInstanceUID = generate_uid(entropy_srcs=[name, "series"])
    ds.Modality = "OT"
    ds.Rows, ds.Columns = values.shape[:2]
    ds.SamplesPerPixel = 3 if values.ndim == 3 else 1
    ds.PhotometricInterpretation = "RGB" if values.ndim == 3 else "MONOCHROME2"
    if values.ndim == 3:
        ds.PlanarConfiguration = 0
    ds.BitsAllocated = values.dtype.itemsize * 8
    ds.BitsStored = more.pop("BitsStored", ds.BitsAllocated)
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = 1 if values.dtype.kind == "i" else 0
    ds.add_new("PixelData", "OW" if ds.BitsAllocated > 8 else "OB", values.tobytes() + b"\0" * (values.nbytes % 2))
    for keyword, value in more.items():
        setattr(ds, keyword, value)
    return ds


def lut(first, entries, bits, signed=False):
    item = Dataset()
    item.add_new("LUTDescriptor", "SS" if signed else "US", [len(entries) % 65536, first, bits])
    item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
    return [item]


def palette(tables, bits, first=0, segmented=False):
    more = {}
    for name, table in zip(("Red", "Green", "Blue"), tables):
        kind = "<u2" if bits == 16 else "u1"
        data = np.asarray(table[1], kind).tobytes()
        more[f"{name}PaletteColorLookupTableDescriptor"] = [table[0], first, bits]
        more[f"{'Segmented' if segmented else ''}{name}PaletteColorLookupTableData"] = data + b"\0" * (len(data) % 2)
    return {"PhotometricInterpretation": "PALETTE COLOR", **more}


def cases():
    rng = np.random.default_rng(7)
    shape = (18, 22)
    u12 = rng.integers(0, 4096, shape).astype("<u2")
    s12 = rng.integers(-2048, 2048, shape).astype("<i2")
    s16 = rng.integers(-32768, 32768, shape).astype("<i2")
    u8 = rng.integers(0, 256, shape).astype("u1")
    hu = {"RescaleSlope": 1.5, "RescaleIntercept": -1024}
    for function in ("LINEAR", "LINEAR_EXACT", "SIGMOID"):
        yield f"u12-{function}", base(function, u12, BitsStored=12, WindowCenter=40.5, WindowWidth=401, VOILUTFunction=function, **hu)
        yield f"s12-{function}", base(function + "s", s12, BitsStored=12, WindowCenter=-100, WindowWidth=1500, VOILUTFunction=function, RescaleSlope=1, RescaleIntercept=0)
    yield "no-function", base("nf", s16, WindowCenter=12, WindowWidth=30000)
    yield "width-one", base("w1", s12, BitsStored=12, WindowCenter=3, WindowWidth=1)
    yield "two-windows", base("w2", u12, BitsStored=12, WindowCenter=[1000, 3000], WindowWidth=[500, 100])
    yield "mono1", base("m1", u12, BitsStored=12, WindowCenter=2048, WindowWidth=4096, PhotometricInterpretation="MONOCHROME1")
    yield "u8-plain", base("u8", u8)
    yield "u6-in-8", base("u6", (u8 >> 2), BitsStored=6)
    yield "voi-lut", base("vl", u12, BitsStored=12, VOILUTSequence=lut(100, [round(4095 * (i / 1999) ** 0.5) for i in range(2000)], 12), WindowCenter=1, WindowWidth=2)
    yield "voi-lut-signed", base("vls", s12, BitsStored=12, VOILUTSequence=lut(-500, [65535 - 40 * i for i in range(1500)], 16, signed=True))
    yield "modality-lut", base("ml", u12, BitsStored=12, ModalityLUTSequence=lut(10, [(i * 7) % 4096 for i in range(4000)], 16), WindowCenter=2000, WindowWidth=3000)
    rgb = rng.integers(0, 256, (*shape, 3)).astype("u1")
    yield "rgb", base("rgb", rgb)
    yield "rgb-planar", base("rgbp", rgb, PixelData=rgb.transpose(2, 0, 1).tobytes(), PlanarConfiguration=1)
    yield "ybr-full", base("ybr", rgb, PhotometricInterpretation="YBR_FULL")
    yield "rgb-16", base("rgb16", rng.integers(0, 65536, (*shape, 3)).astype("<u2"))
    yield "palette-8", base("p8", u8, **palette([(256, rng.integers(0, 256, 256)) for _ in range(3)], 8))
    yield "palette-16", base("p16", u8, **palette([(200, rng.integers(0, 65536, 200)) for _ in range(3)], 16, first=20))
    yield "palette-16-filled-8", base("p168", u8, **palette([(256, rng.integers(0, 256, 256)) for _ in range(3)], 16))
    ramp = [0, 2, 0, 1000, 1, 98, 65535, 1, 156, 300]
    yield "palette-segmented", base("ps", u8, **palette([(256, ramp), (256, ramp), (256, [0, 1, 7, 1, 255, 60000])], 16, segmented=True))


def main():
    out, rest = sys.argv[1], sys.argv[2:]
    if rest == ["--make"]:
        for name, ds in cases():
            path = os.path.join(out, f"{name}.dcm")
            ds.save_as(path, enforce_file_format=True)
            rendered(path).tofile(os.path.join(out, f"{name}.rgb"))
            print(name)
        return
    for n, path in enumerate(rest):
        rendered(path).tofile(os.path.join(out, f"{n}.rgb"))


main()
