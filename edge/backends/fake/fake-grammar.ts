/**
 * Draws a text that a GBNF grammar allows: literals, character classes, groups, alternatives, references and
 * repetitions (`* + ? {m,n}`), as in the grammar notation of llama.cpp.
 */
import { EdgeError } from '#edge/core/errors.ts';
import { pick } from './fake-random.ts';

type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'class'; readonly choices: readonly string[] }
  | { readonly kind: 'rule'; readonly name: string }
  | { readonly kind: 'choice'; readonly options: readonly Node[] }
  | { readonly kind: 'sequence'; readonly parts: readonly Node[] }
  | { readonly kind: 'repeat'; readonly of: Node; readonly low: number; readonly high: number };

const TOKEN = /\s+|#[^\n]*|([\w-]+)\s*::=|([\w-]+)|"((?:[^"\\\n]|\\.)*)"|\[(\^?)((?:[^\]\\]|\\.)*)\]|\{(\d+)(,?)(\d*)\}|([|()*+?.])/y;
const MOST_REPEATS = 4;
const PRINTABLE = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i));

interface Lexeme {
  readonly define?: string;
  readonly node?: Node;
  readonly repeat?: readonly [number, number];
  readonly mark?: string;
}

/**
 * One text of the grammar's language.
 * @throws EdgeError `E_BAD_REQUEST` when the text is no grammar.
 */
export function drawFromGrammar(grammar: string, random: () => number): string {
  const rules = parseRules(grammar);
  if (!rules.has('root')) throw badGrammar('a rule named root', 'none');
  const draw = (node: Node, depth: number): string => {
    if (depth > 200) throw badGrammar('a grammar that comes to an end', 'endless recursion');
    switch (node.kind) {
      case 'text':
        return node.text;
      case 'class':
        return pick(node.choices, random);
      case 'rule': {
        const rule = rules.get(node.name);
        if (!rule) throw badGrammar(`a rule named ${node.name}`, 'none');
        return draw(rule, depth + 1);
      }
      case 'choice':
        return draw(pick(node.options, random), depth + 1);
      case 'sequence':
        return node.parts.map((part) => draw(part, depth + 1)).join('');
      case 'repeat': {
        const span = Math.min(node.high, node.low + MOST_REPEATS) - node.low;
        const times = node.low + Math.floor(random() * (span + 1));
        return Array.from({ length: times }, () => draw(node.of, depth + 1)).join('');
      }
    }
  };
  return draw({ kind: 'rule', name: 'root' }, 0);
}

function parseRules(grammar: string): ReadonlyMap<string, Node> {
  const lexemes = scan(grammar);
  const rules = new Map<string, Node>();
  let at = 0;
  const alternatives = (): Node => {
    const options: Node[] = [];
    let parts: Node[] = [];
    for (let lexeme = lexemes[at]; lexeme && lexeme.define === undefined && lexeme.mark !== ')'; lexeme = lexemes[at]) {
      at++;
      if (lexeme.mark === '|') {
        options.push({ kind: 'sequence', parts });
        parts = [];
      } else if (lexeme.mark === '(') {
        parts.push(alternatives());
        if (lexemes[at++]?.mark !== ')') throw badGrammar('")"', 'none');
      } else if (lexeme.repeat) {
        const of = parts.pop();
        if (!of) throw badGrammar('something to repeat', 'nothing');
        parts.push({ kind: 'repeat', of, low: lexeme.repeat[0], high: lexeme.repeat[1] });
      } else if (lexeme.node) {
        parts.push(lexeme.node);
      }
    }
    return { kind: 'choice', options: [...options, { kind: 'sequence', parts }] };
  };
  while (at < lexemes.length) {
    const name = lexemes[at++]?.define;
    if (name === undefined) throw badGrammar('name ::= ...', 'another');
    rules.set(name, alternatives());
  }
  return rules;
}

function scan(grammar: string): readonly Lexeme[] {
  const lexemes: Lexeme[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < grammar.length) {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(grammar);
    if (!match) throw badGrammar('GBNF', `an unknown sign at position ${at}`);
    const [, define, name, literal, negated, members, low, comma, high, mark] = match;
    if (define !== undefined) lexemes.push({ define });
    else if (name !== undefined) lexemes.push({ node: { kind: 'rule', name } });
    else if (literal !== undefined) lexemes.push({ node: { kind: 'text', text: unescaped(literal) } });
    else if (members !== undefined) lexemes.push({ node: { kind: 'class', choices: classOf(members, negated === '^') } });
    else if (low !== undefined)
      lexemes.push({ repeat: [Number(low), high ? Number(high) : comma ? Number.POSITIVE_INFINITY : Number(low)] });
    else if (mark === '.') lexemes.push({ node: { kind: 'class', choices: PRINTABLE } });
    else if (mark === '*') lexemes.push({ repeat: [0, Number.POSITIVE_INFINITY] });
    else if (mark === '+') lexemes.push({ repeat: [1, Number.POSITIVE_INFINITY] });
    else if (mark === '?') lexemes.push({ repeat: [0, 1] });
    else if (mark !== undefined) lexemes.push({ mark });
  }
  return lexemes;
}

function classOf(members: string, negated: boolean): readonly string[] {
  const signs = [...unescaped(members)];
  const chosen = new Set<string>();
  for (let i = 0; i < signs.length; i++) {
    const isRange = signs[i + 1] === '-' && i + 2 < signs.length;
    const first = signs[i]?.codePointAt(0) ?? 0;
    const last = isRange ? (signs[i + 2]?.codePointAt(0) ?? 0) : first;
    for (let code = first; code <= last; code++) chosen.add(String.fromCodePoint(code));
    if (isRange) i += 2;
  }
  return negated ? PRINTABLE.filter((sign) => !chosen.has(sign)) : [...chosen];
}

function unescaped(text: string): string {
  const named: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' };
  return text.replaceAll(/\\(?:x([\da-fA-F]{2})|u([\da-fA-F]{4})|U([\da-fA-F]{8})|(.))/gs, (_all, x, u, U, sign: string) => {
    const code = x ?? u ?? U;
    return code === undefined ? (named[sign] ?? sign) : String.fromCodePoint(Number.parseInt(code, 16));
  });
}

function badGrammar(expected: string, found: string): EdgeError {
  return new EdgeError('E_BAD_REQUEST', { what: 'grammar', expected, found });
}
