import { END, type LangGraphRunnableConfig, START, StateGraph } from '@langchain/langgraph';
import { QA_COEFFICIENTS } from './coefficients.ts';
import { answers, type FoundAnswer, findAnswer } from './find-answer.ts';
import { type QaBotOptions, type QaState, State, type Write, writeAbstention, writeQuote, writeText } from './qa-turn.ts';
import { canSummarise, summarise } from './summarise.ts';
import { canStandAlone, type Intent, intentOf, standaloneQuestion, summaryTopic } from './understand.ts';

const TALK: Readonly<Record<Exclude<Intent, 'question' | 'summary'>, string>> = {
  greeting: 'Hello! Ask me anything about your documents: I answer by quoting them.',
  thanks: 'You are welcome.',
  abilities:
    'I look for the answer in your documents and quote the sentences that hold it, with their source. When they hold none, I say so.',
};

/**
 * The flow of one turn: understand, then talk, or retrieve and take a rung of the answer ladder. Each node writes its reply parts to the custom
 * stream; there is nothing to resume, so nothing is checkpointed.
 */
export function createQaGraph(options: QaBotOptions) {
  const { knowledge, strictness } = options;

  function understand({ turn }: QaState): Partial<QaState> {
    const intent = intentOf(turn.text);
    const question = intent === 'summary' ? summaryTopic(turn.text) : standaloneQuestion(turn.text, turn.history);
    return { intent, question };
  }

  async function retrieve({ turn, intent, question }: QaState, config: LangGraphRunnableConfig): Promise<Partial<QaState>> {
    writerOf(config)({ type: 'status', text: 'searching the documents' });
    const startedAt = performance.now();
    const find = (text: string): Promise<FoundAnswer> =>
      findAnswer(knowledge, text, QA_COEFFICIENTS, config.signal ? { signal: config.signal } : {});
    let found = await find(question);
    // The words added from the conversation can mislead: a question that says enough gets its chance without them.
    if (intent === 'question' && question !== turn.text && !answers(found, strictness) && canStandAlone(turn.text)) {
      const alone = await find(turn.text);
      if (answers(alone, strictness)) found = alone;
    }
    return { found, retrievalMs: performance.now() - startedAt };
  }

  function chooseRung({ found, intent }: QaState): 'quote' | 'summary' | 'abstain' {
    if (intent === 'summary') return canSummarise(found) ? 'summary' : 'abstain';
    return answers(found, strictness) ? 'quote' : 'abstain';
  }

  function talk(state: QaState, config: LangGraphRunnableConfig): Partial<QaState> {
    writeText(state, writerOf(config), { text: TALK[state.intent as keyof typeof TALK], rung: 'template' });
    return {};
  }

  function quote(state: QaState, config: LangGraphRunnableConfig): Partial<QaState> {
    writeQuote(state, writerOf(config));
    return {};
  }

  async function summary(state: QaState, config: LangGraphRunnableConfig): Promise<Partial<QaState>> {
    await summarise(state, { ...options, write: writerOf(config), signal: config.signal });
    return {};
  }

  function abstain(state: QaState, config: LangGraphRunnableConfig): Partial<QaState> {
    writeAbstention(state, writerOf(config));
    return {};
  }

  return new StateGraph(State)
    .addNode('understand', understand)
    .addNode('talk', talk)
    .addNode('retrieve', retrieve)
    .addNode('quote', quote)
    .addNode('summary', summary)
    .addNode('abstain', abstain)
    .addEdge(START, 'understand')
    .addConditionalEdges('understand', ({ intent }) => (intent in TALK ? 'talk' : 'retrieve'), ['talk', 'retrieve'])
    .addConditionalEdges('retrieve', chooseRung, ['quote', 'summary', 'abstain'])
    .addEdge('talk', END)
    .addEdge('quote', END)
    .addEdge('summary', END)
    .addEdge('abstain', END)
    .compile();
}

function writerOf(config: LangGraphRunnableConfig): Write {
  return (part) => config.writer?.(part);
}
