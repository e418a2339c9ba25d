import type { CallOptions } from './backend.ts';
import type { ChatMessage } from './generate.ts';
import type { ReplyPart } from './parts.ts';
import type { Progress } from './progress.ts';

export const BOTS = ['qa', 'recommend', 'support'] as const;
export type BotId = (typeof BOTS)[number];

export interface BotInfo {
  readonly id: BotId;
  readonly name: string;
  /** One sentence for a picker. */
  readonly description: string;
  /** Questions that show what it can do. */
  readonly examples: readonly string[];
}

export interface BotRequest {
  readonly bot: BotId;
  /** The conversation so far; the last message is the user's. With a `sessionId` only the last one is read. */
  readonly messages: readonly ChatMessage[];
  /** Continues a remembered conversation, or begins one under this id. A new id is made when absent. */
  readonly sessionId?: string;
}

/** What to read into the QA bot's index. */
export interface AddDocumentsRequest {
  /** Files, folders (walked) or http(s) URLs. */
  readonly paths: readonly string[];
  /** `auto` goes by extension and content. */
  readonly format: 'auto' | 'markdown' | 'text' | 'html' | 'pdf' | 'docx' | 'jsonl';
  /** Field names for `jsonl`. */
  readonly fields?: { readonly text: string; readonly id?: string; readonly title?: string };
}

export interface DocumentInfo {
  readonly id: string;
  readonly source: string;
  readonly title: string;
  readonly characters: number;
  readonly chunks: number;
  /** ISO 8601. */
  readonly addedAt: string;
}

/** How an ingest went; every input is in exactly one of the lists. */
export interface IngestReport {
  readonly added: readonly DocumentInfo[];
  readonly unchanged: readonly string[];
  readonly failed: readonly { readonly source: string; readonly code: string; readonly message: string; readonly hint: string }[];
}

export type IngestPart =
  | { readonly type: 'progress'; readonly progress: Progress }
  | { readonly type: 'report'; readonly report: IngestReport };

export interface SessionInfo {
  readonly id: string;
  readonly bot: BotId;
  readonly title: string;
  /** ISO 8601. */
  readonly updatedAt: string;
  readonly turns: number;
}

export interface FeedbackRequest {
  readonly sessionId: string;
  readonly vote: 'up' | 'down';
  readonly comment?: string;
}

/** The bots, as the endpoint and the CLI see them; implemented by the agent host, a child process. */
export interface BotPort {
  listBots(): Promise<readonly BotInfo[]>;
  /** Ends with `response-end`, or throws. */
  reply(request: BotRequest, options?: CallOptions): AsyncIterable<ReplyPart>;
  /** The last part is the report. */
  addDocuments(request: AddDocumentsRequest, options?: CallOptions): AsyncIterable<IngestPart>;
  listDocuments(): Promise<readonly DocumentInfo[]>;
  /** Removes by document id or source; unknown ones throw `E_DOCUMENT_UNKNOWN`. */
  removeDocuments(idsOrSources: readonly string[]): Promise<{ readonly removed: number }>;
  /** Makes the vectors of all documents anew with the present embedding model. */
  reindexDocuments(options?: CallOptions): AsyncIterable<Progress>;
  listSessions(): Promise<readonly SessionInfo[]>;
  readSession(id: string): Promise<readonly ChatMessage[]>;
  deleteSession(id: string): Promise<void>;
  addFeedback(request: FeedbackRequest): Promise<void>;
}
