"""Compares every format with the full-precision original on the fixed texts of `sentences.json`.

    python check_parity.py SOURCE

Prints minimum and mean cosine; fails when a mean is below the goal.
"""

import json
import sys
from pathlib import Path

import numpy as np
from variants import Embed, open_variants

GOAL = 0.997
REFERENCE = "onnx fp32"


def embed_all(embed: Embed, sentences: dict[str, list[str]]) -> np.ndarray:
    return np.concatenate([embed(purpose, texts) for purpose, texts in sentences.items()])


def main(folder: Path) -> int:
    sentences = json.loads(Path(__file__).with_name("sentences.json").read_text("utf-8"))
    vectors = {name: embed_all(embed, sentences) for name, embed in open_variants(folder).items()}
    means = {}
    for name, rows in vectors.items():
        cosines = np.sum(rows * vectors[REFERENCE], axis=1)
        means[name] = float(cosines.mean())
        print(f"{name:12} min {cosines.min():.5f}  mean {means[name]:.5f}  of {len(rows)} texts")
    return 0 if min(means.values()) >= GOAL else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
