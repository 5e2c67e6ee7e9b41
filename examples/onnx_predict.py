"""Label images with a file of `mpssl export` and without mpssl: MODEL.onnx IMAGES... > all.csv."""

import csv
import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
about = json.loads(session.get_modelmeta().custom_metadata_map["mpssl"])
size, side, background = (about[key] for key in ("packing_size", "image_size", "background"))
middle = slice((size - side) // 2, (size - side) // 2 + side)
resize = {
    "crop": ImageOps.fit,
    "squash": Image.Image.resize,
    "pad": lambda *given: ImageOps.pad(*given, color=background),
}[about["resize"]]
lines = csv.writer(sys.stdout, lineterminator="\n")
lines.writerow(["file", *about["classes"]])
for file in sys.argv[2:]:
    image = ImageOps.exif_transpose(Image.open(file))
    if image.mode[0] in "IF":  # more than 8 bits a pixel
        values, (low, high) = np.asarray(image, np.float64), about["values"] or (0, 65535)
        known = about["values"] or high / 8 <= values.max() <= high
        known or sys.exit(f"{file}: values to {values.max():g}, the model knows no range of them")
        image = Image.fromarray(np.uint8(np.interp(values, [low, high], [0, 255]).round()))
    below = Image.new("RGBA", image.size, background)
    image = Image.alpha_composite(below, image.convert("RGBA")).convert("RGB")
    square = np.asarray(resize(image, (size, size), Image.Resampling.BILINEAR))[middle, middle]
    x = np.float32(square.transpose(2, 0, 1)[None]) / 255
    lines.writerow([file, *(f"{p:.6f}" for p in session.run(None, {"image": x})[0][0])])
