import { formatPrice, type Order, type OrderLine, type Product } from '#agent/shop/shop.ts';
import type { ReplyItem } from '#edge/contracts/parts.ts';
import { EdgeError } from '#edge/core/errors.ts';
import { parseOrderNumber, type SlotContext } from './slots.ts';

export const FLOW_ACTIONS = [
  'identify',
  'list-orders',
  'find-order',
  'read-status',
  'check-return',
  'create-return',
  'create-ticket',
] as const;
export type FlowAction = (typeof FLOW_ACTIONS)[number];

/** Words for the templates of a flow, by name. */
export type Facts = Readonly<Record<string, string>>;

export interface ActionContext extends SlotContext {
  /** Wrong identities in this session. */
  readonly failedIdentities: number;
  /** The shop's day, `YYYY-MM-DD`. */
  readonly today: string;
  /** The same for every run of one step in one run of a flow, also after a crash: makes a write idempotent. */
  readonly key: string;
  /** The conversation, one line a message. */
  readonly transcript: string;
}

export interface ActionResult {
  readonly outcome: string;
  readonly facts?: Facts;
  readonly items?: readonly ReplyItem[];
  /** Set when the action settled who the customer is. */
  readonly customer?: string;
  readonly failedIdentities?: number;
}

export interface ActionDefinition {
  readonly outcomes: readonly string[];
  /** Names of the facts it may give. */
  readonly facts: readonly string[];
  readonly needsIdentity: boolean;
  /** Changes data: only a `write` step right after a confirm step may run it; `asked-for` lets the confirm step have an `unless`. */
  readonly writes?: 'confirmed' | 'asked-for';
  readonly run: (context: ActionContext) => ActionResult;
}

/** After so many wrong identities a session gets no data any more, only a person. */
const MAX_FAILED_IDENTITIES = 3;
const DAY_MS = 86_400_000;

export const ACTIONS: Readonly<Record<FlowAction, ActionDefinition>> = {
  identify: { outcomes: ['ok', 'known', 'mismatch', 'locked'], facts: ['customerName'], needsIdentity: false, run: identify },
  'list-orders': {
    outcomes: ['some', 'none'],
    facts: [],
    needsIdentity: true,
    run: ({ shop, customer }) => ({ outcome: shop.listOrders(customer ?? '').length > 0 ? 'some' : 'none' }),
  },
  'find-order': {
    outcomes: ['ok', 'unknown', 'undelivered'],
    facts: ['orderStatus'],
    needsIdentity: true,
    run: (context) => {
      const order = ownOrder(context);
      if (!order) return { outcome: 'unknown' };
      return { outcome: order.deliveredOn ? 'ok' : 'undelivered', facts: { orderStatus: order.status } };
    },
  },
  'read-status': { outcomes: ['ok', 'unknown'], facts: ['statusText'], needsIdentity: true, run: readStatus },
  'check-return': {
    outcomes: ['ok', 'late', 'sealed', 'registered'],
    facts: ['deliveredOn', 'returnDays', 'refund', 'returnId'],
    needsIdentity: true,
    run: checkReturn,
  },
  'create-return': { outcomes: ['ok'], facts: ['returnId', 'refund'], needsIdentity: true, writes: 'confirmed', run: createReturn },
  'create-ticket': { outcomes: ['ok'], facts: ['ticketId'], needsIdentity: false, writes: 'asked-for', run: createTicket },
};

/** Facts that follow from the slots alone. */
export const SLOT_FACTS = ['itemName'] as const;

/** The slots as words, plus {@link SLOT_FACTS}. */
export function slotFacts({ shop, slots }: SlotContext): Facts {
  const item = slots.item === undefined ? undefined : shop.readProduct(slots.item);
  return { ...slots, ...(item ? { itemName: item.name } : {}) };
}

/** E-mail address and order number or postcode must be of one customer; the answer does not say which of them was wrong. */
function identify({ shop, slots, customer, failedIdentities }: ActionContext): ActionResult {
  if (customer !== null) return { outcome: 'known' };
  if (failedIdentities >= MAX_FAILED_IDENTITIES) return { outcome: 'locked' };
  const found = shop.findCustomer(slots.email ?? '');
  const number = parseOrderNumber(slots.proof ?? '');
  const fits = found !== undefined && (number ? shop.readOrder(number)?.customerId === found.id : slots.proof === found.postcode);
  if (fits) return { outcome: 'ok', customer: found.id, facts: { customerName: found.name }, failedIdentities: 0 };
  const failed = failedIdentities + 1;
  return { outcome: failed >= MAX_FAILED_IDENTITIES ? 'locked' : 'mismatch', failedIdentities: failed };
}

