import { z } from 'zod';
import { FLOW_ACTIONS } from './actions.ts';
import { SLOT_IDS } from './slots.ts';

/** Where a step leads; `end` ends the flow. Defaults to the next step. */
const goto = z.string().min(1).optional();
const id = z.string().regex(/^[a-z][a-z-]*$/, 'lower-case letters and hyphens');
const pattern = z.string().refine(isRegExp, 'a regular expression');
const slot = z.enum(SLOT_IDS);

const outcome = z.strictObject({
  /** What the bot says; `{fact}` is replaced. */
  say: z.string().optional(),
  /** Slots that must be asked again. */
  forget: z.array(slot).optional(),
  goto,
  /** Begins another flow instead. */
  flow: id.optional(),
});

const askStep = z.strictObject({
  id,
  kind: z.literal('ask'),
  slot,
  /** What the bot waits for, in words. */
  label: z.string().min(1),
  question: z.string().min(1),
  /** Asked in place of the question when the answer could not be read. */
  retry: z.string().min(1),
});

const checkStep = z.strictObject({
  id,
  kind: z.literal('check'),
  action: z.enum(FLOW_ACTIONS),
  outcomes: z.record(z.string(), outcome),
});

const confirmStep = z.strictObject({
  id,
  kind: z.literal('confirm'),
  label: z.string().min(1),
  question: z.string().min(1),
  /** Skipped when the message that began the flow matches one: it asked for just this. Not before a write of data. */
  unless: z.array(pattern).min(1).optional(),
  /** A yes leads to the next step. */
  no: outcome,
});

const writeStep = z.strictObject({ id, kind: z.literal('write'), action: z.enum(FLOW_ACTIONS), say: z.string().min(1), goto });

/** One conversation with one purpose, as its YAML file says it. */
export const flowSchema = z.strictObject({
  id,
  title: z.string().min(1),
  intent: z.strictObject({
    /** A message that matches one of them begins the flow; matched on lower case. */
    patterns: z.array(pattern).min(1),
    /** A question that matches it is answered with an offer of the flow. */
    topic: pattern,
    /** Messages that mean the flow, for the nearest-example router. */
    examples: z.array(z.string().min(1)).min(2),
  }),
  steps: z.array(z.discriminatedUnion('kind', [askStep, checkStep, confirmStep, writeStep])).min(1),
});

export type Flow = z.infer<typeof flowSchema>;
export type FlowStep = Flow['steps'][number];
export type Outcome = z.infer<typeof outcome>;
/** A step at which the flow waits for the user. */
export type WaitingStep = Extract<FlowStep, { kind: 'ask' | 'confirm' }>;

function isRegExp(source: string): boolean {
  try {
    return new RegExp(source).source.length > 0;
  } catch {
    return false;
  }
}
