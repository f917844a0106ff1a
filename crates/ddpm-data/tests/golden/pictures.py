#!/usr/bin/env python3
"""Writes the small pictures in tests/golden/pictures and expected.json, what Pillow makes of them.

Usage: python pictures.py      (Pillow 13)

expected.json: for each file its [height, width] and its pixels as RGB over black with the orientation applied, row after row, in hexadecimal digits.
"cropped" and "padded" have `colour.png` at 5x5 and 6x6 with Pillow's LANCZOS, "grey" has it as Pillow's mode L.
"""

import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

HERE = Path(__file__).parent / "pictures"
HERE.mkdir(exist_ok=True)


def colour(height, width):
    y, x = np.mgrid[:height, :width]
    return np.stack([20 + 9 * x, 240 - 11 * y, 100 + 5 * x - 3 * y], axis=-1).clip(0, 255).astype(np.uint8)


rgb = Image.fromarray(colour(8, 12))
alpha = Image.fromarray(np.tile(np.linspace(0, 255, 12).astype(np.uint8), (8, 1)))
grey16 = Image.fromarray((np.arange(8 * 12).reshape(8, 12) * 689).astype(np.uint16))
rgba = rgb.copy()
rgba.putalpha(alpha)
palette = rgb.quantize(16)

rgb.save(HERE / "colour.png")
rgba.save(HERE / "transparent.png")
palette.save(HERE / "palette.png")
palette.save(HERE / "palette-transparent.png", transparency=3)
grey16.save(HERE / "grey16.png")
rgb.convert("1").save(HERE / "one-bit.png")
rgb.save(HERE / "colour.jpg", quality=95, subsampling=0)
rgb.save(HERE / "progressive.jpg", quality=95, subsampling=0, progressive=True)
rgb.convert("L").save(HERE / "grey.jfif", format="JPEG", quality=95)
rgb.convert("CMYK").save(HERE / "cmyk.jpe", format="JPEG", quality=95)
for orientation in (3, 6, 7):
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgb.save(HERE / f"turned{orientation}.jpg", quality=95, subsampling=0, exif=exif)
rgb.save(HERE / "lossless.webp", lossless=True)
rgba.save(HERE / "transparent.webp", lossless=True, exact=True)
rgb.save(HERE / "lossy.webp", quality=90)
rgb.save(HERE / "colour.bmp")
palette.save(HERE / "palette.bmp")
palette.save(HERE / "two-frames.gif", save_all=True, append_images=[palette.transpose(Image.Transpose.FLIP_TOP_BOTTOM)])
for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"):
    rgb.save(HERE / f"{compression}.tiff", compression=None if compression == "raw" else compression)
grey16.save(HERE / "grey16.tif")

expected = {}
for path in sorted(HERE.iterdir()):
    if path.suffix == ".json":
        continue
    image = ImageOps.exif_transpose(Image.open(path))
    if image.mode.startswith("I;16") or image.mode == "I":
        values = np.asarray(image).astype(np.int64)
        image = Image.fromarray(((values + 128) // 257).astype(np.uint8))
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    if image.mode == "RGBA":
        black = Image.new("RGBA", image.size, (0, 0, 0, 255))
        image = Image.alpha_composite(black, image)
    image = image.convert("RGB")
    expected[path.name] = {
        "size": [image.height, image.width],
        "rgb": image.tobytes().hex(),
    }
cropped = rgb.crop((2, 0, 10, 8)).resize((5, 5), Image.Resampling.LANCZOS)
expected["cropped"] = {"size": [5, 5], "rgb": cropped.tobytes().hex()}
padded = Image.new("RGB", (6, 6))
padded.paste(rgb.resize((6, 4), Image.Resampling.LANCZOS), (0, 1))
expected["padded"] = {"size": [6, 6], "rgb": padded.tobytes().hex()}
expected["grey"] = {"size": [8, 12], "rgb": rgb.convert("L").convert("RGB").tobytes().hex()}
(HERE / "expected.json").write_text(json.dumps(expected, indent=0) + "\n")
