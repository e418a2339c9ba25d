import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import type { DeviceApi } from '../api/device-api.ts';
import { DeviceError } from '../api/device-error.ts';
import type { Conversation } from '../state/conversation.ts';
import type { Library } from '../state/library.ts';
import type { OpenSource } from '../state/open-source.ts';

/** What every part of the page may use; made once in `main.tsx`. */
export interface Chat {
  readonly api: DeviceApi;
  readonly conversation: Conversation;
  readonly library: Library;
  readonly source: OpenSource;
}

export const ChatContext = createContext<Chat | undefined>(undefined);

export function useChat(): Chat {
  const chat = useContext(ChatContext);
  if (!chat) throw new DeviceError('E_INTERNAL', 'A part of the page was drawn outside ChatContext.', 'This is a bug: please report it.');
  return chat;
}
