/**
 * Every metric and event name a device may tell, with unit, kind and bucket boundaries. GenAI names and boundaries are
 * OpenTelemetry's (status: development; open-telemetry/semantic-conventions-genai, `model/gen-ai/metrics.yaml`, commit
 * 004902b); what OpenTelemetry does not name lives under `nearside.`. Raise the version with every change of meaning.
 */
export const SEMANTIC_CONVENTIONS_VERSION = 'nearside/1 (OpenTelemetry GenAI 004902b)';

export type MetricConvention =
  | { readonly kind: 'counter' | 'gauge'; readonly unit: string; readonly meaning: string }
  | { readonly kind: 'histogram'; readonly unit: string; readonly meaning: string; readonly boundaries: readonly number[] };

const DURATION_BOUNDARIES = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
/** OpenTelemetry's end at 10 s; a small CPU that reads a long prompt needs longer, so 20, 40 and 80 are appended. */
const FIRST_TOKEN_BOUNDARIES = [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 20, 40, 80];
const OUTPUT_TOKEN_BOUNDARIES = [0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 2.5];
const TOKEN_COUNT_BOUNDARIES = Array.from({ length: 14 }, (_, power) => 4 ** power);
const SHORT_DURATION_BOUNDARIES = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

const seconds = (meaning: string, boundaries: readonly number[]): MetricConvention => ({
  kind: 'histogram',
  unit: 's',
  meaning,
  boundaries,
});
const counter = (unit: string, meaning: string): MetricConvention => ({ kind: 'counter', unit, meaning });
const gauge = (unit: string, meaning: string): MetricConvention => ({ kind: 'gauge', unit, meaning });

export const METRICS: Readonly<Record<string, MetricConvention>> = {
  'gen_ai.server.request.duration': seconds('From the arrival of a request at a model to its last token.', DURATION_BOUNDARIES),
  'gen_ai.server.time_to_first_token': seconds('Queue and prompt reading until the first token.', FIRST_TOKEN_BOUNDARIES),
  'gen_ai.server.time_per_output_token': seconds('Time per token after the first.', OUTPUT_TOKEN_BOUNDARIES),
  'gen_ai.client.operation.duration': seconds('A call as its caller saw it.', DURATION_BOUNDARIES),
  'gen_ai.client.token.usage': {
    kind: 'histogram',
    unit: '{token}',
    meaning: 'Tokens of a call; gen_ai.token.type says input or output.',
    boundaries: TOKEN_COUNT_BOUNDARIES,
  },
  'nearside.engine.load.duration': seconds('Start of an engine with its model.', DURATION_BOUNDARIES),
  'nearside.engine.crashes': counter('{crash}', 'Engine processes that ended by themselves.'),
  'nearside.engine.fallbacks': counter('{fallback}', 'Engine choices given up for the next one.'),
  'nearside.bot.answers': counter('{answer}', 'Answers by bot and by the rung of the ladder that gave them.'),
  'nearside.bot.feedback': counter('{vote}', 'Thumbs up and down.'),
  'nearside.retrieval.duration': seconds('Search of the knowledge for one question.', SHORT_DURATION_BOUNDARIES),
  'nearside.http.requests': counter('{request}', 'Requests by route and status.'),
  'nearside.http.request.duration': seconds('A request from its head to the end of its answer.', DURATION_BOUNDARIES),
  'nearside.process.memory': gauge('By', 'Resident memory of one of the processes.'),
};

/** Event names and what they tell. */
export const EVENTS: Readonly<Record<string, string>> = {
  'nearside.device.started': 'The device is ready.',
  'nearside.device.stopped': 'The device ended cleanly.',
  'nearside.engine.crashed': 'An engine process ended by itself.',
  'nearside.engine.fell_back': 'An engine choice was given up for the next one.',
  'nearside.engine.drifted': 'An engine has been much slower or faster than measured for a while, and is measured again.',
  'nearside.bots.crashed': 'The process of the bots ended by itself.',
  'nearside.fleet.crashed': 'The local collector process ended by itself.',
  'nearside.request.failed': 'A request ended with an error code.',
  'nearside.outbox.quarantined': 'The outbox file was unreadable and was put aside; a new boot began.',
};
