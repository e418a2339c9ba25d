import type { EmbedResponse } from '#edge/contracts/embed.ts';
import type { RuntimePort } from '#edge/contracts/runtime.ts';

/** Remembers the token vectors of passages: an evaluation asks for those of the same paragraphs hundreds of times. */
export function cachePassageTokens(runtime: RuntimePort): RuntimePort {
  const cache = new Map<string, EmbedResponse>();
  return {
    ...runtime,
    async embed(request, options) {
      if (request.output !== 'tokens' || request.purpose !== 'passage') return await runtime.embed(request, options);
      const responses: EmbedResponse[] = [];
      for (const text of request.texts) {
        const response = cache.get(text) ?? (await runtime.embed({ ...request, texts: [text] }, options));
        cache.set(text, response);
        responses.push(response);
      }
      return {
        ...(responses[0] as EmbedResponse),
        vectors: responses.flatMap((response) => response.vectors),
        tokenVectors: responses.flatMap((response) => response.tokenVectors ?? []),
      };
    },
  };
}
