import { ERROR_CODES } from '#edge/core/errors.ts';

/** The page that lists every error code with its HTTP status and how to mend it. */
export function renderErrorPage(): string {
  const rows = Object.entries(ERROR_CODES).map(
    ([code, { status, retryable, hint }]) => `| \`${code}\` | ${status} | ${retryable ? 'yes' : 'no'} | ${hint.replaceAll('|', '\\|')} |`,
  );
  return `# Errors

Every failure has a code, a message that says what was expected and what was found, and a hint. The API sends them as
\`{"error": {"code", "message", "hint", ...}}\` with the HTTP status below; the command line prints them on stderr and exits with 1.
"Again" says whether the same call may succeed later unchanged.

This page is written by \`node_modules/.bin/node scripts/write-error-docs.ts\`.

| code | HTTP | again | how to mend it |
|---|---|---|---|
${rows.join('\n')}
`;
}
