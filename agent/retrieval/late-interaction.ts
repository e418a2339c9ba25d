import type { TokenVectors } from '#edge/contracts/embed.ts';

/**
 * MaxSim per question token: its best cosine to any of the rows `[from, to)` of a text. The mean over the tokens is the
 * late-interaction score of O. Khattab and M. Zaharia, "ColBERT", SIGIR 2020. No rows give zeros.
 */
export function bestMatches(question: TokenVectors, text: TokenVectors, from = 0, to = text.rows): Float32Array {
  const best = new Float32Array(question.rows);
  if (question.rows === 0 || text.rows === 0) return best;
  const dimensions = question.data.length / question.rows;
  for (let q = 0; q < question.rows; q++) {
    let top = from < to ? -1 : 0;
    for (let t = from; t < to; t++) {
      let dot = 0;
      for (let d = 0; d < dimensions; d++) dot += (question.data[q * dimensions + d] as number) * (text.data[t * dimensions + d] as number);
      if (dot > top) top = dot;
    }
    best[q] = top;
  }
  return best;
}

/** Arithmetic mean; 0 for none. */
export function mean(values: Iterable<number>): number {
  let sum = 0;
  let count = 0;
  for (const value of values) {
    sum += value;
    count++;
  }
  return count === 0 ? 0 : sum / count;
}

/**
 * First character of each token in the text. Tokenizers report only token strings, lower-cased and cut into word pieces, so the text is
 * walked along with them; an unknown token takes the place where the walk stands.
 */
export function alignTokens(text: string, tokens: readonly string[]): number[] {
  const { folded, origin } = fold(text);
  let at = 0;
  return tokens.map((token) => {
    const piece = fold(token.replace(/^(?:##|▁|Ġ)/, '')).folded;
    // A piece is never far: only white space and characters that the tokenizer dropped lie between.
    const found = piece === '' ? -1 : folded.slice(at, at + 64 + piece.length).indexOf(piece);
    const start = found === -1 ? at : at + found;
    if (found !== -1) at = start + piece.length;
    return origin[start] ?? text.length;
  });
}

/** Lower case without accents, with the original position of each character. */
function fold(text: string): { readonly folded: string; readonly origin: readonly number[] } {
  const origin: number[] = [];
  let folded = '';
  let index = 0;
  for (const character of text) {
    const plain = character.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
    for (let i = 0; i < plain.length; i++) origin.push(index);
    folded += plain;
    index += character.length;
  }
  return { folded, origin };
}
