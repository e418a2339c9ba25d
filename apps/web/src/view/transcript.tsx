import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { useChat } from './context.ts';
import { Icon } from './icons.tsx';
import { TurnView } from './turn-view.tsx';
import { Welcome } from './welcome.tsx';

/** Pixels from the foot within which the view still follows a growing answer. */
const FOLLOW_WITHIN = 72;

/** The conversation. It follows the answer until the reader scrolls away. */
export function Transcript() {
  const { conversation } = useChat();
  const frame = useRef<HTMLDivElement>(null);
  const column = useRef<HTMLDivElement>(null);
  const away = useSignal(false);
  const turns = conversation.turns.value;

  const toEnd = (): void => {
    const view = frame.current;
    if (view) view.scrollTop = view.scrollHeight;
  };
  useLayoutEffect(() => {
    away.value = false;
    toEnd();
  }, [turns.length]);
  useLayoutEffect(() => {
    // Called after layout and before painting, so that following costs no second layout.
    const observer = new ResizeObserver(() => {
      if (!away.peek()) toEnd();
    });
    if (column.current) observer.observe(column.current);
    return () => observer.disconnect();
  }, []);

  return (
    <div class="transcript-frame">
      <div
        class="transcript"
        ref={frame}
        role="log"
        aria-label="Conversation"
        // The status line tells that an answer is being written and that it is complete; the tokens are not read out.
        aria-live="off"
        // biome-ignore lint/a11y/noNoninteractiveTabindex: a log that scrolls must be reachable without a mouse
        tabIndex={0}
        onScroll={({ currentTarget: view }) => {
          away.value = view.scrollHeight - view.scrollTop - view.clientHeight > FOLLOW_WITHIN;
        }}
      >
        <div class="column" ref={column}>
          {turns.length === 0 ? <Welcome /> : null}
          {turns.map((turn, index) => (
            <TurnView key={turn.id} turn={turn} isLast={index === turns.length - 1} />
          ))}
        </div>
      </div>
      {away.value && turns.length > 0 ? (
        <button type="button" class="icon-button to-end" aria-label="Go to the end" onClick={toEnd}>
          <Icon name="down" />
        </button>
      ) : null}
    </div>
  );
}
