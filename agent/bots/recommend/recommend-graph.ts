import { type BaseCheckpointSaver, END, START, StateGraph } from '@langchain/langgraph';
import type { Product } from '#agent/shop/shop.ts';
import type { ShopDatabase } from '#agent/shop/shop-database.ts';
import type { CallOptions } from '#edge/contracts/backend.ts';
import { activeFacets, describeFilter, dropFacets, FACETS, type FacetId, mergeFilters, type SearchFilter } from './facets.ts';
import { type ParsedMessage, parseMessage, type SortOrder } from './parse-message.ts';
import type { RequestedNoun, SmallTalk } from './parse-request.ts';
import { correctSpelling } from './parse-spelling.ts';
import { type ProductRanker, wordOverlap } from './rank-products.ts';
import { RecommendState, type RecommendStateValue, type RecommendUpdate } from './recommend-state.ts';
import { answerAttribute, renderDetails, renderLine } from './render-products.ts';
import { CATEGORY_NAMES, GENERIC_NOUNS, SOFT_WORDS } from './vocabulary.ts';

/** Products a list. */
const LIST_LENGTH = 5;

const HELP =
  'I find things in the shop. Tell me what you look for, such as "a waterproof jacket for men under £120, not black", and then ' +
  'ask for "cheaper ones", "the second one" or "the same in blue". For your orders and returns, ask customer support.';

const ONLY_TENTS = 'Only of tents do I know for how many people they are.';

export interface RecommendGraphDependencies {
  readonly shop: ShopDatabase;
  readonly ranker: ProductRanker;
  readonly saver: BaseCheckpointSaver;
}

type Config = { readonly signal?: AbortSignal | undefined };

/** The turn of the recommendation bot: understand, then search, describe what was shown, or help. */
export function buildRecommendGraph({ shop, ranker, saver }: RecommendGraphDependencies) {
  return new StateGraph(RecommendState)
    .addNode('understand', (state) => understand(state, shop))
    .addNode('search', (state, config: Config) => search(state, { shop, ranker }, config.signal ? { signal: config.signal } : {}))
    .addNode('describe', (state) => describeShown(state, shop))
    .addNode('help', (state) => ({ reply: { text: withNotes(state.notes, HELP), productIds: [], helped: false } }))
    .addNode('talk', (state) => ({ reply: { text: answerTalk(state.parsed.talk, shop), productIds: [], helped: true } }))
    .addNode('clarify', (state) => ({ reply: { text: withNotes(state.notes, clarify(state)), productIds: [], helped: false } }))
    .addNode('reset', () => ({
      ...CLEARED,
      reply: { text: `All conditions are cleared. ${HELP}`, productIds: [], helped: true },
    }))
    .addEdge(START, 'understand')
    .addConditionalEdges('understand', (state) => chooseStep(state, shop), ['search', 'describe', 'help', 'talk', 'clarify', 'reset'])
    .addEdge('search', END)
    .addEdge('describe', END)
    .addEdge('help', END)
    .addEdge('talk', END)
    .addEdge('clarify', END)
    .addEdge('reset', END)
    .compile({ checkpointer: saver });
}

const CLEARED = { filter: {}, words: [], sort: null, shown: [], seen: [], focus: null, offer: null } satisfies RecommendUpdate;

function understand(state: RecommendStateValue, shop: ShopDatabase): RecommendUpdate {
  const catalogue = shop.findProducts({});
  const isKnown = (word: string): boolean => catalogue.some((product) => wordOverlap(product, [word]) > 0);
  const brands = shop.listBrands();
  const written = new Set(catalogue.flatMap(({ name, description }) => `${name} ${description}`.toLowerCase().split(/[^a-z]+/)));
  // Only what is written in full: `botts` begins like "bottle" and is none.
  const isWritten = (word: string): boolean => written.has(word) || written.has(word.replace(/s$/, '')) || written.has(`${word}s`);
  const { text, corrections } = correctSpelling(state.message, { brands, isKnown: isWritten });
  const all = parseMessage(text, brands);
  const unknown = all.words.filter((word) => !SOFT_WORDS.has(word) && !GENERIC_NOUNS.has(word) && !isKnown(word));
  const noun = all.noun && isArticleUnknown(all.noun, state, { shop, catalogue }) ? all.noun : undefined;
  const { noun: _, ...rest } = all;
  const parsed: ParsedMessage = { ...rest, words: all.words.filter((word) => !unknown.includes(word)), ...(noun ? { noun } : {}) };
  const read = corrections.map(({ from, to }) => `"${from}" as "${to}"`);
  const left = unknown.filter((word) => word !== noun?.noun).map((word) => `"${word}"`);
  const notes = [
    ...(read.length > 0 ? [`I read ${enumerate(read)}.`] : []),
    ...(left.length > 0 ? [`I do not know ${enumerate(left)}, so I left ${left.length > 1 ? 'them' : 'it'} out.`] : []),
    ...(parsed.foreignCurrency ? ['Prices here are in pounds, so I took the amount as pounds.'] : []),
  ];
  return { parsed, notes };
}

