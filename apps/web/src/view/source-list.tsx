import type { Citation } from '#edge/contracts/parts.ts';
import { useChat } from './context.ts';
import { titleOf } from './format.ts';

/** The sources under an answer. */
export function SourceList({ citations }: { readonly citations: readonly Citation[] }) {
  const { source } = useChat();
  if (citations.length === 0) return null;
  return (
    <ol class="sources" aria-label="Sources">
      {citations.map((citation) => (
        <li key={citation.number}>
          <button
            type="button"
            class="source-card"
            aria-pressed={source.citation.value === citation}
            onClick={(event) => source.show(citation, event.currentTarget)}
          >
            <span class="source-number">{citation.number}</span>
            <span class="source-text">
              <span class="source-title">
                {titleOf(citation)}
                {citation.page === undefined ? '' : `, page ${citation.page}`}
              </span>
              <span class="source-begin">{citation.text}</span>
            </span>
          </button>
        </li>
      ))}
    </ol>
  );
}
