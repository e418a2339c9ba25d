/** The words that people use for what the shop's attributes are called. Longer phrases stand for themselves: see `find-terms.ts`. */
import type { Activity, Category, Colour, Gender, Season } from '#agent/shop/shop.ts';

/** Value and the patterns that mean it (regular expressions without anchors, lower case). */
export type Vocabulary<T> = readonly (readonly [value: T, patterns: readonly string[]])[];

/** A phrase may name several categories: `shoes` are boots, running shoes, sandals and climbing shoes. */
export const CATEGORY_WORDS: Vocabulary<readonly Category[]> = [
  [['jacket'], ['(?:rain|down|shell) ?jackets?', 'jackets?', 'coats?', 'raincoats?', 'anoraks?', 'parkas?', 'windbreakers?', 'cagoules?']],
  [['fleece'], ['fleece jackets?', 'fleeces?', 'pullovers?', 'sweaters?', 'jumpers?', 'hood(?:y|ies?)']],
  [['base-layer'], ['base ?-?layers?', 'thermals?', 'thermal (?:tops?|underwear|leggings)', 'long johns']],
  [['shirt'], ['t-?shirts?', 'shirts?', 'tees?', 'tops?']],
  [['trousers'], ['(?:rain ?)?trousers', '(?:rain ?)?pants', 'leggings']],
  [['shorts'], ['shorts']],
  [['socks'], ['socks?']],
  [['gloves'], ['gloves?', 'mitts?', 'mittens?']],
  [['hat'], ['sun ?hats?', 'hats?', 'beanies?', 'caps?']],
  [['climbing-shoes'], ['climbing shoes?', 'bouldering shoes?', 'rock shoes?']],
  [['running-shoes'], ['(?:trail ?)?running shoes?', 'trail ?runners', 'trainers', 'sneakers', 'runners']],
  [['boots'], ['(?:mountain )?boots?', '(?:hiking|walking) shoes?']],
  [['sandals'], ['sandals?', 'flip-?flops']],
  [
    ['boots', 'running-shoes', 'sandals', 'climbing-shoes'],
    ['shoes?', 'footwear'],
  ],
  [['dry-bag'], ['dry ?-?bags?', 'roll-?top bags?', 'dry ?sacks?']],
  [['sleeping-bag'], ['(?:down )?sleeping ?-?bags?', 'quilts?']],
  [['sleeping-mat'], ['(?:sleeping|air|foam|camping) ?-?(?:mats?|pads?)', 'mattress(?:es)?']],
  [['backpack'], ['backpacks?', 'rucksacks?', 'daypacks?', '(?:trekking |commuter )?packs?', 'school ?bags?']],
  [['tent'], ['(?:family )?tents?', 'shelters?']],
  [['stove'], ['(?:gas |camp |camping |wood )?stoves?', 'cookers?', 'burners?']],
  [['bottle'], ['(?:water |insulated )?bottles?', 'flasks?', 'thermos(?:es)?']],
  [['headlamp'], ['head ?-?(?:lamps?|torch(?:es)?|lights?)']],
  [['bike-light'], ['(?:bike|bicycle|cycle|cycling|front|rear) ?lights?']],
  [['trekking-poles'], ['(?:trekking|walking|hiking|folding) ?(?:poles?|sticks?)', 'poles']],
  [['harness'], ['(?:climbing )?harness(?:es)?']],
  [['rope'], ['(?:climbing )?ropes?']],
  [['bike-helmet'], ['(?:bike |bicycle |cycle |cycling |commuter )?helmets?']],
];

/** How a category is called in an answer. */
export const CATEGORY_NAMES: Readonly<Record<Category, string>> = {
  jacket: 'jackets',
  fleece: 'fleeces',
  shirt: 'shirts',
  'base-layer': 'base layers',
  trousers: 'trousers',
  shorts: 'shorts',
  socks: 'socks',
  gloves: 'gloves',
  hat: 'hats',
  boots: 'boots',
  'running-shoes': 'running shoes',
  sandals: 'sandals',
  'climbing-shoes': 'climbing shoes',
  backpack: 'backpacks',
  'dry-bag': 'dry bags',
  tent: 'tents',
  'sleeping-bag': 'sleeping bags',
  'sleeping-mat': 'sleeping mats',
  stove: 'stoves',
  bottle: 'bottles',
  headlamp: 'headlamps',
  'trekking-poles': 'trekking poles',
  harness: 'harnesses',
  rope: 'ropes',
  'bike-helmet': 'bike helmets',
  'bike-light': 'bike lights',
};

