#!lua flags=allow-oom
-- swap.lua: put a rebuilt sale in the place of what Redis has.
--
-- One script, and only for the leader whose epoch is at the closed gate: a leader that was stopped before
-- this line and goes on after its successor has opened the gate must change nothing. It frees more than it
-- takes, so it runs on a Redis that is full as well.
--
-- KEYS   1 gate (hash)   2 sale (hash)   3 winners (hash)   4 rebuilt winners (hash, may be absent)   5 rebuilds (set)
-- ARGV   1 epoch   2.. fields and values of the sale
-- Reply  "swapped" or "stale"
local gate, sale, winners, rebuilt, rebuilds = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local epoch = ARGV[1]

local at_gate = redis.call("HMGET", gate, "epoch", "state")
if at_gate[1] ~= epoch or at_gate[2] ~= "closed" then return "stale" end
redis.call("UNLINK", sale, winners)
redis.call("HSET", sale, unpack(ARGV, 2))
if redis.call("EXISTS", rebuilt) == 1 then redis.call("RENAME", rebuilt, winners) end
redis.call("SREM", rebuilds, rebuilt)
return "swapped"
