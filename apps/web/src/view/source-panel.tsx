import { useEffect, useRef } from 'preact/hooks';
import { useChat } from './context.ts';
import { titleOf } from './format.ts';
import { Icon } from './icons.tsx';

/** The quote behind a citation, marked in the text around it. Beside the conversation where there is room, over its foot elsewhere. */
export function SourcePanel() {
  const { source } = useChat();
  const heading = useRef<HTMLHeadingElement>(null);
  const citation = source.citation.value;
  useEffect(() => heading.current?.focus(), [citation]);
  if (!citation) return null;
  return (
    <aside class="source-panel" aria-labelledby="source-heading">
      <header>
        <span class="source-number">{citation.number}</span>
        <h2 id="source-heading" ref={heading} tabIndex={-1}>
          {titleOf(citation)}
        </h2>
        <button type="button" class="icon-button" aria-label="Close source" onClick={() => source.close()}>
          <Icon name="close" />
        </button>
      </header>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: text that scrolls must be reachable without a mouse */}
      <blockquote class="source-quote" tabIndex={0}>
        {citation.before ? <span class="source-context">… {citation.before}</span> : null}
        <mark>{citation.text}</mark>
        {citation.after ? <span class="source-context">{citation.after} …</span> : null}
      </blockquote>
      <dl class="facts-table">
        <dt>Document</dt>
        <dd class="path">{citation.source}</dd>
        {citation.page === undefined ? null : (
          <>
            <dt>Page</dt>
            <dd>{citation.page}</dd>
          </>
        )}
        <dt>Position</dt>
        <dd>
          characters {citation.start} to {citation.end}
        </dd>
      </dl>
    </aside>
  );
}