function readStatus(context: ActionContext): ActionResult {
  const order = ownOrder(context);
  if (!order) return { outcome: 'unknown' };
  const names = order.lines.map(({ productId, quantity }) => {
    const name = context.shop.readProduct(productId)?.name ?? productId;
    return quantity > 1 ? `${quantity} x ${name}` : name;
  });
  const text = `Order ${order.id} (${names.join(', ')}) ${statusSentence(order, context.today)}`;
  const { status, placedOn, carrier = '', tracking = '' } = order;
  const item: ReplyItem = { kind: 'order', id: order.id, title: `Order ${order.id}`, fields: { status, placedOn, carrier, tracking } };
  return { outcome: 'ok', facts: { statusText: text }, items: [item] };
}

function statusSentence(order: Order, today: string): string {
  const sent = `with ${order.carrier}, tracking number ${order.tracking}`;
  switch (order.status) {
    case 'processing':
      return `was placed on ${longDate(order.placedOn)} and is being packed.`;
    case 'shipped':
      return `was shipped on ${longDate(order.shippedOn)} ${sent}, and is on its way.`;
    case 'delivered':
      return `was delivered on ${longDate(order.deliveredOn)}, ${daysAgo(order.deliveredOn, today)}, ${sent}.`;
    case 'cancelled':
      return 'was cancelled; nothing was sent.';
    case 'returned':
      return 'was returned and refunded.';
  }
}

function checkReturn(context: ActionContext): ActionResult {
  const { shop, slots, today } = context;
  const { order, line, product } = ownItem(context);
  const policy = shop.returnPolicy();
  const existing = shop.findReturn(order.id, product.id);
  if (existing) return { outcome: 'registered', facts: { returnId: existing.id } };
  const returnDays = slots.condition === 'opened' ? policy.openedDays : policy.unopenedDays;
  const facts = {
    deliveredOn: longDate(order.deliveredOn),
    returnDays: String(returnDays),
    refund: formatPrice(line.price * line.quantity),
  };
  if (slots.condition === 'opened' && policy.sealedCategories.includes(product.category)) return { outcome: 'sealed', facts };
  return { outcome: daysBetween(order.deliveredOn, today) <= returnDays ? 'ok' : 'late', facts };
}

function createReturn(context: ActionContext): ActionResult {
  const { shop, slots, key } = context;
  const { order, line, product } = ownItem(context);
  const condition = slots.condition === 'opened' ? 'opened' : 'unopened';
  const record = shop.createReturn(key, { orderId: order.id, productId: product.id, condition, reason: slots.reason ?? 'another reason' });
  const fields = { order: order.id, product: product.name, condition: record.condition, reason: record.reason };
  return {
    outcome: 'ok',
    facts: { returnId: record.id, refund: formatPrice(line.price * line.quantity) },
    items: [{ kind: 'ticket', id: record.id, title: `Return ${record.id}`, fields }],
  };
}

function createTicket({ shop, slots, customer, key, transcript }: ActionContext): ActionResult {
  const { contact = '', summary = '' } = slots;
  const ticket = shop.createTicket(key, { ...(customer === null ? {} : { customerId: customer }), contact, summary, transcript });
  return {
    outcome: 'ok',
    facts: { ticketId: ticket.id },
    items: [{ kind: 'ticket', id: ticket.id, title: `Ticket ${ticket.id}`, fields: { contact, summary } }],
  };
}

/** The order of the slot, if it is the customer's own. */
function ownOrder({ shop, slots, customer }: SlotContext): Order | undefined {
  const order = slots.order === undefined ? undefined : shop.readOrder(slots.order);
  return customer !== null && order?.customerId === customer ? order : undefined;
}

function ownItem(context: SlotContext): { readonly order: Order; readonly line: OrderLine; readonly product: Product } {
  const order = ownOrder(context);
  const line = order?.lines.find(({ productId }) => productId === context.slots.item);
  const product = line && context.shop.readProduct(line.productId);
  if (order && line && product) return { order, line, product };
  throw new EdgeError('E_FLOW_INVALID', {
    what: 'cannot act on an item',
    expected: 'an order of the confirmed customer and an item of it',
    found: 'neither: the flow must ask for both before this step',
  });
}

function daysBetween(from: string | undefined, to: string): number {
  return Math.round((Date.parse(to) - Date.parse(from ?? to)) / DAY_MS);
}

function daysAgo(day: string | undefined, today: string): string {
  const days = daysBetween(day, today);
  if (days === 0) return 'today';
  return days === 1 ? 'yesterday' : `${days} days ago`;
}

function longDate(day: string | undefined): string {
  return new Date(day ?? '').toLocaleDateString('en-GB', { day: 'numeric', month: 'long', year: 'numeric', timeZone: 'UTC' });
}
