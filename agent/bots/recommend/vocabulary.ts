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
  [['sandals'], ['sandals?', 'flip[- ]?flops']],
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

/** Words that are corrected to when a message misspells them. Each is a term of a vocabulary above. */
export const SPELLING_WORDS: readonly string[] =
  'jacket jackets coat coats raincoat anorak parka windbreaker fleece fleeces pullover sweater jumper hoodie thermals shirt shirts t-shirt trousers pants leggings shorts socks sock glove gloves mittens hats beanie beanies shoes shoe trainers sneakers runners boot boots sandal sandals footwear mattress backpack backpacks rucksack rucksacks daypack tent tents shelter stove stoves cooker burner bottle bottles flask thermos headlamp headlamps headtorch headlight poles harness harnesses rope ropes helmet helmets women ladies female kids children husband girlfriend boyfriend daughter toddler unisex navy black grey gray silver charcoal white blue teal turquoise green olive khaki yellow orange pink purple violet lilac brown beige merino wool woollen cotton linen leather nylon polyester softshell bamboo titanium carbon aluminium steel hiking trekking walking camping climbing bouldering mountaineering running jogging marathon cycling bicycle commuting paddling kayak kayaking canoe skiing snowboard travel winter summer spring autumn waterproof watertight rainproof'.split(
    ' ',
  );

/** Common words that lie one or two edits from one of {@link SPELLING_WORDS} and mean something else. */
export const NOT_TYPOS: ReadonlySet<string> = new Set(
  'alive battles blank blind block blown blur boat boats bolt bolts book books boom boost boosts bottom bottoms brow brows carton chat chats coach coal coast coasts cooked cooler cooling copper cost costs flash globe globes grab gravy greed greek greet groves hate have heats hiding hiring hits hole huts jumped kiss kits lather liner lines lists navel pads paint parts peak pick pine ping pint plants polls poses punk robe robes rode role roles rose sack sacks scandals shop shops shot shots show shows sick sink sliver soak spray sprint steal steep stock stocks stole stone stones store stores string suck sweeter tall team tear teen tell tend tens tenth test tests text texts tint tracking troubles violent violin while whine winner wither wood working woven write writer'.split(
    ' ',
  ),
);

/** Words that describe without being a condition: likeness goes by them, and nothing need be said of them. */
export const SOFT_WORDS: ReadonlySet<string> = new Set(
  'affordable basic beautiful big breathable casual comfortable comfy compact cool cosy decent durable easy everyday fashionable fast heavy high hot large light lightweight little long low nice outdoor outdoors premium pretty quality quick reliable robust short simple slim small smart soft solid stylish sturdy thick thin tough warm warmer warmest weekend wide'.split(
    ' ',
  ),
);

/** Nouns that stand for whatever the shop has. */
export const GENERIC_NOUNS: ReadonlySet<string> = new Set(
  'article articles brand brands clothes clothing colour colours deal deals equipment everything gear gift gifts goods item items kit kind kinds offer offers one ones option options outfit present presents price prices product products sale sort stuff thing things type types wear'.split(
    ' ',
  ),
);

/** Words that say nothing about a product. */
export const STOP_WORDS: ReadonlySet<string> = new Set(
  "a about after again all also always am an and another any anyone anything are available because been before being birthday both but as at be best buy by can cheap compare could different do does else every find for from get give go going good great have hello help hey hi how i i'd i'm if i'll in instead into is it item items like looking lot made make many maybe me more most much my need new nice no not now of ok okay on one ones or other others our over pair pairs please pls quite really product products recommend recommendation recommendations shop show sell so some somebody someone something suggest sure than thanks that the them there these thing things this to too under up us use used using very want wants was we what whats what's when where which who will with without would you your".split(
    ' ',
  ),
);
