"""Writes e5-small-v2 as TFLite with dynamic-range int8 weights, one signature for each length of input.

    python build_tflite.py SOURCE OUTPUT.tflite

Signature `embed_L` takes `ids` and `mask` (int32, [1, L]; mask 1 for a token, 0 for padding at the end) and gives `embedding`
(float32, [1, 384]: mean over the tokens, unit length) and `last_hidden_state` (float32, [1, L, 384]; rows of padding mean nothing).

The graph is written so that XNNPACK takes it whole, and the converter needs no operator beyond the built-in ones:
- every dense layer is a two-dimensional product with a transposed constant, which becomes FULLY_CONNECTED;
- GELU is `tf.nn.gelu`, which folds to the built-in operator; a bare `erf` has none;
- masking adds -1e4, finite in every number format, rather than minus infinity;
- positions and token type 0 are one constant table, so the words are the only GATHER.
"""

import os
import sys
import tempfile
from pathlib import Path

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
os.environ["CUDA_VISIBLE_DEVICES"] = ""
# Its kernels differ from CPU to CPU in the last bit.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

import numpy as np
import source
import tensorflow as tf

LENGTHS = (16, 32, 64, 128, 256, 512)
HEAD_SIZE = source.HIDDEN // source.HEADS
MASKED = -1e4


class Encoder(tf.Module):
    """The network. The weights are shared by all signatures."""

    def __init__(self, weights: dict[str, np.ndarray]) -> None:
        super().__init__(name="e5_small_v2")
        self._weights = {name: tf.constant(scaled(name, value)) for name, value in weights.items()}
        types = weights["embeddings.token_type_embeddings.weight"]
        self._positions = weights["embeddings.position_embeddings.weight"] + types[0]

    def embed(self, ids: tf.Tensor, mask: tf.Tensor) -> dict[str, tf.Tensor]:
        length = ids.shape[1]
        present = tf.cast(mask, tf.float32)
        bias = tf.reshape((1.0 - present) * MASKED, [1, 1, 1, length])
        words = tf.gather(self._weights["embeddings.word_embeddings.weight"], tf.reshape(ids, [length]))
        hidden = self._norm(words + self._positions[:length], "embeddings.LayerNorm")
        for index in range(source.LAYERS):
            hidden = self._layer(hidden, bias, f"encoder.layer.{index}")
        total = tf.reduce_sum(hidden * tf.reshape(present, [length, 1]), axis=0, keepdims=True)
        mean = total / tf.maximum(tf.reduce_sum(present, axis=1, keepdims=True), 1.0)
        unit = mean * tf.math.rsqrt(tf.maximum(tf.reduce_sum(mean * mean, axis=1, keepdims=True), 1e-12))
        return {"embedding": unit, "last_hidden_state": tf.reshape(hidden, [1, length, source.HIDDEN])}

    def _layer(self, hidden: tf.Tensor, bias: tf.Tensor, name: str) -> tf.Tensor:
        attended = self._dense(self._attention(hidden, bias, f"{name}.attention.self"), f"{name}.attention.output.dense")
        hidden = self._norm(attended + hidden, f"{name}.attention.output.LayerNorm")
        inner = tf.nn.gelu(self._dense(hidden, f"{name}.intermediate.dense"), approximate=False)
        return self._norm(self._dense(inner, f"{name}.output.dense") + hidden, f"{name}.output.LayerNorm")

    def _attention(self, hidden: tf.Tensor, bias: tf.Tensor, name: str) -> tf.Tensor:
        query = self._heads(self._dense(hidden, f"{name}.query"))
        key = self._heads(self._dense(hidden, f"{name}.key"))
        value = self._heads(self._dense(hidden, f"{name}.value"))
        shares = tf.nn.softmax(tf.linalg.matmul(query, key, transpose_b=True) + bias)
        mixed = tf.transpose(tf.linalg.matmul(shares, value), [0, 2, 1, 3])
        return tf.reshape(mixed, [-1, source.HIDDEN])

    def _heads(self, rows: tf.Tensor) -> tf.Tensor:
        return tf.transpose(tf.reshape(rows, [1, -1, source.HEADS, HEAD_SIZE]), [0, 2, 1, 3])

    def _dense(self, rows: tf.Tensor, name: str) -> tf.Tensor:
        return tf.linalg.matmul(rows, self._weights[f"{name}.weight"], transpose_b=True) + self._weights[f"{name}.bias"]

    def _norm(self, rows: tf.Tensor, name: str) -> tf.Tensor:
        centred = rows - tf.reduce_mean(rows, axis=-1, keepdims=True)
        variance = tf.reduce_mean(centred * centred, axis=-1, keepdims=True)
        scaled = centred * tf.math.rsqrt(variance + source.LAYER_NORM_EPSILON)
        return scaled * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def scaled(name: str, value: np.ndarray) -> np.ndarray:
    """Attention divides its scores by the root of the head size; in the weights of the query that costs nothing at run time."""
    return value / np.float32(HEAD_SIZE**0.5) if ".self.query." in name else value


def signature_of(encoder: Encoder, length: int) -> tf.types.experimental.ConcreteFunction:
    function = tf.function(
        encoder.embed,
        input_signature=[tf.TensorSpec([1, length], tf.int32, "ids"), tf.TensorSpec([1, length], tf.int32, "mask")],
    )
    return function.get_concrete_function()


def convert(encoder: Encoder) -> bytes:
    signatures = {f"embed_{length}": signature_of(encoder, length) for length in LENGTHS}
    with tempfile.TemporaryDirectory() as folder:
        tf.saved_model.save(encoder, folder, signatures=signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(signatures))
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return converter.convert()


def main(source_folder: Path, output: Path) -> None:
    output.write_bytes(convert(Encoder(source.read_weights(source_folder))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