/** Whether the shop has no such article: no name says it and, where it is only a plural that stands alone, nothing in the present list does. */
function isArticleUnknown(
  { noun, isAsked }: RequestedNoun,
  { filter }: RecommendStateValue,
  { shop, catalogue }: { readonly shop: ShopDatabase; readonly catalogue: readonly Product[] },
): boolean {
  if (catalogue.some(({ name }) => wordOverlap({ name, description: '' }, [noun]) > 0)) return false;
  if (isAsked || activeFacets(filter).length === 0) return true;
  return findMatches(shop, filter).every((product) => wordOverlap(product, [noun]) === 0);
}

function answerTalk(talk: SmallTalk | undefined, shop: ShopDatabase): string {
  switch (talk) {
    case 'thanks':
      return 'You are welcome. I am here when you look for something else.';
    case 'goodbye':
      return 'All right. Goodbye!';
    case 'catalogue': {
      const categories = [...new Set(shop.findProducts({ inStock: true }).map(({ category }) => category))];
      return `The shop has ${enumerate(categories.map((category) => CATEGORY_NAMES[category]))}. What do you look for?`;
    }
    case 'greeting':
      return `Hello. ${HELP}`;
    default:
      return HELP;
  }
}

/** Why a message cannot be searched by, and what to say instead. The conditions that hold stay as they are. */
function clarify({ parsed, message }: RecommendStateValue): string {
  if (parsed.problem === 'contradiction') {
    const said = /\b(?:under|below|less|over|above|more|at least|at most|up to|cheaper|heavier|lighter|from|max|min)\b.*$/i.exec(
      message,
    )?.[0];
    return `Nothing can be ${said?.replace(/[.!?\s]+$/, '') ?? 'both'} at once. Which of the two do you mean?`;
  }
  if (parsed.problem === 'senseless') {
    return 'I cannot search by that: a price is an amount of pounds above zero, such as "under £50". Which price do you mean?';
  }
  return `This shop has no "${parsed.noun?.noun}", as far as I know. Ask "what do you have?" for what there is.`;
}

function chooseStep(state: RecommendStateValue, shop: ShopDatabase): 'search' | 'describe' | 'help' | 'talk' | 'clarify' | 'reset' {
  const { parsed, shown } = state;
  if (parsed.command === 'reset') return 'reset';
  if (parsed.talk) return 'talk';
  const refers = parsed.command !== undefined || parsed.positions.length > 0;
  const asks = parsed.attribute !== undefined && parsed.attribute !== 'details';
  if (parsed.problem || (parsed.noun && !refers && !asks)) return 'clarify';
  if (asksAboutShown(parsed)) return 'describe';
  const narrows = activeFacets(parsed.filter).length > 0 || parsed.dropped.length > 0 || parsed.comparison !== undefined;
  if (!narrows && parsed.command !== 'more' && speaksOfShown(parsed, shown)) return 'describe';
  if (narrows || parsed.sort || parsed.command === 'more' || parsed.command === 'same') return 'search';
  if (parsed.command === 'yes' && state.offer !== null) return 'search';
  if (parsed.words.some((word) => SOFT_WORDS.has(word)) && shown.length > 0) return 'search';
  return shop.findProducts({ inStock: true }).some((product) => wordOverlap(product, parsed.words) > 0) ? 'search' : 'help';
}

/** `is the second one waterproof?` names a condition but sets none. */
function asksAboutShown({ attribute, positions, pointsBack, filter, comparison, command }: ParsedMessage): boolean {
  const asks = positions.length > 0 || (attribute !== undefined && pointsBack);
  return asks && filter.categories === undefined && comparison === undefined && command !== 'same';
}

function speaksOfShown(parsed: ParsedMessage, shown: readonly string[]): boolean {
  if (parsed.positions.length > 0 || parsed.attribute !== undefined) return true;
  return shown.length > 0 && (parsed.pointsBack || parsed.sort !== undefined) && parsed.command === undefined;
}

