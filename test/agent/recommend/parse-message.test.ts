import { describe, expect, it } from 'vitest';
import { activeFacets, describeFilter, dropFacets, mergeFilters } from '#agent/bots/recommend/facets.ts';
import { parseMessage } from '#agent/bots/recommend/parse-message.ts';

const brands = ['Skarn', 'Oxbow Trail', 'Fellmark'];
const parse = (text: string): ReturnType<typeof parseMessage> => parseMessage(text, brands);

describe('conditions', () => {
  it.each([
    ['waterproof jacket for men under 120', { categories: ['jacket'], waterproof: true, gender: 'men', maxPrice: 11_999 }],
    ['pink strip shirts for men', { categories: ['shirt'], colours: ['pink'], gender: 'men' }],
    [
      "Women's rain jacket, not black or grey",
      { categories: ['jacket'], waterproof: true, gender: 'women', notColours: ['black', 'grey'] },
    ],
    ['a coat for my wife', { categories: ['jacket'], gender: 'women' }],
    ['hiking boots in size 42 up to £150', { categories: ['boots'], activities: ['hiking'], size: '42', maxPrice: 15_000 }],
    ['trail running shoes', { categories: ['running-shoes'] }],
    ['a tent between £100 and £300 lighter than 2.5 kg', { categories: ['tent'], minPrice: 10_000, maxPrice: 30_000, maxWeight: 2499 }],
    ['backpack £50-£100', { categories: ['backpack'], minPrice: 5000, maxPrice: 10_000 }],
    ['jackets from 80 to 50 pounds', { categories: ['jacket'], minPrice: 5000, maxPrice: 8000 }],
    ['over 50 but at most 80', { minPrice: 5001, maxPrice: 8000 }],
    ['stove under £1,200', { categories: ['stove'], maxPrice: 119_999 }],
    ['around £100', { minPrice: 8000, maxPrice: 12_000 }],
    ['I have 90 quid for a fleece', { categories: ['fleece'], maxPrice: 9000 }],
    ['socks without wool', { categories: ['socks'], notMaterials: ['wool'] }],
    ['merino base layer by Skarn', { categories: ['base-layer'], materials: ['merino'], brands: ['Skarn'] }],
    ['gloves but not from Oxbow Trail', { categories: ['gloves'], notBrands: ['Oxbow Trail'] }],
    ['dark blue hat', { categories: ['hat'], colours: ['navy'] }],
    ['blue or green kids jacket', { categories: ['jacket'], colours: ['blue', 'green'], gender: 'kids' }],
    ['a jacket that is not waterproof', { categories: ['jacket'], waterproof: false }],
    ['winter gloves for skiing with at least 4 stars', { categories: ['gloves'], season: 'winter', activities: ['skiing'], minRating: 4 }],
    ['any shoes in XL?', { categories: ['boots', 'running-shoes', 'sandals', 'climbing-shoes'], size: 'XL' }],
    ['a 3 person tent', { categories: ['tent'] }],
    ['a 20 litre pack', { categories: ['backpack'] }],
    ['something nice', {}],
    ['', {}],
  ])('%s', (text, filter) => {
    expect(parse(text).filter).toEqual(filter);
  });

  it('takes what need not be as no condition', () => {
    expect(parse("it doesn't need to be waterproof")).toMatchObject({ filter: {}, dropped: ['waterproof'] });
    expect(parse('any colour, any price')).toMatchObject({ filter: {}, dropped: ['colour', 'price'] });
  });

  it('does not read a comparison out of a stated bound', () => {
    expect(parse('a tent lighter than 2 kg').comparison).toBeUndefined();
    expect(parse('cheaper ones').comparison).toBe('price');
  });

  it('reads strange input to its end', () => {
    const text = `${'not '.repeat(500)}${'£'.repeat(500)}${'('.repeat(500)}`;
    expect(parse(text).filter).toEqual({});
  });
});

describe('references', () => {
  it.each([
    ['the second one', { positions: [2] }],
    ['price of 2nd item', { positions: [2], attribute: 'price' }],
    ['compare number 1 and number 3', { positions: [1, 3] }],
    ['2', { positions: [2] }],
    ['the last one', { positions: [-1] }],
    ['how much does it cost?', { positions: [], pointsBack: true, attribute: 'price' }],
    ['what sizes does it come in', { pointsBack: true, attribute: 'sizes' }],
    ['tell me more about the first', { positions: [1], attribute: 'details' }],
    ['is it waterproof?', { pointsBack: true, attribute: 'waterproof' }],
    ['same in blue', { command: 'same', filter: { colours: ['blue'] } }],
    ['show me more', { command: 'more' }],
    ['start over', { command: 'reset' }],
  ])('%s', (text, expected) => {
    expect(parse(text)).toMatchObject(expected);
  });
});

describe('filters', () => {
  it('replaces what both hold, keeps an open bound, and never leaves an empty range', () => {
    expect(mergeFilters({ colours: ['red'], maxPrice: 9000 }, { colours: ['blue'] })).toEqual({ colours: ['blue'], maxPrice: 9000 });
    expect(mergeFilters({ maxPrice: 12_000 }, { minPrice: 5000 })).toEqual({ minPrice: 5000, maxPrice: 12_000 });
    expect(mergeFilters({ minPrice: 8000 }, { maxPrice: 5000 })).toEqual({ maxPrice: 5000 });
    expect(mergeFilters({ notColours: ['red'] }, { colours: ['red'] })).toEqual({ colours: ['red'] });
  });

  it('says a filter in words and takes conditions away whole', () => {
    const filter = { categories: ['jacket'], gender: 'men', waterproof: true, maxPrice: 11_999, notColours: ['black'] } as const;
    expect(describeFilter(filter)).toBe('waterproof jackets for men, not black, under £120');
    expect(activeFacets(filter)).toEqual(['category', 'gender', 'colour', 'price', 'waterproof']);
    expect(dropFacets(filter, ['colour', 'price'])).toEqual({ categories: ['jacket'], gender: 'men', waterproof: true });
    expect(describeFilter({})).toBe('products');
  });
});
