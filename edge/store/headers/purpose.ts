import type { ModelFormat, Task } from '#edge/contracts/model.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { ModelHeader } from './model-header.ts';
import { FORMAT_NAMES } from './recognise.ts';

/** Outputs of graphs that turn text into vectors. */
const VECTOR_OUTPUTS = /hidden_state|embedding|sentence|pooler/i;
const TOKEN_INPUT = /^(input_)?ids$/;

/** What a file is made for, as far as it says. */
export function purposeOf(header: ModelHeader): Task {
  const { transformer, inputs, outputs } = header;
  if (transformer) {
    if (transformer.pooling === 'rank') return 'rerank';
    return transformer.pooling || !transformer.causal ? 'embed' : 'generate';
  }
  const takesText = inputs.some(({ name }) => TOKEN_INPUT.test(name));
  return takesText && outputs.some(({ name }) => VECTOR_OUTPUTS.test(name)) ? 'embed' : 'tensor';
}

/**
 * Refuses weights that a card does not mean. Only what is certain is refused: many files say little of their purpose.
 * @throws EdgeError `E_MODEL_FORMAT` for another format, for a file that cannot be run, and for an encoder where a generator is wanted.
 */
export function requireWeightsFor(
  wanted: { readonly model: string; readonly format: ModelFormat; readonly task: Task },
  header: ModelHeader,
): void {
  const refuse = (expected: string, found: string, hint: string): EdgeError =>
    new EdgeError('E_MODEL_FORMAT', { what: `the weights of ${wanted.model} are not what its card says`, expected, found, hint });
  if (header.format !== wanted.format) {
    throw refuse(`the format ${FORMAT_NAMES[wanted.format]}`, FORMAT_NAMES[header.format], 'Correct the format or the source in the card.');
  }
  if (header.unusable) throw refuse('a file that can be run', header.unusable, 'Name another file in the card.');
  const purpose = purposeOf(header);
  if (wanted.task === 'generate' && purpose !== 'generate') {
    const { architecture = 'unknown', pooling = 'none' } = header.transformer ?? {};
    throw refuse(
      'a model that generates text',
      `one for ${purpose} (architecture ${architecture}, pooling ${pooling})`,
      'Name a model made for chat in the card, or correct its task.',
    );
  }
}