export const GENDER_WORDS: Vocabulary<Gender> = [
  ['women', ["wom[ae]n'?s?'?", "lad(?:y|ies)(?:'?s)?'?", 'females?', 'her', 'wife', 'girlfriend', 'mother', 'mum', 'mom', 'sister']],
  ['men', ["m[ae]n'?s?'?", "gents?'?", 'gentlem[ae]n', 'males?', 'guys?', 'him', 'husband', 'boyfriend', 'father', 'dad', 'brother']],
  ['kids', ["kids?'?s?'?", "child(?:ren)?(?:'?s)?", "boys?'?", "girls?'?", "toddlers?'?", 'juniors?', 'son', 'daughter']],
  ['unisex', ['unisex']],
];

export const COLOUR_WORDS: Vocabulary<Colour> = [
  ['navy', ['navy(?: blue)?', 'dark ?-?blue']],
  ['black', ['black']],
  ['grey', ['gr[ea]y', 'silver', 'charcoal']],
  ['white', ['white']],
  ['blue', ['(?:light|sky) ?-?blue', 'blue']],
  ['teal', ['teal', 'turquoise']],
  ['green', ['green', 'olive', 'khaki']],
  ['yellow', ['yellow']],
  ['orange', ['orange']],
  ['red', ['red']],
  ['pink', ['pink', 'rose']],
  ['purple', ['purple', 'violet', 'lilac']],
  ['brown', ['brown']],
  ['beige', ['beige', 'sand', 'tan', 'cream']],
];

/** The value is a part of the material's name in the catalogue. */
export const MATERIAL_WORDS: Vocabulary<string> = [
  ['merino', ['merino(?: wool)?']],
  ['wool', ['wool(?:len)?']],
  ['cotton', ['(?:organic )?cotton']],
  ['linen', ['linen']],
  ['down', ['down(?= (?:jackets?|sleeping|quilts?|fill))', '(?<=(?:of|no|not|without|real) )down']],
  ['leather', ['leather']],
  ['nylon', ['nylon']],
  ['polyester', ['polyester']],
  ['softshell', ['soft ?shell']],
  ['bamboo', ['bamboo']],
  ['titanium', ['titanium']],
  ['carbon', ['carbon']],
  ['aluminium', ['alumini?um']],
  ['steel', ['(?:stainless )?steel']],
];

export const ACTIVITY_WORDS: Vocabulary<Activity> = [
  ['hiking', ['hik(?:ing|es?|ers?)', 'trekking', 'hill ?walking', 'walking']],
  ['camping', ['camping', 'camp']],
  ['climbing', ['climb(?:ing|ers?)?', 'bouldering', 'mountaineering']],
  ['running', ['running', 'jogging', 'runs?', 'trail ?running', 'marathons?']],
  ['cycling', ['cycling', 'bik(?:ing|es?)', 'bicycles?', 'commut(?:e|ing)']],
  ['paddling', ['paddling', 'kayak(?:ing|s)?', 'cano(?:e|eing|es)']],
  ['skiing', ['ski(?:ing|s)?', 'snowboard(?:ing)?']],
  ['travel', ['travel(?:l?ing)?']],
];

export const SEASON_WORDS: Vocabulary<Season> = [
  ['winter', ['winter']],
  ['summer', ['summer']],
  ['three-season', ['(?:three|3) ?-?seasons?', 'spring', 'autumn']],
  ['all-year', ['all ?-?year(?: round)?', '(?:four|4) ?-?seasons?']],
];

export const WATERPROOF_WORDS: Vocabulary<true> = [
  [true, ['water ?-?(?:proof|tight)', 'rain ?-?proof', 'for (?:the )?rain', 'rain ?coats?', 'rain(?= (?:jackets?|trousers|pants))']],
];

/** Words that say nothing about a product. */
export const STOP_WORDS: ReadonlySet<string> = new Set(
  "a an and any anything are as at be best but buy by can cheap could do does find for from get give good great have hello hey hi i i'd i'm in is it item items like looking me my need nice not of on one ones or or please product products recommend recommendation recommendations shop show some something suggest than thanks that the them there these thing things this to under up us want was we what which who will with without would you your".split(
    ' ',
  ),
);
