import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { Composer } from './composer.tsx';
import { type Chat, useChat } from './context.ts';
import { DeviceDialog } from './device-dialog.tsx';
import { DocumentsDialog } from './documents-dialog.tsx';
import { Icon } from './icons.tsx';
import { Sidebar } from './sidebar.tsx';
import { SourcePanel } from './source-panel.tsx';
import { TargetPicker } from './target-picker.tsx';
import { Transcript } from './transcript.tsx';

/** The page. */
export function App() {
  const chat = useChat();
  const dialog = useSignal<'documents' | 'device' | undefined>(undefined);
  const closeDialog = (): void => {
    dialog.value = undefined;
  };
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => leaveOnEscape(event, chat);
    document.addEventListener('keydown', onKeyDown);
    return () => document.removeEventListener('keydown', onKeyDown);
  }, []);
  return (
    <div class={chat.source.citation.value ? 'app with-source' : 'app'}>
      <a class="skip-link" href="#question">
        Skip to the question
      </a>
      <Sidebar
        onDialog={(name) => {
          dialog.value = name;
        }}
      />
      <main class="main">
        <header class="topbar">
          <button type="button" class="icon-button menu-button" popovertarget="sidebar" aria-label="Conversations">
            <Icon name="menu" />
          </button>
          <h1 class="visually-hidden">Nearside chat</h1>
          <TargetPicker />
        </header>
        <Transcript />
        <Composer />
      </main>
      <SourcePanel />
      <p class="visually-hidden" role="status">
        {chat.conversation.announcement.value}
      </p>
      {dialog.value === 'documents' ? <DocumentsDialog onClose={closeDialog} /> : null}
      {dialog.value === 'device' ? <DeviceDialog onClose={closeDialog} /> : null}
    </div>
  );
}

/** Esc closes what is open, nearest first: the browser's own layers, then the source, then a running answer. */
function leaveOnEscape(event: KeyboardEvent, { source, conversation }: Chat): void {
  if (event.key !== 'Escape' || document.querySelector('dialog[open], :popover-open')) return;
  if (source.citation.value) source.close();
  else conversation.stop();
}
