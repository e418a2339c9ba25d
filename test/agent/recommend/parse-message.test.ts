import { describe, expect, it } from 'vitest';
import { activeFacets, describeFilter, dropFacets, mergeFilters } from '#agent/bots/recommend/facets.ts';
import { isVocabularyWord, parseMessage } from '#agent/bots/recommend/parse-message.ts';
import { correctSpelling } from '#agent/bots/recommend/parse-spelling.ts';
import { SPELLING_WORDS } from '#agent/bots/recommend/vocabulary.ts';

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
    ['a 3 person tent', { categories: ['tent'], persons: 3 }],
    ['a red tent for 3', { categories: ['tent'], colours: ['red'], persons: 3 }],
    ['tent for four people under £300', { categories: ['tent'], persons: 4, maxPrice: 29_999 }],
    ['a tent for 3 pounds', { categories: ['tent'], maxPrice: 300 }],
    ['under 1e9', { maxPrice: 99_999_999_999 }],
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

describe('prices that cannot be', () => {
  it.each([
    ['jackets under 100 but over 200', 'contradiction'],
    ['heavier than 2 kg but lighter than 1 kg', 'contradiction'],
    ['jackets under -5', 'senseless'],
    ['jackets for £-20', 'senseless'],
    ['jackets under £0', 'senseless'],
    ['jackets over 99999999999', 'senseless'],
  ])('%s', (text, problem) => {
    expect(parse(text).problem).toBe(problem);
  });

  it.each(['a sleeping bag for -5 degrees', 'jackets for -10°C', 'jackets £50-£100', 'jacket - £50', 'jackets 50-100'])(
    'finds none in "%s"',
    (text) => {
      expect(parse(text).problem).toBeUndefined();
    },
  );

  it('knows a range that was said backwards, and a foreign currency', () => {
    expect(parse('between 80 and 50 pounds')).toMatchObject({ filter: { minPrice: 5000, maxPrice: 8000 } });
    expect(parse('between 80 and 50 pounds').problem).toBeUndefined();
    for (const text of ['tents for 50 euros', 'tents under €50', 'tents up to $50']) expect(parse(text).foreignCurrency).toBe(true);
    expect(parse('tents under £50').foreignCurrency).toBeUndefined();
  });
});

describe('correctSpelling', () => {
  const correct = (text: string): string => correctSpelling(text, { brands, isKnown: (word) => word === 'toggle' }).text;
  it.each([
    ['wterproof jaket mens', 'waterproof jacket mens'],
    ['a Fellmrk tetn', 'a fellmark tent'],
    ['rucksak under £50', 'rucksack under £50'],
    ['vegan boots with toggle', 'vegan boots with toggle'],
    ['books and stores and laptops', 'books and stores and laptops'],
    ['with pockets, talking of working and rent', 'with pockets, talking of working and rent'],
    ['how much does it cost and weigh, compare the first', 'how much does it cost and weigh, compare the first'],
    ['hiking shoes for my wife, not black', 'hiking shoes for my wife, not black'],
    ['show cheaper ones', 'show cheaper ones'],
  ])('%s', (text, expected) => {
    expect(correct(text)).toBe(expected);
  });

  it('corrects only to words that are understood', () => {
    for (const word of SPELLING_WORDS) expect(isVocabularyWord(word), word).toBe(true);
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
