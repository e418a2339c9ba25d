"""The encoder in each of its formats behind one call: texts of one purpose in, an array of unit vectors out."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import source
from ai_edge_litert.interpreter import Interpreter
from tokenizers import Tokenizer

REPOSITORY = Path(__file__).resolve().parents[3]
ARTIFACTS = REPOSITORY / "models/artifacts"
INT8_FILE = "e5-small-v2-q.onnx"
INT8_SHA256 = "7d9092cb25f2bd1c023b7e8d2aa459044a02030ac880e5a59fdaf27af69f1ded"
THREADS = 2

Embed = Callable[[str, list[str]], np.ndarray]


def open_variants(folder: Path) -> dict[str, Embed]:
    """Every format by name; `folder` holds the ONNX files and the tokenizer, the others are the artifacts of this repository."""
    tokenizer = Tokenizer.from_file(str(source.require_file(folder / source.TOKENIZER_FILE, source.TOKENIZER_SHA256)))
    tokenizer.enable_truncation(source.POSITIONS)
    full = source.require_file(folder / source.MODEL_FILE, source.MODEL_SHA256)
    packaged = source.require_file(folder / INT8_FILE, INT8_SHA256)
    return {
        "onnx fp32": onnx_encoder(full, tokenizer),
        "onnx int8": onnx_encoder(packaged, tokenizer),
        "tflite int8": tflite_encoder(ARTIFACTS / "e5-small-v2-int8.tflite", tokenizer),
        "gguf q8_0": gguf_encoder,
    }


def onnx_encoder(path: Path, tokenizer: Tokenizer) -> Embed:
    """Each text alone and without padding: the int8 file quantises activations by batch, so others would change its vector."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def embed_text(text: str) -> np.ndarray:
        ids = np.array([tokenizer.encode(text).ids], np.int64)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        return unit(session.run(None, inputs)[0][0].mean(axis=0))

    return lambda purpose, texts: np.stack([embed_text(f"{purpose}: {text}") for text in texts])


def tflite_encoder(path: Path, tokenizer: Tokenizer) -> Embed:
    """The signature with the least padding for each text."""
    interpreter = Interpreter(str(path), num_threads=THREADS)
    lengths = sorted(int(name.removeprefix("embed_")) for name in interpreter.get_signature_list())
    runners = {length: interpreter.get_signature_runner(f"embed_{length}") for length in lengths}

    def embed_text(text: str) -> np.ndarray:
        tokens = tokenizer.encode(text).ids
        length = next(length for length in lengths if length >= len(tokens))
        ids, mask = np.zeros((2, 1, length), np.int32)
        ids[0, : len(tokens)] = tokens
        mask[0, : len(tokens)] = 1
        return runners[length](ids=ids, mask=mask)["embedding"][0].copy()

    return lambda purpose, texts: np.stack([embed_text(f"{purpose}: {text}") for text in texts])


def gguf_encoder(purpose: str, texts: list[str]) -> np.ndarray:
    """Through Nearside's llama backend, which has a tokenizer of its own."""
    node = REPOSITORY / "node_modules/.bin/node"
    request = json.dumps({"variant": "q8_0", "purpose": purpose, "texts": texts})
    script = Path(__file__).with_name("embed_texts.ts")
    result = subprocess.run([node, script], input=request.encode(), stdout=subprocess.PIPE, check=True, cwd=REPOSITORY)
    return np.array(json.loads(result.stdout), np.float32)


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
