#!lua flags=allow-oom
-- gate.lua: move a shard's gate.
--
-- Only forward: a leader that was stopped and has been superseded must find that its epoch is over. Closing
-- starts an epoch; opening is for the leader of the epoch that is at the gate. It runs on a Redis that is full
-- as well: a gate that cannot be closed there could not be opened again either.
--
-- KEYS   1 gate (hash)
-- ARGV   1 epoch   2 state, "closed" or "open"
-- Reply  "moved" or "stale"
local gate = KEYS[1]
local epoch, state = ARGV[1], ARGV[2]

local at_gate = tonumber(redis.call("HGET", gate, "epoch") or "0") or 0
if state == "open" and tonumber(epoch) ~= at_gate then return "stale" end
if tonumber(epoch) < at_gate then return "stale" end
redis.call("HSET", gate, "epoch", epoch, "state", state)
-- The last epoch that this Redis has served: one that MySQL has gone beyond was left behind, and is another's past.
if state == "open" then redis.call("HSET", gate, "opened", epoch) end
return "moved"
