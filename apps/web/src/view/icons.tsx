/** The few symbols of the interface, drawn for it: no icon font, no emoji (Debian has none). */
const PATHS = {
  book: 'M4 5.5A2.5 2.5 0 0 1 6.5 3H20v15H6.5A2.5 2.5 0 0 0 4 20.5zM4 20.5A2.5 2.5 0 0 0 6.5 21H20v-3M8 8h8M8 12h5',
  bag: 'M5 8h14l1 13H4zM8.5 8V7a3.5 3.5 0 0 1 7 0v1',
  ring: 'M12 3a9 9 0 1 1 0 18 9 9 0 0 1 0-18zM12 8.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7zM5.6 5.6l4 4M14.5 14.5l4 4M18.4 5.6l-4 4M9.5 14.5l-4 4',
  chip: 'M7 7h10v10H7zM10 3v4M14 3v4M10 17v4M14 17v4M3 10h4M3 14h4M17 10h4M17 14h4',
  send: 'M12 20V5M5.5 11.5 12 5l6.5 6.5',
  stop: 'M6.5 6.5h11v11h-11z',
  plus: 'M12 5v14M5 12h14',
  close: 'M6 6l12 12M18 6 6 18',
  menu: 'M4 7h16M4 12h16M4 17h16',
  trash: 'M4 7h16M9 7V4h6v3M6.5 7l1 13h9l1-13M10 11v5M14 11v5',
  chevron: 'M6 9.5l6 6 6-6',
  down: 'M12 5v14M5.5 12.5 12 19l6.5-6.5',
  up: 'M8 11v9H4v-9zM8 11l4-8a2.5 2.5 0 0 1 2.5 2.5V9h4.5a2 2 0 0 1 2 2.3l-1.2 7A2 2 0 0 1 17.8 20H8',
  thumbDown: 'M16 13V4h4v9zM16 13l-4 8a2.5 2.5 0 0 1-2.5-2.5V15H5a2 2 0 0 1-2-2.3l1.2-7A2 2 0 0 1 6.2 4H16',
  alert: 'M12 4 2.5 20h19zM12 10v4.5M12 17.2v.3',
  retry: 'M20 12a8 8 0 1 1-2.5-5.8M20 3v4.5h-4.5',
} as const;

export type IconName = keyof typeof PATHS;

/** Decoration: the control around it carries the name. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** The mark of the product: the side of the moon that faces us. */
export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <circle cx="16" cy="16" r="14" class="mark-far" />
      <path d="M16 2a14 14 0 0 1 0 28c6-4 6-24 0-28z" class="mark-near" />
    </svg>
  );
}

/** The symbol of whoever answers. */
export function iconOfTarget(target: string): IconName {
  if (target === 'bot/qa') return 'book';
  if (target === 'bot/recommend') return 'bag';
  return target.startsWith('bot/') ? 'ring' : 'chip';
}
