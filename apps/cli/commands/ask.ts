import { createInterface } from 'node:readline/promises';
import { BOTS, type BotId, type BotPort } from '#edge/contracts/bot.ts';
import type { Citation, ResponseEnd } from '#edge/contracts/parts.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { newId } from '#edge/core/ids.ts';
import { action } from '../context.ts';
import { connectDevice } from '../device-client.ts';
import { paint, print, printError, printJson, say } from '../terminal.ts';

/** What ends a chat. */
const END = /^(?:\/?(?:exit|quit|q|bye))?$/i;

/** One whole answer of a bot. */
interface Answer {
  readonly text: string;
  readonly citations: readonly Citation[];
  readonly end: ResponseEnd;
}

/** `nearside ask`. */
export const ask = action(async (context, bot: string, words: readonly string[], options: { session?: string }) => {
  const id = botId(bot);
  await using device = await connectDevice(context);
  const answer = await collect(device.bots, id, words.join(' '), options.session, context.signal, context.json ? undefined : write);
  if (context.json) printJson(toJson(answer));
  else showSources(answer);
});

/** `nearside chat`: reads lines from the terminal or a pipe until the end of input. */
export const chat = action(async (context, bot: string | undefined, options: { session?: string }) => {
  const id = botId(bot ?? 'qa');
  await using device = await connectDevice(context);
  const sessionId = options.session ?? newId('session');
  const lines = createInterface({ input: process.stdin, output: process.stderr, terminal: process.stdin.isTTY, prompt: '> ' });
  let open = true;
  lines.once('close', () => {
    open = false;
  });
  // Readline takes the keys of a terminal, Ctrl-C among them.
  lines.on('SIGINT', () => process.emit('SIGINT'));
  context.signal.addEventListener('abort', () => lines.close());
  if (process.stdin.isTTY) say(`talking to bot/${id}, session ${sessionId}; "exit", an empty line or Ctrl-D ends it`);
  const prompt = (): void => {
    // The input may have ended while the bot answered.
    if (process.stdin.isTTY && open) lines.prompt();
  };
  prompt();
  for await (const line of lines) {
    if (END.test(line.trim())) break;
    if (!process.stdin.isTTY) print(paint('dim', `> ${line}`));
    try {
      showSources(await collect(device.bots, id, line, sessionId, context.signal, write));
    } catch (error) {
      if (context.signal.aborted) throw error;
      printError(error, false);
    }
    print('');
    prompt();
  }
  lines.close();
  context.signal.throwIfAborted();
});

function botId(name: string): BotId {
  const id = BOTS.find((known) => known === name.replace(/^bot\//, ''));
  if (!id) throw new EdgeError('E_BOT_UNKNOWN', { what: `there is no bot "${name}"`, expected: BOTS.join(', ') });
  return id;
}

async function collect(
  bots: BotPort,
  bot: BotId,
  question: string,
  sessionId: string | undefined,
  signal: AbortSignal,
  onText: ((text: string) => void) | undefined,
): Promise<Answer> {
  let text = '';
  const citations: Citation[] = [];
  for await (const part of bots.reply(
    { bot, messages: [{ role: 'user', content: question }], ...(sessionId ? { sessionId } : {}) },
    { signal },
  )) {
    if (part.type === 'text-delta') {
      text += part.text;
      onText?.(part.text);
    } else if (part.type === 'citation') {
      citations.push(part.citation);
    } else if (part.type === 'response-end') {
      return { text, citations, end: part };
    }
  }
  throw new EdgeError('E_INTERNAL', { what: 'the answer was cut', expected: 'a last part', found: 'the end of the stream' });
}

/** The documented form of `nearside ask --json`. */
function toJson({ text, citations, end }: Answer): Record<string, unknown> {
  return {
    answer: text,
    citations,
    rung: end.rung ?? null,
    model: end.engine?.model ?? null,
    engine: end.engine?.engine ?? null,
    usage: end.usage,
    timings: end.timings,
    session: end.sessionId ?? null,
    items: end.items ?? [],
  };
}

function write(text: string): void {
  process.stdout.write(text);
}

function showSources({ citations, end }: Answer): void {
  print('');
  for (const citation of citations)
    print(
      paint(
        'dim',
        `[${citation.number}] ${citation.source}${citation.page ? `, page ${citation.page}` : ''}, characters ${citation.start}-${citation.end}`,
      ),
    );
  const facts = [
    end.rung,
    end.engine?.engine,
    `${Math.round(end.timings.totalMs)} ms`,
    end.timings.tokensPerSecond && `${end.timings.tokensPerSecond.toFixed(1)} tokens/s`,
  ];
  say(paint('dim', facts.filter(Boolean).join(' · '), process.stderr));
}
