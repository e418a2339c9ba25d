/** What a schema library tells of one wrong value; zod's issues have this shape. */
export interface SchemaIssue {
  readonly code?: string | undefined;
  readonly message: string;
  readonly path: readonly PropertyKey[];
  /** The value, where the check was asked to report it. */
  readonly input?: unknown;
  readonly expected?: unknown;
  readonly minimum?: unknown;
  readonly maximum?: unknown;
  readonly inclusive?: unknown;
  readonly origin?: unknown;
  readonly values?: readonly unknown[];
  readonly keys?: readonly string[];
  readonly format?: unknown;
}

/** How the value is called when the path is empty. */
const WHOLE = '(whole)';

const KINDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'an object',
  record: 'an object',
};

/**
 * One wrong value in a sentence: where it is, what was expected, and the kind of what was found. The value itself is told only of numbers,
 * for a text may be a secret.
 */
export function describeIssue(issue: SchemaIssue): string {
  return `${issue.path.map(String).join('.') || WHOLE}: ${describeProblem(issue)}`;
}

/** The same without the place. */
export function describeProblem(issue: SchemaIssue): string {
  const { code, message, values = [], keys = [] } = issue;
  switch (code) {
    case 'invalid_type':
      return issue.input === undefined && 'input' in issue
        ? `missing: expected ${kindOf(issue)}`
        : `expected ${kindOf(issue)}${found(issue)}`;
    case 'invalid_value':
      return `expected ${values.length > 1 ? 'one of ' : ''}${values.map(String).join(', ')}${found(issue)}`;
    case 'too_small':
      return `expected ${amount(issue, issue.minimum, issue.inclusive === false ? 'more than' : 'at least')}`;
    case 'too_big':
      return `expected ${amount(issue, issue.maximum, issue.inclusive === false ? 'less than' : 'at most')}`;
    case 'unrecognized_keys':
      return `there is no ${keys.map((key) => `"${key}"`).join(', ')} here`;
    case 'invalid_format':
      return issue.format === 'url' ? 'expected an address such as https://example.org' : message;
    default:
      return message;
  }
}

function kindOf({ expected }: SchemaIssue): string {
  return KINDS[String(expected)] ?? String(expected);
}

/** `at least 0, found -1`, `at least 16 characters`, `at least 1 entry`. */
function amount(issue: SchemaIssue, limit: unknown, relation: string): string {
  const bound = `${relation} ${String(limit)}`;
  if (issue.origin === 'string') return `${bound} ${limit === 1 ? 'character' : 'characters'}`;
  if (issue.origin === 'array') return `${bound} ${limit === 1 ? 'entry' : 'entries'}`;
  return `${bound}${found(issue)}`;
}

function found({ input }: SchemaIssue): string {
  if (input === undefined) return '';
  if (input === null) return ', found null';
  if (typeof input === 'number') return `, found ${input}`;
  if (Array.isArray(input)) return ', found a list';
  return `, found ${{ string: 'other text', boolean: String(input), object: 'an object' }[typeof input as string] ?? typeof input}`;
}
