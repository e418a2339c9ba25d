import { formatPrice, type Product } from '#agent/shop/shop.ts';
import type { ReplyItem } from '#edge/contracts/parts.ts';
import type { Attribute } from './parse-reference.ts';

/** A product as a structured item; every field is the database's. */
export function toItem(product: Product): ReplyItem {
  const { id, name, brand, category, gender, colour, price, waterproof, weightGrams, material, season, activity, rating, stock } = product;
  return {
    kind: 'product',
    id,
    title: name,
    fields: {
      brand,
      category,
      gender,
      colour,
      price: price / 100,
      currency: 'GBP',
      sizes: product.sizes.join(', '),
      waterproof,
      weightGrams,
      material,
      season,
      activity,
      rating,
      inStock: stock > 0,
    },
  };
}

/** One line of a list. */
export function renderLine(product: Product, position: number): string {
  const facts = [
    formatPrice(product.price),
    product.colour,
    ...(product.waterproof ? ['waterproof'] : []),
    `${product.weightGrams} g`,
    ...(product.ratingCount > 0 ? [`${product.rating} stars`] : []),
  ];
  return `${position}. **${product.name}**: ${facts.join(', ')}`;
}

/** Socks and trousers come as a pair: their names are plurals. */
function isPair({ name }: Product): boolean {
  return /(?:socks|gloves|mitts|boots|shoes|sandals|trousers|shorts|leggings|poles)$/i.test(name);
}

/** Everything about one product. */
export function renderDetails(product: Product): string {
  return [
    `**${product.name}**: ${formatPrice(product.price)}.`,
    isPair(product) ? product.description.replace(/^An? /, 'A pair of ') : product.description,
    `${answerAttribute(product, 'sizes')} ${answerAttribute(product, 'rating')} ${answerAttribute(product, 'stock')}`,
  ].join('\n');
}

/** One fact about one product, as a sentence. */
export function answerAttribute(product: Product, attribute: Attribute): string {
  const { name } = product;
  const [s, is, has] = isPair(product) ? ['', 'are', 'have'] : ['s', 'is', 'has'];
  switch (attribute) {
    case 'price':
      return `The ${name} cost${s} ${formatPrice(product.price)}.`;
    case 'sizes':
      return product.sizes.length > 0 ? `The ${name} come${s} in ${product.sizes.join(', ')}.` : `The ${name} come${s} in one size.`;
    case 'weight':
      return `The ${name} weigh${s} ${product.weightGrams} g.`;
    case 'colour':
      return `The ${name} ${is} ${product.colour}.`;
    case 'brand':
      return `The ${name} ${is} made by ${product.brand}.`;
    case 'material':
      return `The ${name} ${is} made of ${product.material}.`;
    case 'rating':
      return product.ratingCount > 0
        ? `The ${name} ${has} ${product.rating} of 5 stars from ${product.ratingCount} ratings.`
        : `Nobody rated the ${name} yet.`;
    case 'waterproof':
      return `The ${name} ${is} ${product.waterproof ? '' : 'not '}waterproof.`;
    case 'stock':
      return product.stock > 0 ? `The ${name} ${is} in stock.` : `The ${name} ${is} sold out.`;
    case 'season':
      return `The ${name} ${is} made for ${product.season === 'all-year' ? 'all seasons' : product.season}.`;
    case 'details':
      return renderDetails(product);
  }
}