/** The conditions after this turn. A new kind of article begins anew, for the same person. */
function nextSearch(state: RecommendStateValue, shop: ShopDatabase): { filter: SearchFilter; words: readonly string[]; isNew: boolean } {
  const { parsed } = state;
  const { dropped } = parsed;
  const current = (parsed.command === 'yes' && state.offer) || state.filter;
  const { categories } = parsed.filter;
  const isNew = categories !== undefined && categories.join() !== state.filter.categories?.join();
  if (isNew) {
    const { gender } = state.filter;
    // What is cut for nobody in particular is not searched for somebody.
    const kept = gender && shop.findProducts({ categories }).some((product) => product.gender !== 'unisex') ? { gender } : {};
    return { filter: dropFacets({ ...kept, ...parsed.filter }, dropped), words: parsed.words, isNew };
  }
  const target = targetsOf(state, shop)[0];
  const same: SearchFilter = parsed.command === 'same' && target ? { categories: [target.category], gender: target.gender } : {};
  const bound = boundBy(state, shop);
  const filter = mergeFilters(dropFacets(mergeFilters(current, same), dropped), { ...parsed.filter, ...bound });
  return { filter, words: parsed.words.length > 0 ? parsed.words : state.words, isNew };
}

/** `cheaper` as a hard bound: cheaper than what is spoken of, else than everything that was shown. */
function boundBy(state: RecommendStateValue, shop: ShopDatabase): SearchFilter {
  const { comparison } = state.parsed;
  const spokenOf = targetsOf(state, shop);
  const against = spokenOf.length > 0 ? spokenOf : readProducts(shop, state.shown);
  if (!comparison || against.length === 0) return {};
  switch (comparison) {
    case 'price':
      return { maxPrice: Math.min(...against.map(({ price }) => price)) - 1 };
    case 'price-down':
      return { minPrice: Math.max(...against.map(({ price }) => price)) + 1 };
    case 'weight':
      return { maxWeight: Math.min(...against.map(({ weightGrams }) => weightGrams)) - 1 };
    case 'rating':
      return { minRating: Math.max(...against.map(({ rating }) => rating)) + 0.1 };
  }
}

async function search(
  state: RecommendStateValue,
  { shop, ranker }: Pick<RecommendGraphDependencies, 'shop' | 'ranker'>,
  options: CallOptions,
): Promise<RecommendUpdate> {
  const { parsed } = state;
  const { filter: wanted, words, isNew } = nextSearch(state, shop);
  const isForTents = wanted.categories === undefined || wanted.categories.includes('tent');
  const filter = isForTents ? wanted : dropFacets(wanted, ['persons']);
  const notes = filter === wanted || wanted.persons === undefined ? state.notes : [...state.notes, ONLY_TENTS];
  const sort = parsed.sort ?? (state.shown.length === 0 ? parsed.comparison : undefined) ?? (isNew ? null : state.sort);
  const seen = parsed.command === 'more' ? state.seen : [];
  const matches = findMatches(shop, { ...filter, inStock: true });
  const unseen = matches.filter(({ id }) => !seen.includes(id));
  if (unseen.length === 0 && seen.length > 0) {
    return { reply: { text: `That was all: I showed you each of the ${describeFilter(filter)}.`, productIds: [], helped: true } };
  }
  if (unseen.length === 0) {
    const { text, offer } = explainNothing(filter, shop, activeFacets(boundBy(state, shop)));
    // A comparison that nothing meets is forgotten; a stated condition stands until it is taken back.
    return {
      filter: parsed.comparison ? state.filter : filter,
      words,
      offer,
      reply: { text: withNotes(notes, text), productIds: [], helped: true },
    };
  }
  const ranked = await ranker.rank(unseen, words, options);
  const list = sortProducts(ranked.products, sort).slice(0, LIST_LENGTH);
  const ids = list.map(({ id }) => id);
  return {
    filter,
    words,
    sort,
    shown: ids,
    seen: [...seen, ...ids],
    focus: ids.length === 1 ? (ids[0] as string) : null,
    offer: null,
    reply: {
      text: withNotes(notes, renderList(list, filter, unseen.length)),
      productIds: ids,
      helped: true,
      ...(ranked.engine ? { engine: ranked.engine } : {}),
    },
  };
}

/** The products under the conditions of the database and of {@link SearchFilter}. */
function findMatches(shop: ShopDatabase, { persons, ...filter }: SearchFilter): readonly Product[] {
  return shop.findProducts(filter).filter((product) => persons === undefined || isFor(product, persons));
}

/** The catalogue names tents for two and three, and calls larger ones family tents. */
function isFor({ name }: Product, persons: number): boolean {
  const named = /\b(\d+)-person\b/i.exec(name)?.[1];
  return named === undefined ? persons > 3 && /\bfamily\b/i.test(name) : Number(named) === persons;
}

function withNotes(notes: readonly string[], text: string): string {
  return [...notes, text].join('\n');
}

