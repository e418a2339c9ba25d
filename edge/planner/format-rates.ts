import type { Candidate, RateName, Rates } from '#edge/contracts/plan.ts';

/** What each rate is of, and the unit. */
const NAMES: Readonly<Record<RateName, readonly [name: string, unit: string]>> = {
  prefill: ['prompt', 'tokens/s'],
  decode: ['answer', 'tokens/s'],
  short: ['short', 'texts/s'],
  long: ['long', 'texts/s'],
  runs: ['', 'runs/s'],
};

/** `290 prompt and 117 answer tokens/s`, `256 short and 52 long texts/s`, `190 runs/s`. */
export function formatRates({ estimate }: Candidate): string {
  return formatRateValues(Object.fromEntries(Object.entries(estimate.rates).map(([name, { value }]) => [name, value])));
}

/** The same of bare numbers. */
export function formatRateValues(values: Rates): string {
  const rates = Object.entries(values).map(([name, value]) => {
    const [what, unit] = NAMES[name as RateName];
    return { text: `${formatNumber(value)} ${what}`.trim(), unit };
  });
  return `${rates.map(({ text }) => text).join(' and ')} ${rates[0]?.unit ?? ''}`;
}

/** `1.42` > `1.4 s`, `0.413` > `413 ms`, `0.0413` > `41.3 ms`. */
export function formatSeconds(seconds: number): string {
  if (seconds >= 1) return `${formatNumber(seconds)} s`;
  const ms = seconds * 1000;
  return `${ms >= 100 ? Math.round(ms) : Number(ms.toFixed(1))} ms`;
}

/** Whole numbers from 10 on, one digit behind the point below. */
export function formatNumber(value: number): string {
  return value >= 10 ? `${Math.round(value)}` : value.toFixed(1);
}

/** `9.93` > `9.9 J`, `0.184` > `184 mJ`, `0.0084` > `8.4 mJ`. */
export function formatJoules(joules: number): string {
  return joules >= 1 ? `${formatNumber(joules)} J` : `${formatNumber(joules * 1000)} mJ`;
}
