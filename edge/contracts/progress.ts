/** A step of a long job, told to whoever waits for it. */
export interface Progress {
  /** What is going on, in words: `downloading smollm2-135m-instruct`. */
  readonly label: string;
  /** Work done so far, in `unit`. */
  readonly done: number;
  /** Total work, in `unit`; absent while unknown. */
  readonly total?: number;
  readonly unit: 'bytes' | 'documents' | 'chunks' | 'steps';
}

export type OnProgress = (progress: Progress) => void;
