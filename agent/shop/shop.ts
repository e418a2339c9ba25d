/** What a shop is to the bots. Data only; the demo shop's generator makes one, a real shop would import its own. */

export type Category =
  | 'jacket'
  | 'fleece'
  | 'shirt'
  | 'base-layer'
  | 'trousers'
  | 'shorts'
  | 'socks'
  | 'gloves'
  | 'hat'
  | 'boots'
  | 'running-shoes'
  | 'sandals'
  | 'climbing-shoes'
  | 'backpack'
  | 'dry-bag'
  | 'tent'
  | 'sleeping-bag'
  | 'sleeping-mat'
  | 'stove'
  | 'bottle'
  | 'headlamp'
  | 'trekking-poles'
  | 'harness'
  | 'rope'
  | 'bike-helmet'
  | 'bike-light';

/** Whom it is cut for. `unisex` suits men and women. */
export type Gender = 'men' | 'women' | 'kids' | 'unisex';

export type Colour =
  | 'black'
  | 'grey'
  | 'white'
  | 'blue'
  | 'navy'
  | 'teal'
  | 'green'
  | 'yellow'
  | 'orange'
  | 'red'
  | 'pink'
  | 'purple'
  | 'brown'
  | 'beige';

export type Season = 'summer' | 'winter' | 'three-season' | 'all-year';

export type Activity = 'hiking' | 'camping' | 'climbing' | 'running' | 'cycling' | 'paddling' | 'skiing' | 'travel';

export interface Product {
  /** `P0001` ... */
  readonly id: string;
  /** Unique within the shop. */
  readonly name: string;
  readonly brand: string;
  readonly category: Category;
  readonly gender: Gender;
  readonly colour: Colour;
  /** As printed on the label, smallest first; empty for what has no size. */
  readonly sizes: readonly string[];
  /** In pence. */
  readonly price: number;
  readonly waterproof: boolean;
  readonly weightGrams: number;
  readonly material: string;
  readonly season: Season;
  readonly activity: Activity;
  /** Mean stars of its ratings, 1..5 in tenths; 0 without ratings. */
  readonly rating: number;
  readonly ratingCount: number;
  /** Pieces in the warehouse. */
  readonly stock: number;
  readonly description: string;
}

export interface Customer {
  /** `C001` ... */
  readonly id: string;
  readonly name: string;
  /** Lower case; unique. */
  readonly email: string;
  /** Upper case with one space, such as `LS6 2AB`. */
  readonly postcode: string;
  readonly city: string;
}

export type OrderStatus = 'processing' | 'shipped' | 'delivered' | 'cancelled' | 'returned';

export interface OrderLine {
  readonly productId: string;
  /** Absent for what has no size. */
  readonly size?: string;
  readonly quantity: number;
  /** Pence a piece, as paid. */
  readonly price: number;
}

export interface Order {
  /** `FH-` and six digits. */
  readonly id: string;
  readonly customerId: string;
  readonly status: OrderStatus;
  /** Dates are `YYYY-MM-DD`; a later one is absent until it happened. */
  readonly placedOn: string;
  readonly shippedOn?: string;
  readonly deliveredOn?: string;
  readonly carrier?: string;
  readonly tracking?: string;
  readonly lines: readonly OrderLine[];
}

export interface Rating {
  readonly customerId: string;
  readonly productId: string;
  /** 1..5, whole. */
  readonly stars: number;
}

/** A policy or help page. */
export interface ShopPage {
  /** What a citation shows: `demo/policies/returns.md`. */
  readonly source: string;
  readonly title: string;
  readonly markdown: string;
}

/** What the return flow goes by; the page on returns says the same in words. */
export interface ReturnPolicy {
  /** Days from delivery for an unopened item. */
  readonly unopenedDays: number;
  /** Days from delivery for an opened item that is clean and complete. */
  readonly openedDays: number;
  /** Safety equipment that cannot come back once it was opened. */
  readonly sealedCategories: readonly Category[];
}

export interface Shop {
  readonly name: string;
  /** The day on which the shop's calendar stands, `YYYY-MM-DD`: orders are recent, seen from it. */
  readonly asOf: string;
  readonly products: readonly Product[];
  readonly customers: readonly Customer[];
  readonly orders: readonly Order[];
  readonly ratings: readonly Rating[];
  readonly pages: readonly ShopPage[];
  readonly returnPolicy: ReturnPolicy;
}

/** A registered return. */
export interface ReturnRecord {
  /** `R-` and a number. */
  readonly id: string;
  readonly orderId: string;
  readonly productId: string;
  readonly condition: 'unopened' | 'opened';
  readonly reason: string;
}

/** A case for a person. */
export interface Ticket {
  /** `T-` and a number. */
  readonly id: string;
  /** Absent when the customer did not identify. */
  readonly customerId?: string;
  /** Where to answer. */
  readonly contact: string;
  readonly summary: string;
  /** The conversation so far, one line a message. */
  readonly transcript: string;
}

/** Pence as people read them: `£119.95`. */
export function formatPrice(pence: number): string {
  return `£${(pence / 100).toFixed(2)}`;
}
