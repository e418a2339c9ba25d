/** `warn` costs something, `fail` keeps the device from doing its job. */
export interface Finding {
  readonly check: string;
  readonly level: 'ok' | 'warn' | 'fail';
  readonly found: string;
  /** How to mend it; absent when all is well. */
  readonly hint?: string;
}
