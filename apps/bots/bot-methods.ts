import type {
  AddDocumentsRequest,
  BotInfo,
  BotRequest,
  DocumentInfo,
  FeedbackRequest,
  IngestPart,
  SessionInfo,
} from '#edge/contracts/bot.ts';
import type { ChatMessage } from '#edge/contracts/generate.ts';
import type { ReplyPart } from '#edge/contracts/parts.ts';
import type { Progress } from '#edge/contracts/progress.ts';

/** `BotPort` as it crosses from the device to the agent host. */
export type BotMethods = {
  readonly listBots: { readonly params: undefined; readonly result: readonly BotInfo[] };
  readonly reply: { readonly params: BotRequest; readonly item: ReplyPart };
  readonly addDocuments: { readonly params: AddDocumentsRequest; readonly item: IngestPart };
  readonly listDocuments: { readonly params: undefined; readonly result: readonly DocumentInfo[] };
  readonly removeDocuments: { readonly params: readonly string[]; readonly result: { readonly removed: number } };
  readonly reindexDocuments: { readonly params: undefined; readonly item: Progress };
  readonly listSessions: { readonly params: undefined; readonly result: readonly SessionInfo[] };
  readonly readSession: { readonly params: string; readonly result: readonly ChatMessage[] };
  readonly deleteSession: { readonly params: string; readonly result: undefined };
  readonly addFeedback: { readonly params: FeedbackRequest; readonly result: undefined };
};
