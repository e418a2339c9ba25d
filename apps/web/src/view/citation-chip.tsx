import type { Citation } from '#edge/contracts/parts.ts';
import { useChat } from './context.ts';
import { titleOf } from './format.ts';

/** `[1]` in an answer: a button when its source is known, plain text otherwise (a remembered answer, a source still to come). */
export function CitationChip({ number, citation }: { readonly number: number; readonly citation: Citation | undefined }) {
  const { source } = useChat();
  if (!citation) return <span class="chip chip-unknown">{number}</span>;
  return (
    <button
      type="button"
      class="chip"
      aria-label={`Source ${number}: ${titleOf(citation)}`}
      aria-pressed={source.citation.value === citation}
      onClick={(event) => source.show(citation, event.currentTarget)}
    >
      {number}
    </button>
  );
}
