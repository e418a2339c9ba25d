import type { Token, Tokens } from 'marked';
import type { ComponentChildren } from 'preact';
import type { Citation } from '#edge/contracts/parts.ts';
import { CitationChip } from './citation-chip.tsx';
import { type CitationToken, readMarkdown, safeLink } from './markdown-tokens.ts';

/** What inline marks need from the answer around them. */
interface Marks {
  readonly citations: readonly Citation[];
}

/** An answer's Markdown as elements. HTML in it is shown as the text it is; pictures become links. */
export function Markdown({ text, citations }: { readonly text: string } & Marks) {
  return <div class="prose">{renderBlocks(readMarkdown(text), { citations })}</div>;
}

function renderBlocks(tokens: readonly Token[], marks: Marks): ComponentChildren[] {
  return tokens.map((token) => renderBlock(token, marks));
}

function renderBlock(token: Token, marks: Marks): ComponentChildren {
  const inline = () => renderInline((token as Tokens.Generic).tokens ?? [], marks);
  switch (token.type) {
    case 'space':
    case 'def':
      return null;
    case 'paragraph':
      return <p>{inline()}</p>;
    case 'heading': {
      // The answer itself stands under an h2.
      const Heading = (['h3', 'h4', 'h5', 'h6'] as const)[Math.min((token as Tokens.Heading).depth, 4) - 1] ?? 'h6';
      return <Heading>{inline()}</Heading>;
    }
    case 'list':
      return renderList(token as Tokens.List, marks);
    case 'blockquote':
      return <blockquote>{renderBlocks((token as Tokens.Blockquote).tokens, marks)}</blockquote>;
    case 'code':
      return <CodeBlock code={token as Tokens.Code} />;
    case 'table':
      return renderTable(token as Tokens.Table, marks);
    case 'hr':
      return <hr />;
    case 'text':
      return (token as Tokens.Text).tokens ? inline() : (token as Tokens.Text).text;
    default:
      return <p>{token.raw}</p>;
  }
}

function renderList(list: Tokens.List, marks: Marks): ComponentChildren {
  const items = list.items.map((item, index) => <li key={index}>{renderBlocks(item.tokens, marks)}</li>);
  return list.ordered ? <ol start={list.start === '' ? 1 : list.start}>{items}</ol> : <ul>{items}</ul>;
}

/** Scrolls sideways on its own, so the keyboard must reach it. */
function CodeBlock({ code }: { readonly code: Tokens.Code }) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a block that scrolls must be reachable without a mouse
    // biome-ignore lint/a11y/useSemanticElements: fieldset is for form controls
    <pre tabIndex={0} role="group" aria-label={code.lang ? `Code, ${code.lang}` : 'Code'}>
      <code>{code.text}</code>
    </pre>
  );
}

function renderTable(table: Tokens.Table, marks: Marks): ComponentChildren {
  const cells = (row: readonly Tokens.TableCell[], Cell: 'th' | 'td') =>
    row.map((cell, index) => (
      <Cell key={index} class={cell.align ? `align-${cell.align}` : undefined}>
        {renderInline(cell.tokens, marks)}
      </Cell>
    ));
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a table that scrolls must be reachable without a mouse
    // biome-ignore lint/a11y/useSemanticElements: fieldset is for form controls
    <div class="table-frame" tabIndex={0} role="group" aria-label="Table">
      <table>
        <thead>
          <tr>{cells(table.header, 'th')}</tr>
        </thead>
        <tbody>
          {table.rows.map((row, index) => (
            <tr key={index}>{cells(row, 'td')}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function renderInline(tokens: readonly Token[], marks: Marks): ComponentChildren[] {
  return tokens.map((token) => renderMark(token, marks));
}

function renderMark(token: Token, marks: Marks): ComponentChildren {
  const inside = () => renderInline((token as Tokens.Generic).tokens ?? [], marks);
  switch (token.type) {
    case 'citation':
      return (token as CitationToken).numbers.map((number) => (
        <CitationChip key={number} number={number} citation={marks.citations.find((citation) => citation.number === number)} />
      ));
    case 'strong':
      return <strong>{inside()}</strong>;
    case 'em':
      return <em>{inside()}</em>;
    case 'del':
      return <del>{inside()}</del>;
    case 'codespan':
      return <code>{(token as Tokens.Codespan).text}</code>;
    case 'br':
      return <br />;
    case 'link':
      return <SafeLink href={(token as Tokens.Link).href}>{inside()}</SafeLink>;
    case 'image':
      return <SafeLink href={(token as Tokens.Image).href}>{(token as Tokens.Image).text || 'picture'}</SafeLink>;
    case 'text':
      return (token as Tokens.Text).tokens ? inside() : (token as Tokens.Text).text;
    case 'escape':
      return (token as Tokens.Escape).text;
    default:
      return token.raw;
  }
}

function SafeLink({ href, children }: { readonly href: string; readonly children: ComponentChildren }) {
  const address = safeLink(href);
  if (address === undefined) return <>{children}</>;
  return (
    <a href={address} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}
