import type { ReplyItem } from '#edge/contracts/parts.ts';
import { wordsOf } from './format.ts';

const HEADLINE_FIELDS = new Set(['price', 'currency', 'status']);
/** Fields that stand open on a card; the others are unfolded. */
const SHOWN_FIELDS = 5;

/** Products, orders and tickets that an answer names, as the database holds them. */
export function ItemCards({ items }: { readonly items: readonly ReplyItem[] }) {
  if (items.length === 0) return null;
  return (
    <ol class="items" aria-label={items[0]?.kind === 'product' ? 'Products' : 'Records'}>
      {items.map((item) => (
        <li key={item.id} class="item">
          <h3>{item.title}</h3>
          <p class="item-headline">{headlineOf(item)}</p>
          <FieldList fields={fieldsOf(item).slice(0, SHOWN_FIELDS)} />
          {fieldsOf(item).length > SHOWN_FIELDS ? (
            <details>
              <summary>
                More<span class="visually-hidden"> about {item.title}</span>
              </summary>
              <FieldList fields={fieldsOf(item).slice(SHOWN_FIELDS)} />
            </details>
          ) : null}
          <p class="item-id">{item.id}</p>
        </li>
      ))}
    </ol>
  );
}

type Field = readonly [name: string, value: string | number | boolean];

function fieldsOf({ fields }: ReplyItem): readonly Field[] {
  return Object.entries(fields).filter(([name, value]) => !HEADLINE_FIELDS.has(name) && value !== '');
}

function FieldList({ fields }: { readonly fields: readonly Field[] }) {
  return (
    <dl>
      {fields.map(([name, value]) => (
        <div key={name}>
          <dt>{wordsOf(name)}</dt>
          <dd>{typeof value === 'boolean' ? (value ? 'yes' : 'no') : value}</dd>
        </div>
      ))}
    </dl>
  );
}

function headlineOf({ fields }: ReplyItem): string {
  const { price, currency, status } = fields;
  if (typeof price === 'number' && typeof currency === 'string') return formatPrice(price, currency);
  if (price !== undefined) return typeof price === 'number' ? price.toFixed(2) : String(price);
  return status === undefined ? '' : wordsOf(String(status));
}

function formatPrice(price: number, currency: string): string {
  // Intl throws on anything but three letters, and a catalogue may hold a symbol.
  if (!/^[A-Za-z]{3}$/.test(currency)) return `${price.toFixed(2)} ${currency}`;
  return new Intl.NumberFormat('en', { style: 'currency', currency }).format(price);
}
