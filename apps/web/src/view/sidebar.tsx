import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import type { SessionInfo } from '#edge/contracts/bot.ts';
import { useChat } from './context.ts';
import { formatAge } from './format.ts';
import { Icon, iconOfTarget, Mark } from './icons.tsx';

interface SidebarProps {
  readonly onDialog: (name: 'documents' | 'device') => void;
}

/** Remembered conversations and the way to the documents and the device; a drawer on narrow screens. */
export function Sidebar({ onDialog }: SidebarProps) {
  const { conversation, library } = useChat();
  const drawer = useRef<HTMLElement>(null);
  const closeDrawer = (): void => {
    if (drawer.current?.matches(':popover-open')) drawer.current.hidePopover();
  };
  return (
    <nav id="sidebar" class="sidebar" popover="auto" ref={drawer} aria-label="Conversations">
      <p class="brand">
        <Mark />
        Nearside
      </p>
      <button
        type="button"
        class="new-chat"
        onClick={() => {
          conversation.reset();
          closeDrawer();
        }}
      >
        <Icon name="plus" />
        New conversation
      </button>
      <h2>Recent</h2>
      {library.problem.value === '' ? null : <p class="sidebar-problem">{library.problem.value}</p>}
      {library.problem.value === '' && library.sessions.value.length === 0 ? (
        <p class="sidebar-empty">Your conversations with the bots will stand here.</p>
      ) : null}
      <ul class="sessions">
        {library.sessions.value.map((session) => (
          <SessionRow
            key={session.id}
            session={session}
            isOpen={session.id === conversation.sessionId.value}
            onOpen={() => {
              closeDrawer();
              void library.attempt(() => conversation.open(session.id, session));
            }}
            onDelete={() => {
              if (session.id === conversation.sessionId.value) conversation.reset();
              void library.deleteSession(session.id);
            }}
          />
        ))}
      </ul>
      <div class="sidebar-foot">
        <button type="button" onClick={() => onDialog('documents')}>
          <Icon name="book" />
          Documents
        </button>
        <button type="button" onClick={() => onDialog('device')}>
          <Icon name="chip" />
          This device
        </button>
      </div>
    </nav>
  );
}

interface SessionRowProps {
  readonly session: SessionInfo;
  readonly isOpen: boolean;
  readonly onOpen: () => void;
  readonly onDelete: () => void;
}

/** Deleting takes two presses of the same button: the first one asks. */
function SessionRow({ session, isOpen, onOpen, onDelete }: SessionRowProps) {
  const asked = useSignal(false);
  return (
    <li class="session">
      <button type="button" class="session-open" aria-current={isOpen} onClick={onOpen}>
        <Icon name={iconOfTarget(`bot/${session.bot}`)} />
        <span>
          <span class="session-title">{session.title}</span>
          <span class="session-age">{formatAge(session.updatedAt, Date.now())}</span>
        </span>
      </button>
      <button
        type="button"
        class={asked.value ? 'session-delete asked' : 'session-delete'}
        aria-label={asked.value ? `Really delete "${session.title}"` : `Delete "${session.title}"`}
        onClick={() => {
          if (asked.value) onDelete();
          asked.value = true;
        }}
        onBlur={() => {
          asked.value = false;
        }}
      >
        {asked.value ? 'Delete?' : <Icon name="trash" />}
      </button>
    </li>
  );
}
