import { EdgeError } from '#edge/core/errors.ts';

/**
 * Bytes of a text file as text with `\n` line ends: UTF-8, UTF-16 with a byte order mark, else Windows-1252.
 * @throws EdgeError `E_DOCUMENT_UNREADABLE` for bytes that are no text in any of them.
 */
export function decodeText(bytes: Uint8Array, source: string): string {
  const text = decode(bytes);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what tells binary data from text
  const control = /[\u0000-\u0008\u000E-\u001A\u001C-\u001F]/.exec(text);
  if (control) {
    throw new EdgeError('E_DOCUMENT_UNREADABLE', {
      what: `${source} is not text`,
      expected: 'UTF-8, UTF-16 with a byte order mark, or Windows-1252',
      found: `control character 0x${control[0].charCodeAt(0).toString(16).padStart(2, '0')} at ${control.index}`,
    });
  }
  return text.replace(/\r\n?/g, '\n');
}

function decode(bytes: Uint8Array): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // Not UTF-8: every byte sequence is valid Windows-1252, and the control character check tells text from data.
    return new TextDecoder('windows-1252').decode(bytes);
  }
}
