/** A believable device for the chat's tests: what the API answers, and streams in its format. */
import type { BotInfo, DocumentInfo, SessionInfo } from '#edge/contracts/bot.ts';
import type { Citation } from '#edge/contracts/parts.ts';

export const BOTS: readonly BotInfo[] = [
  {
    id: 'qa',
    name: 'Question answering',
    description: 'Answers from your documents, in their own words, with the place it was read.',
    examples: [
      'How long do I have to return an opened tent?',
      'What does standard delivery cost?',
      'Which engine does the device choose, and why?',
      'Is a worn zip covered by the guarantee?',
    ],
  },
  {
    id: 'recommend',
    name: 'Recommendations',
    description: 'Finds products of the demo shop that meet what you ask for.',
    examples: ['Waterproof jacket for men under 120'],
  },
  {
    id: 'support',
    name: 'Customer support',
    description: 'Looks up orders, starts returns, and hands over to a person.',
    examples: ['Where is my order?'],
  },
];

const SESSIONS: readonly SessionInfo[] = [
  { id: 'se-tent', bot: 'qa', title: 'Returning an opened tent', updatedAt: ago(4), turns: 2 },
  { id: 'se-jacket', bot: 'recommend', title: 'Waterproof jacket for men under 120', updatedAt: ago(95), turns: 3 },
  { id: 'se-order', bot: 'support', title: 'Where is my order?', updatedAt: ago(60 * 26), turns: 4 },
];

const DOCUMENTS: readonly DocumentInfo[] = [
  { id: 'd1', source: 'demo/policies/returns.md', title: 'Returns and refunds', characters: 4120, chunks: 9, addedAt: ago(600) },
  { id: 'd2', source: 'docs/models.md', title: 'Models', characters: 9870, chunks: 21, addedAt: ago(600) },
];

export const RETURNS: Citation = {
  number: 1,
  documentId: 'd1',
  source: 'demo/policies/returns.md',
  title: 'Returns and refunds',
  start: 812,
  end: 935,
  text: 'Tents and sleeping bags that were opened but not used outdoors can be returned within 30 days of delivery for a full refund.',
  page: 2,
  before: 'Unopened goods can be returned within 60 days, for any reason. ',
  after: ' Goods that were used outdoors are exchanged or repaired under the guarantee, but not refunded.',
};

export const REFUNDS: Citation = {
  number: 2,
  documentId: 'd1',
  source: 'demo/policies/returns.md',
  title: 'Returns and refunds',
  start: 1480,
  end: 1577,
  text: 'The refund goes to the card that paid, within five working days after the parcel has reached us.',
};

/** JSON routes of a healthy device. */
export function healthyAnswers(): Record<string, unknown> {
  return {
    'GET /api/v1/bots': { bots: BOTS },
    'GET /v1/models': {
      object: 'list',
      data: [
        { id: 'bot/qa', object: 'model', nearside: { task: 'bot' } },
        { id: 'smollm2-135m-instruct', object: 'model', nearside: { task: 'generate', name: 'SmolLM2 135M Instruct' } },
        { id: 'e5-small-v2', object: 'model', nearside: { task: 'embed' } },
      ],
    },
    'GET /api/v1/sessions': { sessions: SESSIONS },
    'GET /api/v1/sessions/se-tent': {
      session: SESSIONS[0],
      messages: [
        { role: 'user', content: 'How long do I have to return an opened tent?' },
        { role: 'assistant', content: 'Within 30 days of delivery. [1]' },
      ],
    },
    'DELETE /api/v1/sessions/se-order': {},
    'POST /api/v1/feedback': {},
    'GET /api/v1/documents': { documents: DOCUMENTS },
    'GET /api/v1/engines': {
      engines: [
        {
          backend: 'llama',
          provider: 'cpu',
          version: '1',
          model: 'smollm2-135m-instruct',
          variant: 'q4_1',
          features: ['generate'],
          contextTokens: 2048,
          threads: 2,
          pid: 4711,
          residentBytes: 214_000_000,
          active: 0,
          crashes: 0,
        },
      ],
    },
    'GET /api/v1/telemetry': { produced: 1482, stored: 1480, dropped: 0, pending: 2 },
  };
}

/** A chunk that adds text. */
export function delta(content: string, nearside?: object): object {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'bot/qa',
    choices: [{ index: 0, delta: { content }, finish_reason: null }],
    ...(nearside ? { nearside } : {}),
  };
}

/** The chunk that ends an answer. */
export function ending(nearside?: object): object {
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1,
    model: 'bot/qa',
    choices: [{ index: 0, delta: {}, finish_reason: 'stop' }],
    ...(nearside ? { nearside } : {}),
  };
}

/** How the QA bot ends an answer that quotes. */
export const QUOTED = {
  rung: 'quote',
  session_id: 'se-tent',
  engine: { engine: 'onnx/cpu', model: 'e5-small-v2', variant: 'int8' },
  timings: { totalMs: 212, firstTokenMs: 184, retrievalMs: 31 },
  usage: { promptTokens: 14, completionTokens: 0, cachedTokens: 0 },
  citations: [RETURNS, REFUNDS],
};

function ago(minutes: number): string {
  return new Date(Date.now() - minutes * 60_000).toISOString();
}
