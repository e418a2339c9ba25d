"""Measures how well every format finds the paragraph that answers a question of XQuAD (English).

    python measure_retrieval.py SOURCE DATA

DATA holds `corpus.jsonl` and `questions.dev.jsonl`. hit@k is the share of questions whose paragraph is among the k best, by
- the cosine of the paragraph,
- the sum of that and the cosine of its best sentence,
- 0.7 of that sum + 0.3 BM25, both as z-scores over all paragraphs: how Nearside searches before it re-ranks.
"""

import json
import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np
from variants import Embed, open_variants

SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z0-9\"'(])")
WORD = re.compile(r"\w+")
BM25_K1 = 1.2
BM25_B = 0.75


def read_lines(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]


def hit_rate(scores: np.ndarray, gold: np.ndarray, k: int) -> float:
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return float(np.mean(np.any(best == gold[:, None], axis=1)))


def words_of(text: str) -> list[str]:
    return WORD.findall(text.lower())


def bm25(questions: list[str], paragraphs: list[str]) -> np.ndarray:
    """Okapi BM25 of every question and paragraph (Robertson and Zaragoza, The Probabilistic Relevance Framework, 2009)."""
    counts = [Counter(words_of(paragraph)) for paragraph in paragraphs]
    lengths = np.array([count.total() for count in counts])
    norms = BM25_K1 * (1 - BM25_B + BM25_B * lengths / lengths.mean())

    def score(word: str) -> np.ndarray:
        frequency = np.array([count[word] for count in counts])
        holders = np.count_nonzero(frequency)
        rarity = np.log(1 + (len(paragraphs) - holders + 0.5) / (holders + 0.5))
        return rarity * frequency * (BM25_K1 + 1) / (frequency + norms)

    return np.array([sum(score(word) for word in words_of(question)) for question in questions])


def z_scores(scores: np.ndarray) -> np.ndarray:
    return (scores - scores.mean(axis=1, keepdims=True)) / scores.std(axis=1, keepdims=True)


def score_all(embed: Embed, paragraphs: list[str], questions: list[str]) -> list[np.ndarray]:
    sentences = [SENTENCE_END.split(paragraph) for paragraph in paragraphs]
    starts = np.cumsum([0] + [len(group) for group in sentences[:-1]])
    asked = embed("query", questions)
    whole = asked @ embed("passage", paragraphs).T
    dense = whole + np.maximum.reduceat(asked @ embed("passage", sum(sentences, [])).T, starts, axis=1)
    return [whole, dense, 0.7 * z_scores(dense) + 0.3 * z_scores(bm25(questions, paragraphs))]


def main(folder: Path, data: Path) -> None:
    corpus = read_lines(data / "corpus.jsonl")
    asked = read_lines(data / "questions.dev.jsonl")
    place = {entry["id"]: index for index, entry in enumerate(corpus)}
    gold = np.array([place[entry["paragraph"]] for entry in asked])
    paragraphs = [entry["text"] for entry in corpus]
    questions = [entry["question"] for entry in asked]
    print(f"{len(questions)} questions, {len(paragraphs)} paragraphs: hit@1 hit@5 by paragraph | and best sentence | and BM25")
    for name, embed in open_variants(folder).items():
        rates = [(hit_rate(scores, gold, 1), hit_rate(scores, gold, 5)) for scores in score_all(embed, paragraphs, questions)]
        print(f"{name:12} " + " | ".join(f"{first:.4f} {five:.4f}" for first, five in rates), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
