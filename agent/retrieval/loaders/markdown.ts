import { Marked } from 'marked';
import { readHtml, type StructuredText } from './html.ts';

const marked = new Marked({ gfm: true, async: false });

/** Front matter: a YAML block between `---` lines at the very start. */
const FRONT_MATTER = /^---\n([\s\S]*?)\n---\n/;

/** Reads Markdown as its reader sees it: mark-up gone, headings kept, `title` of the front matter or the first heading as title. */
export function readMarkdown(markdown: string): StructuredText {
  const frontMatter = FRONT_MATTER.exec(markdown);
  const body = frontMatter ? markdown.slice(frontMatter[0].length) : markdown;
  const { text, headings, code = [] } = readHtml(`<html><body>${marked.parse(body) as string}</body></html>`);
  const title =
    /^title:\s*["']?(.+?)["']?\s*$/m.exec(frontMatter?.[1] ?? '')?.[1] ?? headings.find((heading) => heading.level === 1)?.title;
  return { text, headings, code, ...(title ? { title } : {}) };
}
