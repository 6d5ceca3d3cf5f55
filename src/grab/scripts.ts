import { type Script, scriptOf } from "../redis/script.ts";
import changeSource from "./change.lua" with { type: "text" };
import grabSource from "./grab.lua" with { type: "text" };
import recordedSource from "./recorded.lua" with { type: "text" };
import warmSource from "./warm.lua" with { type: "text" };

/**
 * The texts of the scripts that recovery loads, as this version of the service has them. While a new version is
 * rolled out, processes with different texts serve together; recovery loads those of all.
 */
export const scriptSources = {
  change: changeSource,
  grab: grabSource,
  recorded: recordedSource,
  warm: warmSource,
};

export type ScriptSources = Readonly<Record<string, string>>;

/** The scripts of one shard under one incarnation. */
export type ShardScripts = Readonly<Record<keyof typeof scriptSources, Script>>;

/** Draws nothing and loads nothing: the same incarnation and the same texts always give the same SHAs. */
export function shardScripts(incarnation: string): ShardScripts;
export function shardScripts(incarnation: string, sources: ScriptSources): Record<string, Script>;
export function shardScripts(incarnation: string, sources: ScriptSources = scriptSources) {
  return Object.fromEntries(
    Object.entries(sources).map(([name, source]) => [name, scriptOf(source, incarnation)]),
  );
}
