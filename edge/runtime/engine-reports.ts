/** What operators are told of engines: by the log, by telemetry, and by errors. */
import { classifyFailure } from '#edge/backends/classify-failure.ts';
import type { Candidate, Plan } from '#edge/contracts/plan.ts';
import type { Recorder } from '#edge/contracts/telemetry.ts';
import { EdgeError } from '#edge/core/errors.ts';
import type { Logger } from '#edge/core/log.ts';
import type { ChildExit } from '#edge/core/process/child-exit.ts';
import { parseModelName } from './model-name.ts';

interface Sinks {
  readonly recorder: Recorder;
  readonly log: Logger;
}

export function reportLoad({ recorder, log }: Sinks, { model, backend, provider, threads }: Candidate, ms: number): void {
  recorder.observe('nearside.engine.load.duration', ms / 1000, { 'gen_ai.request.model': model, 'nearside.backend': backend });
  log.info('model loaded', { model, engine: `${backend}/${provider}`, threads, ms: Math.round(ms) });
}

/** The child's own end is in the log already. */
export function reportCrash({ recorder }: Sinks, { model, backend }: Candidate, { signal, code }: ChildExit): void {
  const subject = { 'gen_ai.request.model': model, 'nearside.backend': backend };
  recorder.event({ lane: 'alerts', name: 'nearside.engine.crashed', attributes: { ...subject, 'nearside.exit': signal ?? String(code) } });
  recorder.observe('nearside.engine.crashes', 1, subject);
}

/** Tells why the candidate `from` is left, and that `to` takes its place. */
export function reportFallback({ recorder, log }: Sinks, model: string, from: string, to: string, error: EdgeError): void {
  const { code } = classifyFailure(error);
  log.warn('backend fell back', { model, from, to, code: error.code, reason: code, found: error.message });
  recorder.event({
    lane: 'alerts',
    name: 'nearside.engine.fell_back',
    attributes: {
      'gen_ai.request.model': model,
      'nearside.from': from,
      'nearside.to': to,
      'error.type': error.code,
      'nearside.reason': code,
    },
  });
  recorder.observe('nearside.engine.fallbacks', 1, { 'gen_ai.request.model': model });
}

/** What plans tell of a candidate that failed: a reason code and its detail. */
export function describeFailure(error: EdgeError): string {
  const { code, detail } = classifyFailure(error);
  return `${code}: ${detail}`;
}

/** `E_NO_CANDIDATE` with every reason. */
export function noCandidate(name: string, plan: Plan): EdgeError {
  const { model } = parseModelName(name);
  const reasons = plan.candidates
    .filter((candidate) => candidate.model === model)
    .map((candidate) => `${candidate.id}: ${candidate.reasons.map((reason) => `${reason.code} (${reason.detail})`).join(', ')}`);
  return new EdgeError('E_NO_CANDIDATE', {
    what: `no engine can run ${name} here`,
    expected: 'at least one candidate without an objection',
    found: reasons.join('; ') || 'no candidate at all',
    details: { reasons },
  });
}
