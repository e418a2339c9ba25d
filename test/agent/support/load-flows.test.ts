import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FLOWS_FOLDER, loadFlows } from '#agent/bots/support/load-flows.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flows-'));
  cpSync(FLOWS_FOLDER, folder, { recursive: true });
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Changes one shipped flow and expects the whole set to be refused, naming file and step. */
function expectRefusal(file: string, change: (text: string) => string, step: string): void {
  const path = join(folder, file);
  const before = readFileSync(path, 'utf8');
  const after = change(before);
  expect(after).not.toBe(before);
  writeFileSync(path, after);
  expect(() => loadFlows(folder)).toThrow(
    expect.objectContaining({ code: 'E_FLOW_INVALID', details: { file, step: expect.stringContaining(step) } }),
  );
}

/** The file without one step. */
function without(step: string): (text: string) => string {
  return (text) => text.replace(new RegExp(` {2}- id: ${step}\\n(?: {4}.*\\n)*`), '');
}

describe('loadFlows', () => {
  it('takes the shipped flows', () => {
    expect(loadFlows().map(({ id }) => id)).toEqual(['hand-over', 'order-status', 'return']);
  });

  it.each([
    ['a file that is no YAML', (text: string) => `${text}\n  : [`, 'the whole file'],
    ['an unknown kind of step', (text: string) => text.replace('kind: confirm', 'kind: guess'), 'confirm'],
    ['an unknown slot', (text: string) => text.replace('slot: item', 'slot: shoe-colour'), 'item'],
    ['an unknown action', (text: string) => text.replace('action: find-order', 'action: delete-order'), 'find'],
    ['a question that is missing', (text: string) => text.replace(/ {4}question: "Which item.*\n/, ''), 'item'],
    ['a field nobody knows', (text: string) => text.replace('    slot: item', '    slot: item\n    colour: red'), 'item'],
    ['a pattern that is no regular expression', (text: string) => text.replace("- '^", "- '(^"), 'intent'],
    ['a goto into nothing', (text: string) => text.replace('goto: order', 'goto: nowhere'), 'find'],
    ['a flow that does not exist', (text: string) => text.replace('flow: hand-over', 'flow: call-police'), 'identity'],
    ['an outcome that is not handled', (text: string) => text.replace('      known: {}\n', ''), 'identity'],
    [
      'an outcome that the action does not have',
      (text: string) => text.replace('      known: {}', '      known: {}\n      maybe: {}'),
      'identity',
    ],
    ['a fact that nobody gives', (text: string) => text.replace('{refund}?', '{colour}?'), 'confirm'],
    [
      'a fact that nobody gives, in a confirmation',
      (text: string) => text.replace('The refund is {refund}', 'The refund is {money}'),
      'confirm',
    ],
    ['a step twice', (text: string) => text.replace('- id: reason', '- id: item'), 'item'],
    ['data before identity', without('identity'), 'orders'],
    ['a write without a yes', without('confirm'), 'register'],
    [
      'a way around the yes',
      (text: string) => text.replace('      ok: {}\n      late:', '      ok: { goto: register }\n      late:'),
      'register',
    ],
    [
      'a no that leads into the write',
      (text: string) => text.replace('say: Nothing was registered., goto: end', 'say: Nothing was registered.'),
      'confirm',
    ],
    [
      'a write that is called a check',
      (text: string) => text.replace('kind: write', 'kind: check').replace(/ {4}say: >-\n {6}Done(?:.*\n)*/, '    outcomes: { ok: {} }\n'),
      'register',
    ],
    ['a yes that may be skipped', (text: string) => text.replace('kind: confirm', "kind: confirm\n    unless: ['^return']"), 'register'],
  ])('refuses %s', (name, change, step) => {
    if (name === 'a fact that nobody gives')
      return expectRefusal('return.yaml', (text) => text.replace('{deliveredOn}', '{colour}'), 'allowed');
    expectRefusal('return.yaml', change, step);
  });

  it('refuses a ticket without a confirm step', () => {
    expectRefusal('hand-over.yaml', without('confirm'), 'ticket');
  });
});
