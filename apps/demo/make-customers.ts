import type { Customer } from '#agent/shop/shop.ts';
import type { Random } from './random.ts';

/** The customer whom everybody may play; always `C001`. */
export const DEMO_CUSTOMER: Customer = {
  id: 'C001',
  name: 'Alex Morgan',
  email: 'alex.morgan@example.com',
  postcode: 'LS6 2AB',
  city: 'Leeds',
};

const FIRST_NAMES =
  'Amy Ben Cara Dan Ella Finn Grace Hugo Isla Jack Kate Liam Maya Noah Olive Paul Quinn Rosa Sam Tess Umar Vera Will Xena Yusuf Zoe Anil Beth Carl Dina Evan Faye'.split(
    ' ',
  );
const LAST_NAMES =
  'Archer Baker Carter Dawson Ellis Fisher Grant Hughes Irving Jarvis Kerr Lowe Mason Nolan Osborne Parker Reid Shaw Turner Vance Walsh Young Ahmed Bose Chen Devi Egan Farrow'.split(
    ' ',
  );
/** City and the letters its postcodes begin with. */
const CITIES: readonly (readonly [city: string, area: string])[] = [
  ['Leeds', 'LS'],
  ['Sheffield', 'S'],
  ['Bristol', 'BS'],
  ['Glasgow', 'G'],
  ['Cardiff', 'CF'],
  ['Norwich', 'NR'],
  ['Exeter', 'EX'],
  ['Carlisle', 'CA'],
  ['Inverness', 'IV'],
  ['Brighton', 'BN'],
];
/** Letters that the second half of a British postcode may use. */
const INWARD_LETTERS = 'ABDEFGHJLNPQRSTUWXYZ';

/** The demo customer and `count - 1` others; e-mail addresses are unique and stand under `example.com`. */
export function makeCustomers(random: Random, count: number): Customer[] {
  const customers: Customer[] = [DEMO_CUSTOMER];
  const taken = new Set([DEMO_CUSTOMER.email]);
  while (customers.length < count) {
    const [first, last] = [random.pick(FIRST_NAMES), random.pick(LAST_NAMES)];
    const email = `${first}.${last}@example.com`.toLowerCase();
    if (taken.has(email)) continue;
    taken.add(email);
    const [city, area] = random.pick(CITIES);
    const inward = `${random.integer(1, 9)}${random.pick([...INWARD_LETTERS])}${random.pick([...INWARD_LETTERS])}`;
    customers.push({
      id: `C${String(customers.length + 1).padStart(3, '0')}`,
      name: `${first} ${last}`,
      email,
      postcode: `${area}${random.integer(1, 20)} ${inward}`,
      city,
    });
  }
  return customers;
}
