"""Total pixel matrix of whole-slide images as highdicom puts it together; and sparse slides made from full ones.

usage: highdicom_slide.py OUT FILE...   writes OUT/<n>.rgb (or .u16 for grey) and prints rows and columns
       highdicom_slide.py --sparse OUT FILE   the same slide as TILED_SPARSE, tiles in another order
"""
import os
import sys
import warnings

import highdicom as hd
import numpy as np
from pydicom import Dataset, dcmread
from pydicom.pixels import pixel_array
from pydicom.uid import generate_uid

warnings.filterwarnings("ignore")


def sparse(out, path):
    ds = dcmread(path)
    frames = pixel_array(ds)
    tile = (ds.Rows, ds.Columns)
    across = -(-ds.TotalPixelMatrixColumns // tile[1])
    order = list(range(len(frames)))[::-1]
    order.remove(3)  # one tile is left out
    ds.DimensionOrganizationType = "TILED_SPARSE"
    ds.NumberOfFrames = len(order)
    ds.SOPInstanceUID = generate_uid(entropy_srcs=["sparse"])
    ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
    groups = []
    for i in order:
        at = Dataset()
        at.ColumnPositionInTotalImagePixelMatrix = (i % across) * tile[1] + 1
        at.RowPositionInTotalImagePixelMatrix = (i // across) * tile[0] + 1
        at.XOffsetInSlideCoordinateSystem = at.YOffsetInSlideCoordinateSystem = at.ZOffsetInSlideCoordinateSystem = 0
        item = Dataset()
        item.PlanePositionSlideSequence = [at]
        groups.append(item)
    ds.PerFrameFunctionalGroupsSequence = groups
    data = frames[order].tobytes()
    ds.PixelData = data + b"\0" * (len(data) % 2)
    ds.save_as(out)


def main():
    if sys.argv[1] == "--sparse":
        return sparse(sys.argv[2], sys.argv[3])
    out = sys.argv[1]
    for n, path in enumerate(sys.argv[2:]):
        image = hd.imread(path)
        colour = image.PhotometricInterpretation != "MONOCHROME2"
        matrix = image.get_total_pixel_matrix(apply_real_world_transform=False, apply_voi_transform=False, apply_icc_profile=False)
        matrix = np.asarray(matrix).astype("u1" if colour else "<u2")
        matrix.tofile(os.path.join(out, f"{n}.rgb" if colour else f"{n}.u16"))
        print(*matrix.shape[:2])


main()
