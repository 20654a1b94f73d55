"""Picture files of every kind that Pillow writes, and what Pillow sees in them, to judge ours.

usage: pillow_pictures.py OUT      writes OUT/<case>.png|jpg and OUT/<case>.raw
Each .raw holds the samples, little endian, in display orientation and with what is transparent laid over black; its first line is
`width height channels bits`.
"""
import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

out = Path(sys.argv[1])
rng = np.random.default_rng(1)
width, height = 37, 23


def smooth(channels):
    """A picture that JPEG keeps well, without any symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [(x * 5 + y * (3 + c) + 20 * c) % 256 for c in range(channels)]
    return np.stack(planes, -1).astype(np.uint8)


def expected(case, array, bits=8):
    array = np.asarray(array)
    channels = 1 if array.ndim == 2 else array.shape[2]
    head = f"{array.shape[1]} {array.shape[0]} {channels} {bits}\n".encode()
    (out / f"{case}.raw").write_bytes(head + array.astype("<u2" if bits > 8 else "u1").tobytes())


def as_seen(file, mode):
    """Pillow's own reading of the file that was written."""
    return np.asarray(ImageOps.exif_transpose(Image.open(file)).convert(mode))


def over_black(rgba):
    """Round half up, which is what a sample times its share means."""
    alpha = rgba[..., -1:].astype(np.float64) / 255
    seen = np.floor(rgba[..., :-1] * alpha + 0.5).astype(np.uint8)
    return seen[..., 0] if seen.shape[-1] == 1 else seen


def png(case, image, mode=None, **options):
    file = out / f"{case}.png"
    image.save(file, **options)
    if mode in ("RGBA", "LA"):
        expected(case, over_black(np.asarray(ImageOps.exif_transpose(Image.open(file)).convert(mode))))
    elif mode:
        expected(case, as_seen(file, mode))


grey = Image.fromarray(smooth(1)[..., 0])
rgb = Image.fromarray(smooth(3))
noise = Image.fromarray(rng.integers(0, 256, (height, width, 4), dtype=np.uint8), "RGBA")
exif = Image.Exif()

png("grey", grey, "L")
png("rgb", rgb, "RGB")
png("rgba", noise, "RGBA")
png("grey-alpha", noise.convert("LA"), "LA")
png("palette", rgb.quantize(200), "RGB")
for bits in (1, 2, 4):
    png(f"palette-{bits}", rgb.quantize(2**bits), "RGB", bits=bits)
png("palette-alpha", rgb.quantize(16), "RGBA", transparency=bytes(range(0, 256, 16)))
png("bits-1", grey.point(lambda v: 255 * (v > 99)).convert("1"), "L")
png("grey-key", grey, "LA", transparency=int(smooth(1)[3, 4, 0]))
png("rgb-key", rgb, "RGBA", transparency=tuple(int(v) for v in smooth(3)[3, 4]))
deep = rng.integers(0, 65536, (height, width), dtype=np.uint16)
png("grey-16", Image.fromarray(deep))
expected("grey-16", deep, 16)
for orientation in range(1, 9):
    exif[0x0112] = orientation
    png(f"turned-{orientation}", rgb, "RGB", exif=exif)
    rgb.save(out / f"turned-jpeg-{orientation}.jpg", quality=95, subsampling=0, exif=exif)
    expected(f"turned-jpeg-{orientation}", as_seen(out / f"turned-jpeg-{orientation}.jpg", "RGB"))


def jpeg(case, image, **options):
    file = out / f"{case}.jpg"
    image.save(file, **options)
    expected(case, as_seen(file, "L" if image.mode == "L" else "RGB"))


jpeg("jpeg-grey", grey, quality=90)
jpeg("jpeg-444", rgb, quality=90, subsampling=0)
jpeg("jpeg-420", rgb, quality=90, subsampling=2)
jpeg("jpeg-progressive", rgb, quality=90, progressive=True)
jpeg("jpeg-rgb", rgb, quality=90, keep_rgb=True)
rgb.convert("CMYK").save(out / "cmyk.jpg")
