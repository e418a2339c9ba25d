"""Reads the full-precision original of e5-small-v2: its weights under the names of the BERT reference implementation, and its vocabulary."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

MODEL_FILE = "e5-small-v2.onnx"
MODEL_SHA256 = "b2a43b66f7f9b6f29643a21340ad7c03d2d91e6bd5d43429a77799a9ee880eb0"
TOKENIZER_FILE = "e5-small-v2-tokenizer.json"
TOKENIZER_SHA256 = "d241a60d5e8f04cc1b2b3e9ef7a4921b27bf526d9f6050ab90f9267a1f9e5c66"

LAYERS = 12
HEADS = 12
HIDDEN = 384
FEED_FORWARD = 1536
POSITIONS = 512
LAYER_NORM_EPSILON = 1e-12

LAYER_PARTS = (
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)


@dataclass(frozen=True)
class Vocabulary:
    """WordPiece tokens by id; `special` holds those that stand for no text, such as `[CLS]`."""

    tokens: tuple[str, ...]
    special: frozenset[str]

    def id_of(self, token: str) -> int:
        return self.tokens.index(token)


def require_file(path: Path, sha256: str) -> Path:
    """The path, if the file there is the one that the recipe was made for."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != sha256:
        raise SystemExit(f"{path} is another file: expected sha256 {sha256}, found {found}")
    return path


def read_weights(source: Path) -> dict[str, np.ndarray]:
    """Float32 tensors by name; matrices are `[out, in]`.

    The exporter kept the names of embeddings, biases and norms, but named the matrices by number and transposed them; which
    matrix is which tells the multiplication that uses it, named after its module.
    """
    graph = onnx.load(require_file(source / MODEL_FILE, MODEL_SHA256)).graph
    tensors = {item.name: numpy_helper.to_array(item) for item in graph.initializer}
    weights = {name: value for name, value in tensors.items() if name.startswith(("embeddings.", "encoder."))}
    del weights["embeddings.position_ids"]
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in tensors:
            name = node.name.removeprefix("/").removesuffix("/MatMul").replace("/", ".")
            weights[f"{name}.weight"] = np.ascontiguousarray(tensors[node.input[1]].T)
    check_weights(weights)
    return weights


def check_weights(weights: dict[str, np.ndarray]) -> None:
    """Every tensor of the architecture is there, and no other."""
    modules = ["embeddings.LayerNorm"] + [f"encoder.layer.{i}.{part}" for i in range(LAYERS) for part in LAYER_PARTS]
    tables = [f"embeddings.{name}_embeddings.weight" for name in ("word", "position", "token_type")]
    expected = set(tables) | {f"{module}.{kind}" for module in modules for kind in ("weight", "bias")}
    if set(weights) != expected:
        raise SystemExit(f"unexpected tensors: {sorted(set(weights) ^ expected)}")


def read_vocabulary(source: Path) -> Vocabulary:
    definition = json.loads(require_file(source / TOKENIZER_FILE, TOKENIZER_SHA256).read_text("utf-8"))
    ids = definition["model"]["vocab"]
    tokens = tuple(sorted(ids, key=ids.__getitem__))
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        raise SystemExit("the vocabulary has gaps")
    return Vocabulary(tokens, frozenset(entry["content"] for entry in definition["added_tokens"] if entry["special"]))
