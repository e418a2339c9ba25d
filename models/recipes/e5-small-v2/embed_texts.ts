/**
 * Vectors of one variant of e5-small-v2 from an engine child of Nearside.
 * Reads `{variant, purpose, texts}` from standard input and prints an array of vectors.
 */
import { text } from 'node:stream/consumers';
import type { EmbedRequest } from '#edge/contracts/embed.ts';
import { hostE5, MODEL } from '#test/models/e5-engines.ts';

const { variant, purpose, texts } = JSON.parse(await text(process.stdin)) as Pick<EmbedRequest, 'purpose' | 'texts'> & {
  readonly variant: string;
};
await using host = await hostE5(variant);
const { vectors } = await host.embed({ model: MODEL, purpose, texts });
process.stdout.write(JSON.stringify(vectors.map((vector) => [...vector])));
