import { effect } from '@preact/signals';
import { render } from 'preact';
import { DeviceApi } from './api/device-api.ts';
import { Conversation } from './state/conversation.ts';
import { Library } from './state/library.ts';
import { OpenSource } from './state/open-source.ts';
import { App } from './view/app.tsx';
import { type Chat, ChatContext } from './view/context.ts';
import './styles/tokens.css';
import './styles/controls.css';
import './styles/layout.css';
import './styles/transcript.css';
import './styles/sources.css';
import './styles/dialogs.css';

const api = new DeviceApi();
const library = new Library(api);
const conversation = new Conversation(api, () => library.refreshSessions());
const chat: Chat = { api, library, conversation, source: new OpenSource() };

const root = document.getElementById('app');
if (root) {
  render(
    <ChatContext.Provider value={chat}>
      <App />
    </ChatContext.Provider>,
    root,
  );
}

// The address names the session, so that a reload or a bookmark comes back to it.
const remembered = new URLSearchParams(location.search).get('session');
await library.load();
const session = library.sessions.value.find(({ id }) => id === remembered);
if (session) await library.attempt(() => conversation.open(session.id, session));
effect(() => {
  const id = conversation.sessionId.value;
  history.replaceState(null, '', id === undefined ? location.pathname : `?session=${encodeURIComponent(id)}`);
});
// Another conversation has other sources.
effect(() => {
  if (conversation.turns.value.length === 0) chat.source.citation.value = undefined;
});
