import { useRef } from 'preact/hooks';
import { useChat } from './context.ts';
import { Icon, type IconName, iconOfTarget } from './icons.tsx';

/** Who answers: bots first, then bare chat models. */
export function TargetPicker() {
  const { conversation, library } = useChat();
  const menu = useRef<HTMLDivElement>(null);
  const current = conversation.target.value;
  const choose = (target: string): void => {
    conversation.choose(target);
    menu.current?.hidePopover();
  };
  return (
    <div class="picker">
      <button type="button" class="picker-button" popovertarget="target-menu">
        <Icon name={iconOfTarget(current)} />
        <span>
          <span class="visually-hidden">Who answers: </span>
          {library.nameOf(current)}
        </span>
        <Icon name="chevron" />
      </button>
      <div id="target-menu" class="picker-menu" popover="auto" ref={menu}>
        <h2>Bots</h2>
        <ul>
          {library.bots.value.map((bot) => (
            <Choice
              key={bot.id}
              icon={iconOfTarget(`bot/${bot.id}`)}
              name={bot.name}
              text={bot.description}
              chosen={current === `bot/${bot.id}`}
              onChoose={() => choose(`bot/${bot.id}`)}
            />
          ))}
        </ul>
        {library.models.value.length > 0 ? (
          <>
            <h2>Models on this device</h2>
            <ul>
              {library.models.value.map(({ id }) => (
                <Choice key={id} icon="chip" name={library.nameOf(id)} text={id} chosen={current === id} onChoose={() => choose(id)} />
              ))}
            </ul>
          </>
        ) : null}
      </div>
    </div>
  );
}

interface ChoiceProps {
  readonly icon: IconName;
  readonly name: string;
  readonly text: string;
  readonly chosen: boolean;
  readonly onChoose: () => void;
}

function Choice({ icon, name, text, chosen, onChoose }: ChoiceProps) {
  return (
    <li>
      <button type="button" class="choice" aria-current={chosen} onClick={onChoose}>
        <span class="avatar">
          <Icon name={icon} />
        </span>
        <span>
          <strong>{name}</strong>
          {text === name ? null : <span class="card-text">{text}</span>}
        </span>
      </button>
    </li>
  );
}
