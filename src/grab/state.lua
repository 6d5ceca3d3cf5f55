#!lua flags=allow-oom
-- state.lua: pause a sale, or open it again.
--
-- The gate is asked, because a Redis that recovery has not looked at may be about to be replaced. It runs on a
-- Redis that is full as well: it makes nothing larger, and a sale that must stop must stop.
--
-- KEYS   1 gate (hash)   2 sale (hash)
-- ARGV   1 epoch   2 state, "paused" or "open"
-- Reply  "fenced", "missing" (the sale is not here), "set" or "same" (it was in that state)
local gate, sale = KEYS[1], KEYS[2]
local epoch, state = ARGV[1], ARGV[2]

local at_gate = redis.call("HMGET", gate, "epoch", "state")
if at_gate[1] ~= epoch or at_gate[2] ~= "open" then return "fenced" end
local before = redis.call("HGET", sale, "state")
if not before then return "missing" end
if before == state then return "same" end
redis.call("HSET", sale, "state", state)
return "set"
