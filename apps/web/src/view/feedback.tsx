import { useSignal } from '@preact/signals';
import { DeviceError } from '../api/device-error.ts';
import { useChat } from './context.ts';
import { Icon } from './icons.tsx';

type Vote = 'up' | 'down';

/** Thumbs; the vote is stored at once, a comment may follow. */
export function Feedback({ sessionId }: { readonly sessionId: string }) {
  const { api, conversation } = useChat();
  const vote = useSignal<Vote | undefined>(undefined);
  const commenting = useSignal(false);
  const note = useSignal('');

  const send = async (chosen: Vote, comment?: string): Promise<void> => {
    try {
      await api.addFeedback({ sessionId, vote: chosen, ...(comment ? { comment } : {}) });
      vote.value = chosen;
      note.value = comment ? 'Thank you, your comment is stored.' : 'Thank you.';
      commenting.value = !comment;
    } catch (error) {
      note.value = `Not stored: ${DeviceError.from(error).message}`;
    }
    conversation.announcement.value = note.value;
  };

  return (
    <div class="feedback">
      <span class="feedback-note">{note.value}</span>
      <span class="votes">
        <VoteButton name="up" pressed={vote.value === 'up'} onVote={send} />
        <VoteButton name="down" pressed={vote.value === 'down'} onVote={send} />
      </span>
      {commenting.value && vote.value ? (
        <form
          class="feedback-form"
          onSubmit={(event) => {
            event.preventDefault();
            const comment = String(new FormData(event.currentTarget).get('comment') ?? '').trim();
            if (comment !== '' && vote.value) void send(vote.value, comment);
            else commenting.value = false;
          }}
        >
          <input
            name="comment"
            aria-label="Comment on the answer"
            placeholder={vote.value === 'up' ? 'What was good? (optional)' : 'What was wrong? (optional)'}
            autocomplete="off"
          />
          <button type="submit" class="button">
            Send
          </button>
        </form>
      ) : null}
    </div>
  );
}

interface VoteButtonProps {
  readonly name: Vote;
  readonly pressed: boolean;
  readonly onVote: (vote: Vote) => Promise<void>;
}

function VoteButton({ name, pressed, onVote }: VoteButtonProps) {
  return (
    <button
      type="button"
      class="icon-button small"
      aria-label={name === 'up' ? 'Good answer' : 'Bad answer'}
      aria-pressed={pressed}
      onClick={() => void onVote(name)}
    >
      <Icon name={name === 'up' ? 'up' : 'thumbDown'} />
    </button>
  );
}
