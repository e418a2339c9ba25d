"""Writes e5-small-v2 as GGUF Q8_0 for llama.cpp.

    python build_gguf.py SOURCE OUTPUT.gguf

The layout is what llama.cpp's own converter makes of a BERT model; the quantisation is that of its `llama-quantize`:
matrices and the token table in Q8_0, norms, biases, positions and token types in F32.
"""

import sys
from pathlib import Path

import gguf
import numpy as np
import source

ARCHITECTURE = "bert"

MODULES = {
    "embeddings.word_embeddings": "token_embd",
    "embeddings.position_embeddings": "position_embd",
    "embeddings.token_type_embeddings": "token_types",
    "embeddings.LayerNorm": "token_embd_norm",
}
LAYER_MODULES = {
    "attention.self.query": "attn_q",
    "attention.self.key": "attn_k",
    "attention.self.value": "attn_v",
    "attention.output.dense": "attn_output",
    "attention.output.LayerNorm": "attn_output_norm",
    "intermediate.dense": "ffn_up",
    "output.dense": "ffn_down",
    "output.LayerNorm": "layer_output_norm",
}
FULL_PRECISION = ("position_embd", "token_types")


def write_metadata(writer: gguf.GGUFWriter) -> None:
    writer.add_type(gguf.GGUFType.MODEL)
    writer.add_name("e5-small-v2")
    writer.add_author("intfloat")
    writer.add_license("mit")
    writer.add_source_url("https://huggingface.co/intfloat/e5-small-v2")
    writer.add_block_count(source.LAYERS)
    writer.add_context_length(source.POSITIONS)
    writer.add_embedding_length(source.HIDDEN)
    writer.add_feed_forward_length(source.FEED_FORWARD)
    writer.add_head_count(source.HEADS)
    writer.add_layer_norm_eps(source.LAYER_NORM_EPSILON)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q8_0)
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def write_vocabulary(writer: gguf.GGUFWriter, vocabulary: source.Vocabulary) -> None:
    writer.add_tokenizer_model("bert")
    # The pre-tokenizer that llama.cpp's converter finds for uncased BERT vocabularies.
    writer.add_tokenizer_pre("jina-v2-en")
    writer.add_token_list([spelling(token, vocabulary) for token in vocabulary.tokens])
    kinds = (gguf.TokenType.CONTROL if token in vocabulary.special else gguf.TokenType.NORMAL for token in vocabulary.tokens)
    writer.add_token_types(list(kinds))
    writer.add_token_type_count(2)
    writer.add_unk_token_id(vocabulary.id_of("[UNK]"))
    writer.add_pad_token_id(vocabulary.id_of("[PAD]"))
    writer.add_mask_token_id(vocabulary.id_of("[MASK]"))
    writer.add_bos_token_id(vocabulary.id_of("[CLS]"))
    writer.add_eos_token_id(vocabulary.id_of("[SEP]"))
    writer.add_sep_token_id(vocabulary.id_of("[SEP]"))
    writer.add_add_bos_token(True)
    writer.add_add_eos_token(True)


def spelling(token: str, vocabulary: source.Vocabulary) -> str:
    """llama.cpp marks the beginning of a word (U+2581) where WordPiece marks its continuation (`##`)."""
    if token in vocabulary.special:
        return token
    return token[2:] if token.startswith("##") else f"\u2581{token}"


def write_tensors(writer: gguf.GGUFWriter, weights: dict[str, np.ndarray]) -> None:
    for name in sorted(weights):
        module, _, kind = name.rpartition(".")
        target = target_of(module)
        value = weights[name].astype(np.float32, copy=False)
        if value.ndim == 2 and target not in FULL_PRECISION:
            quantised = gguf.quants.quantize(value, gguf.GGMLQuantizationType.Q8_0)
            writer.add_tensor(f"{target}.{kind}", quantised, raw_dtype=gguf.GGMLQuantizationType.Q8_0)
        else:
            writer.add_tensor(f"{target}.{kind}", value)


def target_of(module: str) -> str:
    if module in MODULES:
        return MODULES[module]
    _, _, layer, part = module.split(".", 3)
    return f"blk.{layer}.{LAYER_MODULES[part]}"


def main(source_folder: Path, output: Path) -> None:
    writer = gguf.GGUFWriter(output, ARCHITECTURE)
    write_metadata(writer)
    write_vocabulary(writer, source.read_vocabulary(source_folder))
    write_tensors(writer, source.read_weights(source_folder))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
