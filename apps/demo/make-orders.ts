import type { Customer, Order, OrderLine, OrderStatus } from '#agent/shop/shop.ts';
import { DEMO_CUSTOMER } from './make-customers.ts';
import type { UnratedProduct } from './make-products.ts';
import type { Random } from './random.ts';

const CARRIERS = ['Pennine Post', 'Coastline Couriers'] as const;
const DAY_MS = 86_400_000;

interface OrderTimes {
  readonly status: OrderStatus;
  /** Days before the shop's day. */
  readonly placed: number;
  readonly shipped?: number;
  readonly delivered?: number;
}

/** The demo customer's three orders (see the README) and `count - 3` others, by order number. */
export function makeOrders(
  random: Random,
  customers: readonly Customer[],
  products: readonly UnratedProduct[],
  { asOf, count }: { readonly asOf: string; readonly count: number },
): Order[] {
  const orders = makeDemoOrders(random, products, asOf);
  const taken = new Set(orders.map((order) => order.id));
  const others = customers.filter((customer) => customer.id !== DEMO_CUSTOMER.id);
  while (orders.length < count) {
    const id = `FH-${random.integer(100_100, 999_999)}`;
    if (taken.has(id)) continue;
    taken.add(id);
    const lines = Array.from({ length: random.pick([1, 1, 1, 2, 2, 3]) }, () => random.pick(products));
    orders.push(makeOrder(random, { id, customerId: random.pick(others).id, asOf, lines: [...new Set(lines)], times: drawTimes(random) }));
  }
  return orders.sort((a, b) => (a.id < b.id ? -1 : 1));
}

function makeDemoOrders(random: Random, products: readonly UnratedProduct[], asOf: string): Order[] {
  const first = (category: UnratedProduct['category']): UnratedProduct =>
    products.find((product) => product.category === category) as UnratedProduct;
  const customerId = DEMO_CUSTOMER.id;
  const delivered = (days: number): OrderTimes => ({ status: 'delivered', placed: days + 4, shipped: days + 2, delivered: days });
  return [
    makeOrder(random, { id: 'FH-100001', customerId, asOf, lines: [first('tent'), first('jacket')], times: delivered(6) }),
    makeOrder(random, {
      id: 'FH-100002',
      customerId,
      asOf,
      lines: [first('boots')],
      times: { status: 'shipped', placed: 3, shipped: 1 },
    }),
    makeOrder(random, { id: 'FH-100003', customerId, asOf, lines: [first('rope'), first('headlamp')], times: delivered(80) }),
  ];
}

interface OrderDraft {
  readonly id: string;
  readonly customerId: string;
  readonly asOf: string;
  readonly lines: readonly UnratedProduct[];
  readonly times: OrderTimes;
}

function makeOrder(random: Random, { id, customerId, asOf, lines, times }: OrderDraft): Order {
  const { status, placed, shipped, delivered } = times;
  const shipment =
    shipped === undefined
      ? {}
      : { shippedOn: dayBefore(asOf, shipped), carrier: random.pick(CARRIERS), tracking: `PP${random.integer(10_000_000, 99_999_999)}GB` };
  return {
    id,
    customerId,
    status,
    placedOn: dayBefore(asOf, placed),
    ...shipment,
    ...(delivered === undefined ? {} : { deliveredOn: dayBefore(asOf, delivered) }),
    lines: lines.map((product) => makeLine(random, product)),
  };
}

function makeLine(random: Random, product: UnratedProduct): OrderLine {
  return {
    productId: product.id,
    ...(product.sizes.length > 0 ? { size: random.pick(product.sizes) } : {}),
    quantity: random.chance(0.12) ? 2 : 1,
    price: product.price,
  };
}

/** Recent orders are more common, and a status agrees with the age. */
function drawTimes(random: Random): OrderTimes {
  const placed = Math.min(random.integer(0, 300), random.integer(0, 300), random.integer(0, 300));
  if (random.chance(0.04)) return { status: 'cancelled', placed };
  const handling = random.integer(1, 2);
  const transit = random.integer(1, 4);
  if (placed < handling) return { status: 'processing', placed };
  if (placed < handling + transit) return { status: 'shipped', placed, shipped: placed - handling };
  const delivered = placed - handling - transit;
  const returned = delivered > 10 && random.chance(0.06);
  return { status: returned ? 'returned' : 'delivered', placed, shipped: placed - handling, delivered };
}

function dayBefore(day: string, days: number): string {
  return new Date(Date.parse(`${day}T00:00:00Z`) - days * DAY_MS).toISOString().slice(0, 10);
}
