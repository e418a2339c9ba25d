import { type BaseCheckpointSaver, END, START, StateGraph } from '@langchain/langgraph';
import type { ProductFilter } from '#agent/shop/product-filter.ts';
import type { Product } from '#agent/shop/shop.ts';
import type { ShopDatabase } from '#agent/shop/shop-database.ts';
import type { CallOptions } from '#edge/contracts/backend.ts';
import { activeFacets, describeFilter, dropFacets, FACETS, type FacetId, mergeFilters } from './facets.ts';
import { type ParsedMessage, parseMessage, type SortOrder } from './parse-message.ts';
import { type ProductRanker, wordOverlap } from './rank-products.ts';
import { RecommendState, type RecommendStateValue, type RecommendUpdate } from './recommend-state.ts';
import { answerAttribute, renderDetails, renderLine } from './render-products.ts';

/** Products a list. */
const LIST_LENGTH = 5;

const HELP =
  'I find things in the shop. Tell me what you look for, such as "a waterproof jacket for men under £120, not black", and then ' +
  'ask for "cheaper ones", "the second one" or "the same in blue". For your orders and returns, ask customer support.';

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
    .addNode('help', () => ({ reply: { text: HELP, productIds: [], helped: false } }))
    .addNode('reset', () => ({
      ...CLEARED,
      reply: { text: `All conditions are cleared. ${HELP}`, productIds: [], helped: true },
    }))
    .addEdge(START, 'understand')
    .addConditionalEdges('understand', (state) => chooseStep(state, shop), ['search', 'describe', 'help', 'reset'])
    .addEdge('search', END)
    .addEdge('describe', END)
    .addEdge('help', END)
    .addEdge('reset', END)
    .compile({ checkpointer: saver });
}

const CLEARED = { filter: {}, words: [], sort: null, shown: [], seen: [], focus: null, offer: null } satisfies RecommendUpdate;

function understand(state: RecommendStateValue, shop: ShopDatabase): RecommendUpdate {
  return { parsed: parseMessage(state.message, shop.listBrands()) };
}

function chooseStep(state: RecommendStateValue, shop: ShopDatabase): 'search' | 'describe' | 'help' | 'reset' {
  const { parsed, shown } = state;
  if (parsed.command === 'reset') return 'reset';
  if (asksAboutShown(parsed)) return 'describe';
  const narrows = activeFacets(parsed.filter).length > 0 || parsed.dropped.length > 0 || parsed.comparison !== undefined;
  if (!narrows && parsed.command !== 'more' && speaksOfShown(parsed, shown)) return 'describe';
  if (narrows || parsed.sort || parsed.command === 'more' || parsed.command === 'same') return 'search';
  if (parsed.command === 'yes' && state.offer !== null) return 'search';
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
function nextSearch(state: RecommendStateValue, shop: ShopDatabase): { filter: ProductFilter; words: readonly string[]; isNew: boolean } {
  const { parsed } = state;
  const { dropped } = parsed;
  const current = (parsed.command === 'yes' && state.offer) || state.filter;
  const { categories } = parsed.filter;
  const isNew = categories !== undefined && categories.join() !== state.filter.categories?.join();
  if (isNew) {
    const { gender } = state.filter;
    return { filter: dropFacets({ ...(gender ? { gender } : {}), ...parsed.filter }, dropped), words: parsed.words, isNew };
  }
  const target = targetsOf(state, shop)[0];
  const same: ProductFilter = parsed.command === 'same' && target ? { categories: [target.category], gender: target.gender } : {};
  const bound = boundBy(state, shop);
  const filter = mergeFilters(dropFacets(mergeFilters(current, same), dropped), { ...parsed.filter, ...bound });
  return { filter, words: parsed.words.length > 0 ? parsed.words : state.words, isNew };
}

/** `cheaper` as a hard bound: cheaper than what is spoken of, else than everything that was shown. */
function boundBy(state: RecommendStateValue, shop: ShopDatabase): ProductFilter {
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
  const { filter, words, isNew } = nextSearch(state, shop);
  const sort = parsed.sort ?? (state.shown.length === 0 ? parsed.comparison : undefined) ?? (isNew ? null : state.sort);
  const seen = parsed.command === 'more' ? state.seen : [];
  const matches = shop.findProducts({ ...filter, inStock: true });
  const unseen = matches.filter(({ id }) => !seen.includes(id));
  if (unseen.length === 0 && seen.length > 0) {
    return { reply: { text: `That was all: I showed you each of the ${describeFilter(filter)}.`, productIds: [], helped: true } };
  }
  if (unseen.length === 0) {
    const { text, offer } = explainNothing(filter, shop, activeFacets(boundBy(state, shop)));
    // A comparison that nothing meets is forgotten; a stated condition stands until it is taken back.
    return { filter: parsed.comparison ? state.filter : filter, words, offer, reply: { text, productIds: [], helped: true } };
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
      text: renderList(list, filter, unseen.length),
      productIds: ids,
      helped: true,
      ...(ranked.engine ? { engine: ranked.engine } : {}),
    },
  };
}

function renderList(list: readonly Product[], filter: ProductFilter, matches: number): string {
  const what = describeFilter(filter);
  const all = matches === 1 ? `I found one match for ${what}` : `I found ${matches} ${what}`;
  const count = matches > list.length ? `Here are ${list.length} of ${matches} ${what}` : all;
  const hint = list.length > 1 ? 'Ask for "cheaper ones", "more", or "the second one".' : 'Ask me anything about it.';
  return [`${count}:`, ...list.map((product, index) => renderLine(product, index + 1)), '', hint].join('\n');
}

/** Names the conditions that leave nothing, and offers the wider search that frees the most. `fixed` conditions stay in any case. */
function explainNothing(filter: ProductFilter, shop: ShopDatabase, fixed: readonly FacetId[]): { text: string; offer: ProductFilter } {
  const loose = activeFacets(filter).filter((facet) => facet !== 'category' && !fixed.includes(facet));
  const freed = loose
    .map((facet) => ({ facet, count: shop.countProducts({ ...dropFacets(filter, [facet]), inStock: true }) }))
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
