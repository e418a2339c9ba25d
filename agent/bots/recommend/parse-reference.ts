/** 1-based place in the list that was shown; negative counts from its end. */
export type Position = number;

export const ATTRIBUTES = [
  'price',
  'sizes',
  'weight',
  'colour',
  'brand',
  'material',
  'rating',
  'waterproof',
  'stock',
  'season',
  'details',
] as const;
export type Attribute = (typeof ATTRIBUTES)[number];

const ORDINALS: readonly (readonly [Position, RegExp])[] = [
  [1, /\b(?:first|1st|(?:number|no\.?|item|option) (?:1|one)\b|#1\b)/],
  [2, /\b(?:second|2nd|(?:number|no\.?|item|option) (?:2|two)\b|#2\b)/],
  [3, /\b(?:third|3rd|(?:number|no\.?|item|option) (?:3|three)\b|#3\b)/],
  [4, /\b(?:fourth|4th|(?:number|no\.?|item|option) (?:4|four)\b|#4\b)/],
  [5, /\b(?:fifth|5th|(?:number|no\.?|item|option) (?:5|five)\b|#5\b)/],
  [
    6,
    /\b(?:sixth|6th|seventh|7th|eighth|8th|ninth|9th|tenth|10th|(?:number|no\.?|item|option) (?:[6-9]|\d\d+|six|seven|eight|nine|ten)\b|#[6-9]\b)/,
  ],
  [-1, /\b(?:the |that )?last (?:one|item|product)\b|\bthe last\b/],
];
const BARE_NUMBER = /^(?:the )?#?([1-9])[.!?]?$/;
const BACK = /\b(?:it|its|it's|that one|this one|that|this|the one)\b/;

const QUESTIONS: readonly (readonly [Attribute, RegExp])[] = [
  ['price', /\bprices?\b|\bcosts?\b|\bhow much\b|\bhow expensive\b/],
  ['weight', /\bweights?\b|\bweigh\b|\bhow (?:heavy|light)\b/],
  ['sizes', /\b(?:what|which|available|in|its|the) sizes?\b(?! \d| [sml]\b)|\bhow big\b/],
  ['colour', /\b(?:what|which|its) colou?rs?\b/],
  ['material', /\bmaterials?\b|\bmade (?:of|from|out of)\b|\bfabric\b/],
  ['rating', /\bratings?\b|\breviews?\b|\bhow many stars\b/],
  ['waterproof', /\b(?:is|are) (?:it|they|this|that|the \w+(?: one)?) water ?-?proof\b/],
  ['stock', /\bin stock\b|\bavailab(?:le|ility)\b/],
  ['season', /\bwhat season\b|\bwhich season\b/],
  ['brand', /\b(?:what|which|its) brand\b|\bwho makes\b/],
  ['details', /\bdetails?\b|\btell me (?:more )?about\b|\bmore (?:about|info(?:rmation)?)\b|\bdescri(?:be|ption)\b|\bwhat about\b/],
];

export interface Reference {
  readonly positions: readonly Position[];
  readonly pointsBack: boolean;
  readonly attribute?: Attribute;
}

/** What of the shown list a (lower-case) message speaks of, and what it asks about it. */
export function parseReference(text: string): Reference {
  const bare = BARE_NUMBER.exec(text)?.[1];
  const positions =
    bare === undefined ? ORDINALS.filter(([, pattern]) => pattern.test(text)).map(([position]) => position) : [Number(bare)];
  const attribute = QUESTIONS.find(([, pattern]) => pattern.test(text))?.[0];
  return { positions, pointsBack: BACK.test(text), ...(attribute ? { attribute } : {}) };
}
