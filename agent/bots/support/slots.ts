import { formatPrice, type Order, type Product } from '#agent/shop/shop.ts';
import type { ShopDatabase } from '#agent/shop/shop-database.ts';

export const SLOT_IDS = ['email', 'proof', 'order', 'item', 'condition', 'reason', 'contact', 'summary'] as const;
export type SlotId = (typeof SLOT_IDS)[number];
export type Slots = Readonly<Partial<Record<SlotId, string>>>;

/** What a slot may look at. */
export interface SlotContext {
  readonly shop: ShopDatabase;
  readonly slots: Slots;
  /** Id of the customer whose identity was confirmed. */
  readonly customer: string | null;
}

export interface Choice {
  readonly value: string;
  readonly label: string;
}

/** How one piece of information is read, offered and guessed. Deterministic. */
export interface Slot {
  /** The value in a message, or `undefined`. */
  readonly parse: (text: string, context: SlotContext) => string | undefined;
  /** What the question lists; a single choice is taken without asking. */
  readonly choices?: (context: SlotContext) => readonly Choice[];
  /** The value when it follows from what is known. */
  readonly infer?: (context: SlotContext) => string | undefined;
  /** The value in a message that answers another question, or none; absent when only a direct answer counts. */
  readonly tell?: (text: string) => string | undefined;
  /** May be read out of the message that began the flow. */
  readonly isInOpening?: true;
  /** Any sentence will do. */
  readonly isFreeText?: true;
  /** Reads data of the customer: an identity check must come before. */
  readonly needsIdentity?: true;
}

/** Stands in the proof once the identity was confirmed, so that later flows need not ask for it. */
const CONFIRMED = 'confirmed';
const EMAIL = /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/;
const ORDER_NUMBER = /\bfh[-\s]?(\d{6})\b|(?<![\d-])(\d{6})(?!\d)/i;
/** Great Britain's postcodes, as the Post Office writes them, with or without the space. */
const POSTCODE = /\b([a-z]{1,2}\d[a-z\d]?)\s*(\d[a-z]{2})\b/i;
const PHONE = /(?:\+|\b0)[\d\s()-]{8,}\d/;
const ORDINALS = ['first|1st|one|1', 'second|2nd|two|2', 'third|3rd|three|3', 'fourth|4th|four|4', 'fifth|5th|five|5'];

/** Says that the thing is faulty, unless a denial stands before it. */
const FAULTY =
  /(?<!\b(?:not|never|nothing|no|isn'?t|without|wasn'?t|aren'?t) (?:\w+ )?)\b(?:damaged?|fault(?:y|s)?|broken?|breaks|defect\w*|torn|ripped|cracked|leaks?|leaking|hole|(?:doesn'?t|does not|stopped) work(?:ing)?)\b/;
