#!lua flags=allow-oom
-- swap.lua: put a rebuilt sale in the place of what Redis has.
--
-- One script, and only for the leader whose epoch is at the closed gate: a leader that was stopped before
-- this line and goes on after its successor has opened the gate must change nothing. It frees more than it
-- takes, so it runs on a Redis that is full as well.
--
-- KEYS   1 gate (hash)   2 sale (hash)   3 winners (hash)   4 rebuilt winners (hash, may be absent)   5 rebuilds (set)
-- ARGV   1 epoch   2 name of the rebuild   3 how many users it has   4.. fields and values of the sale
-- Reply  "swapped", "stale", or "incomplete" (somebody has taken winners away meanwhile)
local gate, sale, winners, rebuilt, rebuilds = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local epoch, name, users = ARGV[1], ARGV[2], tonumber(ARGV[3])

local at_gate = redis.call("HMGET", gate, "epoch", "state")
if at_gate[1] ~= epoch or at_gate[2] ~= "closed" then return "stale" end
if redis.call("HLEN", rebuilt) ~= users then return "incomplete" end
redis.call("UNLINK", sale, winners)
redis.call("HSET", sale, unpack(ARGV, 4))
if redis.call("EXISTS", rebuilt) == 1 then redis.call("RENAME", rebuilt, winners) end
redis.call("SREM", rebuilds, name)
return "swapped"
