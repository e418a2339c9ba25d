import { type BaseCheckpointSaver, END, START, StateGraph } from '@langchain/langgraph';
import { type RouteDependencies, routeMessage } from './route-message.ts';
import { nodeOf, runStep } from './run-step.ts';
import { SupportState, type SupportStateValue } from './support-state.ts';

/** What a turn hands to the nodes beside the state. */
export interface TurnConfig {
  readonly signal?: AbortSignal | undefined;
  readonly configurable?: { readonly transcript?: string };
}

export const ROUTE_NODE = 'route';

/**
 * The flows as one graph: every step is a node of its own, so that a checkpoint stands between any two of them, and each turn
 * enters through `route`, which reads the message where the session stands.
 */
export function buildSupportGraph(dependencies: RouteDependencies & { readonly saver: BaseCheckpointSaver }) {
  const { flows, saver } = dependencies;
  const steps = flows.flatMap((flow) => flow.steps.map((step) => ({ flow, step, node: nodeOf(flow, step) })));
  const ends = [...steps.map(({ node }) => node), END];
  const graph = new StateGraph(SupportState)
    .addNode(
      ROUTE_NODE,
      (state: SupportStateValue, config: TurnConfig) => routeMessage(state, dependencies, config.signal ? { signal: config.signal } : {}),
      {
        ends,
      },
    )
    .addEdge(START, ROUTE_NODE);
  for (const { flow, step, node } of steps) {
    graph.addNode(
      node,
      (state: SupportStateValue, config: TurnConfig) =>
        runStep(state, flow, step, { ...dependencies, transcript: config.configurable?.transcript ?? '' }),
      { ends },
    );
  }
  return graph.compile({ checkpointer: saver });
}
