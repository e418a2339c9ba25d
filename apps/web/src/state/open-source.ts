import { signal } from '@preact/signals';
import type { Citation } from '#edge/contracts/parts.ts';

/** The citation whose source stands beside the conversation. */
export class OpenSource {
  readonly citation = signal<Citation | undefined>(undefined);
  #opener: HTMLElement | undefined;

  show(citation: Citation, opener: HTMLElement): void {
    this.citation.value = citation;
    this.#opener = opener;
  }

  /** Closes it and puts the focus back where it was opened from. */
  close(): void {
    this.citation.value = undefined;
    this.#opener?.focus();
    this.#opener = undefined;
  }
}
