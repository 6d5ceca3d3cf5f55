import { type Script, scriptOf } from "../redis/script.ts";
import grabSource from "./grab.lua" with { type: "text" };
import recordedSource from "./recorded.lua" with { type: "text" };
import warmSource from "./warm.lua" with { type: "text" };

/** The scripts of one shard under one incarnation. */
export interface ShardScripts {
  readonly grab: Script;
  readonly recorded: Script;
  readonly warm: Script;
}

/** Draws nothing and loads nothing: the same incarnation always gives the same texts and SHAs. */
export function shardScripts(incarnation: string): ShardScripts {
  return {
    grab: scriptOf(grabSource, incarnation),
    recorded: scriptOf(recordedSource, incarnation),
    warm: scriptOf(warmSource, incarnation),
  };
}
