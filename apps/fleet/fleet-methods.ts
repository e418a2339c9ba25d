/** What the collector process of a device offers its parent (`RpcMethods` of `edge/core/process`). */
export type FleetMethods = {
  /** Starts the embedded broker and the collector; again with the same parameters it only answers. */
  readonly start: { readonly params: FleetStart; readonly result: { readonly mqttUrl: string } };
};

export interface FleetStart {
  readonly mqttHost: string;
  /** 0 takes a free one. */
  readonly mqttPort: number;
  /** SQLite file. */
  readonly database: string;
}
