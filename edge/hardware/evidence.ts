import type { Evidence } from '#edge/contracts/hardware.ts';

const MAX_RAW_LENGTH = 200;

/** What a probe found, with the files and commands it was read from. */
export interface Finding<T> {
  readonly value: T;
  readonly evidence: readonly Evidence[];
}

/** An {@link Evidence} whose raw text is one line of at most 200 characters. */
export function evidenceOf(fact: string, from: string, raw: string): Evidence {
  const line = raw.replaceAll('\0', ' ').replace(/\s+/g, ' ').trim();
  return { fact, from, raw: line.slice(0, MAX_RAW_LENGTH) };
}