const REASONS: readonly (readonly [Choice, RegExp])[] = [
  [{ value: 'wrong size', label: 'Wrong size' }, /\b(?:size|fits?|small|big|large|tight|loose|long|short)\b/],
  [
    { value: 'changed my mind', label: 'Changed my mind' },
    /\b(?:mind|not like|don'?t like|no longer|not need|don'?t need|not want|don'?t want)\b/,
  ],
  [{ value: 'damaged or faulty', label: 'Damaged or faulty' }, FAULTY],
  [{ value: 'wrong article', label: 'Wrong article' }, /\b(?:wrong (?:article|item|product|colou?r|one)|not what i ordered)\b/],
  [{ value: 'another reason', label: 'Another reason' }, /\b(?:another|other|else)\b/],
];

export const SLOTS: Readonly<Record<SlotId, Slot>> = {
  email: { tell: parseEmail, parse: parseEmail },
  proof: {
    tell: parseProof,
    infer: ({ customer }) => (customer === null ? undefined : CONFIRMED),
    parse: parseProof,
  },
  order: {
    // "1" may be a choice of any list: only a number in full names an order by itself.
    tell: parseOrderNumber,
    needsIdentity: true,
    choices: (context) => ordersOf(context).map((order) => ({ value: order.id, label: describeOrder(order, context) })),
    infer: ({ slots }) => parseOrderNumber(slots.proof ?? ''),
    parse: (text, context) => parseOrderNumber(text) ?? parseChoice(text, SLOTS.order.choices?.(context) ?? []),
  },
  item: {
    isInOpening: true,
    needsIdentity: true,
    choices: (context) => itemsOf(context).map((product) => ({ value: product.id, label: describeItem(product) })),
    parse: (text, context) => parseChoice(text, SLOTS.item.choices?.(context) ?? []),
  },
  condition: { isInOpening: true, parse: parseCondition },
  reason: { isInOpening: true, tell: tellReason, choices: () => REASONS.map(([choice]) => choice), parse: parseReason },
  contact: {
    infer: ({ slots, customer }) => (customer === null ? undefined : slots.email),
    parse: (text) => parseEmail(text) ?? PHONE.exec(text)?.[0].trim(),
  },
  summary: { isFreeText: true, parse: (text) => (text.trim().split(/\s+/).length >= 2 ? text.trim().slice(0, 2000) : undefined) },
};

/** An order number in any usual spelling, as `FH-123456`. */
export function parseOrderNumber(text: string): string | undefined {
  const match = ORDER_NUMBER.exec(text);
  return match ? `FH-${match[1] ?? match[2]}` : undefined;
}

function parseEmail(text: string): string | undefined {
  return EMAIL.exec(text)?.[0].toLowerCase();
}

function parseProof(text: string): string | undefined {
  return parseOrderNumber(text) ?? parsePostcode(text);
}

function parsePostcode(text: string): string | undefined {
  const match = POSTCODE.exec(text);
  return match ? `${match[1]} ${match[2]}`.toUpperCase() : undefined;
}

function parseCondition(text: string): string | undefined {
  const lower = text.toLowerCase();
  if (
    /\b(?:un-?opened|not (?:been )?opened|never (?:opened|used|worn)|sealed|unused|un-?worn|original packag|brand new|not used|haven'?t opened)/.test(
      lower,
    )
  )
    return 'unopened';
  // Who knows that it is faulty has opened it.
  return FAULTY.test(lower) || /\b(?:opened|open|used|worn|tried|pitched|unpacked|unboxed)\b/.test(lower) ? 'opened' : undefined;
}

/** Only the reasons that no answer to another question sounds like. */
function tellReason(text: string): string | undefined {
  const lower = text.toLowerCase();
  if (FAULTY.test(lower)) return 'damaged or faulty';
  return /\bchanged? my mind\b/.test(lower) ? 'changed my mind' : undefined;
}

function parseReason(text: string): string | undefined {
  const lower = text.toLowerCase();
  const wrongArticle = REASONS[3] as (typeof REASONS)[number];
  if (wrongArticle[1].test(lower)) return wrongArticle[0].value;
  return (
    REASONS.find(([, pattern]) => pattern.test(lower))?.[0].value ??
    parseChoice(
      text,
      REASONS.map(([choice]) => choice),
    )
  );
}

/** A choice by its place in the list, else by words of its label that no other choice has. */
function parseChoice(text: string, choices: readonly Choice[]): string | undefined {
  const lower = text.toLowerCase();
  if (/\b(?:last|latest|newest|most recent)\b/.test(lower)) return choices[/\blast one\b/.test(lower) ? choices.length - 1 : 0]?.value;
  const place = ORDINALS.findIndex((names) =>
    new RegExp(`^(?:the |number |no\\.? ?|#)?(?:${names})(?: one| item| order)?[.!]?$|\\bthe (?:${names}) (?:one|item|order)\\b`).test(
      lower.trim(),
    ),
  );
  if (place >= 0) return choices[place]?.value;
  const words = new Set(lower.match(/[a-z]{3,}/g) ?? []);
  const scored = choices.map(({ value, label }) => ({
    value,
    score: (label.toLowerCase().match(/[a-z]{3,}/g) ?? []).filter((word) => words.has(word)).length,
  }));
  const best = Math.max(0, ...scored.map(({ score }) => score));
  const winners = scored.filter(({ score }) => score === best);
  return best > 0 && winners.length === 1 ? winners[0]?.value : undefined;
}

function ordersOf({ shop, customer }: SlotContext): readonly Order[] {
  return customer === null ? [] : shop.listOrders(customer).slice(0, ORDINALS.length);
}

function itemsOf({ shop, slots }: SlotContext): Product[] {
  const order = slots.order === undefined ? undefined : shop.readOrder(slots.order);
  return (order?.lines ?? []).map(({ productId }) => shop.readProduct(productId)).filter((product) => product !== undefined);
}

function describeOrder(order: Order, { shop }: SlotContext): string {
  const names = order.lines.map(({ productId }) => shop.readProduct(productId)?.name ?? productId);
  return `${order.id} (${order.status}): ${names.join(', ')}`;
}

function describeItem(product: Product): string {
  return `${product.name} (${formatPrice(product.price)})`;
}
