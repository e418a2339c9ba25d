import { useEffect, useRef } from 'preact/hooks';
import { useChat } from './context.ts';
import { Icon } from './icons.tsx';

/** Where a question is written. Enter sends, Shift+Enter breaks the line. */
export function Composer() {
  const { conversation } = useChat();
  const field = useRef<HTMLTextAreaElement>(null);
  const busy = conversation.busy.value;
  const session = conversation.sessionId.value;
  useEffect(() => field.current?.focus(), [conversation.target.value, session === undefined]);

  const send = (): void => {
    const input = field.current;
    if (!input || busy || input.value.trim() === '') return;
    void conversation.ask(input.value);
    input.value = '';
  };

  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div class="composer-box">
        <label class="visually-hidden" for="question">
          Your question
        </label>
        <textarea
          id="question"
          ref={field}
          rows={1}
          placeholder="Ask a question"
          aria-describedby="composer-hint"
          onKeyDown={(event) => {
            // While an input method composes a character, Enter belongs to it.
            if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
            event.preventDefault();
            send();
          }}
        />
        {busy ? (
          <button type="button" class="send" aria-label="Stop the answer" onClick={() => conversation.stop()}>
            <Icon name="stop" />
          </button>
        ) : (
          <button type="submit" class="send" aria-label="Send">
            <Icon name="send" />
          </button>
        )}
      </div>
      <p id="composer-hint" class="composer-hint">
        <span>Answers are made on this device; what you type stays on it.</span>{' '}
        <span class="keys">
          <kbd>Enter</kbd> sends, <kbd>Shift</kbd> <kbd>Enter</kbd> breaks the line, <kbd>Esc</kbd> stops
        </span>
      </p>
    </form>
  );
}