function enumerate(values: readonly string[]): string {
  return values.length > 1 ? `${values.slice(0, -1).join(', ')} and ${values.at(-1)}` : (values[0] ?? '');
}

function renderList(list: readonly Product[], filter: SearchFilter, matches: number): string {
  const what = describeFilter(filter);
  const all = matches === 1 ? `I found one match for ${what}` : `I found ${matches} ${what}`;
  const count = matches > list.length ? `Here are ${list.length} of ${matches} ${what}` : all;
  const hint = list.length > 1 ? 'Ask for "cheaper ones", "more", or "the second one".' : 'Ask me anything about it.';
  return [`${count}:`, ...list.map((product, index) => renderLine(product, index + 1)), '', hint].join('\n');
}

/** Names the conditions that leave nothing, and offers the wider search that frees the most. `fixed` conditions stay in any case. */
function explainNothing(filter: SearchFilter, shop: ShopDatabase, fixed: readonly FacetId[]): { text: string; offer: SearchFilter } {
  const loose = activeFacets(filter).filter((facet) => facet !== 'category' && !fixed.includes(facet));
  const freed = loose
    .map((facet) => ({ facet, count: findMatches(shop, { ...dropFacets(filter, [facet]), inStock: true }).length }))
    .filter(({ count }) => count > 0)
    .sort((a, b) => b.count - a.count);
  const nothing = `There are no ${describeFilter(filter)} in stock.`;
  const [best] = freed;
  if (!best) {
    const offer = dropFacets(
      filter,
      activeFacets(filter).filter((facet) => facet !== 'category'),
    );
    return { text: `${nothing} No single condition is to blame. Shall I show you all ${describeFilter(offer)} instead?`, offer };
  }
  const lines = freed.map(({ facet, count }) => `- without "${FACETS[facet].describe(filter)}": ${count}`);
  const question = `Shall I leave out "${FACETS[best.facet].describe(filter)}"?`;
  return { text: [nothing, ...lines, question].join('\n'), offer: dropFacets(filter, [best.facet]) };
}

/** Answers about what was shown, out of the database. */
function describeShown(state: RecommendStateValue, shop: ShopDatabase): RecommendUpdate {
  const { parsed, shown } = state;
  if (shown.length === 0) {
    return { reply: { text: `I have not shown you anything yet. ${HELP}`, productIds: [], helped: false } };
  }
  const targets = targetsOf(state, shop);
  if (targets.length === 0 && parsed.positions.length > 0) {
    return { reply: { text: `I showed you ${shown.length}. Which one do you mean?`, productIds: [], helped: true } };
  }
  const { size, colours } = parsed.filter;
  const attribute = parsed.attribute ?? (size ? 'sizes' : colours && 'colour');
  const products = targets.length > 0 ? targets : readProducts(shop, shown);
  if (targets.length === 0 && (attribute === undefined || attribute === 'details') && products.length > 1) {
    return { reply: { text: 'Which one do you mean? Say "the first one", for example.', productIds: [], helped: true } };
  }
  const text = products.map((product) => (attribute ? answerAttribute(product, attribute) : renderDetails(product))).join('\n');
  const ids = products.map(({ id }) => id);
  return { focus: ids.length === 1 ? (ids[0] as string) : state.focus, reply: { text, productIds: ids, helped: true } };
}

/** The products that the message speaks of: by place, by superlative of the shown list, or the one in focus. */
function targetsOf({ parsed, shown, focus }: RecommendStateValue, shop: ShopDatabase): Product[] {
  const places = parsed.positions.map((position) => shown.at(position < 0 ? position : position - 1)).filter((id) => id !== undefined);
  if (parsed.positions.length > 0) return readProducts(shop, places);
  if (parsed.sort && parsed.command === undefined) return sortProducts(readProducts(shop, shown), parsed.sort).slice(0, 1);
  return focus === null ? [] : readProducts(shop, [focus]);
}

function readProducts(shop: ShopDatabase, ids: readonly string[]): Product[] {
  return ids.map((id) => shop.readProduct(id)).filter((product) => product !== undefined);
}

function sortProducts(products: readonly Product[], sort: SortOrder | null): readonly Product[] {
  switch (sort) {
    case null:
      return products;
    case 'price':
      return products.toSorted((a, b) => a.price - b.price);
    case 'price-down':
      return products.toSorted((a, b) => b.price - a.price);
    case 'weight':
      return products.toSorted((a, b) => a.weightGrams - b.weightGrams);
    case 'rating':
      return products.toSorted((a, b) => b.rating - a.rating || b.ratingCount - a.ratingCount);
  }
}
