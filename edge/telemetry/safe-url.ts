/** The URL without credentials, for logs and status. */
export function safeUrl(url: string): string {
  const parsed = URL.parse(url);
  return parsed ? `${parsed.protocol}//${parsed.host}` : '(invalid URL)';
}
