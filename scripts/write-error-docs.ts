/** Writes docs/errors.md from the error table; `test/core/errors.test.ts` fails when the page is behind the table. */
import { writeFileSync } from 'node:fs';
import { renderErrorPage } from './render-error-page.ts';

writeFileSync(new URL('../docs/errors.md', import.meta.url), renderErrorPage());
