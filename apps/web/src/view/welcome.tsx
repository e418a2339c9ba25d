import { useChat } from './context.ts';
import { ErrorCard } from './error-card.tsx';
import { Icon, iconOfTarget } from './icons.tsx';

/** The empty page: who can be asked, and questions that show what they do. */
export function Welcome() {
  const { conversation, library } = useChat();
  const target = conversation.target.value;
  const bot = library.botOf(target);
  const isBot = target.startsWith('bot/');
  const error = library.error.value;
  return (
    <div class="welcome">
      <h2>{isBot ? 'What would you like to know?' : `Chat with ${library.nameOf(target)}`}</h2>
      <p class="lead">
        {isBot
          ? library.starting.value
            ? 'The bots are starting. This takes a few seconds.'
            : bot?.description
          : 'A language model that runs on this device. It has read none of your documents and can be wrong.'}
      </p>
      {error ? <ErrorCard error={error} onRetry={() => void library.load()} /> : null}
      {bot && bot.examples.length > 0 ? (
        <>
          <h3>Try one of these</h3>
          <ul class="starters">
            {bot.examples.map((example) => (
              <li key={example}>
                <button type="button" onClick={() => void conversation.ask(example)}>
                  {example}
                </button>
              </li>
            ))}
          </ul>
        </>
      ) : null}
      <BotCards />
    </div>
  );
}

function BotCards() {
  const { conversation, library } = useChat();
  const others = library.bots.value.filter((bot) => `bot/${bot.id}` !== conversation.target.value);
  if (others.length === 0) return null;
  return (
    <>
      <h3>Or ask another</h3>
      <ul class="bot-cards">
        {others.map((bot) => (
          <li key={bot.id}>
            <button type="button" onClick={() => conversation.choose(`bot/${bot.id}`)}>
              <span class="avatar">
                <Icon name={iconOfTarget(`bot/${bot.id}`)} />
              </span>
              <span>
                <strong>{bot.name}</strong>
                <span class="card-text">{bot.description}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}
