import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import type { Answer } from '../state/answer.ts';
import type { Turn } from '../state/conversation.ts';
import { useChat } from './context.ts';
import { ErrorCard } from './error-card.tsx';
import { Feedback } from './feedback.tsx';
import { engineLabel, RUNG_LABELS, speedFacts } from './format.ts';
import { Icon, iconOfTarget } from './icons.tsx';
import { ItemCards } from './item-cards.tsx';
import { Markdown } from './markdown.tsx';
import { SourceList } from './source-list.tsx';

interface TurnViewProps {
  readonly turn: Turn;
  readonly isLast: boolean;
}

/** A question and its answer. */
export function TurnView({ turn, isLast }: TurnViewProps) {
  const { conversation, library } = useChat();
  const answer = turn.answer.value;
  const headingId = `answer-${turn.id}`;
  const retry = isLast ? () => void conversation.retry() : undefined;
  return (
    <article class="turn" aria-labelledby={headingId}>
      <p class="question">
        <span class="visually-hidden">You asked: </span>
        {turn.question}
      </p>
      <div class="answer">
        <h2 id={headingId} class="answer-heading">
          <span class="avatar">
            <Icon name={iconOfTarget(turn.target)} />
          </span>
          {library.nameOf(turn.target)}
        </h2>
        {answer.text === '' ? null : <Markdown text={answer.text} citations={answer.citations} />}
        {answer.state === 'waiting' ? <Waiting target={turn.target} status={answer.status} /> : null}
        <ItemCards items={answer.items} />
        <SourceList citations={answer.citations} />
        {answer.state === 'stopped' ? <Stopped onRetry={retry} /> : null}
        {answer.error ? <ErrorCard error={answer.error} {...(retry ? { onRetry: retry } : {})} /> : null}
        {answer.state === 'complete' ? <AnswerFoot answer={answer} /> : null}
      </div>
    </article>
  );
}

/** Milliseconds of silence after which the reader is told why it may take longer. */
const PATIENCE_MS = 1500;

interface WaitingProps {
  readonly target: string;
  /** What the device says it is doing. */
  readonly status: string | undefined;
}

function Waiting({ target, status }: WaitingProps) {
  const { library } = useChat();
  const isLong = useSignal(false);
  useEffect(() => {
    const timer = setTimeout(() => {
      isLong.value = true;
    }, PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  const starting = target.startsWith('bot/') && library.starting.value;
  return (
    <p class="waiting">
      <span class="dots" aria-hidden="true">
        <i />
        <i />
        <i />
      </span>
      <span>{status ?? (starting ? 'The bots are starting' : 'Thinking')}</span>
      {isLong.value && status === undefined ? <span class="muted">Longer than usual: the bots or the model may be starting.</span> : null}
    </p>
  );
}

function Stopped({ onRetry }: { readonly onRetry: (() => void) | undefined }) {
  return (
    <p class="stopped">
      Stopped
      {onRetry ? (
        <button type="button" class="button" onClick={onRetry}>
          <Icon name="retry" />
          Ask again
        </button>
      ) : null}
    </p>
  );
}

/** Who answered, on which rung, how fast; and the thumbs. */
function AnswerFoot({ answer }: { readonly answer: Answer }) {
  const { rung, engine, timings, sessionId } = answer;
  const facts = [...(engine ? [engineLabel(engine)] : []), ...(timings ? speedFacts(timings) : [])];
  if (!rung && facts.length === 0) return null;
  return (
    <footer class="answer-foot">
      {rung ? <span class={`rung rung-${rung}`}>{RUNG_LABELS[rung] ?? rung}</span> : null}
      <ul class="facts" aria-label="How it was answered">
        {facts.map((fact) => (
          <li key={fact}>{fact}</li>
        ))}
      </ul>
      {sessionId === undefined ? null : <Feedback sessionId={sessionId} />}
    </footer>
  );
}
